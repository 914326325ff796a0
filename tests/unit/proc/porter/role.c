/* SPDX-License-Identifier: Apache-2.0 */
/* porter's real executable; this file plays the guest on its stream and the CLI on its socket */
#include "tests/unit/proc/role.h"
#include "base/io.h"
#include "wire/exec.h"
#include "wire/tar.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char *exe;
static char top[64]; /* holds "in", what the guest may write to, and "out", what it may not */

static const struct ipc_msg with_terminal = { .type = IPC_LASTING,
					      .fd = -1,
					      .u.main_open = { .tty = 1 } };
static const struct ipc_msg with_pipes = { .type = IPC_LASTING, .fd = -1 };

static void start_as(struct role *r, const struct ipc_msg *lasting, int *ret_stream)
{
	const struct timeval limit = { .tv_sec = 5 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	role_spawn(r, exe);
	role_give_peer(r, IPC_ROLE_CLI);
	role_give_fd(r, IPC_FD_STREAM, fds[1]);
	if (lasting)
		role_send(r->bottled, lasting);
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(r, r->bottled), IPC_READY);
	*ret_stream = fds[0];
}

static void start(struct role *r, int *ret_stream)
{
	start_as(r, NULL, ret_stream);
}

static void guest_says(int stream, enum exec_type type, const void *data, size_t len)
{
	uint8_t header[EXEC_HEADER_BYTES];

	exec_header_write(header, type, (uint32_t)len);
	assert_int_equal(bb_write_full(stream, header, sizeof(header)), 0);
	assert_int_equal(bb_write_full(stream, data, len), 0);
}

/* Reads and drops one frame of porter. Return: its type */
static uint8_t host_said(int stream)
{
	static uint8_t payload[EXEC_JSON_MAX];
	uint8_t h[EXEC_HEADER_BYTES];
	uint32_t len;

	assert_int_equal(bb_read_full(stream, h, sizeof(h)), 0);
	len = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
	assert_true(len <= sizeof(payload));
	assert_int_equal(bb_read_full(stream, payload, len), 0);
	return h[4];
}

/* ---- archives ---- */

