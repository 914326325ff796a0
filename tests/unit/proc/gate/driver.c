/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/proc/gate/driver.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RINGS_AT(q)  ((uint64_t)(q)*0x10000u)
#define AVAIL_OFFSET 0x4000u
#define USED_OFFSET  0x8000u
#define RX_AT        0x100000u
#define TX_AT        0x400000u
#define WAIT_MS      5000
#define DESC_WRITE   2u

static void put16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, v, __ATOMIC_RELEASE);
}

static uint16_t get16(const uint8_t *p)
{
	return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);
}

int driver_init(struct driver *d, int vhost, unsigned int seals)
{
	*d = (struct driver){ .vhost = vhost };
	d->memfd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (d->memfd < 0 || ftruncate(d->memfd, DRIVER_MEM) < 0 ||
	    (seals && fcntl(d->memfd, F_ADD_SEALS, seals) < 0))
		return -errno;
	d->mem = mmap(NULL, DRIVER_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, d->memfd, 0);
	if (d->mem == MAP_FAILED)
		return -errno;
	for (int i = 0; i < 2; i++) {
		d->q[i] = (struct driver_queue){
			.desc = d->mem + RINGS_AT(i),
			.avail = d->mem + RINGS_AT(i) + AVAIL_OFFSET,
			.used = d->mem + RINGS_AT(i) + USED_OFFSET,
			.kick = eventfd(0, EFD_CLOEXEC),
			.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		};
	}
	return 0;
}

void driver_release(struct driver *d)
{
	for (int i = 0; i < 2; i++) {
		bb_closep(&d->q[i].kick);
		bb_closep(&d->q[i].call);
	}
	if (d->mem)
		(void)munmap(d->mem, DRIVER_MEM);
	bb_closep(&d->memfd);
	bb_closep(&d->vhost);
}

/* ---- the VMM ---- */

static bool send_with_fd(int sock, const void *data, size_t len, int fd)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	union {
		char octets[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)len;
}

ssize_t driver_message(struct driver *d, enum vhost_user_request request, const void *payload,
		       uint32_t len, int fd, bool has_answer, void *ret)
{
	uint8_t out[VHOST_USER_HEADER_BYTES + VHOST_USER_PAYLOAD_MAX];
	uint32_t head[3] = { (uint32_t)request, 1u, len };

	memcpy(out, head, sizeof(head));
	if (len)
		memcpy(out + sizeof(head), payload, len);
	if (!send_with_fd(d->vhost, out, sizeof(head) + len, fd))
		return -1;
	if (!has_answer)
		return 0;
	if (bb_read_full(d->vhost, head, sizeof(head)) < 0 || head[2] > VHOST_USER_PAYLOAD_MAX ||
	    bb_read_full(d->vhost, ret, head[2]) < 0)
		return -1;
	return (ssize_t)head[2];
}

static bool tell(struct driver *d, enum vhost_user_request request, const void *payload,
		 uint32_t len, int fd)
{
	return driver_message(d, request, payload, len, fd, false, NULL) == 0;
}

static bool start_queue(struct driver *d, uint32_t i)
{
	const uint64_t at = DRIVER_USER + RINGS_AT(i);
	const uint32_t num[2] = { i, DRIVER_NUM }, base[2] = { i, 0 }, enable[2] = { i, 1 };
	const struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = { i, 0, at, at + USED_OFFSET, at + AVAIL_OFFSET, 0 };
	const uint64_t index = i;

	return tell(d, VHOST_USER_SET_VRING_NUM, num, sizeof(num), -1) &&
	       tell(d, VHOST_USER_SET_VRING_BASE, base, sizeof(base), -1) &&
	       tell(d, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1) &&
	       tell(d, VHOST_USER_SET_VRING_KICK, &index, sizeof(index), d->q[i].kick) &&
	       tell(d, VHOST_USER_SET_VRING_CALL, &index, sizeof(index), d->q[i].call) &&
	       tell(d, VHOST_USER_SET_VRING_ENABLE, enable, sizeof(enable), -1);
}

