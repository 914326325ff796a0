/* SPDX-License-Identifier: Apache-2.0 */
/* gate's real executable: the driver plays VMM and guest kernel, this file the peers */
#include "base/io.h"
#include "policy/reason.h"
#include "tests/unit/proc/gate/gate.h"
#include "wire/flow.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

/* A rule of the device was broken: the record says which, and gate ends */
static void assert_dies(struct role *r, struct driver *d, const char *why)
{
	char text[300];

	assert_int_equal(role_recv(r, r->peers[IPC_ROLE_RECORDER]), IPC_RECORD);
	(void)snprintf(text, sizeof(text), "%.*s", (int)r->msg.u.record.text.len,
		       (const char *)r->msg.u.record.text.p);
	if (!strstr(text, why))
		fail_msg("gate ended with \"%s\", not \"%s\"", text, why);
	assert_int_equal(role_wait(r), 1);
	role_close(r);
	driver_release(d);
}

static void assert_denied(struct role *r, enum policy_reason reason)
{
	assert_int_equal(role_recv(r, r->peers[IPC_ROLE_RECORDER]), IPC_RECORD);
	assert_int_equal(r->msg.u.record.verdict, POLICY_DENY);
	assert_string_equal(policy_reason_str[r->msg.u.record.reason], policy_reason_str[reason]);
}