/* A ustar header with any name and type, also those that tar_header_write() would refuse */
static void raw_header(uint8_t out[static TAR_BLOCK], const char *name, char type,
		       const char *target, size_t size)
{
	unsigned int sum = 0;
	char number[16];

	memset(out, 0, TAR_BLOCK);
	if (strlen(name) > 100) { /* an even place of "d/d/d/…" */
		memcpy(out + 345, name, strlen(name) - 100);
		out[345 + strlen(name) - 101] = '\0';
		name += strlen(name) - 100;
	}
	memcpy(out, name, strnlen(name, 100));
	memcpy(out + 100, "0004777", 7); /* set-user-ID as well */
	memcpy(out + 108, "0000000", 7);
	memcpy(out + 116, "0000000", 7);
	(void)snprintf(number, sizeof(number), "%011zo", size);
	memcpy(out + 124, number, 11);
	memcpy(out + 136, "00000000000", 11);
	memset(out + 148, ' ', 8);
	out[156] = (uint8_t)type;
	memcpy(out + 157, target, strnlen(target, 100));
	memcpy(out + 257, "ustar\00000", 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += out[i];
	(void)snprintf(number, sizeof(number), "%06o", sum);
	memcpy(out + 148, number, 7);
}

struct member {
	const char *name;
	char type; /* 0 ends the list */
	const char *target;
};

static void send_archive(int stream, const struct member *m)
{
	static uint8_t block[TAR_BLOCK], zeros[TAR_END_BYTES];
	uint8_t payload[EXEC_EXIT_BYTES];

	for (; m->type; m++) {
		raw_header(block, m->name, m->type, m->target, m->type == '0' ? 4 : 0);
		guest_says(stream, EXEC_TYPE_TAR_OUT, block, TAR_BLOCK);
		if (m->type == '0') {
			memset(block, 0, TAR_BLOCK);
			memcpy(block, "evil", 4);
			guest_says(stream, EXEC_TYPE_TAR_OUT, block, TAR_BLOCK);
		}
	}
	guest_says(stream, EXEC_TYPE_TAR_OUT, zeros, sizeof(zeros));
	guest_says(stream, EXEC_TYPE_TAR_OUT, NULL, 0);
	exec_exit_write(payload, &(struct exec_exit){ 0 });
	guest_says(stream, EXEC_TYPE_EXIT, payload, sizeof(payload));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void make_world(void)
{
	char path[128];

	(void)snprintf(top, sizeof(top), "/tmp/bb-porter-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(path, sizeof(path), "%s/out", top);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/out/file", top);
	{
		bb_auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_int_equal(bb_write_full(fd, "kept", 4), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/in", top);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/in/door", top); /* a link of the user's own */
	assert_int_equal(symlink("../out", path), 0);
	(void)snprintf(path, sizeof(path), "%s/in/window", top);
	assert_int_equal(symlink("../out/file", path), 0);
}

static size_t entries_of(const char *name)
{
	char dir[160];
	size_t n = 0;

	(void)snprintf(dir, sizeof(dir), "%s/%s", top, name);
	for (const char *const *at = (const char *const[]){ "file", "x", "evil", "sub/x", NULL };
	     *at; at++) {
		char path[256];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", dir, *at);
		n += lstat(path, &st) == 0;
	}
	return n;
}

/* What is outside "in" is as it was */
static void assert_outside_untouched(void)
{
	char path[128], text[8] = "";
	bb_auto_close int fd = -1;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/out/file", top);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(bb_read_full(fd, text, 4), 0);
	assert_string_equal(text, "kept");
	assert_int_equal(entries_of("out"), 1);
	assert_int_equal(entries_of("."), 0);
	(void)snprintf(path, sizeof(path), "%s/evil", top);
	assert_int_equal(lstat(path, &st), -1);
}

static uint64_t copy_limit = 1u << 20;
static uint32_t copy_entries = 1000;
static const char *only = ""; /* the one name that may come */

static void copy_out(struct role *r, int *ret_stream)
{
	struct ipc_msg m = { .type = IPC_COPY_OUT };
	char path[128];

	start(r, ret_stream);
	(void)snprintf(path, sizeof(path), "%s/in", top);
	m.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m.u.copy.path = BB_SPAN_STR("/workspace/x");
	m.u.copy.name = BB_SPAN_STR(only);
	m.u.copy.limit = copy_limit;
	m.u.copy.entries = copy_entries;
	role_send(r->peers[IPC_ROLE_CLI], &m);
	(void)close(m.fd);
	assert_int_equal(host_said(*ret_stream), EXEC_TYPE_EXEC);
}

static void copy_case(struct role *r, int *stream, const struct member *members)
{
	make_world();
	copy_out(r, stream);
	send_archive(*stream, members);
	assert_int_equal(role_recv(r, r->peers[IPC_ROLE_CLI]), IPC_COPY_DONE);
}

static void fail_case(const struct role *r, size_t i)
{
	fail_msg("case %zu: error %u, %.*s", i, r->msg.u.copy_done.err,
		 (int)r->msg.u.copy_done.text.len, (const char *)r->msg.u.copy_done.text.p);
}

static void hostile_archive_stays_inside(void **state)
{
	static const struct {
		struct member members[4];
		bool refused; /* with an error; otherwise entries are left out and counted */
	} cases[] = {
		{ { { "../evil", '0', "" } }, true },
		{ { { "a/../../evil", '0', "" } }, true },
		{ { { "/tmp/evil", '0', "" } }, true },
		{ { { "..", '5', "" } }, true },
		{ { { "door/x", '0', "" } }, true }, /* through the user's link */
		{ { { "door", '5', "" }, { "door/x", '0', "" } }, true },
		{ { { "sub", '2', "../out" }, { "sub/x", '0', "" } }, false }, /* link left out */
		{ { { "sub", '2', "/tmp" } }, false },
		{ { { "d", '5', "" }, { "sub", '2', "d" }, { "sub/x", '0', "" } }, true },
		{ { { "evil", '1', "door/file" } }, true }, /* hard link */
		{ { { "evil", '3', "" } }, true },          /* device */
		{ { { "evil", '6', "" } }, true },          /* fifo */
		{ { { "evil", 'S', "" } }, true },          /* GNU sparse */
		{ { { "evil", 'L', "" } }, true },
		{ { { "window", '0', "" } }, false }, /* replaces the link, not its target */
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct role r;
		int stream;

		copy_case(&r, &stream, cases[i].members);
		if ((r.msg.u.copy_done.err != 0) != cases[i].refused)
			fail_case(&r, i);
		assert_outside_untouched();
		(void)close(stream);
		(void)role_end(&r);
		assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
}

/* A file was asked for, into a directory with things of the user's: it comes, and nothing else */
static void nothing_comes_but_what_was_asked_for(void **state)
{
	static const struct {
		struct member members[4];
		bool refused;
	} cases[] = {
		{ { { "x", '0', "" } }, false },
		{ { { "./x", '0', "" } }, false },
		{ { { "x", '2', "window" } }, false },
		{ { { "evil", '0', "" } }, true },
		{ { { "x", '0', "" }, { "evil", '0', "" } }, true },
		{ { { "sub/x", '0', "" } }, true },
		{ { { "x/file", '0', "" } }, true },
		{ { { "x", '5', "" }, { "x/evil", '0', "" } }, true },
		{ { { ".", '5', "" }, { "x", '0', "" } }, true }, /* it is a directory */
		{ { { "window", '0', "" } }, true },              /* what is there stays */
	};
	char path[128];
	struct stat st;

	(void)state;
	only = "x";
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct role r;
		int stream;

		copy_case(&r, &stream, cases[i].members);
		if ((r.msg.u.copy_done.err != 0) != cases[i].refused)
			fail_case(&r, i);
		assert_true(entries_of("in") <=
			    (cases[i].members[0].name[0] == 'x' || !cases[i].refused));
		(void)snprintf(path, sizeof(path), "%s/in/window", top);
		assert_int_equal(lstat(path, &st), 0);
		assert_true(S_ISLNK(st.st_mode));
		assert_outside_untouched();
		(void)close(stream);
		(void)role_end(&r);
		assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
	only = "";
}

static void what_is_too_much_is_refused(void **state)
{
	static const struct member members[] = { { "x", '0', "" }, { "evil", '0', "" }, { 0 } };
	char path[128];
	struct role r;
	struct stat st;
	int stream;

	(void)state;
	make_world();
	copy_limit = 7; /* two files of four octets */
	copy_out(&r, &stream);
	copy_limit = 1u << 20;
	send_archive(stream, members);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_COPY_DONE);
	assert_int_equal(r.msg.u.copy_done.err, EFBIG);
	(void)snprintf(path, sizeof(path), "%s/in/evil", top);
	assert_int_equal(lstat(path, &st), -1);
	(void)close(stream);
	(void)role_end(&r);
	assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Names cost the host an inode each, also those of directories that no entry of their own makes */
static void every_name_counts(void **state)
{
	static const struct {
		struct member members[4];
		bool refused;
	} cases[] = {
		{ { { "a/b/x", '0', "" } }, false },
		{ { { "a", '5', "" }, { "a/b", '5', "" }, { "a/b/x", '0', "" } }, false },
		{ { { "a/b/c/x", '0', "" } }, true },
		{ { { "a/x", '0', "" }, { "b/x", '0', "" } }, true },
	};

	(void)state;
	copy_entries = 3;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct role r;
		int stream;

		make_world();
		copy_out(&r, &stream);
		send_archive(stream, cases[i].members);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_COPY_DONE);
		if (r.msg.u.copy_done.err != (cases[i].refused ? E2BIG : 0))
			fail_msg("case %zu: error %u", i, r.msg.u.copy_done.err);
		(void)close(stream);
		(void)role_end(&r);
		assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
	copy_entries = 1000;
}

/* What is deeper than any copy into a bottle could not be removed here again */
static void what_is_too_deep_is_refused(void **state)
{
	char name[256], path[128];
	const struct member members[] = { { name, '0', "" }, { 0 } };
	struct stat st;

	(void)state;
	for (size_t depth = 64; depth <= 65; depth++) {
		struct role r;
		int stream;

		make_world();
		for (size_t i = 0; i < depth; i++)
			memcpy(name + 2 * i, "d/", 2);
		memcpy(name + 2 * depth, "xy", 3);
		copy_out(&r, &stream);
		send_archive(stream, members);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_COPY_DONE);
		assert_int_equal(r.msg.u.copy_done.err, depth == 64 ? 0 : ENAMETOOLONG);
		(void)snprintf(path, sizeof(path), "%s/in/d", top);
		assert_int_equal(lstat(path, &st), depth == 64 ? 0 : -1);
		(void)close(stream);
		(void)role_end(&r);
		assert_int_equal(nftw(top, remove_one, 80, FTW_DEPTH | FTW_PHYS), 0);
	}
}

/* The names of an archive that the guest is sent */
static void read_names(int stream, char *ret, size_t size)
{
	static struct tar_reader reader;
	bool going = true;

	ret[0] = '\0';
	tar_reader_init(&reader);
	while (going) {
		uint8_t header[EXEC_HEADER_BYTES];
		static uint8_t payload[EXEC_DATA_MAX];
		uint32_t len = 0;
		struct bb_span in, data;

		assert_int_equal(bb_read_full(stream, header, sizeof(header)), 0);
		len = bb_get_be32(header);
		assert_int_equal(header[4], EXEC_TYPE_TAR_IN);
		assert_true(len <= sizeof(payload));
		assert_int_equal(bb_read_full(stream, payload, len), 0);
		in = (struct bb_span){ payload, len };
		going = len > 0;
		for (;;) {
			enum tar_event ev = tar_reader_next(&reader, &in, &data);

			if (ev == TAR_EVENT_MORE || ev == TAR_EVENT_END)
				break;
			assert_int_not_equal(ev, TAR_EVENT_BAD);
			if (ev == TAR_EVENT_ENTRY)
				(void)snprintf(ret + strlen(ret), size - strlen(ret), "%.40s ",
					       reader.entry.path);
		}
	}
}

static void some_stay_behind(void **state)
{
	static const char first[] = "door\0nothing", second[] = "sub/file";
	struct ipc_msg skip = { .type = IPC_COPY_SKIP, .fd = -1 };
	struct ipc_msg m = { .type = IPC_COPY_IN };
	char path[128], names[256];
	struct role r;
	int stream;

	(void)state;
	make_world();
	(void)snprintf(path, sizeof(path), "%s/in/sub", top);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/in/sub/file", top);
	assert_int_equal(symlink("x", path), 0);
	start(&r, &stream);
	skip.u.data.data = (struct bb_span){ (const uint8_t *)first, sizeof(first) };
	role_send(r.peers[IPC_ROLE_CLI], &skip);
	skip.u.data.data = (struct bb_span){ (const uint8_t *)second, sizeof(second) };
	role_send(r.peers[IPC_ROLE_CLI], &skip);
	(void)snprintf(path, sizeof(path), "%s/in", top);
	m.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m.u.copy.path = BB_SPAN_STR("/workspace");
	role_send(r.peers[IPC_ROLE_CLI], &m);
	(void)close(m.fd);
	assert_int_equal(host_said(stream), EXEC_TYPE_EXEC);
	read_names(stream, names, sizeof(names));
	assert_non_null(strstr(names, "window"));
	assert_non_null(strstr(names, "sub "));
	assert_null(strstr(names, "door"));
	assert_null(strstr(names, "sub/file"));
	(void)close(stream);
	(void)role_end(&r);
	assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void plain_archive_arrives(void **state)
{
	const struct member members[] = {
		{ "sub", '5', "" }, { "sub/x", '0', "" }, { "file", '2', "sub/x" }, { 0 }
	};
	char path[128], text[8] = "";
	struct role r;
	struct stat st;
	int stream;

	(void)state;
	make_world();
	copy_out(&r, &stream);
	send_archive(stream, members);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_COPY_DONE);
	assert_int_equal(r.msg.u.copy_done.err, 0);
	assert_int_equal(r.msg.u.copy_done.bytes, 4);
	(void)snprintf(path, sizeof(path), "%s/in/file", top);
	{
		bb_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

		assert_int_equal(bb_read_full(fd, text, 4), 0);
		assert_string_equal(text, "evil");
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode & 07000, 0); /* the guest's set-user-ID bit is gone */
	}
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
	assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- commands ---- */

static void begin_as(struct role *r, const struct ipc_msg *lasting, int *ret_stream)
{
	start_as(r, lasting, ret_stream);
	role_send(
		r->peers[IPC_ROLE_CLI],
		&(struct ipc_msg){ .type = IPC_EXEC, .fd = -1, .u.data.data = BB_SPAN_STR("{}") });
	assert_int_equal(host_said(*ret_stream), EXEC_TYPE_EXEC);
	assert_int_equal(host_said(*ret_stream), EXEC_TYPE_PING);
}

static void begin_command(struct role *r, int *ret_stream)
{
	begin_as(r, NULL, ret_stream);
}

static void bad_frames_end_only_this_use(void **state)
{
	static const struct {
		uint8_t octets[8];
		size_t len;
	} cases[] = {
		{ { 0, 0, 0, 0, 99 }, 5 }, /* unknown type */
		{ { 0xff, 0xff, 0xff, 0xff, EXEC_TYPE_STDOUT }, 5 },
		{ { 0, 0, 0, 0, EXEC_TYPE_STDIN_EOF }, 5 },  /* only the host sends it */
		{ { 0, 0, 0, 1, EXEC_TYPE_EXIT, 0 }, 6 },    /* too short */
		{ { 0, 0, 0, 1, EXEC_TYPE_TAR_OUT, 0 }, 6 }, /* nobody asked for it */
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct role r;
		int stream;

		begin_command(&r, &stream);
		assert_int_equal(bb_write_full(stream, cases[i].octets, cases[i].len), 0);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_FAILED);
		assert_true(r.msg.u.text.text.len > 0);
		(void)close(stream);
		assert_int_equal(role_end(&r), 0);
	}
}

static void filter_is_in_place(void **state)
{
	char path[64], text[4096] = "";
	bb_auto_close int fd = -1;
	struct role r;
	int stream;

	(void)state;
	begin_command(&r, &stream);
	guest_says(stream, EXEC_TYPE_STDOUT, "hi", 2);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_STDOUT);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)r.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "Seccomp:\t2"));
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
}

