/* SPDX-License-Identifier: Apache-2.0 */
/* The relay as a child of this test; the test is both the program and the host. */
#include "guest/relay.h"
#include "base/io.h"
#include "tests/unit/unit.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define BULK (32u << 20)

struct fixture {
	char dir[64];
	struct host_link link;
	int host; /* listener in the host's place */
	struct sockaddr_in local, redirected;
	pid_t relay;
};

static int listen_tcp(struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f530701) };
	assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static int setup(void **state)
{
	static struct fixture f = { .dir = "/tmp/bb-relay-XXXXXX" };
	static struct relay_listener l[2];

	assert_non_null(mkdtemp(f.dir));
	f.link.dir = f.dir;
	f.host = host_listen(&f.link, HOST_PORT_FLOW);
	assert_true(f.host >= 0);
	l[0] = (struct relay_listener){ listen_tcp(&f.local), RELAY_KIND_LOCAL };
	l[1] = (struct relay_listener){ listen_tcp(&f.redirected), RELAY_KIND_REDIRECTED };
	f.relay = fork();
	if (f.relay == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
		relay_run(&f.link, l, 2);
	(void)close(l[0].fd);
	(void)close(l[1].fd);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[96];

	(void)kill(f->relay, SIGKILL);
	(void)waitpid(f->relay, NULL, 0);
	(void)snprintf(path, sizeof(path), "%s/%u", f->dir, HOST_PORT_FLOW);
	(void)unlink(path);
	(void)rmdir(f->dir);
	return 0;
}

static int dial(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)to, sizeof(*to)), 0);
	return fd;
}

/* The host's end of the next flow, its header checked */
static int take_flow(const struct fixture *f)
{
	uint8_t header[FLOW_HEADER_BYTES];
	struct flow_header h;
	int fd = host_accept(&f->link, f->host);

	assert_true(fd >= 0);
	assert_int_equal(bb_read_full(fd, header, sizeof(header)), 0);
	assert_int_equal(flow_header_read((struct bb_span){ header, sizeof(header) }, &h),
			 FLOW_RESULT_OK);
	assert_int_equal(h.family, 4);
	assert_int_equal(h.port, ntohs(f->local.sin_port));
	assert_memory_equal(h.addr, &f->local.sin_addr, 4);
	return fd;
}

static void reply(int fd, enum flow_status status)
{
	uint8_t p[FLOW_REPLY_BYTES];

	flow_reply_write(p, (struct flow_reply){ .status = status });
	assert_int_equal(bb_write_full(fd, p, sizeof(p)), 0);
}

static void bytes_and_half_close(void **state)
{
	struct fixture *f = *state;
	int program = dial(&f->local), host = take_flow(f);
	char text[8] = "";

	assert_int_equal(write(program, "early", 5), 5); /* before the reply */
	reply(host, FLOW_STATUS_OK);
	assert_int_equal(bb_read_full(host, text, 5), 0);
	assert_string_equal(text, "early");
	assert_int_equal(shutdown(program, SHUT_WR), 0);
	assert_int_equal(read(host, text, 1), 0);    /* EOF goes on to the host */
	assert_int_equal(write(host, "late", 4), 4); /* and the other way is still open */
	assert_int_equal(shutdown(host, SHUT_WR), 0);
	assert_int_equal(bb_read_full(program, text, 4), 0);
	assert_int_equal(read(program, text, 1), 0);
	(void)close(program);
	(void)close(host);
}

static void host_closes_first(void **state)
{
	struct fixture *f = *state;
	int program = dial(&f->local), host = take_flow(f);
	char c;

	reply(host, FLOW_STATUS_OK);
	assert_int_equal(shutdown(host, SHUT_WR), 0);
	assert_int_equal(read(program, &c, 1), 0);
	assert_int_equal(write(program, "x", 1), 1);
	assert_int_equal(read(host, &c, 1), 1);
	(void)close(program);
	assert_int_equal(read(host, &c, 1), 0);
	(void)close(host);
}

static void refusals_reset(void **state)
{
	struct fixture *f = *state;

	for (int status = FLOW_STATUS_DENIED; status < FLOW_NUM_STATUSES; status++) {
		int program = dial(&f->local), host = take_flow(f);
		char c;

		reply(host, (enum flow_status)status);
		assert_int_equal(read(program, &c, 1), -1);
		assert_int_equal(errno, ECONNRESET);
		assert_int_equal(read(host, &c, 1), 0);
		(void)close(program);
		(void)close(host);
	}
}

static void garbage_reply_and_early_end(void **state)
{
	static const uint8_t garbage[] = { 0, 7, 0, 0 };
	struct fixture *f = *state;
	int program = dial(&f->local), host = take_flow(f);
	char c;

	assert_int_equal(bb_write_full(host, garbage, sizeof(garbage)), 0);
	assert_int_equal(read(program, &c, 1), -1);
	(void)close(program);
	(void)close(host);
	program = dial(&f->local);
	host = take_flow(f);
	(void)close(host);
	assert_int_equal(read(program, &c, 1), -1);
	(void)close(program);
}

static void program_gives_up(void **state)
{
	struct linger now = { .l_onoff = 1 };
	struct fixture *f = *state;
	int program = dial(&f->local), host = take_flow(f);
	char c;

	assert_int_equal(setsockopt(program, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void)close(program);
	assert_int_equal(read(host, &c, 1), 0);
	(void)close(host);
}

/* No nat rule brought this connection here: there is no destination */
static void redirect_port_dialled_directly(void **state)
{
	struct fixture *f = *state;
	struct pollfd p = { .fd = f->host, .events = POLLIN };
	int program = dial(&f->redirected);
	char c;

	assert_int_equal(read(program, &c, 1), -1);
	assert_int_equal(poll(&p, 1, 50), 0);
	(void)close(program);
}

/* A writer that must wait for its reader: all octets arrive, in order */
static void bulk_with_back_pressure(void **state)
{
	static uint8_t chunk[65536];
	struct fixture *f = *state;
	int program = dial(&f->local), host = take_flow(f);
	size_t total = 0;
	pid_t writer;
	ssize_t n;

	reply(host, FLOW_STATUS_OK);
	writer = fork();
	if (writer == 0) {
		for (size_t at = 0; at < BULK; at += sizeof(chunk)) {
			for (size_t i = 0; i < sizeof(chunk); i++)
				chunk[i] = (uint8_t)((at + i) * 2654435761u >> 24);
			if (bb_write_full(host, chunk, sizeof(chunk)) < 0)
				_exit(1);
		}
		_exit(0);
	}
	(void)close(host);
	(void)usleep(100000);
	while ((n = read(program, chunk, sizeof(chunk))) > 0)
		for (ssize_t i = 0; i < n; i++, total++)
			if (chunk[i] != (uint8_t)(total * 2654435761u >> 24))
				fail_msg("octet %zu is wrong", total);
	assert_int_equal(n, 0);
	assert_int_equal(total, BULK);
	(void)waitpid(writer, NULL, 0);
	(void)close(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_and_half_close),
		cmocka_unit_test(host_closes_first),
		cmocka_unit_test(refusals_reset),
		cmocka_unit_test(garbage_reply_and_early_end),
		cmocka_unit_test(program_gives_up),
		cmocka_unit_test(redirect_port_dialled_directly),
		cmocka_unit_test(bulk_with_back_pressure),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
