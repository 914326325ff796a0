/* SPDX-License-Identifier: Apache-2.0 */
/* The exec agent as a child of this test; the test is the host. */
#include "guest/agent.h"
#include "base/io.h"
#include "tests/unit/unit.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define BIG (100u << 20)

struct fixture {
	char dir[64];
	struct host_link link;
	pid_t agent;
};

/* What a session answered */
struct outcome {
	struct bb_buf out, err;
	struct exec_exit exit;
	bool exited;
	size_t out_bytes;
	uint64_t ping_us;
};

static int setup(void **state)
{
	static struct fixture f = { .dir = "/tmp/bb-agent-XXXXXX" };
	static char user[16];
	static struct guest_config config = { .term = "xterm" };
	static char *env[] = { (char *)(uintptr_t) "FOO=from-config", NULL };
	static struct launch_env launch_env = { .config = &config, .etc = "/etc" };
	int listener;

	(void)snprintf(user, sizeof(user), "%u", (unsigned int)getuid());
	memcpy(config.user, user, sizeof(user));
	config.env = env;
	config.n_env = 1;
	assert_non_null(mkdtemp(f.dir));
	f.link.dir = f.dir;
	listener = host_listen(&f.link, HOST_PORT_EXEC);
	assert_true(listener >= 0);
	f.agent = fork();
	if (f.agent == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
		agent_run(listener, &f.link, &launch_env);
	(void)close(listener);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[96];

	(void)kill(f->agent, SIGKILL);
	(void)waitpid(f->agent, NULL, 0);
	(void)snprintf(path, sizeof(path), "%s/%u", f->dir, HOST_PORT_EXEC);
	(void)unlink(path);
	(void)rmdir(f->dir);
	return 0;
}

static void send_frame(int fd, enum exec_type type, const void *p, size_t len)
{
	uint8_t header[EXEC_HEADER_BYTES];

	exec_header_write(header, type, (uint32_t)len);
	assert_int_equal(bb_write_full(fd, header, sizeof(header)), 0);
	assert_int_equal(bb_write_full(fd, p, len), 0);
}

static int open_session(const struct fixture *f, const char *json)
{
	int fd = host_connect(&f->link, HOST_PORT_EXEC, 0, false);

	assert_true(fd >= 0);
	if (json)
		send_frame(fd, EXEC_TYPE_EXEC, json, strlen(json));
	return fd;
}

/* Reads one frame; false at EOF */
static bool read_frame(int fd, struct outcome *o)
{
	static uint8_t payload[EXEC_DATA_MAX];
	uint8_t header[EXEC_HEADER_BYTES];
	enum exec_type type;
	uint32_t len;

	if (bb_read_full(fd, header, sizeof(header)) < 0)
		return false;
	assert_int_equal(exec_header_read((struct bb_span){ header, sizeof(header) },
					  EXEC_SIDE_GUEST, &type, &len),
			 EXEC_RESULT_OK);
	assert_int_equal(bb_read_full(fd, payload, len), 0);
	if (type == EXEC_TYPE_STDOUT || type == EXEC_TYPE_TAR_OUT) {
		o->out_bytes += len;
		(void)!bb_buf_add(&o->out, payload, len);
	} else if (type == EXEC_TYPE_STDERR) {
		(void)!bb_buf_add(&o->err, payload, len);
	} else if (type == EXEC_TYPE_PING) {
		assert_int_equal(exec_ping_read((struct bb_span){ payload, len }, &o->ping_us),
				 EXEC_RESULT_OK);
	} else {
		assert_int_equal(type, EXEC_TYPE_EXIT);
		assert_int_equal(exec_exit_read((struct bb_span){ payload, len }, &o->exit),
				 EXEC_RESULT_OK);
		o->exited = true;
	}
	return true;
}

static void outcome_init(struct outcome *o)
{
	*o = (struct outcome){ 0 };
	bb_buf_init(&o->out, 1u << 20);
	bb_buf_init(&o->err, 1u << 20);
}

static void outcome_release(struct outcome *o)
{
	bb_buf_release(&o->out);
	bb_buf_release(&o->err);
}

static void finish(int fd, struct outcome *o)
{
	while (!o->exited && read_frame(fd, o))
		;
	assert_true(o->exited);
	(void)close(fd);
}

static void commands(void **state)
{
	static const struct {
		const char *json, *out, *err;
		int code, signal;
	} rows[] = {
		{ "{\"argv\":[\"echo\",\"hi\"]}", "hi\n", "", 0, 0 },
		{ "{\"argv\":[\"sh\",\"-c\",\"echo out; echo err >&2; exit 3\"]}", "out\n", "err\n",
		  3, 0 },
		{ "{\"argv\":[\"sh\",\"-c\",\"kill -9 $$\"]}", "", "", 0, 9 },
		{ "{\"argv\":[\"sh\",\"-c\",\"echo $FOO $BAR $HOME\"],\"env\":{\"BAR\":\"b\","
		  "\"HOME\":\"/x\"}}",
		  "from-config b /x\n", "", 0, 0 },
		{ "{\"argv\":[\"sh\",\"-c\",\"echo $FOO\"],\"env\":{\"FOO\":\"mine\"}}", "mine\n",
		  "", 0, 0 },
		{ "{\"argv\":[\"pwd\"],\"cwd\":\"/usr\"}", "/usr\n", "", 0, 0 },
		{ "{\"argv\":[\"no-such-command\"]}", "",
		  "bot-bottle: no-such-command: command not found\n", 127, 0 },
		{ "{\"argv\":[\"/etc/passwd\"]}", "",
		  "bot-bottle: /etc/passwd: exec: Permission denied\n", 126, 0 },
		{ "{\"argv\":[\"true\"],\"cwd\":\"/no/such\"}", "",
		  "bot-bottle: true: working directory: No such file or directory\n", 125, 0 },
		{ "{\"argv\":[\"true\"],\"user\":\"no-such-user\"}", "",
		  "bot-bottle: no user no-such-user in the image\n", 125, 0 },
		{ "{\"argv\":[\"stat\",\"-c%F\",\"/dev/fd/0\"]}", "symbolic link\n", "", 0, 0 },
		{ "{\"argv\":[]}", "", "bot-bottle: EXEC: argv: not an array of strings\n", 125,
		  0 },
		{ "{\"nope\":1}", "", NULL, 125, 0 },
		{ "{x", "", NULL, 125, 0 },
	};

	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		int fd = open_session(*state, rows[i].json);
		struct outcome o;

		outcome_init(&o);
		finish(fd, &o);
		assert_string_equal(bb_buf_str(&o.out), rows[i].out);
		if (rows[i].err)
			assert_string_equal(bb_buf_str(&o.err), rows[i].err);
		assert_int_equal(o.exit.code, rows[i].code);
		assert_int_equal(o.exit.signal, rows[i].signal);
		outcome_release(&o);
	}
}

