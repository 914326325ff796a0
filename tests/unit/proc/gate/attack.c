/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest kernel and a VMM that attack gate's real executable. After each attack gate has either
 * ended its bottle, with a record that says why and by exit, never by a signal; or it serves as
 * before, and while nothing happens it uses no processor time.
 */
#include "base/io.h"
#include "policy/reason.h"
#include "tests/unit/proc/gate/gate.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u
#define IDLE_MS       200u
#define IDLE_US       15000u /* of processor time in it */

/* One gate, its guest, and who reads its records */
struct arena {
	struct role r;
	struct driver d;
	uint32_t port; /* next guest port */
	uint32_t seed;
	pthread_t reader;
	int records;            /* the reader's own end */
	_Atomic uint32_t seen;  /* records */
	_Atomic uint32_t limit; /* of them: past a limit */
	char why[300];          /* the record of its end; read after the reader has ended */
};

static uint32_t dice(struct arena *a)
{
	a->seed = a->seed * 1664525u + 1013904223u;
	return a->seed >> 8;
}

/* recorder's part: takes everything at once */
static void *read_records(void *arg)
{
	static _Thread_local uint8_t buf[IPC_MSG_MAX];
	struct arena *a = arg;

	for (;;) {
		struct ipc_msg m = { .fd = -1 };
		struct bb_err err = { 0 };
		int r = ipc_recv(a->records, buf, &m, &err);

		if (r == -EAGAIN)
			continue; /* nothing for five seconds */
		if (r < 0)
			return NULL;
		bb_closep(&m.fd);
		if (m.type != IPC_RECORD)
			continue;
		a->seen++;
		a->limit += m.u.record.reason == REASON_LIMIT;
		if (m.u.record.kind == IPC_RECORD_LIFE)
			(void)snprintf(a->why, sizeof(a->why), "%.*s", (int)m.u.record.text.len,
				       (const char *)m.u.record.text.p);
	}
}

static void begin(struct arena *a, uint32_t seed)
{
	*a = (struct arena){ .port = 1000, .seed = seed };
	gate_start_device(&a->r, &a->d);
	a->records = a->r.peers[IPC_ROLE_RECORDER];
	a->r.peers[IPC_ROLE_RECORDER] = -1;
	assert_int_equal(pthread_create(&a->reader, NULL, read_records, a), 0);
}

static void end(struct arena *a)
{
	(void)pthread_join(a->reader, NULL);
	bb_closep(&a->records);
	driver_release(&a->d);
}