static bool is_silent(int fd)
{
	uint8_t octet;

	return recv(fd, &octet, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

/* ---- flows ---- */

static void flows_are_denied_by_default(void **state)
{
	static const struct {
		uint8_t a[4];
		uint16_t port;
		enum policy_reason reason;
	} cases[] = {
		{ { 203, 0, 113, 21 }, 7000, REASON_DEFAULT_DENY },
		{ { 203, 0, 113, 20 }, 7001, REASON_DEFAULT_DENY },
		{ { 127, 0, 0, 1 }, 7000, REASON_FLOOR },
		{ { 127, 64, 0, 2 }, 9099, REASON_FLOOR },
		{ { 169, 254, 169, 254 }, 80, REASON_FLOOR },
		{ { 127, 64, 0, 1 }, 9418, REASON_SERVICE_OFF },
	};
	uint8_t header[FLOW_HEADER_BYTES];
	struct driver_conn c;
	struct driver d;
	struct role r;

	(void)state;
	gate_start_device(&r, &d);
	for (uint32_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		gate_header(header, cases[i].a[0], cases[i].a[1], cases[i].a[2], cases[i].a[3],
			    cases[i].port);
		gate_ask_flow(&d, &c, 100 + i, header);
		gate_status(&d, &c, FLOW_STATUS_DENIED);
		assert_denied(&r, cases[i].reason);
	}
	gate_header(header, 203, 0, 113, 20, 7000);
	header[5] = 1; /* a reserved field */
	gate_ask_flow(&d, &c, 200, header);
	gate_status(&d, &c, FLOW_STATUS_MALFORMED);
	assert_denied(&r, REASON_MALFORMED);
	assert_true(is_silent(r.peers[IPC_ROLE_DIALER]));
	assert_true(is_silent(r.peers[IPC_ROLE_EGRESS]));
	gate_end(&r, &d);
}

/* Octets both ways, half close of each side */
static void exchange(struct driver *d, struct driver_conn *c, int fd)
{
	const struct timeval limit = { .tv_sec = 5 };
	uint8_t got[RX];
	struct vsock_header h;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_true(driver_write(d, c, "from the guest", 14));
	assert_int_equal(bb_read_full(fd, got, 14), 0);
	assert_memory_equal(got, "from the guest", 14);
	h = driver_header(c, VSOCK_OP_SHUTDOWN, 0);
	h.flags = VSOCK_SHUTDOWN_SEND;
	assert_true(driver_send(d, &h, NULL));
	assert_int_equal(recv(fd, got, 1, 0), 0); /* end of file, and the other way still works */
	assert_int_equal(send(fd, "from the host", 13, 0), 13);
	assert_int_equal(driver_read(d, c, got), 13);
	assert_memory_equal(got, "from the host", 13);
	(void)close(fd);
	assert_int_equal(driver_read(d, c, got), 0);
	assert_true(c->eof || c->reset);
}

static void a_flow_to_the_guard(void **state)
{
	uint8_t header[FLOW_HEADER_BYTES];
	struct driver_conn c;
	struct driver d;
	struct role r;

	(void)state;
	gate_start_device(&r, &d);
	gate_header(header, 127, 64, 0, 1, 9099);
	gate_ask_flow(&d, &c, 300, header);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_FLOW_OPEN);
	{
		int fd = BB_TAKE_FD(r.msg.fd);

		role_send(
			r.peers[IPC_ROLE_EGRESS],
			&(struct ipc_msg){ .type = IPC_FLOW_READY, .fd = -1, .flow = r.msg.flow });
		gate_status(&d, &c, FLOW_STATUS_OK);
		exchange(&d, &c, fd);
	}
	gate_end(&r, &d);
}

static void a_tcp_flow_is_recorded_before_it_is_dialled(void **state)
{
	uint8_t header[FLOW_HEADER_BYTES];
	struct ipc_msg m = { .fd = -1 };
	struct driver_conn c;
	struct driver d;
	struct role r;
	int fds[2];

	(void)state;
	gate_start_device(&r, &d);
	gate_header(header, 203, 0, 113, 20, 7000);
	gate_ask_flow(&d, &c, 400, header);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_RECORDER]), IPC_RECORD);
	assert_int_equal(r.msg.u.record.verdict, POLICY_ALLOW);
	assert_int_equal(r.msg.u.record.ack, 1);
	assert_true(is_silent(r.peers[IPC_ROLE_DIALER]));
	m.type = IPC_RECORD_ACK;
	m.flow = r.msg.flow;
	m.u.record_ack.seq = r.msg.u.record.seq;
	role_send(r.peers[IPC_ROLE_RECORDER], &m);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_DIALER]), IPC_DIAL_ADDR);
	assert_int_equal(r.msg.u.flow.port, 7000);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	m = (struct ipc_msg){ .type = IPC_DIAL_OK, .fd = fds[1], .flow = r.msg.flow };
	m.u.dial_ok.addr = (struct ip_addr){ .family = 4, .a = { 203, 0, 113, 20 } };
	m.u.dial_ok.port = 7000;
	role_send(r.peers[IPC_ROLE_DIALER], &m);
	(void)close(fds[1]);
	gate_status(&d, &c, FLOW_STATUS_OK);
	exchange(&d, &c, fds[0]);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_RECORDER]), IPC_RECORD);
	assert_int_equal(r.msg.u.record.kind, IPC_RECORD_END);
	assert_int_equal(r.msg.u.record.bytes_out, 14);
	assert_int_equal(r.msg.u.record.bytes_in, 13);
	gate_end(&r, &d);
}

static void a_megabyte_arrives_whole(void **state)
{
	static uint8_t sent[1u << 20], got[1u << 20];
	const struct timeval limit = { .tv_sec = 5 };
	uint8_t header[FLOW_HEADER_BYTES];
	struct driver_conn c;
	struct driver d;
	struct role r;
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 24);
	gate_start_device(&r, &d);
	gate_header(header, 127, 64, 0, 1, 9099);
	gate_ask_flow(&d, &c, 500, header);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_FLOW_OPEN);
	fd = BB_TAKE_FD(r.msg.fd);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	role_send(r.peers[IPC_ROLE_EGRESS],
		  &(struct ipc_msg){ .type = IPC_FLOW_READY, .fd = -1, .flow = r.msg.flow });
	gate_status(&d, &c, FLOW_STATUS_OK);
	for (size_t at = 0; at < sizeof(sent); at += 32768) {
		assert_true(driver_write(&d, &c, sent + at, 32768));
		assert_int_equal(bb_read_full(fd, got + at, 32768), 0);
	}
	assert_memory_equal(got, sent, sizeof(sent));
	(void)close(fd);
	gate_end(&r, &d);
}

