/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "proc/gate/vu_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

/*
 * The VMM's side: messages arrive whole, header first, fds with the header. Every one of them is
 * handled by one row of the table at the end; what fails ends the device.
 */
#define F_INDIRECT_DESC     (1ull << 28)
#define F_EVENT_IDX         (1ull << 29)
#define F_PROTOCOL_FEATURES (1ull << 30)
#define F_VERSION_1         (1ull << 32)
#define FEATURES            (F_INDIRECT_DESC | F_EVENT_IDX | F_PROTOCOL_FEATURES | F_VERSION_1)

#define P_REPLY_ACK       (1ull << 3)
#define P_CONFIG          (1ull << 9)
#define PROTOCOL_FEATURES (P_REPLY_ACK | P_CONFIG)

#define CONFIG_BYTES 8u /* struct virtio_vsock_config: guest_cid */

void vu_fds_release(struct vu_device *dev)
{
	for (size_t i = 0; i < dev->n_fds; i++)
		bb_closep(&dev->fds[i]);
	dev->n_fds = 0;
}

void vu_memory_release(struct vu_device *dev)
{
	for (size_t i = 0; i < dev->memory.n; i++)
		(void)munmap(dev->memory.regions[i].host, dev->memory.regions[i].bytes);
	dev->memory.n = 0;
}

/* Stop moving packets; the ring keeps its index for GET_VRING_BASE */
static void queue_stop(struct vu_queue *q)
{
	if (!q->running)
		return;
	q->base = q->ring.last_avail;
	q->running = false;
	q->dev->user->on_stop(q->dev->arg);
}

void vu_queue_release(struct vu_queue *q)
{
	q->running = false;
	if (q->kick_event)
		event_free(q->kick_event);
	q->kick_event = NULL;
	bb_closep(&q->kick);
	bb_closep(&q->call);
	q->kick = q->call = -1;
}

/* (Re)place the ring in the present memory. Return: false and the device is dead */
static bool queue_place(struct vu_queue *q)
{
	enum vring_result r = vring_attach(&q->ring, &q->dev->memory, q->num, &q->place, q->base,
					   q->dev->features & F_EVENT_IDX);

	for (size_t i = 0; i < VHOST_USER_QUEUES && r == VRING_OK; i++) {
		const struct vu_queue *o = &q->dev->queues[i];

		if (o != q && o->running && !vring_apart(&q->ring, &o->ring))
			r = VRING_OVERLAP;
	}
	if (r != VRING_OK)
		vu_die(q->dev, "ring: %s", vring_result_str[r]);
	return r == VRING_OK;
}

/* Start a queue that has all it needs */
static void queue_try_start(struct vu_queue *q)
{
	bool enabled = q->enabled || !(q->dev->features & F_PROTOCOL_FEATURES);

	if (q->running || q->kick < 0 || !q->placed || !enabled || q->dev->memory.n == 0 ||
	    !queue_place(q))
		return;
	q->running = true;
	event_active(q->again, EV_TIMEOUT, 1); /* it may have been kicked before */
}

static void reply(struct vu_device *dev, const struct vhost_user_msg *msg,
		  enum vhost_user_shape shape)
{
	uint8_t out[VHOST_USER_HEADER_BYTES + VHOST_USER_PAYLOAD_MAX];
	size_t n = vhost_user_reply_write(out, msg, shape);

	/* the VMM waits for each answer: the socket never fills unless it cheats */
	if (send(dev->fd, out, n, MSG_NOSIGNAL) != (ssize_t)n)
		vu_die(dev, "the VMM does not take its answer");
}

static void on_get_features(struct vu_device *dev, struct vhost_user_msg *msg)
{
	msg->u.u64 = FEATURES;
	reply(dev, msg, VHOST_USER_SHAPE_U64);
}

static void on_set_features(struct vu_device *dev, struct vhost_user_msg *msg)
{
	if (msg->u.u64 & ~FEATURES)
		vu_die(dev, "features that were not offered");
	dev->features = msg->u.u64;
}

static void on_get_protocol_features(struct vu_device *dev, struct vhost_user_msg *msg)
{
	msg->u.u64 = PROTOCOL_FEATURES;
	reply(dev, msg, VHOST_USER_SHAPE_U64);
}

static void on_set_protocol_features(struct vu_device *dev, struct vhost_user_msg *msg)
{
	if (msg->u.u64 & ~PROTOCOL_FEATURES)
		vu_die(dev, "protocol features that were not offered");
	dev->protocol_features = msg->u.u64;
}

static void on_nothing(struct vu_device *dev, struct vhost_user_msg *msg)
{
	(void)dev;
	(void)msg;
}