static void stdin_and_eof(void **state)
{
	int fd = open_session(*state, "{\"argv\":[\"cat\"]}");
	struct outcome o;

	outcome_init(&o);
	send_frame(fd, EXEC_TYPE_STDIN, "one ", 4);
	send_frame(fd, EXEC_TYPE_STDIN, "two", 3);
	send_frame(fd, EXEC_TYPE_STDIN_EOF, NULL, 0);
	finish(fd, &o);
	assert_string_equal(bb_buf_str(&o.out), "one two");
	assert_int_equal(o.exit.code, 0);
	outcome_release(&o);
}

static void pty_size_and_resize(void **state)
{
	static const char json[] =
		"{\"argv\":[\"sh\",\"-c\",\"stty size; read x; stty size; test -t 0 && echo tty $x "
		"$TERM\"],\"tty\":{\"rows\":24,\"cols\":80}}";
	int fd = open_session(*state, json);
	uint8_t size[EXEC_RESIZE_BYTES];
	struct outcome o;

	outcome_init(&o);
	while (o.out_bytes < 7)
		assert_true(read_frame(fd, &o));
	exec_resize_write(size, (struct exec_winsize){ 50, 132 });
	send_frame(fd, EXEC_TYPE_RESIZE, size, sizeof(size));
	send_frame(fd, EXEC_TYPE_STDIN, "go\n", 3);
	finish(fd, &o);
	assert_string_equal(bb_buf_str(&o.out), "24 80\r\ngo\r\n50 132\r\ntty go xterm\r\n");
	outcome_release(&o);
}