uint64_t driver_negotiate(struct driver *d)
{
	const struct {
		uint32_t n, padding;
		uint64_t guest, bytes, user, offset;
	} memory = { 1, 0, 0, DRIVER_MEM, DRIVER_USER, 0 };
	uint64_t features, protocol, chosen;

	if (driver_message(d, VHOST_USER_GET_FEATURES, NULL, 0, -1, true, &features) != 8 ||
	    !tell(d, VHOST_USER_SET_OWNER, NULL, 0, -1) ||
	    driver_message(d, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0, -1, true, &protocol) !=
		    8 ||
	    !tell(d, VHOST_USER_SET_PROTOCOL_FEATURES, &protocol, 8, -1))
		return 0;
	chosen = features & ~(1ull << 29); /* without EVENT_IDX: every packet interrupts */
	if (!tell(d, VHOST_USER_SET_FEATURES, &chosen, 8, -1) ||
	    !tell(d, VHOST_USER_SET_MEM_TABLE, &memory, sizeof(memory), d->memfd))
		return 0;
	for (uint16_t i = 0; i < DRIVER_NUM; i++) {
		driver_desc(d, DRIVER_RX, i, RX_AT + (uint64_t)i * DRIVER_RX_BYTES, DRIVER_RX_BYTES,
			    DESC_WRITE, 0);
		driver_offer(d, DRIVER_RX, i);
	}
	return start_queue(d, DRIVER_RX) && start_queue(d, DRIVER_TX) ? features : 0;
}

bool driver_reboot(struct driver *d)
{
	uint8_t state[VHOST_USER_PAYLOAD_MAX];

	for (uint32_t i = 0; i < 2; i++) {
		const uint32_t index[2] = { i, 0 };

		if (driver_message(d, VHOST_USER_GET_VRING_BASE, index, sizeof(index), -1, true,
				   state) != 8)
			return false;
		d->q[i].avail_idx = d->q[i].used_idx = 0;
	}
	memset(d->mem, 0, DRIVER_MEM);
	return driver_negotiate(d) != 0;
}

/* ---- the guest's rings ---- */

void driver_desc(struct driver *d, int q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next)
{
	uint8_t *p = d->q[q].desc + 16u * i;

	memcpy(p, &addr, 8);
	memcpy(p + 8, &len, 4);
	memcpy(p + 12, &flags, 2);
	memcpy(p + 14, &next, 2);
}

void driver_kick(struct driver *d, int q)
{
	const uint64_t one = 1;

	(void)!write(d->q[q].kick, &one, sizeof(one));
}

void driver_offer(struct driver *d, int q, uint16_t head)
{
	struct driver_queue *dq = &d->q[q];

	memcpy(dq->avail + 4 + 2u * (dq->avail_idx % DRIVER_NUM), &head, 2);
	put16(dq->avail + 2, ++dq->avail_idx);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(get16(dq->used) & 1)) /* VRING_USED_F_NO_NOTIFY */
		driver_kick(d, q);
}

/* Until the device has used something that we have not seen */
static bool wait_used(struct driver_queue *q, int ms)
{
	while (get16(q->used + 2) == q->used_idx) {
		struct pollfd p = { q->call, POLLIN, 0 };
		uint64_t n;

		if (poll(&p, 1, ms) <= 0)
			return get16(q->used + 2) != q->used_idx;
		(void)!read(q->call, &n, sizeof(n));
	}
	return true;
}

bool driver_send(struct driver *d, const struct vsock_header *h, const void *payload)
{
	struct driver_queue *q = &d->q[DRIVER_TX];
	uint16_t slot = q->avail_idx % DRIVER_NUM;
	uint64_t at = TX_AT + (uint64_t)slot * DRIVER_TX_BYTES;

	while ((uint16_t)(q->avail_idx - q->used_idx) >= DRIVER_NUM) {
		if (!wait_used(q, WAIT_MS))
			return false;
		q->used_idx = get16(q->used + 2);
	}
	vsock_header_write(d->mem + at, h);
	if (h->len)
		memcpy(d->mem + at + VSOCK_HEADER_BYTES, payload, h->len);
	driver_desc(d, DRIVER_TX, slot, at, VSOCK_HEADER_BYTES + h->len, 0, 0);
	driver_offer(d, DRIVER_TX, slot);
	return true;
}