static bool has_ended(struct arena *a)
{
	siginfo_t info = { 0 };

	assert_int_equal(waitid(P_PID, (id_t)a->r.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid == a->r.pid;
}

/* gate's own connection is refused, and its peers hear nothing of a name that is not listed */
static void control(struct arena *a)
{
	static uint8_t carry[4 * RX];
	static struct driver_conn c;
	uint8_t query[128];
	size_t have = 0, len = gate_query(query, 7, "x.evil.test");
	uint16_t id;

	assert_true(driver_connect(&a->d, &c, a->port++, PORT_DNS));
	assert_true(driver_write(&a->d, &c, query, len));
	assert_int_equal(gate_rcode(&a->d, &c, carry, &have, &id), 3);
}

static void is_idle(struct arena *a, const char *what)
{
	uint64_t before, used;

	(void)usleep(50000); /* what was under way */
	before = role_cpu_us(&a->r);
	(void)usleep(IDLE_MS * 1000);
	used = role_cpu_us(&a->r) - before;
	if (used > IDLE_US)
		fail_msg("%s: %llu us of processor time in %u ms without an event", what,
			 (unsigned long long)used, IDLE_MS);
}

enum outcome { LIVES, DIES, EITHER };

/* What holds after an attack */
static void judge(struct arena *a, const char *what, enum outcome want)
{
	bool ended;

	for (unsigned int i = 0; want == DIES && i < 500 && !has_ended(a); i++)
		(void)usleep(10000);
	ended = has_ended(a);
	if ((ended && want == LIVES) || (!ended && want == DIES))
		fail_msg("%s: gate %s", what, ended ? "has ended" : "goes on");
	if (!ended)
		is_idle(a, what);
	if (!ended && driver_reboot(&a->d)) {
		control(a);
		is_idle(a, what);
		assert_int_equal(role_end(&a->r), 1);
		end(a);
		return;
	}
	/* now, or by what it read only at the reboot */
	if (want == LIVES)
		fail_msg("%s: gate does not serve any more", what);
	assert_int_equal(role_wait(&a->r), 1);
	role_close(&a->r);
	end(a);
	if (!a->why[0])
		fail_msg("%s: an end without a record", what);
	print_message("\t%s: %s\n", what, a->why);
}

/* ---- packets ---- */

static void send_header(struct arena *a, const struct vsock_header *h)
{
	uint8_t payload[RX];
	struct vsock_header got;

	assert_true(driver_send(&a->d, h, NULL));
	while (driver_recv(&a->d, &got, payload, 0))
		;
}

static struct vsock_header request(struct arena *a, uint32_t host_port)
{
	const struct driver_conn c = { .guest_port = a->port++, .host_port = host_port };

	return driver_header(&c, VSOCK_OP_REQUEST, 0);
}

static void a_hundred_thousand_connects(struct arena *a)
{
	for (uint32_t i = 0; i < 100000; i++) {
		struct vsock_header h = request(a, i % 2 ? PORT_DNS : 22);

		send_header(a, &h);
		h.op = VSOCK_OP_RST;
		if (i % 2)
			send_header(a, &h);
	}
	assert_int_equal(a->limit, 0);
}

/* None is given back: the table has an end, and says so */
static void connects_without_an_end(struct arena *a)
{
	for (uint32_t i = 0; i < 10000; i++) {
		struct vsock_header h = request(a, PORT_DNS);

		send_header(a, &h);
	}
	for (unsigned int i = 0; i < 500 && a->limit < 10000 - 4352; i++)
		(void)usleep(10000);
	assert_int_equal(a->limit, 10000 - 4352);
}

static void flows_without_a_header(struct arena *a)
{
	for (uint32_t i = 0; i < 5000; i++) {
		struct vsock_header h = request(a, PORT_FLOW);

		send_header(a, &h);
	}
	for (unsigned int i = 0; i < 500 && a->limit < 5000 - 256; i++)
		(void)usleep(10000);
	assert_int_equal(a->limit, 5000 - 256);
	control(a); /* names are still answered */
}

/* Each one is denied and recorded, as fast as a guest can ask */
static void a_storm_of_denied_flows(struct arena *a)
{
	uint8_t header[FLOW_HEADER_BYTES];

	gate_header(header, 203, 0, 113, 99, 443);
	for (uint32_t i = 0; i < 6000; i++) {
		struct vsock_header h = request(a, PORT_FLOW), got;
		uint8_t payload[RX];

		send_header(a, &h);
		h.op = VSOCK_OP_RW;
		h.len = sizeof(header);
		assert_true(driver_send(&a->d, &h, header));
		while (driver_recv(&a->d, &got, payload, 0))
			;
		h.op = VSOCK_OP_RST;
		h.len = 0;
		send_header(a, &h);
	}
}

static void resets_for_nothing(struct arena *a)
{
	for (uint32_t i = 0; i < 100000; i++) {
		struct vsock_header h = request(a, i % 2 ? PORT_DNS : dice(a));

		h.op = i % 3 ? VSOCK_OP_RST : VSOCK_OP_SHUTDOWN;
		h.flags = i % 3 ? 0 : VSOCK_SHUTDOWN_BOTH;
		send_header(a, &h);
	}
}

/* Answers pile up where the guest offers no buffer for them: gate stops to take packets */
static void resets_that_nobody_takes(struct arena *a)
{
	struct driver_queue *q = &a->d.q[DRIVER_TX];

	for (uint32_t i = 0; i < 2000; i++) {
		struct vsock_header h = request(a, 22);
		struct pollfd p = { q->call, POLLIN, 0 };

		if ((uint16_t)(q->avail_idx - q->used_idx) == DRIVER_NUM)
			break;
		assert_true(driver_send(&a->d, &h, NULL));
		(void)poll(&p, 1, 0);
	}
	is_idle(a, "resets that nobody takes");
}

static void the_same_port_again(struct arena *a)
{
	static struct driver_conn c;
	struct vsock_header h;

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t port = 7 + i % 3;

		if (driver_connect(&a->d, &c, port, PORT_DNS) && i % 2) {
			h = driver_header(&c, VSOCK_OP_RST, 0);
			send_header(a, &h);
		}
	}
}

static void unknown_operations(struct arena *a)
{
	static struct driver_conn c;

	for (uint32_t op = 0; op < 2000; op++) {
		struct vsock_header h = request(a, PORT_DNS);

		h.op = (uint16_t)(op < 100 ? op : dice(a));
		if (h.op == VSOCK_OP_RW)
			continue;
		h.flags = op % 2 ? dice(a) : 0;
		send_header(a, &h);
		if (op % 50 == 0 && driver_connect(&a->d, &c, a->port++, PORT_DNS)) {
			h = driver_header(&c, (enum vsock_op)(8 + op), 0);
			send_header(a, &h);
		}
	}
}

static void other_addresses(struct arena *a)
{
	static const uint64_t cids[] = { 0, 1, 2, 4, UINT32_MAX, UINT64_MAX, 3ull << 32 | 3 };

	for (uint32_t i = 0; i < 5000; i++) {
		struct vsock_header h = request(a, PORT_DNS);

		h.type = (uint16_t)(i % 5 ? 1 : dice(a));
		if (i % 2)
			h.src_cid = cids[i % BB_ARRAY_LEN(cids)];
		else
			h.dst_cid = cids[i % BB_ARRAY_LEN(cids)];
		h.op = (uint16_t)(dice(a) % VSOCK_NUM_OPS);
		if (h.op != VSOCK_OP_RW)
			send_header(a, &h);
	}
}

static void credit_that_is_not_so(struct arena *a)
{
	static const uint32_t allocs[] = { 0, 1, 2, 65536, UINT32_MAX };
	uint8_t query[128];
	size_t len = gate_query(query, 1, "x.evil.test");

	for (uint32_t i = 0; i < 2000; i++) {
		struct vsock_header h = request(a, PORT_DNS);

		h.buf_alloc = allocs[i % BB_ARRAY_LEN(allocs)];
		h.fwd_cnt = i % 3 ? 0 : dice(a) << 8;
		send_header(a, &h);
		h.op = VSOCK_OP_RW;
		h.len = (uint32_t)len;
		assert_true(driver_send(&a->d, &h, query));
		h.op = VSOCK_OP_CREDIT_UPDATE;
		h.len = 0;
		h.fwd_cnt += i % 2 ? 1u << 31 : dice(a) % 64;
		h.buf_alloc = allocs[(i + 1) % BB_ARRAY_LEN(allocs)];
		send_header(a, &h);
		h.op = VSOCK_OP_CREDIT_REQUEST;
		for (unsigned int k = 0; k < 5; k++)
			send_header(a, &h);
		h.op = VSOCK_OP_RST;
		if (i % 4)
			send_header(a, &h);
	}
}

/* ---- rings ---- */

static void a_chain_of_single_octets(struct arena *a)
{
	const uint64_t at = 0x500000;
	struct vsock_header h = request(a, PORT_DNS);

	vsock_header_write(a->d.mem + at, &h);
	for (uint16_t i = 0; i < VSOCK_HEADER_BYTES; i++)
		driver_desc(&a->d, DRIVER_TX, i, at + i, 1,
			    i + 1 < VSOCK_HEADER_BYTES ? DESC_NEXT : 0, (uint16_t)(i + 1));
	driver_offer(&a->d, DRIVER_TX, 0);
}

static void segments_of_nothing(struct arena *a)
{
	const uint64_t at = 0x500000;
	struct vsock_header h = request(a, PORT_DNS);

	vsock_header_write(a->d.mem + at, &h);
	for (uint16_t i = 0; i < 200; i++)
		driver_desc(&a->d, DRIVER_TX, i, i % 2 ? UINT64_MAX : at, 0, DESC_NEXT,
			    (uint16_t)(i + 1));
	driver_desc(&a->d, DRIVER_TX, 200, at, VSOCK_HEADER_BYTES, 0, 0);
	driver_offer(&a->d, DRIVER_TX, 0);
}

static void a_packet_without_octets(struct arena *a)
{
	driver_desc(&a->d, DRIVER_TX, 0, 0, 0, 0, 0);
	driver_offer(&a->d, DRIVER_TX, 0);
}

static void more_than_a_megabyte(struct arena *a)
{
	for (uint16_t i = 0; i < 32; i++)
		driver_desc(&a->d, DRIVER_TX, i, 0x500000, 65536, i < 31 ? DESC_NEXT : 0,
			    (uint16_t)(i + 1));
	driver_offer(&a->d, DRIVER_TX, 0);
}

static void a_length_beyond_the_chain(struct arena *a)
{
	struct vsock_header h = request(a, PORT_DNS);

	h.op = VSOCK_OP_RW;
	h.len = UINT32_MAX;
	vsock_header_write(a->d.mem + 0x500000, &h);
	driver_desc(&a->d, DRIVER_TX, 0, 0x500000, VSOCK_HEADER_BYTES, 0, 0);
	driver_offer(&a->d, DRIVER_TX, 0);
}

static void indirect(struct arena *a, uint64_t at, uint32_t len, uint16_t flags, uint16_t inner)
{
	uint8_t *p = a->d.mem + 0x600000;
	const uint64_t addr = 0x600000;
	const uint32_t bytes = 4096;
	const uint16_t next = 0;

	memcpy(p, &addr, 8);
	memcpy(p + 8, &bytes, 4);
	memcpy(p + 12, &inner, 2);
	memcpy(p + 14, &next, 2);
	driver_desc(&a->d, DRIVER_TX, 0, at, len, flags, 0);
	driver_offer(&a->d, DRIVER_TX, 0);
}

static void a_table_in_a_table(struct arena *a)
{
	indirect(a, 0x600000, 16, DESC_INDIRECT, DESC_INDIRECT);
}

static void a_table_that_turns_back(struct arena *a)
{
	indirect(a, 0x600000, 16, DESC_INDIRECT, DESC_NEXT);
}

static void a_table_of_a_gigabyte(struct arena *a)
{
	indirect(a, 0x600000, 1u << 30, DESC_INDIRECT, 0);
}

/* Receive buffers that hold a header and one octet: everything goes out one by one */
static void buffers_of_one_octet(struct arena *a)
{
	for (uint16_t i = 0; i < DRIVER_NUM; i++)
		driver_desc(&a->d, DRIVER_RX, i, 0x100000 + (uint64_t)i * RX,
			    VSOCK_HEADER_BYTES + 1, DESC_WRITE, 0);
	control(a);
	for (uint16_t i = 0; i < DRIVER_NUM; i++)
		driver_desc(&a->d, DRIVER_RX, i, 0x100000 + (uint64_t)i * RX, RX, DESC_WRITE, 0);
}

static void buffers_without_room(struct arena *a)
{
	struct vsock_header h = request(a, PORT_DNS);

	for (uint16_t i = 0; i < DRIVER_NUM; i++)
		driver_desc(&a->d, DRIVER_RX, i, 0x100000 + (uint64_t)i * RX, VSOCK_HEADER_BYTES,
			    DESC_WRITE, 0);
	assert_true(driver_send(&a->d, &h, NULL));
}

/* What gate writes into buffers lands in both rings, while it works with them */
static void buffers_on_the_rings(struct arena *a)
{
	for (uint16_t i = 0; i < DRIVER_NUM; i++)
		driver_desc(&a->d, DRIVER_RX, i, (uint64_t)(i % 2) * 0x10000 + (dice(a) % 0xa000),
			    RX, DESC_WRITE, 0);
	for (unsigned int i = 0; i < 200 && !has_ended(a); i++) {
		struct vsock_header h = request(a, i % 3 ? PORT_DNS : 22);

		vsock_header_write(a->d.mem + 0x500000, &h);
		driver_desc(&a->d, DRIVER_TX, (uint16_t)(i % DRIVER_NUM), 0x500000,
			    VSOCK_HEADER_BYTES, 0, 0);
		driver_offer(&a->d, DRIVER_TX, (uint16_t)(i % DRIVER_NUM));
		driver_kick(&a->d, DRIVER_TX);
		driver_kick(&a->d, DRIVER_RX);
	}
}

static bool place(struct arena *a, uint32_t q, uint64_t avail, uint64_t used)
{
	const struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = { q, 0, DRIVER_USER + q * 0x10000, DRIVER_USER + used, DRIVER_USER + avail, 0 };

	return driver_message(&a->d, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1, false,
			      NULL) == 0;
}

static void stop_rings(struct arena *a)
{
	uint8_t state[VHOST_USER_PAYLOAD_MAX];

	for (uint32_t i = 0; i < 2; i++) {
		const uint32_t index[2] = { i, 0 };

		assert_int_equal(driver_message(&a->d, VHOST_USER_GET_VRING_BASE, index,
						sizeof(index), -1, true, state),
				 8);
	}
}

static void start_ring(struct arena *a, uint32_t q, uint64_t avail, uint64_t used)
{
	const uint32_t num[2] = { q, DRIVER_NUM }, base[2] = { q, 0 }, on[2] = { q, 1 };
	const uint64_t index = q;

	(void)driver_message(&a->d, VHOST_USER_SET_VRING_NUM, num, 8, -1, false, NULL);
	(void)driver_message(&a->d, VHOST_USER_SET_VRING_BASE, base, 8, -1, false, NULL);
	(void)place(a, q, avail, used);
	(void)driver_message(&a->d, VHOST_USER_SET_VRING_KICK, &index, 8, a->d.q[q].kick, false,
			     NULL);
	(void)driver_message(&a->d, VHOST_USER_SET_VRING_CALL, &index, 8, a->d.q[q].call, false,
			     NULL);
	(void)driver_message(&a->d, VHOST_USER_SET_VRING_ENABLE, on, 8, -1, false, NULL);
}

/*
 * The used ring of each queue is the available ring of the other: a reset that gate writes is a new
 * packet of the guest, whose buffer is given back as a new receive buffer, and so on without us
 */
static void rings_that_feed_each_other(struct arena *a)
{
	struct vsock_header h = request(a, 22);

	stop_rings(a);
	memset(a->d.mem, 0, 0x20000);
	h.op = VSOCK_OP_CREDIT_REQUEST;
	vsock_header_write(a->d.mem + 0x500000, &h);
	for (uint16_t i = 0; i < DRIVER_NUM; i++) {
		driver_desc(&a->d, DRIVER_RX, i, 0x100000, RX, DESC_WRITE, 0);
		driver_desc(&a->d, DRIVER_TX, i, 0x500000, VSOCK_HEADER_BYTES, 0, 0);
	}
	start_ring(a, DRIVER_RX, 0x4000, 0x8000);
	start_ring(a, DRIVER_TX, 0x8000, 0x4000);
	a->d.mem[0x8000 + 2] = 1; /* one packet, one buffer */
	a->d.mem[0x4000 + 2] = 1;
	driver_kick(&a->d, DRIVER_RX);
	driver_kick(&a->d, DRIVER_TX);
}

static void a_ring_on_itself(struct arena *a)
{
	stop_rings(a);
	start_ring(a, DRIVER_RX, 0x4000, 0x4000);
	start_ring(a, DRIVER_TX, 0x14000, 0x14000);
	a->d.mem[0x14002] = 1;
	driver_kick(&a->d, DRIVER_TX);
}

static void a_ring_that_is_moved(struct arena *a)
{
	(void)place(a, DRIVER_TX, 0x14000, 0x18000);
}

static void set_memory(struct arena *a, uint64_t bytes, int fd)
{
	const struct {
		uint32_t n, padding;
		uint64_t guest, bytes, user, offset;
	} memory = { 1, 0, 0, bytes, DRIVER_USER, 0 };

	(void)driver_message(&a->d, VHOST_USER_SET_MEM_TABLE, &memory, sizeof(memory), fd, false,
			     NULL);
}

/* The same again while packets move, as for memory that is plugged in */
static void memory_that_is_set_again(struct arena *a)
{
	for (unsigned int i = 0; i < 200; i++) {
		struct vsock_header h = request(a, i % 2 ? PORT_DNS : 22);

		assert_true(driver_send(&a->d, &h, NULL));
		set_memory(a, DRIVER_MEM, a->d.memfd);
	}
	control(a);
}

static void memory_taken_from_under_the_rings(struct arena *a)
{
	set_memory(a, 0x4000, a->d.memfd);
}

static void memory_that_is_another(struct arena *a)
{
	bb_auto_close int fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0 && ftruncate(fd, DRIVER_MEM) == 0 &&
		    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	set_memory(a, DRIVER_MEM, fd);
	driver_kick(&a->d, DRIVER_TX);
	driver_kick(&a->d, DRIVER_RX);
}

static void rings_stopped_in_the_middle(struct arena *a)
{
	for (unsigned int i = 0; i < 50; i++) {
		struct vsock_header h;

		for (unsigned int k = 0; k < 20; k++) {
			h = request(a, k % 2 ? PORT_DNS : PORT_FLOW);
			assert_true(driver_send(&a->d, &h, NULL));
		}
		assert_true(driver_reboot(&a->d));
	}
}

/* ---- eventfds that are none ---- */

static void set_fd(struct arena *a, enum vhost_user_request request, uint32_t q, int fd)
{
	const uint64_t index = q;

	uint8_t answer[VHOST_USER_PAYLOAD_MAX];

	(void)driver_message(&a->d, request, &index, sizeof(index), fd, false, NULL);
	/* it has been read when the next one is answered */
	(void)driver_message(&a->d, VHOST_USER_GET_FEATURES, NULL, 0, -1, true, answer);
}

/* End of file is always readable */
static void a_kick_that_never_ends(struct arena *a)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	set_fd(a, VHOST_USER_SET_VRING_KICK, DRIVER_TX, fds[0]);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void a_kick_that_cannot_be_waited_for(struct arena *a)
{
	set_fd(a, VHOST_USER_SET_VRING_KICK, DRIVER_RX, a->d.memfd);
}

static void a_call_that_nobody_hears(struct arena *a)
{
	struct vsock_header h = request(a, 22);
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	set_fd(a, VHOST_USER_SET_VRING_CALL, DRIVER_RX, fds[1]);
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_true(driver_send(&a->d, &h, NULL));
}

static void a_call_that_is_full(struct arena *a)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	for (uint32_t q = 0; q < 2; q++)
		set_fd(a, VHOST_USER_SET_VRING_CALL, q, fd);
	for (unsigned int i = 0; i < 100; i++) {
		struct vsock_header h = request(a, 22);

		assert_true(driver_send(&a->d, &h, NULL));
	}
	(void)close(fd);
}