static void pty_interrupt(void **state)
{
	int fd = open_session(*state,
			      "{\"argv\":[\"sh\",\"-c\",\"trap 'echo got; exit 7' INT; echo up; "
			      "while :; do sleep 0.05; done\"],\"tty\":{\"rows\":1,\"cols\":1}}");
	struct outcome o;

	outcome_init(&o);
	while (o.out_bytes < 4)
		assert_true(read_frame(fd, &o));
	send_frame(fd, EXEC_TYPE_STDIN, "\003", 1);
	finish(fd, &o);
	assert_int_equal(o.exit.code, 7);
	outcome_release(&o);
}

static void signal_reaches_the_group(void **state)
{
	static const uint8_t term = SIGTERM;
	int fd = open_session(*state, "{\"argv\":[\"sh\",\"-c\",\"echo up; sleep 60\"]}");
	struct outcome o;

	outcome_init(&o);
	while (o.out_bytes < 3)
		assert_true(read_frame(fd, &o));
	send_frame(fd, EXEC_TYPE_SIGNAL, &term, 1);
	finish(fd, &o);
	assert_int_equal(o.exit.signal, SIGTERM);
	outcome_release(&o);
}

/* 100 MB, read slowly at first: nothing is lost and the agent's memory stays small */
static void much_output_intact(void **state)
{
	char json[128];
	struct outcome o;
	int fd;

	(void)snprintf(json, sizeof(json), "{\"argv\":[\"head\",\"-c\",\"%u\",\"/dev/zero\"]}",
		       BIG);
	fd = open_session(*state, json);
	outcome_init(&o);
	(void)usleep(200000);
	finish(fd, &o);
	assert_int_equal(o.out_bytes, BIG);
	assert_int_equal(o.exit.code, 0);
	outcome_release(&o);
}

/* A tail that is written just before the exit, while the reader sleeps past the grace */
static void tail_survives_a_slow_reader(void **state)
{
	int fd = open_session(*state, "{\"argv\":[\"head\",\"-c\",\"600000\",\"/dev/zero\"]}");
	struct outcome o;

	outcome_init(&o);
	(void)usleep(500000);
	finish(fd, &o);
	assert_int_equal(o.out_bytes, 600000);
	outcome_release(&o);
}

static void background_child_does_not_hold_the_session(void **state)
{
	int fd = open_session(*state, "{\"argv\":[\"sh\",\"-c\",\"sleep 3 & echo done\"]}");
	uint64_t start = bb_now_ms();
	struct outcome o;

	outcome_init(&o);
	finish(fd, &o);
	assert_string_equal(bb_buf_str(&o.out), "done\n");
	assert_true(bb_now_ms() - start < 2500);
	outcome_release(&o);
}

static void host_gone_ends_the_command(void **state)
{
	int fd = open_session(*state, "{\"argv\":[\"sh\",\"-c\",\"echo $$; exec sleep 60\"]}");
	struct outcome o;
	pid_t pid;

	outcome_init(&o);
	while (!o.out_bytes)
		assert_true(read_frame(fd, &o));
	pid = (pid_t)atoi(bb_buf_str(&o.out));
	assert_true(pid > 1 && kill(pid, 0) == 0);
	(void)close(fd);
	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++)
		(void)usleep(30000);
	assert_int_equal(kill(pid, 0), -1);
	outcome_release(&o);
}

