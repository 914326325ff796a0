/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate GATE [WHAT]: gate's real process behind a synthetic virtio-vsock driver. One flow's
 * throughput from ring to socket, and flow set-ups; by gate's own CPU time and by wall time. The
 * driver and the socket's reader take about as much CPU per octet as gate, or more: theirs is said
 * too, as it bounds the wall time. JSON lines.
 */
#include "base/io.h"
#include "tests/unit/proc/gate/driver.h"
#include "tests/unit/proc/role.h"
#include "wire/flow.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#define PORT_FLOW  6003
#define BULK_BYTES (4ull << 30)
#define SETUPS     15360u
#define BURST      384u
#define PIPELINE   64u

static const char *exe;
static const struct policy policy = {
	.identity = "bench-00000",
	.alias = { .family = 4, .a = { 127, 64, 0, 1 } },
	.generation = 1,
};

static void start(struct role *r, struct driver *d)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	role_spawn(r, exe);
	role_give_peer(r, IPC_ROLE_EGRESS);
	role_give_peer(r, IPC_ROLE_DIALER);
	role_give_peer(r, IPC_ROLE_RECORDER);
	role_give_policy(r, &policy);
	role_give_fd(r, IPC_FD_VHOST, fds[1]);
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(r, r->bottled), IPC_READY);
	assert_int_equal(driver_init(d, fds[0], F_SEAL_SHRINK), 0);
	assert_true(driver_negotiate(d) != 0);
}

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static double cpu_of(const struct role *r)
{
	return (double)role_cpu_us(r) / 1e6;
}

/* Ours: the driver's and its sink's */
static double own_cpu(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void header_for_alias(uint8_t out[static FLOW_HEADER_BYTES])
{
	const struct flow_header h = { .family = 4, .port = 9099, .addr = { 127, 64, 0, 1 } };

	flow_header_write(out, &h);
}

static int accept_flow(struct role *r)
{
	int fd;

	assert_int_equal(role_recv(r, r->peers[IPC_ROLE_EGRESS]), IPC_FLOW_OPEN);
	fd = BB_TAKE_FD(r->msg.fd);
	role_send(r->peers[IPC_ROLE_EGRESS],
		  &(struct ipc_msg){ .type = IPC_FLOW_READY, .fd = -1, .flow = r->msg.flow });
	return fd;
}

static void *sink(void *arg)
{
	static uint8_t drop[1u << 20];
	int fd = *(int *)arg;

	while (recv(fd, drop, sizeof(drop), MSG_TRUNC) > 0)
		;
	return NULL;
}

static void throughput(void **state)
{
	static uint8_t block[61440], reply[DRIVER_RX_BYTES];
	static struct driver_conn c;
	uint8_t header[FLOW_HEADER_BYTES];
	double cpu, own, wall;
	struct driver d;
	struct role r;
	pthread_t reader;
	uint64_t t;
	int fd;

	(void)state;
	start(&r, &d);
	header_for_alias(header);
	assert_true(driver_connect(&d, &c, 1, PORT_FLOW));
	assert_true(driver_write(&d, &c, header, sizeof(header)));
	fd = accept_flow(&r);
	assert_int_equal(driver_read(&d, &c, reply), FLOW_REPLY_BYTES);
	assert_int_equal(pthread_create(&reader, NULL, sink, &fd), 0);
	cpu = cpu_of(&r);
	own = own_cpu();
	t = bb_now_ms();
	for (uint64_t sent = 0; sent < BULK_BYTES; sent += sizeof(block))
		assert_true(driver_write(&d, &c, block, sizeof(block)));
	wall = (double)(bb_now_ms() - t) / 1000;
	cpu = cpu_of(&r) - cpu;
	own = own_cpu() - own;
	(void)printf("{\"what\": \"throughput\", \"bytes_per_s\": %.0f, \"bytes_per_cpu_s\": %.0f, "
		     "\"driver_bytes_per_cpu_s\": %.0f}\n",
		     (double)BULK_BYTES / wall, (double)BULK_BYTES / cpu, (double)BULK_BYTES / own);
	driver_release(&d);
	(void)role_end(&r);
	(void)pthread_join(reader, NULL);
}

/* As new, but for its inbox: to clear that would take longer than gate does for a flow */
static void begin(struct driver_conn *c, uint32_t port)
{
	c->guest_port = port;
	c->host_port = PORT_FLOW;
	c->peer_alloc = c->peer_fwd = c->tx = c->rx = 0;
	c->eof = c->reset = false;
	c->have = 0;
}

/* PIPELINE flows from request to reset; guest ports from @port */
static void set_up(struct role *r, struct driver *d, uint32_t port)
{
	static struct driver_conn c[PIPELINE];
	uint8_t header[FLOW_HEADER_BYTES], payload[DRIVER_RX_BYTES];
	unsigned int answers = 0, resets = 0;
	int fds[PIPELINE];
	struct vsock_header h;

	header_for_alias(header);
	/* request and header together: the window is known from the specification's start */
	for (uint32_t i = 0; i < PIPELINE; i++) {
		begin(&c[i], port + i);
		h = driver_header(&c[i], VSOCK_OP_REQUEST, 0);
		assert_true(driver_send(d, &h, NULL));
		h = driver_header(&c[i], VSOCK_OP_RW, sizeof(header));
		assert_true(driver_send(d, &h, header));
	}
	for (uint32_t i = 0; i < PIPELINE; i++)
		fds[i] = accept_flow(r);
	while (answers < PIPELINE) {
		assert_true(driver_recv(d, &h, payload, 5000));
		answers += h.op == VSOCK_OP_RW && payload[0] == FLOW_STATUS_OK;
	}
	for (uint32_t i = 0; i < PIPELINE; i++) {
		h = driver_header(&c[i], VSOCK_OP_RST, 0);
		assert_true(driver_send(d, &h, NULL));
		(void)close(fds[i]);
	}
	while (driver_recv(d, &h, payload, 0))
		resets += h.op == VSOCK_OP_RST;
	assert_int_equal(resets, 0);
}

/* A guest is given so many at once as are measured, then it has to wait (gate.h): that is left out
 */
static void set_ups(void **state)
{
	double cpu, wall = 0;
	struct driver d;
	struct role r;

	(void)state;
	start(&r, &d);
	cpu = cpu_of(&r);
	for (uint32_t burst = 0; burst < SETUPS / BURST; burst++) {
		uint64_t t = now_us();

		for (uint32_t i = 0; i < BURST; i += PIPELINE)
			set_up(&r, &d, 1000 + burst * BURST + i);
		wall += (double)(now_us() - t) / 1e6;
		(void)usleep(250000);
	}
	cpu = cpu_of(&r) - cpu;
	(void)printf("{\"what\": \"set_ups\", \"per_s\": %.0f, \"per_cpu_s\": %.0f}\n",
		     SETUPS / wall, SETUPS / cpu);
	driver_release(&d);
	(void)role_end(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(throughput),
					    cmocka_unit_test(set_ups) };

	if (argc < 2 || argc > 3)
		return 2;
	exe = argv[1];
	if (argc == 3)
		cmocka_set_test_filter(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