/* What a guest sends before there is a command is not even read */
static void silent_until_used(void **state)
{
	struct role r;
	int stream;

	(void)state;
	start(&r, &stream);
	guest_says(stream, EXEC_TYPE_STDOUT, "early", 5);
	assert_int_equal(setsockopt(r.peers[IPC_ROLE_CLI], SOL_SOCKET, SO_RCVTIMEO,
				    &(struct timeval){ .tv_usec = 300000 }, sizeof(struct timeval)),
			 0);
	{
		uint8_t octet;

		assert_int_equal(recv(r.peers[IPC_ROLE_CLI], &octet, 1, 0), -1);
		assert_int_equal(errno, EAGAIN);
	}
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
}

/* ---- sessions that outlive their CLI ---- */

/* A line of 64 octets that ends in @n */
static void guest_says_line(int stream, enum exec_type type, unsigned int n)
{
	char line[65];

	(void)snprintf(line, sizeof(line), "%063u\n", n);
	guest_says(stream, type, line, 64);
}

/* What the CLI of now is told, up to @last; @ret_first: the number that came first, @ret: octets */
static void read_lines(struct role *r, unsigned int last, unsigned int *ret_first, size_t *ret)
{
	char want[65], end[65] = "";
	bool first = true;

	*ret = 0;
	(void)snprintf(want, sizeof(want), "%063u\n", last);
	while (strcmp(end, want) != 0) {
		struct bb_span data;

		assert_int_equal(role_recv(r, r->peers[IPC_ROLE_CLI]), IPC_STDOUT);
		data = r->msg.u.data.data;
		assert_true(data.len >= 64 && data.len % 64 == 0);
		if (first)
			*ret_first = (unsigned int)strtoul((const char *)data.p, NULL, 10);
		first = false;
		memcpy(end, data.p + data.len - 64, 64);
		*ret += data.len;
	}
}