/* ---- DNS ---- */

static void dns_is_answered_here(void **state)
{
	static uint8_t carry[4 * RX];
	uint8_t queries[2048];
	struct driver_conn c;
	struct driver d;
	struct role r;
	size_t len = 0, have = 0;
	uint16_t id;

	(void)state;
	gate_start_device(&r, &d);
	assert_true(driver_connect(&d, &c, 600, PORT_DNS));
	len += gate_query(queries + len, 1, "secret.evil.test");
	len += gate_query(queries + len, 2, "listed.test");
	assert_true(driver_write(&d, &c, queries, len)); /* two in one write */
	assert_int_equal(gate_rcode(&d, &c, carry, &have, &id), 3);
	assert_int_equal(id, 1);
	assert_int_equal(gate_rcode(&d, &c, carry, &have, &id), 0);
	assert_int_equal(id, 2);
	assert_denied(&r, REASON_NOT_LISTED);
	for (size_t i = 0; i < len; i++) /* and cut at every octet */
		assert_true(driver_write(&d, &c, queries + i, 1));
	assert_int_equal(gate_rcode(&d, &c, carry, &have, &id), 3);
	assert_int_equal(gate_rcode(&d, &c, carry, &have, &id), 0);
	for (uint16_t i = 0; i < 32; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "x%u.evil.test", i);
		len = gate_query(queries, i, name);
		assert_true(driver_write(&d, &c, queries, len));
	}
	for (uint16_t i = 0; i < 32; i++) {
		assert_int_equal(gate_rcode(&d, &c, carry, &have, &id), 3);
		assert_int_equal(id, i);
	}
	assert_true(is_silent(r.peers[IPC_ROLE_DIALER]));
	gate_end(&r, &d);
}

/* Whose answers take more room than there is at once: none of them waits for another query */
static void more_answers_than_room(void **state)
{
	enum { QUERIES = 2100 };
	static uint8_t queries[QUERIES * 40], carry[4 * RX];
	struct driver_conn c;
	struct driver d;
	struct role r;
	size_t len = 0, have = 0;

	(void)state;
	gate_start_device(&r, &d);
	assert_true(driver_connect(&d, &c, 601, PORT_DNS));
	for (uint16_t i = 0; i < QUERIES; i++)
		len += gate_query(queries + len, i, "listed.test");
	assert_true(len > (60u << 10) && len <= (64u << 10));
	assert_true(driver_write(&d, &c, queries, len));
	for (uint16_t i = 0; i < QUERIES; i++) {
		uint16_t id;

		(void)gate_rcode(&d, &c, carry, &have, &id);
		assert_int_equal(id, i);
	}
	gate_end(&r, &d);
}

/* ---- a guest kernel that lies ---- */

static void other_ports_are_reset(void **state)
{
	static const uint32_t ports[] = {
		0, 1, 22, 5000, 5002, 6001, 6004, 9099, 9418, UINT32_MAX
	};
	struct driver_conn c;
	struct driver d;
	struct role r;

	(void)state;
	gate_start_device(&r, &d);
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t port = ports[i % BB_ARRAY_LEN(ports)];

		assert_false(driver_connect(&d, &c, 1000 + i, port));
		assert_true(c.reset);
		assert_denied(&r, REASON_SERVICE_OFF);
		assert_int_equal(r.msg.u.record.port, port > UINT16_MAX ? 0 : port);
	}
	assert_true(driver_connect(&d, &c, 9, PORT_DNS)); /* control */
	gate_end(&r, &d);
}

