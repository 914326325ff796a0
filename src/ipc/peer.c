/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/peer.h"
#include "base/io.h"
#include "ipc/sock.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/queue.h>

#define READ_BATCH 256

struct queued {
	TAILQ_ENTRY(queued) link;
	int fd;
	size_t len;
	uint8_t data[];
};
TAILQ_HEAD(queue, queued);

struct ipc_peer {
	int fd;
	enum ipc_role self;
	enum ipc_role remote;
	ipc_msg_fn on_msg;
	ipc_dead_fn on_dead;
	void (*on_drain)(struct ipc_peer *peer, void *arg);
	void *arg;
	struct event *rd;
	struct event *wr;
	struct event *deferred; /* reports a death found while sending */
	struct queue queue;
	size_t queued_bytes;
	struct bb_err dead; /* code != 0: the pair has ended */
	bool told;          /* on_dead() was called */
	bool in_callback;
	bool freed; /* free as soon as the callback returns */
};

static void queue_clear(struct ipc_peer *p)
{
	struct queued *q;

	while ((q = TAILQ_FIRST(&p->queue))) {
		TAILQ_REMOVE(&p->queue, q, link);
		bb_closep(&q->fd);
		free(q);
	}
	p->queued_bytes = 0;
}

static void peer_destroy(struct ipc_peer *p)
{
	queue_clear(p);
	if (p->rd)
		event_free(p->rd);
	if (p->wr)
		event_free(p->wr);
	if (p->deferred)
		event_free(p->deferred);
	bb_closep(&p->fd);
	free(p);
}

void ipc_peer_free(struct ipc_peer *p)
{
	if (!p)
		return;
	if (p->in_callback)
		p->freed = true;
	else
		peer_destroy(p);
}

/* Mark the pair as ended; the owner hears of it from the loop, never from inside its own call */
static void peer_die(struct ipc_peer *p, const struct bb_err *why)
{
	if (p->dead.code)
		return;
	p->dead = *why;
	queue_clear(p);
	(void)event_del(p->rd);
	(void)event_del(p->wr);
	event_active(p->deferred, EV_TIMEOUT, 1);
}

static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_peer *p = arg;

	(void)fd;
	(void)what;
	if (p->told)
		return;
	p->told = true;
	p->in_callback = true;
	p->on_dead(p, p->dead.code, p->dead.msg, p->arg);
	p->in_callback = false;
	if (p->freed)
		peer_destroy(p);
}

/* Hand one message to the owner. Return: false when the owner freed the peer */
static bool peer_deliver(struct ipc_peer *p, struct ipc_msg *msg)
{
	struct bb_err err = { 0 };

	if (!ipc_permitted(p->remote, p->self, msg->type)) {
		(void)bb_err_set(&err, -EBADMSG, "%s may not send %s", ipc_role_str[p->remote],
				 ipc_type_name(msg->type));
		peer_die(p, &err);
	} else {
		p->in_callback = true;
		p->on_msg(p, msg, p->arg);
		p->in_callback = false;
	}
	bb_closep(&msg->fd);
	if (p->freed) {
		peer_destroy(p);
		return false;
	}
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_peer *p = arg;
	BB_UNINIT uint8_t buf[IPC_MSG_MAX];

	(void)what;
	for (unsigned int i = 0; i < READ_BATCH; i++) {
		struct ipc_msg msg = { .fd = -1 };
		struct bb_err err = { 0 };
		int r;

		if (p->dead.code || !event_pending(p->rd, EV_READ, NULL))
			return; /* ended or paused by a callback */
		r = ipc_recv(fd, buf, &msg, &err);
		if (r == -EAGAIN)
			return;
		if (r < 0) {
			peer_die(p, &err);
			return;
		}
		if (!peer_deliver(p, &msg))
			return;
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_peer *p = arg;
	struct queued *q;

	(void)what;
	while ((q = TAILQ_FIRST(&p->queue))) {
		struct bb_err err = { 0 };
		int r = ipc_send_raw(fd, (struct bb_span){ q->data, q->len }, q->fd, &err);

		if (r == -EAGAIN || r == -ETOOMANYREFS)
			return;
		if (r < 0) {
			peer_die(p, &err);
			return;
		}
		TAILQ_REMOVE(&p->queue, q, link);
		p->queued_bytes -= q->len;
		bb_closep(&q->fd);
		free(q);
	}
	(void)event_del(p->wr);
	if (p->on_drain) {
		p->in_callback = true;
		p->on_drain(p, p->arg);
		p->in_callback = false;
		if (p->freed)
			peer_destroy(p);
	}
}

struct ipc_peer *ipc_peer_new(struct event_base *base, enum ipc_role self, enum ipc_role remote,
			      int fd, ipc_msg_fn on_msg, ipc_dead_fn on_dead, void *arg)
{
	struct ipc_peer *p = calloc(1, sizeof(*p));

	if (!p) {
		bb_closep(&fd);
		return NULL;
	}
	*p = (struct ipc_peer){ .fd = fd,
				.self = self,
				.remote = remote,
				.on_msg = on_msg,
				.on_dead = on_dead,
				.arg = arg };
	TAILQ_INIT(&p->queue);
	p->rd = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, p);
	p->wr = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, p);
	p->deferred = event_new(base, -1, 0, on_deferred, p);
	if (!p->rd || !p->wr || !p->deferred || bb_set_nonblock(fd, true) < 0 ||
	    event_add(p->rd, NULL) < 0) {
		peer_destroy(p);
		return NULL;
	}
	return p;
}

