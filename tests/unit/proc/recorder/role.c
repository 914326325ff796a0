/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/proc/role.h"
#include "base/io.h"
#include "policy/reason.h"
#include "proc/recorder/journal.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

static const char *exe;
static char tmp[] = "/tmp/bb-recorder-XXXXXX";
static int console, monitor; /* QEMU's ends */
static const struct policy policy = {
	.identity = "demo-a1b2c",
	.alias = { .family = 4, .a = { 127, 64, 0, 1 } },
	.generation = 1,
};

static int make_tmp(void **state)
{
	(void)state;
	return mkdtemp(tmp) ? 0 : -1;
}

static int drop_tmp(void **state)
{
	char cmd[64];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	return system(cmd);
}

static void give_stream(struct role *r, enum ipc_fd_kind kind, int *ours)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*ours = fds[0];
	role_give_fd(r, kind, fds[1]);
}

static void start(struct role *r)
{
	char cmd[80];

	(void)snprintf(cmd, sizeof(cmd), "rm -f %s/*", tmp);
	assert_int_equal(system(cmd), 0);
	role_spawn(r, exe);
	role_give_peer(r, IPC_ROLE_GATE);
	role_give_peer(r, IPC_ROLE_EGRESS);
	role_give_policy(r, &policy);
	role_give_fd(r, IPC_FD_AUDIT_DIR, open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	give_stream(r, IPC_FD_CONSOLE, &console);
	give_stream(r, IPC_FD_QMP, &monitor);
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(r, r->bottled), IPC_READY);
}

static void close_streams(void)
{
	bb_closep(&console);
	bb_closep(&monitor);
}

static bool file_has(const char *name, const char *what)
{
	struct bb_err err = { 0 };
	char path[64];
	struct bb_buf buf;
	bool has;

	bb_buf_init(&buf, 4u << 20);
	(void)snprintf(path, sizeof(path), "%s/%s", tmp, name);
	assert_int_equal(bb_read_file(path, &buf, &err), 0);
	has = buf.len && memmem(buf.p, buf.len, what, strlen(what));
	bb_buf_release(&buf);
	return has;
}

static struct ipc_msg record(uint8_t kind, const char *host, uint64_t seq)
{
	struct ipc_msg m = { .type = IPC_RECORD, .fd = -1, .flow = seq };

	m.u.record = (struct ipc_record){
		.kind = kind, .seq = seq, .ack = seq != 0, .host = BB_SPAN_STR(host)
	};
	return m;
}

/* The acknowledgement comes only when the line can be read from the file */
static void acknowledges_after_writing(void **state)
{
	struct role r;

	(void)state;
	start(&r);
	for (uint64_t seq = 1; seq < 20; seq++) {
		char host[32], want[64];
		struct ipc_msg m;

		(void)snprintf(host, sizeof(host), "h%llu.test", (unsigned long long)seq);
		(void)snprintf(want, sizeof(want), "\"host\":\"%s\"", host);
		m = record(IPC_RECORD_VERDICT, host, seq);
		role_send(r.peers[IPC_ROLE_EGRESS], &m);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_RECORD_ACK);
		assert_int_equal(r.msg.u.record_ack.seq, seq);
		assert_int_equal(r.msg.flow, seq);
		assert_true(file_has(JOURNAL_NAME, want));
	}
	assert_true(file_has(JOURNAL_NAME, "\"bottle\":\"demo-a1b2c\""));
	assert_int_equal(role_end(&r), 0);
	close_streams();
}

/* Everything that was sent before bottled's end of file is in the file after it */
static void drains_at_the_end(void **state)
{
	struct role r;

	(void)state;
	start(&r);
	for (unsigned int i = 0; i < 200; i++) {
		struct ipc_msg m = record(IPC_RECORD_END, i == 199 ? "last.test" : "x.test", 0);

		role_send(r.peers[IPC_ROLE_EGRESS], &m);
	}
	bb_closep(&r.peers[IPC_ROLE_EGRESS]);
	r.peers[IPC_ROLE_EGRESS] = -1;
	bb_closep(&r.peers[IPC_ROLE_GATE]);
	r.peers[IPC_ROLE_GATE] = -1;
	assert_int_equal(role_end(&r), 0);
	assert_true(file_has(JOURNAL_NAME, "last.test"));
	close_streams();
}

static void logs_and_machine_events(void **state)
{
	struct ipc_msg line = { .type = IPC_LOG_LINE, .fd = -1 };
	struct role r;

	(void)state;
	start(&r);
	line.u.text.text = BB_SPAN_STR("agent says \x1b[2J");
	role_send(r.peers[IPC_ROLE_GATE], &line);
	assert_int_equal(write(console, "boot\r\n\x1b]0;t\x07", 12), 12);
	assert_true(write(monitor, "{\"event\": \"STOP\"}\nnonsense\n", 27) == 27);
	(void)usleep(100000);
	assert_int_equal(role_end(&r), 0);
	assert_true(file_has("guest.log", "Z agent says \\x1b[2J\n"));
	assert_true(file_has("console.log", "boot\n\\x1b]0;t\\x07"));
	assert_true(file_has(JOURNAL_NAME, "\"method\":\"vm_stop\""));
	assert_true(file_has(JOURNAL_NAME, "\"method\":\"vm_bad_line\""));
	close_streams();
}