static void ping_is_answered(void **state)
{
	struct timespec ts;
	uint8_t p[EXEC_PING_BYTES];
	struct outcome o;
	uint64_t now;
	int fd = open_session(*state, NULL);

	outcome_init(&o);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
	now = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	exec_ping_write(p, now); /* our own time: nothing is stepped */
	send_frame(fd, EXEC_TYPE_PING, p, sizeof(p));
	assert_true(read_frame(fd, &o));
	assert_true(o.ping_us >= now && o.ping_us - now < 400000);
	(void)close(fd);
	outcome_release(&o);
}

static void bad_frame_ends_the_stream(void **state)
{
	static const uint8_t bad[] = { 0, 0, 0, 1, EXEC_TYPE_STDOUT, 'x' };
	int fd = open_session(*state, NULL);
	uint8_t c;

	assert_int_equal(bb_write_full(fd, bad, sizeof(bad)), 0);
	assert_true(read(fd, &c, 1) <= 0);
	(void)close(fd);
	fd = open_session(*state, NULL);
	send_frame(fd, EXEC_TYPE_STDIN, "early", 5);
	assert_true(read(fd, &c, 1) <= 0);
	(void)close(fd);
}

static void copy_out_and_in(void **state)
{
	const struct fixture *f = *state;
	char json[256], cmd[640];
	struct outcome o, o2;
	int fd;

	(void)snprintf(cmd, sizeof(cmd),
		       "mkdir -p %s/a/d && echo hello >%s/a/d/f && ln -s /etc/x %s/a/l && "
		       "head -c 200000 /dev/urandom >%s/a/r && chmod 755 %s/a/r",
		       f->dir, f->dir, f->dir, f->dir, f->dir);
	assert_int_equal(system(cmd), 0);
	(void)snprintf(json, sizeof(json), "{\"tar_out\":\"%s/a\"}", f->dir);
	fd = open_session(f, json);
	outcome_init(&o);
	finish(fd, &o);
	assert_int_equal(o.exit.code, 0);
	assert_true(o.out.len > 200000 && o.out.len % 512 == 0);
	(void)snprintf(json, sizeof(json), "{\"tar_in\":\"%s/b/c\"}", f->dir);
	fd = open_session(f, json);
	outcome_init(&o2);
	for (size_t at = 0; at < o.out.len; at += 30000)
		send_frame(fd, EXEC_TYPE_TAR_IN, o.out.p + at,
			   o.out.len - at < 30000 ? o.out.len - at : 30000);
	send_frame(fd, EXEC_TYPE_TAR_IN, NULL, 0);
	finish(fd, &o2);
	assert_string_equal(bb_buf_str(&o2.err), "");
	assert_int_equal(o2.exit.code, 0);
	(void)snprintf(
		cmd, sizeof(cmd),
		"diff -r --no-dereference %s/a %s/b/c && test -x %s/b/c/r && rm -rf %s/a %s/b",
		f->dir, f->dir, f->dir, f->dir, f->dir);
	assert_int_equal(system(cmd), 0);
	outcome_release(&o);
	outcome_release(&o2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		cmocka_unit_test(stdin_and_eof),
		cmocka_unit_test(pty_size_and_resize),
		cmocka_unit_test(pty_interrupt),
		cmocka_unit_test(signal_reaches_the_group),
		cmocka_unit_test(much_output_intact),
		cmocka_unit_test(tail_survives_a_slow_reader),
		cmocka_unit_test(background_child_does_not_hold_the_session),
		cmocka_unit_test(host_gone_ends_the_command),
		cmocka_unit_test(ping_is_answered),
		cmocka_unit_test(bad_frame_ends_the_stream),
		cmocka_unit_test(copy_out_and_in),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