static int peer_enqueue(struct ipc_peer *p, struct bb_span dgram, int fd)
{
	struct bb_err err = { 0 };
	struct queued *q;
	int copy = -1;

	if (p->queued_bytes + dgram.len > IPC_PEER_QUEUE_MAX) {
		(void)bb_err_set(&err, -ENOBUFS, "%s does not read its messages",
				 ipc_role_str[p->remote]);
		peer_die(p, &err);
		return 0;
	}
	if (fd >= 0) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (copy < 0)
			return -errno;
	}
	q = malloc(sizeof(*q) + dgram.len);
	if (!q) {
		bb_closep(&copy);
		return -ENOMEM;
	}
	q->fd = copy;
	q->len = dgram.len;
	memcpy(q->data, dgram.p, dgram.len);
	TAILQ_INSERT_TAIL(&p->queue, q, link);
	p->queued_bytes += dgram.len;
	return event_add(p->wr, NULL) < 0 ? -ENOMEM : 0;
}

int ipc_peer_send(struct ipc_peer *p, const struct ipc_msg *msg)
{
	BB_UNINIT uint8_t buf[IPC_MSG_MAX];
	struct bb_err err = { 0 };
	struct bb_span dgram = { buf, 0 };
	int r;

	if (p->dead.code)
		return 0;
	/* Not permitted, or a span past its cap, is our own bug */
	BB_BUG_ON(!ipc_permitted(p->self, p->remote, msg->type));
	BB_BUG_ON(ipc_encode(msg, buf, &dgram.len) != IPC_OK);

	if (!TAILQ_EMPTY(&p->queue))
		return peer_enqueue(p, dgram, msg->fd);
	r = ipc_send_raw(p->fd, dgram, msg->fd, &err);
	if (r == -EAGAIN)
		return peer_enqueue(p, dgram, msg->fd);
	if (r == -ETOOMANYREFS || r == -EMFILE || r == -ENOMEM)
		return r;
	if (r < 0)
		peer_die(p, &err);
	return 0;
}

size_t ipc_peer_queued(const struct ipc_peer *p)
{
	return p->queued_bytes;
}

void ipc_peer_on_drain(struct ipc_peer *p, void (*fn)(struct ipc_peer *peer, void *arg))
{
	p->on_drain = fn;
}

void ipc_peer_pause(struct ipc_peer *p, bool pause)
{
	if (p->dead.code)
		return;
	if (pause)
		(void)event_del(p->rd);
	else
		(void)event_add(p->rd, NULL);
}

enum ipc_role ipc_peer_remote(const struct ipc_peer *p)
{
	return p->remote;
}