static void false_packets_cost_only_themselves(void **state)
{
	uint8_t payload[RX], header[FLOW_HEADER_BYTES];
	struct driver_conn c, good;
	struct vsock_header h;
	struct driver d;
	struct role r;

	(void)state;
	gate_start_device(&r, &d);
	assert_true(driver_connect(&d, &good, 1, PORT_DNS));
	c = (struct driver_conn){ .guest_port = 2, .host_port = PORT_FLOW };
	h = driver_header(&c, VSOCK_OP_RW, 4); /* data for a stream that is not */
	assert_true(driver_send(&d, &h, "data"));
	assert_true(driver_recv(&d, &h, payload, 5000));
	assert_int_equal(h.op, VSOCK_OP_RST);
	h = driver_header(&c, VSOCK_OP_REQUEST, 0);
	h.type = 2; /* SEQPACKET */
	assert_true(driver_send(&d, &h, NULL));
	assert_true(driver_recv(&d, &h, payload, 5000));
	assert_int_equal(h.op, VSOCK_OP_RST);
	h = driver_header(&c, VSOCK_OP_REQUEST, 0);
	h.src_cid = 4; /* somebody else's */
	assert_true(driver_send(&d, &h, NULL));
	h = driver_header(&c, VSOCK_OP_REQUEST, 0);
	h.dst_cid = 5;
	assert_true(driver_send(&d, &h, NULL));
	/* past the credit, on a flow that nobody reads yet */
	gate_header(header, 127, 64, 0, 1, 9099);
	gate_ask_flow(&d, &c, 3, header);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_FLOW_OPEN);
	bb_closep(&r.msg.fd);
	for (int i = 0; i < 20; i++) {
		static const uint8_t zeros[32768];

		h = driver_header(&c, VSOCK_OP_RW, sizeof(zeros));
		assert_true(driver_send(&d, &h, zeros));
	}
	assert_int_equal(driver_read(&d, &c, payload), 0);
	assert_true(c.reset);
	/* the other stream has seen nothing of it */
	{
		static uint8_t carry[4 * RX];
		size_t have = 0, len = gate_query(payload, 7, "x.evil.test");
		uint16_t id;

		assert_true(driver_write(&d, &good, payload, len));
		assert_int_equal(gate_rcode(&d, &good, carry, &have, &id), 3);
	}
	gate_end(&r, &d);
}

/* A reset ends the flow on the host's side as a reset, and nothing else */
static void a_reset_costs_one_flow(void **state)
{
	const struct timeval limit = { .tv_sec = 5 };
	uint8_t header[FLOW_HEADER_BYTES], octet;
	struct driver_conn c;
	struct vsock_header h;
	struct driver d;
	struct role r;

	(void)state;
	gate_start_device(&r, &d);
	gate_header(header, 127, 64, 0, 1, 9099);
	for (uint32_t i = 0; i < 50; i++) {
		int fd;

		gate_ask_flow(&d, &c, 700 + i, header);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_FLOW_OPEN);
		fd = BB_TAKE_FD(r.msg.fd);
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
		role_send(
			r.peers[IPC_ROLE_EGRESS],
			&(struct ipc_msg){ .type = IPC_FLOW_READY, .fd = -1, .flow = r.msg.flow });
		gate_status(&d, &c, FLOW_STATUS_OK);
		h = driver_header(&c, VSOCK_OP_RST, 0);
		assert_true(driver_send(&d, &h, NULL));
		assert_true(recv(fd, &octet, 1, 0) <= 0);
		(void)close(fd);
	}
	assert_true(driver_connect(&d, &c, 9, PORT_DNS)); /* control */
	gate_end(&r, &d);
}

static void memory_that_can_shrink_is_refused(void **state)
{
	struct driver d;
	struct role r;

	(void)state;
	gate_start(&r, &d, 0);
	(void)!driver_negotiate(&d);
	assert_dies(&r, &d, "not sealed");
}