/* ---- another processor of the guest ---- */

/* What the second thread writes to, and how long */
struct scribble {
	struct arena *a;
	uint64_t from, bytes;
	_Atomic bool stop;
};

static void *scribble(void *arg)
{
	struct scribble *s = arg;
	uint32_t x = s->a->seed | 1;

	while (!s->stop) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		__atomic_store_n(s->a->d.mem + s->from + x % s->bytes, (uint8_t)(x >> 24),
				 __ATOMIC_RELAXED);
		if (x % 64 == 0)
			(void)sched_yield();
	}
	return NULL;
}

static uint16_t used_index(const struct arena *a, int q)
{
	return __atomic_load_n((uint16_t *)(void *)(a->d.q[q].used + 2), __ATOMIC_ACQUIRE);
}

/*
 * Buffers that came back go out again; packets not faster than gate takes them, as far as the rings
 * still say so. Return: false when it takes none
 */
static bool wait_for_slots(struct arena *a)
{
	struct driver_queue *rx = &a->d.q[DRIVER_RX];

	for (unsigned int i = 0; i < 50; i++) {
		uint16_t back = (uint16_t)(used_index(a, DRIVER_RX) - rx->used_idx);

		for (uint16_t k = 0; k < back && back <= DRIVER_NUM; k++)
			driver_offer(&a->d, DRIVER_RX, rx->used_idx++ % DRIVER_NUM);
		if ((uint16_t)(a->d.q[DRIVER_TX].avail_idx - used_index(a, DRIVER_TX)) <
		    DRIVER_NUM / 2)
			return true;
		(void)usleep(100);
	}
	return false;
}

