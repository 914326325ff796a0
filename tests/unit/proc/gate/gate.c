/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/proc/gate/gate.h"
#include "wire/dns.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

const char *gate_exe;
static struct policy_route routes[] = {
	{ .host = "listed.test", .n_ports = 1, .ports = { 443 } },
};
static struct policy_tcp tcp[] = {
	{ .cidr = { { .family = 4, .a = { 203, 0, 113, 20 } }, 32 }, .port = 7000 },
};
static const struct policy policy = {
	.identity = "demo-a1b2c",
	.alias = { .family = 4, .a = { 127, 64, 0, 1 } },
	.generation = 1,
	.routes = routes,
	.n_routes = 1,
	.tcp = tcp,
	.n_tcp = 1,
};

static void spawn(struct role *r)
{
	role_spawn(r, gate_exe);
	role_give_peer(r, IPC_ROLE_EGRESS);
	role_give_peer(r, IPC_ROLE_DIALER);
	role_give_peer(r, IPC_ROLE_RECORDER);
	role_give_policy(r, &policy);
}

void gate_start_listening(struct role *r, struct sockaddr_un ret[static 4])
{
	spawn(r);
	for (int i = 0; i < 4; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		socklen_t len = sizeof(ret[i]);

		/* without a path: the kernel chooses an abstract name */
		ret[i] = (struct sockaddr_un){ .sun_family = AF_UNIX };
		assert_int_equal(bind(fd, (struct sockaddr *)&ret[i], sizeof(sa_family_t)), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&ret[i], &len), 0);
		assert_int_equal(listen(fd, 64), 0);
		role_give_fd(r, (enum ipc_fd_kind)(IPC_FD_LISTEN_EXEC + i), fd);
	}
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(r, r->bottled), IPC_READY);
}

void gate_start(struct role *r, struct driver *d, unsigned int seals)
{
	const struct timeval limit = { .tv_sec = 5 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	spawn(r);
	role_give_fd(r, IPC_FD_VHOST, fds[1]);
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(r, r->bottled), IPC_READY);
	assert_int_equal(driver_init(d, fds[0], seals), 0);
}

void gate_start_device(struct role *r, struct driver *d)
{
	gate_start(r, d, F_SEAL_SHRINK);
	/* INDIRECT_DESC, EVENT_IDX, PROTOCOL_FEATURES, VERSION_1 and not one more */
	assert_int_equal(driver_negotiate(d), 0x170000000ull);
}

void gate_end(struct role *r, struct driver *d)
{
	assert_int_equal(role_end(r), 1); /* bottled went away: an end, but no crash */
	driver_release(d);
}

void gate_header(uint8_t out[static FLOW_HEADER_BYTES], uint8_t a, uint8_t b, uint8_t c, uint8_t e,
		 uint16_t port)
{
	const struct flow_header h = { .family = 4, .port = port, .addr = { a, b, c, e } };

	flow_header_write(out, &h);
}

void gate_ask_flow(struct driver *d, struct driver_conn *c, uint32_t port,
		   const uint8_t header[static FLOW_HEADER_BYTES])
{
	assert_true(driver_connect(d, c, port, PORT_FLOW));
	assert_true(driver_write(d, c, header, FLOW_HEADER_BYTES));
}

void gate_status(struct driver *d, struct driver_conn *c, enum flow_status status)
{
	uint8_t reply[RX];

	assert_int_equal(driver_read(d, c, reply), FLOW_REPLY_BYTES);
	assert_int_equal(reply[0], status);
}

size_t gate_query(uint8_t *out, uint16_t id, const char *name)
{
	uint8_t *msg = out + 2;
	size_t n = DNS_HDR_BYTES;

	memset(msg, 0, DNS_HDR_BYTES);
	bb_put_be16(msg, id);
	msg[2] = 1; /* RD */
	msg[5] = 1; /* one question */
	n += dns_name_write(name, msg + n);
	bb_put_be16(msg + n, DNS_TYPE_A);
	bb_put_be16(msg + n + 2, 1);
	bb_put_be16(out, (uint16_t)(n + 4));
	return n + 6;
}

/* Reads one framed reply; @carry holds what came behind it */
unsigned int gate_rcode(struct driver *d, struct driver_conn *c, uint8_t *carry, size_t *have,
			uint16_t *ret_id)
{
	unsigned int rcode;
	size_t len;

	while (*have < 2 || *have < 2u + (size_t)(carry[0] << 8 | carry[1])) {
		size_t n = driver_read(d, c, carry + *have);

		assert_true(n > 0);
		*have += n;
	}
	len = 2u + (size_t)(carry[0] << 8 | carry[1]);
	*ret_id = (uint16_t)(carry[2] << 8 | carry[3]);
	rcode = carry[5] & 15;
	memmove(carry, carry + len, *have - len);
	*have -= len;
	return rcode;
}