static void a_session_outlives_its_cli(void **state)
{
	uint8_t payload[EXEC_EXIT_BYTES];
	unsigned int first;
	struct role r;
	size_t octets;
	int stream, before;

	(void)state;
	begin_as(&r, &with_pipes, &stream);
	guest_says_line(stream, EXEC_TYPE_STDOUT, 1);
	read_lines(&r, 1, &first, &octets);
	(void)close(r.peers[IPC_ROLE_CLI]);
	for (unsigned int n = 2; n <= 5000; n++) /* 320 KiB with nobody there: none of it waits */
		guest_says_line(stream, EXEC_TYPE_STDOUT, n);
	role_give_peer(&r, IPC_ROLE_CLI);
	read_lines(&r, 5000, &first, &octets);
	/* as much as is kept, a whole line first; or more of it, where we came before its end */
	assert_true(octets >= (64u << 10) - 64 && first > 2);

	guest_says(stream, EXEC_TYPE_STDERR, "oh\n", 3);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_STDERR);
	before = r.peers[IPC_ROLE_CLI]; /* it stays, and another one comes */
	role_give_peer(&r, IPC_ROLE_CLI);
	assert_int_equal(role_recv(&r, before), IPC_DETACHED);
	assert_int_equal(role_recv(&r, before), IPC_NONE);
	(void)close(before);
	read_lines(&r, 5000, &first, &octets);
	assert_int_equal(octets, (64u << 10) - 64);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_STDERR);
	role_send(
		r.peers[IPC_ROLE_CLI],
		&(struct ipc_msg){ .type = IPC_STDIN, .fd = -1, .u.data.data = BB_SPAN_STR("x") });
	assert_int_equal(host_said(stream), EXEC_TYPE_STDIN);

	(void)close(r.peers[IPC_ROLE_CLI]);
	r.peers[IPC_ROLE_CLI] = -1;
	exec_exit_write(payload, &(struct exec_exit){ .code = 9 });
	guest_says(stream, EXEC_TYPE_EXIT, payload, sizeof(payload));
	assert_int_equal(role_recv(&r, r.bottled), IPC_EXIT);
	assert_int_equal(r.msg.u.exit.code, 9);
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
}