/* Packets of all kinds, by hand: the driver's own view of the rings does not hold any more */
static void packets_meanwhile(struct arena *a, unsigned int n)
{
	static const uint32_t ports[] = { PORT_DNS, PORT_FLOW, 5001, 22 };

	for (unsigned int i = 0, stuck = 0; i < n && stuck < 20 && !has_ended(a); i++) {
		uint16_t slot = (uint16_t)(i % DRIVER_NUM);
		uint64_t at = 0x400000 + (uint64_t)slot * 4096;
		struct vsock_header h = request(a, ports[i % 4]);

		stuck += !wait_for_slots(a);
		h.src_port = 1000 + dice(a) % 8;
		h.op = (uint16_t)(1 + dice(a) % 7);
		h.len = h.op == VSOCK_OP_RW ? dice(a) % 2048 : 0;
		vsock_header_write(a->d.mem + at, &h);
		driver_desc(&a->d, DRIVER_TX, slot, at, 4096, 0, 0);
		driver_offer(&a->d, DRIVER_TX, slot);
		driver_kick(&a->d, DRIVER_TX);
		driver_kick(&a->d, DRIVER_RX);
	}
}

static void with_scribbles(struct arena *a, uint64_t from, uint64_t bytes)
{
	struct scribble s = { .a = a, .from = from, .bytes = bytes };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, scribble, &s), 0);
	packets_meanwhile(a, 3000);
	s.stop = true;
	(void)pthread_join(thread, NULL);
}