static void broken_rings_end_the_bottle(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next, head;
		const char *why;
	} cases[] = {
		{ 0, 64, 1, 0, 0, "chain too long" },               /* points to itself */
		{ 0, 64, 1, 999, 0, "descriptor outside" },         /* next outside */
		{ 0, 64, 0, 0, 999, "descriptor outside" },         /* head outside */
		{ DRIVER_MEM, 64, 0, 0, 0, "segment outside" },     /* behind memory */
		{ DRIVER_MEM - 8, 64, 0, 0, 0, "segment outside" }, /* across its end */
		{ UINT64_MAX - 8, 64, 0, 0, 0, "segment outside" }, /* wraps around */
		{ 0, UINT32_MAX, 0, 0, 0, "" },                     /* 4 GiB long */
		{ 0x200000, 24, 4, 0, 0, "indirect" },              /* table of 1.5 */
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct driver d;
		struct role r;

		gate_start_device(&r, &d);
		driver_desc(&d, DRIVER_TX, 0, cases[i].addr, cases[i].len, cases[i].flags,
			    cases[i].next);
		driver_offer(&d, DRIVER_TX, cases[i].head);
		assert_dies(&r, &d, cases[i].why);
	}
}

static void an_index_that_jumps_ends_the_bottle(void **state)
{
	struct driver d;
	struct role r;

	(void)state;
	gate_start_device(&r, &d);
	d.q[DRIVER_TX].avail_idx = 5000;
	driver_offer(&d, DRIVER_TX, 0);
	assert_dies(&r, &d, "index");
}

static void a_vmm_that_lies_ends_the_bottle(void **state)
{
	static const struct {
		enum vhost_user_request request;
		uint64_t payload[2];
		uint32_t len;
	} cases[] = {
		{ (enum vhost_user_request)99, { 0 }, 0 },
		{ VHOST_USER_SET_FEATURES, { 1ull << 33 }, 8 }, /* not offered */
		{ VHOST_USER_SET_FEATURES, { 0 }, 4 },          /* wrong length */
		{ VHOST_USER_SET_VRING_NUM, { 7 }, 8 },         /* no such queue */
		{ VHOST_USER_SET_MEM_TABLE, { 1 }, 8 },         /* fd and region missing */
		{ VHOST_USER_SET_VRING_KICK, { 0 }, 8 },        /* fd missing */
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct driver d;
		struct role r;

		gate_start(&r, &d, F_SEAL_SHRINK);
		(void)driver_message(&d, cases[i].request, cases[i].payload, cases[i].len, -1,
				     false, NULL);
		assert_dies(&r, &d, "");
	}
}

#define STORM          12000u
#define GATE_HALF_OPEN 256u

/* Starts to read four seconds late; counts */
struct late_recorder {
	int fd;
	const struct role *gate;
	unsigned int denials;
	_Atomic uint32_t asked;
	uint32_t asked_meanwhile; /* in the last half a second of the wait */
	uint64_t idle_us;         /* of gate's processor time, in it */
};

/* As recorder, until so many denials have come */
static void read_denials(struct late_recorder *l, unsigned int want)
{
	static uint8_t buf[IPC_MSG_MAX];

	while (l->denials < want) {
		struct ipc_msg m = { .fd = -1 };
		struct bb_err err = { 0 };

		if (ipc_recv(l->fd, buf, &m, &err) < 0)
			break;
		l->denials += m.type == IPC_RECORD && m.u.record.verdict == POLICY_DENY;
	}
}

static void *read_late(void *arg)
{
	struct late_recorder *l = arg;

	(void)usleep(3500000);
	l->idle_us = role_cpu_us(l->gate);
	l->asked_meanwhile = l->asked;
	(void)usleep(500000);
	l->idle_us = role_cpu_us(l->gate) - l->idle_us;
	l->asked_meanwhile = l->asked - l->asked_meanwhile;
	read_denials(l, STORM - GATE_HALF_OPEN);
	return NULL;
}

/*
 * Connects, refused but for the first, while recorder does not read: their records would grow to
 * more than the queue may hold, which ends the bottle. The guest waits instead, at no cost, and not
 * one record is missing.
 */