bool driver_recv(struct driver *d, struct vsock_header *h, uint8_t *payload, int ms)
{
	struct driver_queue *q = &d->q[DRIVER_RX];
	uint32_t id, len;
	const uint8_t *e, *buffer;
	bool ok;

	if (!wait_used(q, ms))
		return false;
	e = q->used + 4 + 8u * (q->used_idx % DRIVER_NUM);
	memcpy(&id, e, 4);
	memcpy(&len, e + 4, 4);
	q->used_idx++;
	if (id >= DRIVER_NUM || len < VSOCK_HEADER_BYTES || len > DRIVER_RX_BYTES)
		return false;
	buffer = d->mem + RX_AT + (uint64_t)id * DRIVER_RX_BYTES;
	ok = vsock_header_read((struct bb_span){ buffer, len }, h) == VSOCK_RESULT_OK &&
	     h->len == len - VSOCK_HEADER_BYTES;
	memcpy(payload, buffer + VSOCK_HEADER_BYTES, len - VSOCK_HEADER_BYTES);
	driver_offer(d, DRIVER_RX, (uint16_t)id);
	return ok;
}

/* ---- a stream ---- */

struct vsock_header driver_header(const struct driver_conn *c, enum vsock_op op, uint32_t len)
{
	return (struct vsock_header){ .src_cid = VSOCK_CID_GUEST,
				      .dst_cid = VSOCK_CID_HOST,
				      .src_port = c->guest_port,
				      .dst_port = c->host_port,
				      .type = VSOCK_TYPE_STREAM,
				      .op = (uint16_t)op,
				      .len = len,
				      .buf_alloc = sizeof(c->in),
				      .fwd_cnt = c->rx };
}

/* What came for @c changes its state; data goes to its inbox */
static void take(struct driver_conn *c, const struct vsock_header *h, const uint8_t *payload)
{
	if (h->dst_port != c->guest_port || h->src_port != c->host_port)
		return;
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	c->reset |= h->op == VSOCK_OP_RST;
	c->eof |= h->op == VSOCK_OP_SHUTDOWN && h->flags & VSOCK_SHUTDOWN_SEND;
	if (h->op != VSOCK_OP_RW)
		return;
	if (h->len > sizeof(c->in) - c->have) {
		c->reset = true; /* past the credit */
		return;
	}
	memcpy(c->in + c->have, payload, h->len);
	c->have += h->len;
}

bool driver_connect(struct driver *d, struct driver_conn *c, uint32_t guest_port,
		    uint32_t host_port)
{
	uint8_t payload[DRIVER_RX_BYTES];
	struct vsock_header h;

	*c = (struct driver_conn){ .guest_port = guest_port, .host_port = host_port };
	h = driver_header(c, VSOCK_OP_REQUEST, 0);
	if (!driver_send(d, &h, NULL))
		return false;
	while (driver_recv(d, &h, payload, WAIT_MS)) {
		take(c, &h, payload);
		if (h.dst_port == guest_port && h.op == VSOCK_OP_RESPONSE)
			return true;
		if (c->reset)
			return false;
	}
	return false;
}

bool driver_write(struct driver *d, struct driver_conn *c, const void *data, size_t len)
{
	uint8_t payload[DRIVER_RX_BYTES];
	const uint8_t *p = data;

	while (len && !c->reset) {
		size_t room = c->peer_alloc - (c->tx - c->peer_fwd), n = len;
		struct vsock_header h;

		n = n < room ? n : room;
		n = n < VSOCK_PAYLOAD_MAX ? n : VSOCK_PAYLOAD_MAX;
		if (n == 0) {
			if (!driver_recv(d, &h, payload, WAIT_MS))
				return false;
			take(c, &h, payload);
			continue;
		}
		h = driver_header(c, VSOCK_OP_RW, (uint32_t)n);
		if (!driver_send(d, &h, p))
			return false;
		c->tx += (uint32_t)n;
		p += n;
		len -= n;
		while (driver_recv(d, &h, payload, 0))
			take(c, &h, payload);
	}
	return !c->reset;
}

size_t driver_read(struct driver *d, struct driver_conn *c, uint8_t *out)
{
	uint8_t payload[DRIVER_RX_BYTES];
	struct vsock_header h;
	size_t n;

	while (!c->have && !c->eof && !c->reset && driver_recv(d, &h, payload, WAIT_MS))
		take(c, &h, payload);
	n = c->have < DRIVER_RX_BYTES ? c->have : DRIVER_RX_BYTES;
	memcpy(out, c->in, n);
	memmove(c->in, c->in + n, c->have - n);
	c->have -= n;
	c->rx += (uint32_t)n;
	if (n > 0) {
		h = driver_header(c, VSOCK_OP_CREDIT_UPDATE, 0);
		(void)!driver_send(d, &h, NULL);
	}
	return n;
}