static void headers_that_change(struct arena *a)
{
	with_scribbles(a, 0x400000, (uint64_t)DRIVER_NUM * 4096);
}

static void descriptors_that_change(struct arena *a)
{
	with_scribbles(a, 0x10000, 16 * DRIVER_NUM);
}

static void receive_descriptors_that_change(struct arena *a)
{
	with_scribbles(a, 0, 16 * DRIVER_NUM);
}

static void indices_that_change(struct arena *a)
{
	with_scribbles(a, 0x14000, 4 + 2 * DRIVER_NUM + 2);
}

static void used_rings_that_change(struct arena *a)
{
	with_scribbles(a, 0x8000, 4 + 8 * DRIVER_NUM + 2);
}

static void all_of_it_changes(struct arena *a)
{
	with_scribbles(a, 0, 0x20000);
}

static const struct {
	const char *what;
	void (*fn)(struct arena *a);
	enum outcome want;
	unsigned int times;
} attacks[] = {
#define ATTACK(fn, want, times)                                                                    \
	{                                                                                          \
#fn, fn, want, times                                                               \
	}
	ATTACK(a_hundred_thousand_connects, LIVES, 1),
	ATTACK(connects_without_an_end, LIVES, 1),
	ATTACK(flows_without_a_header, LIVES, 1),
	ATTACK(a_storm_of_denied_flows, LIVES, 1),
	ATTACK(resets_for_nothing, LIVES, 1),
	ATTACK(resets_that_nobody_takes, LIVES, 1),
	ATTACK(the_same_port_again, LIVES, 1),
	ATTACK(unknown_operations, LIVES, 1),
	ATTACK(other_addresses, LIVES, 1),
	ATTACK(credit_that_is_not_so, LIVES, 1),
	ATTACK(a_chain_of_single_octets, LIVES, 1),
	ATTACK(segments_of_nothing, LIVES, 1),
	ATTACK(a_packet_without_octets, DIES, 1),
	ATTACK(more_than_a_megabyte, DIES, 1),
	ATTACK(a_length_beyond_the_chain, DIES, 1),
	ATTACK(a_table_in_a_table, DIES, 1),
	ATTACK(a_table_that_turns_back, DIES, 1),
	ATTACK(a_table_of_a_gigabyte, DIES, 1),
	ATTACK(buffers_of_one_octet, LIVES, 1),
	ATTACK(buffers_without_room, DIES, 1),
	ATTACK(buffers_on_the_rings, EITHER, 8),
	ATTACK(rings_that_feed_each_other, DIES, 1),
	ATTACK(a_ring_on_itself, DIES, 1),
	ATTACK(a_ring_that_is_moved, DIES, 1),
	ATTACK(memory_that_is_set_again, LIVES, 1),
	ATTACK(memory_taken_from_under_the_rings, DIES, 1),
	ATTACK(memory_that_is_another, EITHER, 1),
	ATTACK(rings_stopped_in_the_middle, LIVES, 1),
	ATTACK(a_kick_that_never_ends, DIES, 1),
	ATTACK(a_kick_that_cannot_be_waited_for, DIES, 1),
	ATTACK(a_call_that_nobody_hears, DIES, 1),
	ATTACK(a_call_that_is_full, LIVES, 1),
	ATTACK(headers_that_change, EITHER, 4),
	ATTACK(descriptors_that_change, EITHER, 4),
	ATTACK(receive_descriptors_that_change, EITHER, 4),
	ATTACK(indices_that_change, EITHER, 4),
	ATTACK(used_rings_that_change, EITHER, 4),
	ATTACK(all_of_it_changes, EITHER, 8),
};

static const char *only;

static void gate_under_attack(void **state)
{
	static struct arena a;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(attacks); i++) {
		if (only && strcmp(only, attacks[i].what) != 0)
			continue;
		for (unsigned int k = 0; k < attacks[i].times; k++) {
			begin(&a, (uint32_t)(i * 1000 + k));
			attacks[i].fn(&a);
			judge(&a, attacks[i].what, attacks[i].want);
		}
		print_message("%s\n", attacks[i].what);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(gate_under_attack) };

	if (argc < 2)
		return 2;
	gate_exe = argv[1];
	only = argc > 2 ? argv[2] : NULL; /* one of them, to look into it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