/* Map one region. A file that can shrink would let the VMM kill us by SIGBUS */
static bool map_region(struct vu_device *dev, const struct vhost_user_region *r, int fd)
{
	struct vring_memory *m = &dev->memory;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals < 0 || !(seals & F_SEAL_SHRINK)) {
		vu_die(dev, "guest memory is not sealed against shrinking");
		return false;
	}
	if (fstat(fd, &st) < 0 || st.st_size < 0 || r->bytes == 0 ||
	    r->offset > (uint64_t)st.st_size || r->bytes > (uint64_t)st.st_size - r->offset ||
	    r->offset % 4096 != 0) {
		vu_die(dev, "a memory region outside its file");
		return false;
	}
	p = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)r->offset);
	if (p == MAP_FAILED) {
		vu_die(dev, "mmap: %s", strerror(errno));
		return false;
	}
	m->regions[m->n++] = (struct vring_region){ r->guest, r->user, r->bytes, p };
	return true;
}

static void on_set_mem_table(struct vu_device *dev, struct vhost_user_msg *msg)
{
	for (size_t i = 0; i < VHOST_USER_QUEUES; i++)
		if (dev->queues[i].running)
			dev->queues[i].base = dev->queues[i].ring.last_avail;
	vu_memory_release(dev);
	for (size_t i = 0; i < msg->u.memory.n; i++)
		if (!map_region(dev, &msg->u.memory.regions[i], dev->fds[i]))
			return;
	if (!vring_memory_check(&dev->memory)) {
		vu_die(dev, "memory regions overlap");
		return;
	}
	for (size_t i = 0; i < VHOST_USER_QUEUES; i++) {
		struct vu_queue *q = &dev->queues[i];

		if (q->running && !queue_place(q))
			return;
		queue_try_start(q);
	}
}

static void on_set_vring_num(struct vu_device *dev, struct vhost_user_msg *msg)
{
	struct vu_queue *q = &dev->queues[msg->u.state.index];

	if (q->running)
		vu_die(dev, "a running ring was resized");
	q->num = msg->u.state.num;
}

static void on_set_vring_addr(struct vu_device *dev, struct vhost_user_msg *msg)
{
	struct vu_queue *q = &dev->queues[msg->u.addr.index];
	const struct vhost_user_addr *a = &msg->u.addr;

	if (q->running) {
		vu_die(dev, "a running ring was moved");
		return;
	}
	q->place = (struct vring_place){ .desc = a->desc, .avail = a->avail, .used = a->used };
	q->placed = true;
	queue_try_start(q);
}

static void on_set_vring_base(struct vu_device *dev, struct vhost_user_msg *msg)
{
	struct vu_queue *q = &dev->queues[msg->u.state.index];

	if (q->running || msg->u.state.num > UINT16_MAX)
		vu_die(dev, "bad ring base");
	q->base = (uint16_t)msg->u.state.num;
}

static void on_get_vring_base(struct vu_device *dev, struct vhost_user_msg *msg)
{
	struct vu_queue *q = &dev->queues[msg->u.state.index];

	queue_stop(q);
	vu_queue_release(q);
	q->placed = false;
	msg->u.state.num = q->base;
	reply(dev, msg, VHOST_USER_SHAPE_STATE);
}

static void on_set_vring_kick(struct vu_device *dev, struct vhost_user_msg *msg)
{
	struct vu_queue *q = &dev->queues[msg->u.fd.index];

	if (!msg->u.fd.has_fd) {
		vu_die(dev, "a ring without a kick fd"); /* polling is not offered */
		return;
	}
	if (q->kick_event)
		event_free(q->kick_event);
	bb_closep(&q->kick);
	q->kick = BB_TAKE_FD(dev->fds[0]);
	(void)bb_set_nonblock(q->kick, true);
	q->kick_event = event_new(dev->base, q->kick, EV_READ | EV_PERSIST, vu_on_kick, q);
	if (!q->kick_event || !vu_hear_kicks(q)) {
		vu_die(dev, "a kick that cannot be waited for");
		return;
	}
	queue_try_start(q);
}

static void on_set_vring_call(struct vu_device *dev, struct vhost_user_msg *msg)
{
	struct vu_queue *q = &dev->queues[msg->u.fd.index];

	bb_closep(&q->call);
	q->call = -1;
	if (msg->u.fd.has_fd) {
		q->call = BB_TAKE_FD(dev->fds[0]);
		(void)bb_set_nonblock(q->call, true);
	}
}

static void on_set_vring_enable(struct vu_device *dev, struct vhost_user_msg *msg)
{
	struct vu_queue *q = &dev->queues[msg->u.state.index];

	q->enabled = msg->u.state.num == 1;
	if (!q->enabled)
		queue_stop(q);
	else
		queue_try_start(q);
}

