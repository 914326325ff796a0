/* SPDX-License-Identifier: Apache-2.0 */
/* The DNS proxy as a child of this test; the test is both the asker and the host. */
#include "guest/dnsproxy.h"
#include "base/io.h"
#include "tests/unit/unit.h"
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#define ID 0xbeef

struct fixture {
	char dir[64];
	struct host_link link;
	int host, stream;
	struct sockaddr_in at;
	pid_t proxy;
};

/* id, RD, one question: "ab." A IN */
static const uint8_t query[] = { ID >> 8, ID & 0xff, 1, 0,   0,   1, 0, 0, 0, 0,
				 0,       0,         2, 'a', 'b', 0, 0, 1, 0, 1 };

static int setup(void **state)
{
	static struct fixture f = { .dir = "/tmp/bb-dns-XXXXXX", .stream = -1 };
	static struct dnsproxy_sockets s = { { -1, -1, -1, -1 }, { -1, -1, -1, -1 } };
	socklen_t len = sizeof(f.at);

	assert_non_null(mkdtemp(f.dir));
	f.link.dir = f.dir;
	f.host = host_listen(&f.link, HOST_PORT_DNS);
	f.at = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	s.tcp[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s.tcp[0], (struct sockaddr *)&f.at, sizeof(f.at)), 0);
	assert_int_equal(listen(s.tcp[0], 16), 0);
	assert_int_equal(getsockname(s.tcp[0], (struct sockaddr *)&f.at, &len), 0);
	s.udp[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s.udp[0], (struct sockaddr *)&f.at, sizeof(f.at)), 0);
	f.proxy = fork();
	if (f.proxy == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
		dnsproxy_run(&f.link, &s);
	(void)close(s.tcp[0]);
	(void)close(s.udp[0]);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[96];

	(void)kill(f->proxy, SIGKILL);
	(void)waitpid(f->proxy, NULL, 0);
	(void)snprintf(path, sizeof(path), "%s/%u", f->dir, HOST_PORT_DNS);
	(void)unlink(path);
	(void)rmdir(f->dir);
	return 0;
}

static int asker(const struct fixture *f, int type)
{
	const struct timeval tv = { .tv_sec = 3 };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&f->at, sizeof(f->at)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

/* The host reads one framed query. Return: its length; its slot number is the id */
static size_t host_read(struct fixture *f, uint8_t out[static 2048])
{
	uint8_t head[2];
	size_t len;

	if (f->stream < 0)
		f->stream = host_accept(&f->link, f->host);
	assert_int_equal(bb_read_full(f->stream, head, 2), 0);
	len = bb_get_be16(head);
	assert_true(len <= 2048);
	assert_int_equal(bb_read_full(f->stream, out, len), 0);
	return len;
}

static void host_write(struct fixture *f, const uint8_t *p, size_t len)
{
	uint8_t head[2];

	bb_put_be16(head, (uint16_t)len);
	assert_int_equal(bb_write_full(f->stream, head, 2), 0);
	assert_int_equal(bb_write_full(f->stream, p, len), 0);
}

static void udp_id_is_restored(void **state)
{
	struct fixture *f = *state;
	int fd = asker(f, SOCK_DGRAM);
	uint8_t m[2048], got[2048];

	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	assert_int_equal(host_read(f, m), sizeof(query));
	assert_memory_equal(m + 2, query + 2, sizeof(query) - 2);
	m[2] |= 0x80;
	host_write(f, m, sizeof(query));
	assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(query));
	assert_int_equal(bb_get_be16(got), ID);
	host_write(f, m, sizeof(query)); /* the slot is free: a second answer goes nowhere */
	host_write(f,
		   (const uint8_t *)"\xff\xff"
				    "0123456789",
		   12);
	(void)close(fd);
}

