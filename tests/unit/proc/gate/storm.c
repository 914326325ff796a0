/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that makes gate work for nothing, as fast as it can: gate's real executable uses a
 * fraction of a processor for it, every denial has its record, and what else the guest asks is
 * answered meanwhile.
 */
#include "base/io.h"
#include "policy/reason.h"
#include "tests/unit/proc/gate/gate.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#define STORM_MS 1000u
#define WARM_MS  400u /* in which a burst passes */
#define BATCH    32u
#define PORT_LOG 5001
#ifdef __SANITIZE_ADDRESS__
#define SHARE_PERCENT 75u
#else
#define SHARE_PERCENT 30u
#endif

/* One gate, its guest, and who reads its records */
struct field {
	struct role r;
	struct driver d;
	uint32_t port;
	struct driver_conn c; /* of the storm */
	pthread_t reader;
	int records;
	_Atomic uint32_t denied; /* those that records stand for */
	uint32_t asked;          /* what was denied, by what the guest saw */
	uint64_t done;           /* of what it storms with */
};

/* recorder's part */
static void *read_records(void *arg)
{
	static _Thread_local uint8_t buf[IPC_MSG_MAX];
	struct field *f = arg;

	for (;;) {
		struct ipc_msg m = { .fd = -1 };
		struct bb_err err = { 0 };
		int r = ipc_recv(f->records, buf, &m, &err);

		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return NULL;
		bb_closep(&m.fd);
		if (m.type == IPC_RECORD && m.u.record.verdict == POLICY_DENY)
			f->denied += m.u.record.count ? m.u.record.count : 1;
	}
}

static void read_on(struct field *f)
{
	f->records = f->r.peers[IPC_ROLE_RECORDER];
	f->r.peers[IPC_ROLE_RECORDER] = -1;
	assert_int_equal(pthread_create(&f->reader, NULL, read_records, f), 0);
}

static void end(struct field *f)
{
	assert_int_equal(role_end(&f->r), 1);
	(void)pthread_join(f->reader, NULL);
	bb_closep(&f->records);
}

static void drain(struct field *f)
{
	uint8_t payload[RX];
	struct vsock_header h;

	while (driver_recv(&f->d, &h, payload, 0))
		;
}

static void send_header(struct field *f, struct vsock_header h)
{
	assert_true(driver_send(&f->d, &h, NULL));
	drain(f);
}

static void one_more(struct field *f, struct vsock_header h)
{
	send_header(f, h);
	f->done++;
}

static struct vsock_header on_stream(const struct field *f, enum vsock_op op)
{
	return driver_header(&f->c, op, 0);
}

static struct vsock_header to_port(struct field *f, uint32_t host_port, enum vsock_op op)
{
	const struct driver_conn c = { .guest_port = f->port++, .host_port = host_port };

	return driver_header(&c, op, 0);
}

/* ---- storms: each call is a little of it ---- */

/* Connects that are judged, and denied */
static void denied_flows(struct field *f)
{
	uint8_t header[FLOW_HEADER_BYTES], payload[RX];
	uint32_t first = f->port, answers = 0;
	struct vsock_header h;

	gate_header(header, 203, 0, 113, 99, 443);
	for (unsigned int i = 0; i < BATCH; i++) {
		h = to_port(f, PORT_FLOW, VSOCK_OP_REQUEST);
		assert_true(driver_send(&f->d, &h, NULL));
		h.op = VSOCK_OP_RW;
		h.len = sizeof(header);
		assert_true(driver_send(&f->d, &h, header));
	}
	while (answers < BATCH) {
		assert_true(driver_recv(&f->d, &h, payload, 5000));
		answers += h.op == VSOCK_OP_RW && payload[0] == FLOW_STATUS_DENIED;
	}
	f->asked += BATCH;
	f->done += BATCH;
	for (unsigned int i = 0; i < BATCH; i++) {
		const struct driver_conn c = { .guest_port = first + i, .host_port = PORT_FLOW };

		send_header(f, driver_header(&c, VSOCK_OP_RST, 0));
	}
}

static void ports_that_are_none(struct field *f)
{
	one_more(f, to_port(f, 22, VSOCK_OP_REQUEST));
	f->asked++;
}

static void streams_for_nothing(struct field *f)
{
	struct vsock_header h = to_port(f, PORT_DNS, VSOCK_OP_REQUEST);

	send_header(f, h);
	h.op = VSOCK_OP_RST;
	one_more(f, h);
}