static void on_get_config(struct vu_device *dev, struct vhost_user_msg *msg)
{
	static const uint8_t config[CONFIG_BYTES] = { VSOCK_CID_GUEST };
	struct vhost_user_config *c = &msg->u.config;

	memset(c->data, 0, sizeof(c->data));
	if (c->offset < CONFIG_BYTES) {
		size_t n = CONFIG_BYTES - c->offset;

		memcpy(c->data, config + c->offset, c->size < n ? c->size : n);
	}
	reply(dev, msg, VHOST_USER_SHAPE_CONFIG);
}

/* One row per request; @answers: has an answer of its own, so no REPLY_ACK */
static const struct {
	enum vhost_user_request request;
	bool answers;
	void (*fn)(struct vu_device *dev, struct vhost_user_msg *msg);
} handlers[] = {
	{ VHOST_USER_GET_FEATURES, true, on_get_features },
	{ VHOST_USER_SET_FEATURES, false, on_set_features },
	{ VHOST_USER_SET_OWNER, false, on_nothing },
	{ VHOST_USER_RESET_OWNER, false, on_nothing },
	{ VHOST_USER_SET_MEM_TABLE, false, on_set_mem_table },
	{ VHOST_USER_SET_VRING_NUM, false, on_set_vring_num },
	{ VHOST_USER_SET_VRING_ADDR, false, on_set_vring_addr },
	{ VHOST_USER_SET_VRING_BASE, false, on_set_vring_base },
	{ VHOST_USER_GET_VRING_BASE, true, on_get_vring_base },
	{ VHOST_USER_SET_VRING_KICK, false, on_set_vring_kick },
	{ VHOST_USER_SET_VRING_CALL, false, on_set_vring_call },
	{ VHOST_USER_SET_VRING_ERR, false, on_nothing },
	{ VHOST_USER_GET_PROTOCOL_FEATURES, true, on_get_protocol_features },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, false, on_set_protocol_features },
	{ VHOST_USER_SET_VRING_ENABLE, false, on_set_vring_enable },
	{ VHOST_USER_GET_CONFIG, true, on_get_config },
	{ VHOST_USER_SET_CONFIG, false, on_nothing }, /* the guest's CID is read-only */
};

static void dispatch(struct vu_device *dev)
{
	struct bb_span payload = { dev->in + VHOST_USER_HEADER_BYTES, dev->head.size };
	struct vhost_user_msg msg;
	enum vhost_user_result r;

	r = vhost_user_payload_read(&dev->head, payload, dev->n_fds, &msg);
	if (r != VHOST_USER_OK) {
		vu_die(dev, "%s: %s", vhost_user_name(dev->head.request), vhost_user_result_str[r]);
		return;
	}
	for (size_t i = 0; i < BB_ARRAY_LEN(handlers); i++) {
		if (handlers[i].request != msg.request)
			continue;
		handlers[i].fn(dev, &msg);
		if (!dev->dead && !handlers[i].answers && msg.need_reply &&
		    (dev->protocol_features & P_REPLY_ACK)) {
			msg.u.u64 = 0;
			reply(dev, &msg, VHOST_USER_SHAPE_U64);
		}
		break;
	}
	vu_fds_release(dev);
	dev->have = 0;
}

/* Collect the fds that came with a header; more than there may be is MSG_CTRUNC */
static bool take_fds(struct vu_device *dev, struct msghdr *mh)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (dev->n_fds < VHOST_USER_REGIONS_MAX)
				dev->fds[dev->n_fds++] = fd;
			else
				(void)close(fd);
		}
	}
	return !(mh->msg_flags & MSG_CTRUNC);
}

/* Read up to @want octets of the present message. Return: all there? */
static bool read_more(struct vu_device *dev, size_t want)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * VHOST_USER_REGIONS_MAX)];
	} control;
	struct iovec iov = { dev->in + dev->have, want - dev->have };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space) };
	ssize_t n;

	if (iov.iov_len == 0)
		return true;
	n = recvmsg(dev->fd, &mh, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		vu_die(dev, "the VMM went away");
		return false;
	}
	if (!take_fds(dev, &mh)) {
		vu_die(dev, "too many fds");
		return false;
	}
	dev->have += (size_t)n;
	return dev->have == want;
}

void vu_on_message(evutil_socket_t fd, short what, void *arg)
{
	struct vu_device *dev = arg;
	enum vhost_user_result r;

	(void)fd;
	(void)what;
	if (dev->have < VHOST_USER_HEADER_BYTES) {
		if (!read_more(dev, VHOST_USER_HEADER_BYTES))
			return;
		r = vhost_user_header_read((struct bb_span){ dev->in, dev->have }, &dev->head);
		if (r != VHOST_USER_OK) {
			vu_die(dev, "vhost-user: %s", vhost_user_result_str[r]);
			return;
		}
	}
	if (read_more(dev, VHOST_USER_HEADER_BYTES + dev->head.size))
		dispatch(dev);
}