/* A guest that floods its console costs neither memory nor the disk, nor the other records */
static void console_flood(void **state)
{
	static uint8_t junk[65536];
	struct ipc_msg m = record(IPC_RECORD_VERDICT, "alive.test", 1);
	size_t sent = 0;
	struct role r;

	(void)state;
	start(&r);
	assert_int_equal(bb_set_nonblock(console, true), 0);
	for (unsigned int i = 0; i < 200000 && sent <= 8u << 20; i++) {
		ssize_t n = write(console, junk, sizeof(junk));

		if (n > 0)
			sent += (size_t)n;
		else
			(void)usleep(100);
	}
	assert_true(sent > 1u << 20);
	role_send(r.peers[IPC_ROLE_EGRESS], &m);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_RECORD_ACK);
	assert_int_equal(role_end(&r), 0);
	assert_true(file_has("console.log", "\\x00"));
	close_streams();
}

static void bad_messages_end_it(void **state)
{
	struct ipc_msg m = record(IPC_RECORD_VERDICT, "x.test", 0);
	struct role r;

	(void)state;
	start(&r);
	m.u.record.reason = POLICY_NUM_REASONS;
	role_send(r.peers[IPC_ROLE_GATE], &m);
	assert_int_equal(role_wait(&r), 1);
	assert_true(file_has(JOURNAL_NAME, "\"method\":\"bad_record\""));
	close_streams();
	start(&r);
	assert_int_equal(write(r.peers[IPC_ROLE_GATE], "nonsense", 8), 8);
	assert_int_equal(role_wait(&r), 1);
	assert_true(file_has(JOURNAL_NAME, "\"method\":\"bad_message\""));
	close_streams();
}

/* Disk full: no acknowledgement, and the recorder ends */
static void full_disk_ends_it(void **state)
{
	struct rlimit was, small;
	struct ipc_msg m = record(IPC_RECORD_VERDICT, "x.test", 1);
	struct role r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){ 300, was.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN); /* inherited */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	start(&r);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	role_send(r.peers[IPC_ROLE_EGRESS], &m); /* fits */
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_RECORD_ACK);
	m.u.record.host = BB_SPAN_STR("a-name-that-takes-the-second-line-past-the-limit-of-the-"
				      "file-by-its-length-alone.test");
	role_send(r.peers[IPC_ROLE_EGRESS], &m);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_NONE);
	/* bottled is told why */
	assert_int_equal(role_recv(&r, r.bottled), IPC_FAILED);
	assert_non_null(memmem(r.msg.u.text.text.p, r.msg.u.text.text.len, "audit.jsonl", 11));
	assert_int_equal(role_wait(&r), 1);
	close_streams();
}

/* A disk of the machine that the host has no room for ends it, and says so; other errors do not */
static void full_disk_of_the_machine(void **state)
{
	static const char other[] =
		"{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"nospace\": false}}\n";
	static const char full[] =
		"{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"nospace\": true}}\n";
	struct ipc_msg m = record(IPC_RECORD_VERDICT, "x.test", 1);
	struct role r;

	(void)state;
	start(&r);
	assert_int_equal(write(monitor, other, sizeof(other) - 1), sizeof(other) - 1);
	(void)usleep(50000);
	role_send(r.peers[IPC_ROLE_EGRESS], &m);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_RECORD_ACK);
	assert_int_equal(write(monitor, full, sizeof(full) - 1), sizeof(full) - 1);
	assert_int_equal(role_recv(&r, r.bottled), IPC_FAILED);
	assert_non_null(memmem(r.msg.u.text.text.p, r.msg.u.text.text.len, "is full", 7));
	assert_int_equal(role_wait(&r), 1);
	assert_true(file_has(JOURNAL_NAME, "nospace"));
	close_streams();
}

/* It asks for the next file, and writes to the old one until that is there */
static void next_file(void **state)
{
	static char path[8192];
	struct ipc_msg m = record(IPC_RECORD_END, "x.test", 1);
	struct bb_err err = { 0 };
	struct role r;
	bb_auto_close int dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	memset(path, 'p', sizeof(path));
	m.u.record.path = (struct bb_span){ (const uint8_t *)path, sizeof(path) };
	start(&r);
	for (size_t i = 0; i < JOURNAL_FILE_BYTES / sizeof(path) + 1; i++) {
		role_send(r.peers[IPC_ROLE_EGRESS], &m);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_RECORD_ACK);
	}
	assert_int_equal(role_recv(&r, r.bottled), IPC_AUDIT_FULL);
	role_give_fd(&r, IPC_FD_AUDIT, audit_file_rotate(dir, &err));
	m = record(IPC_RECORD_END, "after.test", 1);
	/* what comes before recorder has taken the file goes into the old one */
	for (int i = 0; i < 100 && !file_has(JOURNAL_NAME, "after.test"); i++) {
		(void)usleep(50000);
		role_send(r.peers[IPC_ROLE_EGRESS], &m);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_RECORD_ACK);
	}
	assert_int_equal(role_end(&r), 0);
	assert_true(file_has(JOURNAL_NAME, "after.test"));
	assert_false(file_has(JOURNAL_NAME, "ppp"));
	close_streams();
}

static void needs_a_directory(void **state)
{
	struct role r;

	(void)state;
	role_spawn(&r, exe);
	role_give_policy(&r, &policy);
	role_send(r.bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(&r, r.bottled), IPC_FAILED);
	assert_int_equal(role_wait(&r), 1);
	bb_closep(&r.bottled);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acknowledges_after_writing), cmocka_unit_test(drains_at_the_end),
		cmocka_unit_test(logs_and_machine_events),    cmocka_unit_test(console_flood),
		cmocka_unit_test(bad_messages_end_it),        cmocka_unit_test(full_disk_ends_it),
		cmocka_unit_test(full_disk_of_the_machine),   cmocka_unit_test(next_file),
		cmocka_unit_test(needs_a_directory),
	};

	if (argc != 2)
		return 2;
	exe = argv[1];
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