static void resets_of_nothing(struct field *f)
{
	one_more(f, to_port(f, PORT_DNS, VSOCK_OP_RST));
}

static void ends_of_nothing(struct field *f)
{
	one_more(f, to_port(f, PORT_DNS, VSOCK_OP_SHUTDOWN));
}

static void other_senders(struct field *f)
{
	struct vsock_header h = to_port(f, PORT_DNS, VSOCK_OP_REQUEST);

	h.src_cid = 99;
	one_more(f, h);
}

static void credit_updates(struct field *f)
{
	one_more(f, on_stream(f, VSOCK_OP_CREDIT_UPDATE));
}

static void credit_requests(struct field *f)
{
	one_more(f, on_stream(f, VSOCK_OP_CREDIT_REQUEST));
}

static void empty_packets(struct field *f)
{
	one_more(f, on_stream(f, VSOCK_OP_RW));
}

static void kicks(struct field *f)
{
	for (unsigned int i = 0; i < BATCH; i++)
		driver_kick(&f->d, DRIVER_TX);
}

static void kicks_for_buffers(struct field *f)
{
	for (unsigned int i = 0; i < BATCH; i++)
		driver_kick(&f->d, DRIVER_RX);
}

/* Two thousand to a packet, nearly all over the rate */
static void queries(struct field *f)
{
	static uint8_t many[60u << 10], carry[4 * RX];
	size_t len = 0, have = 0;
	uint32_t n = 0;
	uint16_t id;

	while (len + 64 < sizeof(many))
		len += gate_query(many + len, (uint16_t)n++, "x.evil.test");
	assert_true(driver_write(&f->d, &f->c, many, len));
	for (uint32_t i = 0; i < n; i++)
		(void)gate_rcode(&f->d, &f->c, carry, &have, &id);
	f->asked += n;
	f->done += n;
}

static void lines_of_a_log(struct field *f)
{
	static uint8_t lines[60u << 10];

	memset(lines, '\n', sizeof(lines));
	assert_true(driver_write(&f->d, &f->c, lines, sizeof(lines)));
	f->done += sizeof(lines);
}

/* The name is answered, in the middle of it */
static void control(struct field *f)
{
	static uint8_t carry[4 * RX];
	static struct driver_conn c;
	uint8_t query[128];
	size_t have = 0, len = gate_query(query, 7, "x.evil.test");
	uint64_t t = bb_now_ms();
	struct vsock_header h;
	uint16_t id;

	assert_true(driver_connect(&f->d, &c, f->port++, PORT_DNS));
	assert_true(driver_write(&f->d, &c, query, len));
	(void)gate_rcode(&f->d, &c, carry, &have, &id);
	assert_int_equal(id, 7);
	h = driver_header(&c, VSOCK_OP_RST, 0);
	assert_true(driver_send(&f->d, &h, NULL));
	f->asked++;
	t = bb_now_ms() - t;
	if (t > 2000)
		fail_msg("own question answered after %llu ms", (unsigned long long)t);
}

static const struct {
	const char *what;
	void (*fn)(struct field *f);
	uint32_t per_s;  /* so many of them at most; 0: gate is not what limits it */
	uint32_t stream; /* to this port, there before it begins */
} storms[] = {
#define STORM(fn, ...)                                                                             \
	{                                                                                          \
#fn, fn, __VA_ARGS__                                                               \
	}
	STORM(denied_flows, 2500, 0),
	STORM(ports_that_are_none, 2500, 0),
	STORM(streams_for_nothing, 5000, 0),
	STORM(resets_of_nothing, 100000, 0),
	STORM(ends_of_nothing, 50000, 0),
	STORM(other_senders, 100000, 0),
	STORM(credit_updates, 100000, PORT_DNS),
	STORM(credit_requests, 100000, PORT_DNS),
	STORM(empty_packets, 100000, PORT_LOG),
	STORM(kicks, 0, 0),
	STORM(kicks_for_buffers, 0, 0),
	STORM(queries, 100000, PORT_DNS),
	STORM(lines_of_a_log, 100000, PORT_LOG),
};