static void a_storm_waits_for_recorder(void **state)
{
	static uint8_t payload[RX];
	struct driver_conn c = { .host_port = PORT_FLOW };
	struct late_recorder late;
	struct vsock_header h;
	struct driver d;
	pthread_t reader;
	struct role r;

	(void)state;
	gate_start_device(&r, &d);
	late = (struct late_recorder){ .fd = r.peers[IPC_ROLE_RECORDER], .gate = &r };
	assert_int_equal(pthread_create(&reader, NULL, read_late, &late), 0);
	for (c.guest_port = 1000; c.guest_port < 1000 + STORM; c.guest_port++) {
		h = driver_header(&c, VSOCK_OP_REQUEST, 0);
		if (!driver_send(&d, &h, NULL))
			fail_msg("gate is gone, or does not go on, at %u", c.guest_port);
		late.asked++;
		while (driver_recv(&d, &h, payload, 0))
			;
	}
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(late.denials, STORM - GATE_HALF_OPEN);
	assert_int_equal(late.asked_meanwhile, 0);
	if (late.idle_us > 10000)
		fail_msg("%llu us of processor time while the guest waits",
			 (unsigned long long)late.idle_us);
	gate_end(&r, &d);
}

#define CONTAINER_STORM 8000u

/* Send what is denied; wait for the answer. Return: whether there was one within @ms */
static bool has_answer(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void *read_all(void *arg)
{
	read_denials(arg, CONTAINER_STORM);
	return NULL;
}

/* A container's streams are sockets: they wait for recorder in the same way */
static void a_container_waits_for_recorder(void **state)
{
	const socklen_t len = sizeof(sa_family_t) + 6;
	uint8_t header[FLOW_HEADER_BYTES];
	struct late_recorder late = { 0 };
	struct sockaddr_un ports[4];
	unsigned int waited = 0;
	pthread_t reader;
	uint64_t idle;
	struct role r;

	(void)state;
	gate_start_listening(&r, ports);
	late.fd = r.peers[IPC_ROLE_RECORDER];
	gate_header(header, 203, 0, 113, 99, 443);
	for (unsigned int i = 0; i < CONTAINER_STORM; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_int_equal(connect(fd, (struct sockaddr *)&ports[3], len), 0);
		assert_int_equal(send(fd, header, sizeof(header), 0), sizeof(header));
		if (!waited && !has_answer(fd, 1000)) {
			waited = i;
			idle = role_cpu_us(&r);
			(void)usleep(200000);
			assert_true(role_cpu_us(&r) - idle < 15000);
			assert_int_equal(pthread_create(&reader, NULL, read_all, &late), 0);
		}
		assert_true(has_answer(fd, 5000));
		(void)close(fd);
	}
	assert_true(waited > 0);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(late.denials, CONTAINER_STORM);
	(void)role_end(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_denied_by_default),
		cmocka_unit_test(a_flow_to_the_guard),
		cmocka_unit_test(a_tcp_flow_is_recorded_before_it_is_dialled),
		cmocka_unit_test(a_megabyte_arrives_whole),
		cmocka_unit_test(dns_is_answered_here),
		cmocka_unit_test(more_answers_than_room),
		cmocka_unit_test(other_ports_are_reset),
		cmocka_unit_test(false_packets_cost_only_themselves),
		cmocka_unit_test(a_reset_costs_one_flow),
		cmocka_unit_test(memory_that_can_shrink_is_refused),
		cmocka_unit_test(broken_rings_end_the_bottle),
		cmocka_unit_test(an_index_that_jumps_ends_the_bottle),
		cmocka_unit_test(a_vmm_that_lies_ends_the_bottle),
		cmocka_unit_test(a_storm_waits_for_recorder),
		cmocka_unit_test(a_container_waits_for_recorder),
	};

	if (argc != 2)
		return 2;
	gate_exe = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
