/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate GATE: gate's real process behind a synthetic virtio-vsock driver. One flow's throughput from
 * ring to socket, and flow set-ups; by gate's own CPU time and by wall time. JSON lines.
 */
#include "base/io.h"
#include "tests/unit/proc/gate/driver.h"
#include "tests/unit/proc/role.h"
#include "wire/flow.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#define PORT_FLOW  6003
#define BULK_BYTES (4ull << 30)
#define SETUPS     30000u
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

static double cpu_of(pid_t pid)
{
	char path[64], text[1024] = "", *at;
	unsigned long user, system;
	bb_auto_close int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	at = strrchr(text, ')');
	assert_int_equal(
		sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
		2);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
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
	double cpu, wall;
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
	cpu = cpu_of(r.pid);
	t = bb_now_ms();
	for (uint64_t sent = 0; sent < BULK_BYTES; sent += sizeof(block))
		assert_true(driver_write(&d, &c, block, sizeof(block)));
	wall = (double)(bb_now_ms() - t) / 1000;
	cpu = cpu_of(r.pid) - cpu;
	(void)printf(
		"{\"what\": \"throughput\", \"bytes_per_s\": %.0f, \"bytes_per_cpu_s\": %.0f}\n",
		(double)BULK_BYTES / wall, (double)BULK_BYTES / cpu);
	driver_release(&d);
	(void)role_end(&r);
	(void)pthread_join(reader, NULL);
}

static void set_ups(void **state)
{
	static struct driver_conn c[PIPELINE];
	uint8_t header[FLOW_HEADER_BYTES], payload[DRIVER_RX_BYTES];
	double cpu, wall;
	struct driver d;
	struct role r;
	uint64_t t;

	(void)state;
	start(&r, &d);
	header_for_alias(header);
	cpu = cpu_of(r.pid);
	t = bb_now_ms();
	for (uint32_t done = 0; done < SETUPS; done += PIPELINE) {
		unsigned int answers = 0, resets = 0;
		int fds[PIPELINE];
		struct vsock_header h;

		/* request and header together: the window is known from the specification's start
		 */
		for (uint32_t i = 0; i < PIPELINE; i++) {
			c[i] = (struct driver_conn){ .guest_port = 1000 + done + i,
						     .host_port = PORT_FLOW };
			h = driver_header(&c[i], VSOCK_OP_REQUEST, 0);
			assert_true(driver_send(&d, &h, NULL));
			h = driver_header(&c[i], VSOCK_OP_RW, sizeof(header));
			assert_true(driver_send(&d, &h, header));
		}
		for (uint32_t i = 0; i < PIPELINE; i++)
			fds[i] = accept_flow(&r);
		while (answers < PIPELINE) {
			assert_true(driver_recv(&d, &h, payload, 5000));
			answers += h.op == VSOCK_OP_RW && payload[0] == FLOW_STATUS_OK;
		}
		for (uint32_t i = 0; i < PIPELINE; i++) {
			h = driver_header(&c[i], VSOCK_OP_RST, 0);
			assert_true(driver_send(&d, &h, NULL));
			(void)close(fds[i]);
		}
		while (driver_recv(&d, &h, payload, 0))
			resets += h.op == VSOCK_OP_RST;
		assert_int_equal(resets, 0);
	}
	wall = (double)(bb_now_ms() - t) / 1000;
	cpu = cpu_of(r.pid) - cpu;
	(void)printf("{\"what\": \"set_ups\", \"per_s\": %.0f, \"per_cpu_s\": %.0f}\n",
		     SETUPS / wall, SETUPS / cpu);
	driver_release(&d);
	(void)role_end(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(throughput),
					    cmocka_unit_test(set_ups) };

	if (argc != 2)
		return 2;
	exe = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