static void hears(struct role *r, const char *text)
{
	assert_int_equal(role_recv(r, r->peers[IPC_ROLE_CLI]), IPC_STDOUT);
	assert_int_equal(r->msg.u.data.data.len, strlen(text));
	assert_memory_equal(r->msg.u.data.data.p, text, strlen(text));
}

static void next_cli(struct role *r)
{
	(void)close(r->peers[IPC_ROLE_CLI]);
	role_give_peer(r, IPC_ROLE_CLI);
}

/* What a program asked its terminal is not asked again of the next one, which would type the answer
 */
static void the_next_terminal_is_asked_nothing(void **state)
{
	static const char asks[] =
		"\033[6n\033[c\033]11;?\007red: \033[31m\033P$qm\033\\\005!\033[";
	static const char rest[] = "1mbold\033]0;tit", end[] = "le\007 \303", last[] = "\244\n";
	struct role r;
	int stream;

	(void)state;
	begin_as(&r, &with_terminal, &stream);
	guest_says(stream, EXEC_TYPE_STDOUT, asks, sizeof(asks) - 1);
	hears(&r, asks); /* who is there at the time answers */
	next_cli(&r);
	hears(&r, "red: \033[31m!");
	hears(&r, "\033["); /* has begun, and goes on with what comes */
	guest_says(stream, EXEC_TYPE_STDOUT, rest, sizeof(rest) - 1);
	hears(&r, rest);
	next_cli(&r);
	hears(&r, "red: \033[31m!\033[1mbold");
	hears(&r, "\033]9999;"); /* the rest of the title is shown nowhere */
	guest_says(stream, EXEC_TYPE_STDOUT, end, sizeof(end) - 1);
	hears(&r, end);
	next_cli(&r);
	hears(&r, "red: \033[31m!\033[1mbold ");
	hears(&r, "\303");
	guest_says(stream, EXEC_TYPE_STDOUT, last, sizeof(last) - 1);
	hears(&r, last);
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
}