/* What gate used, and how much of it the guest could do: at most @per_s, 0 = any */
static void judge(const char *what, uint64_t cpu_us, uint64_t done, uint64_t ms, uint32_t per_s)
{
	uint64_t percent = cpu_us / 10 / ms, rate = done * 1000 / ms;

	print_message("\t%s: %llu %% of a processor, %llu a second\n", what,
		      (unsigned long long)percent, (unsigned long long)rate);
	if (percent > SHARE_PERCENT || (per_s && rate > per_s + per_s / 5))
		fail_msg("%s: %llu %% of a processor for %llu a second", what,
			 (unsigned long long)percent, (unsigned long long)rate);
}

/* Until @ms from now. Return: how many ms it was */
static uint64_t go_on(struct field *f, void (*fn)(struct field *f), uint64_t ms)
{
	uint64_t t = bb_now_ms();

	while (bb_now_ms() - t < ms)
		fn(f);
	return bb_now_ms() - t;
}

static void run(struct field *f, size_t i)
{
	uint64_t before, done, ms;

	*f = (struct field){ .port = 1000 };
	gate_start_device(&f->r, &f->d);
	read_on(f);
	if (storms[i].stream)
		assert_true(driver_connect(&f->d, &f->c, f->port++, storms[i].stream));
	(void)go_on(f, storms[i].fn, WARM_MS);
	before = role_cpu_us(&f->r);
	done = f->done;
	ms = go_on(f, storms[i].fn, STORM_MS);
	judge(storms[i].what, role_cpu_us(&f->r) - before, f->done - done, ms, storms[i].per_s);
	control(f);
	for (unsigned int k = 0; k < 300 && f->denied < f->asked; k++)
		(void)usleep(10000);
	assert_int_equal(f->denied, f->asked);
	end(f);
	driver_release(&f->d);
}

static void a_storm_costs_a_share(void **state)
{
	static struct field f;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(storms); i++)
		run(&f, i);
}

/* ---- a container's ---- */

static struct sockaddr_un ports[4];

static int connect_to(unsigned int i)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ports[i], sizeof(sa_family_t) + 6), 0);
	return fd;
}

static void denied_sockets(struct field *f)
{
	uint8_t header[FLOW_HEADER_BYTES], reply[FLOW_REPLY_BYTES];
	int fd = connect_to(3);

	gate_header(header, 203, 0, 113, 99, 443);
	assert_int_equal(send(fd, header, sizeof(header), 0), sizeof(header));
	assert_int_equal(recv(fd, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
	assert_int_equal(reply[0], FLOW_STATUS_DENIED);
	(void)close(fd);
	f->asked++;
	f->done++;
}

static void sockets_for_nothing(struct field *f)
{
	(void)close(connect_to(2));
	f->done++;
}

static void agents_that_are_none(struct field *f)
{
	(void)close(connect_to(0));
	f->done++;
}

/* On many streams, so that all can be read whenever gate looks */
static void octets_one_by_one(struct field *f)
{
	static int fds[400];

	(void)f;
	for (size_t i = 0; i < BB_ARRAY_LEN(fds); i++) {
		if (!fds[i])
			fds[i] = connect_to(1);
		(void)send(fds[i], "x", 1, MSG_DONTWAIT);
	}
}

static void a_container_s_storm_costs_a_share(void **state)
{
	static const struct {
		const char *what;
		void (*fn)(struct field *f);
		uint32_t per_s;
	} of[] = {
		{ "denied_sockets", denied_sockets, 1600 },
		{ "sockets_for_nothing", sockets_for_nothing, 2500 },
		{ "agents_that_are_none", agents_that_are_none, 5000 },
		{ "octets_one_by_one", octets_one_by_one, 0 },
	};
	static struct field f;
	uint64_t before, done, ms;

	(void)state;
	f = (struct field){ .port = 1000 };
	gate_start_listening(&f.r, ports);
	read_on(&f);
	for (size_t i = 0; i < BB_ARRAY_LEN(of); i++) {
		(void)go_on(&f, of[i].fn, WARM_MS);
		before = role_cpu_us(&f.r);
		done = f.done;
		ms = go_on(&f, of[i].fn, STORM_MS);
		judge(of[i].what, role_cpu_us(&f.r) - before, f.done - done, ms, of[i].per_s);
		denied_sockets(&f); /* control */
	}
	for (unsigned int k = 0; k < 300 && f.denied < f.asked; k++)
		(void)usleep(10000);
	assert_int_equal(f.denied, f.asked);
	end(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_storm_costs_a_share),
		cmocka_unit_test(a_container_s_storm_costs_a_share),
	};

	if (argc != 2)
		return 2;
	gate_exe = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