static void answers_in_any_order(void **state)
{
	struct fixture *f = *state;
	uint8_t m[16][2048], q[sizeof(query)];
	int fd[16];

	for (unsigned int i = 0; i < 16; i++) {
		fd[i] = asker(f, SOCK_DGRAM);
		memcpy(q, query, sizeof(q));
		q[1] = (uint8_t)i;
		q[13] = (uint8_t)('a' + i);
		assert_int_equal(send(fd[i], q, sizeof(q), 0), sizeof(q));
		(void)host_read(f, m[i]);
	}
	for (unsigned int i = 16; i-- > 0;)
		host_write(f, m[i], sizeof(query));
	for (unsigned int i = 0; i < 16; i++) {
		assert_int_equal(recv(fd[i], q, sizeof(q), 0), sizeof(q));
		assert_int_equal(q[1], i);
		assert_int_equal(q[13], 'a' + i);
		(void)close(fd[i]);
	}
}

static void large_answers_are_cut(void **state)
{
	/* an OPT record with the size in its class field */
	static const uint8_t opt[] = { 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
	struct fixture *f = *state;
	int fd = asker(f, SOCK_DGRAM);
	uint8_t m[2048], got[2048], q[sizeof(query) + sizeof(opt)];

	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	(void)host_read(f, m);
	memset(m + sizeof(query), 0, sizeof(m) - sizeof(query));
	m[7] = 1;
	host_write(f, m, 600);
	assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(query));
	assert_true(got[2] & 0x02);
	assert_int_equal(got[7], 0);
	memcpy(q, query, sizeof(query));
	q[11] = 1;
	memcpy(q + sizeof(query), opt, sizeof(opt));
	assert_int_equal(send(fd, q, sizeof(q), 0), sizeof(q));
	(void)host_read(f, m);
	host_write(f, m, 600);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 600);
	(void)close(fd);
}

static void tcp_pipelined(void **state)
{
	struct fixture *f = *state;
	int fd = asker(f, SOCK_STREAM);
	uint8_t both[2 * (2 + sizeof(query))], m[2][2048], head[2];

	for (size_t i = 0; i < 2; i++) {
		uint8_t *at = both + i * (2 + sizeof(query));

		bb_put_be16(at, sizeof(query));
		memcpy(at + 2, query, sizeof(query));
		at[3] = (uint8_t)i;
	}
	assert_int_equal(write(fd, both, 5), 5); /* in pieces */
	(void)usleep(20000);
	assert_int_equal(write(fd, both + 5, sizeof(both) - 5), sizeof(both) - 5);
	(void)host_read(f, m[0]);
	(void)host_read(f, m[1]);
	memset(m[1] + sizeof(query), 0, 1000);
	host_write(f, m[1], 1000); /* over TCP nothing is cut */
	host_write(f, m[0], sizeof(query));
	assert_int_equal(bb_read_full(fd, head, 2), 0);
	assert_int_equal(bb_get_be16(head), 1000);
	assert_int_equal(bb_read_full(fd, m[0], 1000), 0);
	assert_int_equal(m[0][1], 1);
	assert_int_equal(bb_read_full(fd, head, 2), 0);
	assert_int_equal(bb_read_full(fd, m[0], bb_get_be16(head)), 0);
	assert_int_equal(m[0][1], 0);
	(void)close(fd);
}

static void stream_is_opened_again(void **state)
{
	struct fixture *f = *state;
	int fd = asker(f, SOCK_DGRAM);
	uint8_t m[2048], got[2048];

	(void)close(f->stream);
	f->stream = -1;
	(void)usleep(200000);
	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	assert_int_equal(host_read(f, m), sizeof(query));
	host_write(f, m, sizeof(query));
	assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(query));
	(void)close(fd);
}

static void sizes_and_cuts(void **state)
{
	uint8_t m[32];

	(void)state;
	for (size_t n = 0; n <= sizeof(query); n++) {
		uint8_t *copy = malloc(n + !n);

		assert_non_null(copy);
		memcpy(copy, query, n);
		assert_int_equal(dnsproxy_udp_size((struct bb_span){ copy, n }), 512);
		assert_true(dnsproxy_truncate(copy, n) <= n);
		free(copy);
	}
	memcpy(m, query, sizeof(query));
	m[12] = 0xff; /* a pointer where the question is cut off */
	assert_int_equal(dnsproxy_truncate(m, 13), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_id_is_restored),     cmocka_unit_test(answers_in_any_order),
		cmocka_unit_test(large_answers_are_cut),  cmocka_unit_test(tcp_pipelined),
		cmocka_unit_test(stream_is_opened_again), cmocka_unit_test(sizes_and_cuts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