/* One STDIN frame of exactly @text */
static void guest_hears(int stream, const char *text)
{
	uint8_t frame[64];
	size_t n = EXEC_HEADER_BYTES + strlen(text);

	assert_true(n <= sizeof(frame));
	assert_int_equal(bb_read_full(stream, frame, n), 0);
	assert_int_equal(bb_get_be32(frame), strlen(text));
	assert_int_equal(frame[4], EXEC_TYPE_STDIN);
	assert_memory_equal(frame + EXEC_HEADER_BYTES, text, strlen(text));
}

/* Once, twice or more: porter has seen then that its CLI is gone */
static void ask_until_answered(int stream)
{
	uint8_t frame[EXEC_HEADER_BYTES + 4];

	do
		guest_says(stream, EXEC_TYPE_STDOUT, "\033[5n", 4);
	while (poll(&(struct pollfd){ .fd = stream, .events = POLLIN }, 1, 100) == 0);
	guest_says(stream, EXEC_TYPE_STDOUT, "\033[6n", 4);
	do
		assert_int_equal(bb_read_full(stream, frame, sizeof(frame)), 0);
	while (frame[3] == 4);
	assert_int_equal(frame[3], 6);
	assert_int_equal(bb_read_full(stream, frame, 2), 0);
}

/* With nobody there; who asks without reading the answers costs no memory */
static void questions_have_an_answer_while_nobody_is_there(void **state)
{
	static const char asks[] = "\033[?u\033[c\033]11;?\007\033[>q\033[6n\033[5n",
			  again[] = "\033[6n";
	static char flood[30000];
	struct role r;
	int stream, unread;
	size_t got = 0;
	ssize_t n;

	(void)state;
	begin_as(&r, &with_terminal, &stream);
	guest_says(stream, EXEC_TYPE_STDOUT, again, sizeof(again) - 1);
	hears(&r, again); /* that one answers */
	(void)close(r.peers[IPC_ROLE_CLI]);
	for (size_t i = 0; i < sizeof(flood); i += 3)
		memcpy(flood + i, "\033[c", 3);
	r.peers[IPC_ROLE_CLI] = -1;
	ask_until_answered(stream);
	guest_says(stream, EXEC_TYPE_STDOUT, "\033[6", 3);
	guest_says(stream, EXEC_TYPE_STDOUT, "n", 1);
	guest_hears(stream, "\033[1;1R");
	guest_says(stream, EXEC_TYPE_STDOUT, asks, sizeof(asks) - 1);
	guest_hears(stream, "\033[?62;22c");
	guest_hears(stream, "\033[1;1R");
	guest_hears(stream, "\033[0n");
	for (int i = 0; i < 40; i++)
		guest_says(stream, EXEC_TYPE_STDOUT, flood, sizeof(flood));
	do {
		(void)usleep(10000); /* until porter has read all of it */
		assert_int_equal(ioctl(stream, SIOCOUTQ, &unread), 0);
	} while (unread);
	(void)usleep(100000);
	while ((n = recv(stream, flood, sizeof(flood), MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	assert_true(got > 4096 && got < 1u << 20); /* what the socket holds, and a little */
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
}

/* Without a line's end the oldest octets may be the rest of a sequence: it begins behind that */
static void what_is_said_again_begins_whole(void **state)
{
	static const char token[] = "\033[38;5;123m"; /* 11 octets: no divisor of 64 Ki */
	struct role r;
	size_t got = 0;
	int stream;

	(void)state;
	begin_as(&r, &with_terminal, &stream);
	for (int i = 0; i < 7000; i++) {
		guest_says(stream, EXEC_TYPE_STDOUT, token, sizeof(token) - 1);
		hears(&r, token);
	}
	next_cli(&r);
	while (got < 65536 - 2 * sizeof(token)) {
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_STDOUT);
		for (size_t i = 0; i < r.msg.u.data.data.len; i++, got++)
			assert_int_equal(r.msg.u.data.data.p[i], token[got % (sizeof(token) - 1)]);
	}
	assert_int_equal(got % (sizeof(token) - 1), 0);
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
}

/* bottled may send another CLI before it has read of the end: that one is not left waiting */
static void who_comes_after_the_end_hears_of_it(void **state)
{
	static const uint8_t bad[] = { 0, 0, 0, 1, EXEC_TYPE_TAR_OUT, 0 }; /* read, and gone */
	uint8_t payload[EXEC_EXIT_BYTES];
	struct role r;
	int stream, before;

	(void)state;
	begin_as(&r, &with_pipes, &stream);
	before = r.peers[IPC_ROLE_CLI]; /* it does not go, as one that is stopped */
	guest_says(stream, EXEC_TYPE_STDOUT, "bye\n", 4);
	exec_exit_write(payload, &(struct exec_exit){ .code = 9 });
	guest_says(stream, EXEC_TYPE_EXIT, payload, sizeof(payload));
	assert_int_equal(role_recv(&r, r.bottled), IPC_EXIT);
	role_give_peer(&r, IPC_ROLE_CLI);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_STDOUT);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_EXIT);
	assert_int_equal(r.msg.u.exit.code, 9);
	(void)close(before);
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);

	begin_as(&r, &with_pipes, &stream);
	assert_int_equal(bb_write_full(stream, bad, sizeof(bad)), 0);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_FAILED);
	before = r.peers[IPC_ROLE_CLI];
	role_give_peer(&r, IPC_ROLE_CLI);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_CLI]), IPC_NONE);
	(void)close(before);
	(void)close(stream);
	assert_int_equal(role_end(&r), 0);
}

/* Only where bottled has said so */
static void others_end_with_it(void **state)
{
	struct role r;
	int stream;

	(void)state;
	begin_command(&r, &stream);
	(void)close(r.peers[IPC_ROLE_CLI]);
	r.peers[IPC_ROLE_CLI] = -1;
	assert_int_equal(role_wait(&r), 0);
	(void)close(stream);
	start_as(&r, &with_pipes, &stream); /* nor one that has not begun */
	(void)close(r.peers[IPC_ROLE_CLI]);
	r.peers[IPC_ROLE_CLI] = -1;
	assert_int_equal(role_wait(&r), 0);
	(void)close(stream);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_archive_stays_inside),
		cmocka_unit_test(nothing_comes_but_what_was_asked_for),
		cmocka_unit_test(what_is_too_much_is_refused),
		cmocka_unit_test(what_is_too_deep_is_refused),
		cmocka_unit_test(every_name_counts),
		cmocka_unit_test(some_stay_behind),
		cmocka_unit_test(plain_archive_arrives),
		cmocka_unit_test(bad_frames_end_only_this_use),
		cmocka_unit_test(a_session_outlives_its_cli),
		cmocka_unit_test(who_comes_after_the_end_hears_of_it),
		cmocka_unit_test(the_next_terminal_is_asked_nothing),
		cmocka_unit_test(questions_have_an_answer_while_nobody_is_there),
		cmocka_unit_test(what_is_said_again_begins_whole),
		cmocka_unit_test(others_end_with_it),
		cmocka_unit_test(filter_is_in_place),
		cmocka_unit_test(silent_until_used),
	};

	if (argc != 2)
		return 2;
	exe = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
