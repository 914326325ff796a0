/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/vsock_conn.h"
#include "base/io.h"
#include "proc/gate/vu_device.h"
#include "wire/vsock.h"
#include <errno.h>
#include <event2/buffer.h>
#include <sys/queue.h>
#include <sys/random.h>

/*
 * Theory of operation. A connection is named by (guest port, host port). What it has to say is a
 * set of bits (`pending`) and a buffer, never a queue of packets, so a guest that does not offer
 * receive buffers costs a bounded amount. Connections with something to say stand in the ready list
 * and get a turn each in pump(); a turn is at most BURST_BYTES.
 *
 * Credit: `rx_*` counts what the guest sent, against the window we granted; `tx_*` what we sent,
 * against what the guest granted. All are modulo 2^32, as on the wire.
 */
#define BUCKETS          4096u
#define BURST_CHAINS     16u
#define BURST_BYTES      65536u
#define PUMP_TURNS       256u
#define CONNECT_MS       30000u /* as the guest waits for us: either may have no time */
#define CLOSE_MS         60000u
#define FIRST_HOST_PORT  0x40000000u
#define IOV_MAX_SEGMENTS 256u

enum conn_state {
	CONN_CONNECTING = 0, /* we sent REQUEST */
	CONN_OPEN,
	CONN_CLOSING, /* the service let go; the rest goes out, then RST comes */
	CONN_DEAD,    /* out of the table, freed at the end of the turn */
};

/* What a connection has to say */
enum {
	SAY_REQUEST = 1,
	SAY_RESPONSE = 2,
	SAY_CREDIT = 4,
	SAY_SHUTDOWN = 8,
};

struct conn {
	struct stream stream; /* first: struct stream * is struct conn * */
	struct vsock *vs;
	TAILQ_ENTRY(conn) all;
	TAILQ_ENTRY(conn) ready_link;
	LIST_ENTRY(conn) bucket;
	enum conn_state state;
	uint32_t guest_port;
	uint32_t host_port;
	unsigned int pending;
	bool ready; /* in the ready list */
	bool want_room;
	bool was_open;
	uint32_t shut;      /* VSOCK_SHUTDOWN_* that we (will) have sent */
	uint32_t shut_peer; /* and the guest */
	uint32_t rx_cnt;
	uint32_t rx_fwd;      /* consumed */
	uint32_t rx_fwd_told; /* and the guest knows */
	uint32_t rx_window;
	uint32_t rx_grow_mark;
	uint32_t tx_cnt;
	uint32_t tx_fwd;
	uint32_t tx_window;
	uint64_t deadline_ms; /* 0 = none */
	uint64_t last_ms;
	struct evbuffer *out;
};
TAILQ_HEAD(conn_list, conn);
LIST_HEAD(conn_bucket, conn);

/* A reset for something that is not in the table */
struct refusal {
	uint32_t guest_port;
	uint32_t host_port;
	uint16_t type;
};

/* Receive buffers for one burst */
struct burst {
	struct vring_chain chains[BURST_CHAINS];
	uint32_t room[BURST_CHAINS]; /* payload octets in each */
	struct iovec iov[IOV_MAX_SEGMENTS];
	size_t n_chains;
	size_t n_iov;
	size_t bytes;
};

struct vsock {
	struct event_base *base;
	struct vu_device *dev;
	const struct vsock_user *user;
	void *arg;
	struct event *pump_event;
	size_t n_conns;
	size_t max_conns;
	size_t windows;
	bool held;
	bool paused;
	bool worth;    /* a packet of this turn was worth it */
	uint32_t work; /* of this turn */
	uint32_t seed;
	uint32_t next_port;
	uint64_t now_ms;
	struct conn_list all;
	struct conn_list ready;
	struct conn_list dead;
	struct conn_bucket buckets[BUCKETS];
	struct burst burst; /* scratch of one turn: too large for the stack */
	size_t n_refusals;
	size_t first_refusal;
	struct refusal refusals[VSOCK_RST_MAX];
};

static struct conn *conn_of(struct stream *s)
{
	return (struct conn *)(void *)s;
}

static struct conn_bucket *bucket_of(struct vsock *vs, uint32_t guest_port, uint32_t host_port)
{
	uint64_t x = ((uint64_t)guest_port << 32 | host_port) ^ vs->seed;

	x *= 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u ^ vs->seed;
	return &vs->buckets[(x >> 40) % BUCKETS];
}

static struct conn *find(struct vsock *vs, uint32_t guest_port, uint32_t host_port)
{
	struct conn *c;

	LIST_FOREACH(c, bucket_of(vs, guest_port, host_port), bucket)
	{
		if (c->guest_port == guest_port && c->host_port == host_port)
			return c;
	}
	return NULL;
}

static void wake(struct vsock *vs)
{
	event_active(vs->pump_event, EV_TIMEOUT, 1);
}

static uint32_t tx_credit(const struct conn *c)
{
	uint32_t in_flight = c->tx_cnt - c->tx_fwd;

	return in_flight < c->tx_window ? c->tx_window - in_flight : 0;
}

/* Has it anything to say that could go out, given a receive buffer? */
static bool has_work(const struct conn *c)
{
	size_t queued = evbuffer_get_length(c->out);

	if (c->state == CONN_DEAD)
		return false;
	if (c->pending & (SAY_REQUEST | SAY_RESPONSE | SAY_CREDIT))
		return true;
	if (c->state == CONN_CONNECTING)
		return false;
	if (queued > 0 || c->want_room)
		return tx_credit(c) > 0;
	return c->pending & SAY_SHUTDOWN;
}

static void schedule(struct conn *c)
{
	if (c->ready || !has_work(c))
		return;
	c->ready = true;
	TAILQ_INSERT_TAIL(&c->vs->ready, c, ready_link);
	wake(c->vs);
}

static void say(struct conn *c, unsigned int what)
{
	c->pending |= what;
	schedule(c);
}

/* Take it out of everything; memory goes at the end of the turn, callers may still hold it */
static void conn_kill(struct conn *c)
{
	struct vsock *vs = c->vs;

	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	LIST_REMOVE(c, bucket);
	TAILQ_REMOVE(&vs->all, c, all);
	if (c->ready)
		TAILQ_REMOVE(&vs->ready, c, ready_link);
	c->ready = false;
	TAILQ_INSERT_TAIL(&vs->dead, c, all);
	vs->n_conns--;
	vs->windows -= c->rx_window;
	wake(vs);
}

static void reap(struct vsock *vs)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&vs->dead))) {
		TAILQ_REMOVE(&vs->dead, c, all);
		evbuffer_free(c->out);
		free(c);
	}
}

/* Kill it and tell its service, if it still has one */
static void conn_gone(struct conn *c, bool orderly)
{
	const struct stream_handler *h = c->stream.handler;

	if (c->state == CONN_DEAD)
		return;
	conn_kill(c);
	c->stream.handler = NULL;
	if (h)
		h->on_gone(&c->stream, orderly, c->stream.arg);
}

static void refuse(struct vsock *vs, uint32_t guest_port, uint32_t host_port, uint16_t type)
{
	size_t at = (vs->first_refusal + vs->n_refusals) % VSOCK_RST_MAX;

	/* may_take() leaves room for one per packet; resets of our own making find room or go
	 * without: the guest's next packet to a port we do not know is refused then */
	if (vs->n_refusals == VSOCK_RST_MAX)
		return;
	vs->refusals[at] = (struct refusal){ guest_port, host_port, type };
	vs->n_refusals++;
	vs->work++;
	wake(vs);
}

static void conn_reset(struct conn *c)
{
	refuse(c->vs, c->guest_port, c->host_port, VSOCK_TYPE_STREAM);
	conn_gone(c, false);
}

static const struct stream_ops conn_ops;

static struct conn *conn_new(struct vsock *vs, uint32_t guest_port, uint32_t host_port)
{
	struct conn *c;

	if (vs->n_conns >= vs->max_conns)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->out = evbuffer_new();
	if (!c->out) {
		free(c);
		return NULL;
	}
	c->stream.ops = &conn_ops;
	c->vs = vs;
	c->guest_port = guest_port;
	c->host_port = host_port;
	c->rx_window = STREAM_WINDOW_MIN;
	c->last_ms = vs->now_ms;
	vs->windows += c->rx_window;
	vs->n_conns++;
	TAILQ_INSERT_TAIL(&vs->all, c, all);
	LIST_INSERT_HEAD(bucket_of(vs, guest_port, host_port), c, bucket);
	return c;
}

/* ---- out ---- */

static void header_of(struct conn *c, uint16_t op, uint32_t len, uint32_t flags,
		      struct vsock_header *h)
{
	*h = (struct vsock_header){ .src_cid = VSOCK_CID_HOST,
				    .dst_cid = VSOCK_CID_GUEST,
				    .src_port = c->host_port,
				    .dst_port = c->guest_port,
				    .len = len,
				    .type = VSOCK_TYPE_STREAM,
				    .op = op,
				    .flags = flags,
				    .buf_alloc = c->rx_window,
				    .fwd_cnt = c->rx_fwd };
	c->rx_fwd_told = c->rx_fwd;
	c->pending &= ~(unsigned int)SAY_CREDIT;
}

static void put_packet(struct vsock *vs, const struct vring_chain *chain,
		       const struct vsock_header *h)
{
	uint8_t raw[VSOCK_HEADER_BYTES];

	vsock_header_write(raw, h);
	BB_BUG_ON(!vring_chain_write(chain, raw, sizeof(raw)));
	vu_device_put(vs->dev, chain, VSOCK_HEADER_BYTES + h->len);
}

/* A packet without payload. Return: false without a receive buffer */
static bool send_control(struct conn *c, uint16_t op, uint32_t flags)
{
	struct vring_chain chain;
	struct vsock_header h;

	if (!vu_device_take(c->vs->dev, &chain))
		return false;
	header_of(c, op, 0, flags, &h);
	put_packet(c->vs, &chain, &h);
	return true;
}

static bool send_refusal(struct vsock *vs)
{
	const struct refusal *r = &vs->refusals[vs->first_refusal];
	struct vring_chain chain;
	struct vsock_header h = { .src_cid = VSOCK_CID_HOST,
				  .dst_cid = VSOCK_CID_GUEST,
				  .src_port = r->host_port,
				  .dst_port = r->guest_port,
				  .type = r->type,
				  .op = VSOCK_OP_RST };

	if (!vu_device_take(vs->dev, &chain))
		return false;
	put_packet(vs, &chain, &h);
	vs->first_refusal = (vs->first_refusal + 1) % VSOCK_RST_MAX;
	if (--vs->n_refusals + 2 == VSOCK_RST_MAX) /* may_take() has just become true */
		vu_device_resume(vs->dev);
	return true;
}

static void burst_take(struct conn *c, size_t want, struct burst *b)
{
	b->n_chains = b->n_iov = b->bytes = 0;
	while (b->n_chains < BURST_CHAINS && b->bytes < want &&
	       b->n_iov + VRING_SEGMENTS_MAX <= IOV_MAX_SEGMENTS) {
		struct vring_chain *chain = &b->chains[b->n_chains];
		size_t room, left = want - b->bytes;

		if (!vu_device_take(c->vs->dev, chain))
			break;
		room = chain->bytes_in - VSOCK_HEADER_BYTES;
		if (room > left)
			room = left;
		if (room > VSOCK_PAYLOAD_MAX)
			room = VSOCK_PAYLOAD_MAX;
		b->n_iov += vring_chain_slice(chain, true, VSOCK_HEADER_BYTES, (uint32_t)room,
					      b->iov + b->n_iov);
		b->room[b->n_chains++] = (uint32_t)room;
		b->bytes += room;
	}
}

/* @n octets lie in the burst's payload parts: write the headers, put back what was not used */
static void burst_put(struct conn *c, struct burst *b, size_t n)
{
	size_t used = 0, left = n;

	for (; used < b->n_chains && left > 0; used++) {
		uint32_t len = b->room[used] < left ? b->room[used] : (uint32_t)left;
		struct vsock_header h;

		header_of(c, VSOCK_OP_RW, len, 0, &h);
		put_packet(c->vs, &b->chains[used], &h);
		left -= len;
	}
	vu_device_untake(c->vs->dev, (uint16_t)(b->n_chains - used));
	c->tx_cnt += (uint32_t)n;
	if (n > 0)
		c->last_ms = c->vs->now_ms;
	c->vs->worth |= n >= STREAM_WORTH; /* so is a kick for the room that it needs */
}

static size_t burst_want(const struct conn *c)
{
	uint32_t credit = tx_credit(c);

	return credit < BURST_BYTES ? credit : BURST_BYTES;
}

/* What the service wrote. Return: false without a receive buffer */
static bool send_out(struct conn *c)
{
	size_t want = burst_want(c), have = evbuffer_get_length(c->out), done = 0;
	struct burst *b = &c->vs->burst;

	burst_take(c, want < have ? want : have, b);
	for (size_t i = 0; i < b->n_iov; i++) {
		int n = evbuffer_remove(c->out, b->iov[i].iov_base, b->iov[i].iov_len);

		BB_BUG_ON(n != (int)b->iov[i].iov_len);
		done += (size_t)n;
	}
	burst_put(c, b, done);
	return b->n_chains > 0;
}

static ssize_t conn_pull(struct stream *s, int fd)
{
	struct conn *c = conn_of(s);
	size_t want = burst_want(c);
	struct burst *b = &c->vs->burst;
	ssize_t n;

	if (c->state != CONN_OPEN || want == 0 || evbuffer_get_length(c->out) > 0)
		return -ENOBUFS;
	burst_take(c, want, b);
	if (b->n_chains == 0)
		return -ENOBUFS;
	do {
		n = readv(fd, b->iov, (int)b->n_iov);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		n = errno == EWOULDBLOCK ? -EAGAIN : -errno;
	burst_put(c, b, n > 0 ? (size_t)n : 0);
	wake(c->vs); /* to flush */
	return n;
}

/* One control packet that is due. Return: false without a receive buffer */
static bool send_pending(struct conn *c)
{
	static const struct {
		unsigned int bit;
		uint16_t op;
	} order[] = {
		{ SAY_REQUEST, VSOCK_OP_REQUEST },
		{ SAY_RESPONSE, VSOCK_OP_RESPONSE },
		{ SAY_CREDIT, VSOCK_OP_CREDIT_UPDATE },
	};

	for (size_t i = 0; i < BB_ARRAY_LEN(order); i++) {
		if (!(c->pending & order[i].bit))
			continue;
		if (!send_control(c, order[i].op, 0))
			return false;
		c->pending &= ~order[i].bit;
	}
	return true;
}

/* One turn. Return: false without a receive buffer */
static bool conn_turn(struct conn *c)
{
	if (!send_pending(c))
		return false;
	if (c->state == CONN_CONNECTING)
		return true;
	if (evbuffer_get_length(c->out) > 0)
		return tx_credit(c) == 0 || send_out(c);
	if (c->want_room && tx_credit(c) > 0 && c->stream.handler) {
		c->want_room = false;
		c->stream.handler->on_room(&c->stream, c->stream.arg);
		return true;
	}
	if (c->pending & SAY_SHUTDOWN) {
		if (!send_control(c, VSOCK_OP_SHUTDOWN, c->shut))
			return false;
		c->pending &= ~(unsigned int)SAY_SHUTDOWN;
	}
	return true;
}

static void pump(evutil_socket_t fd, short what, void *arg)
{
	struct vsock *vs = arg;
	struct conn *c;

	(void)fd;
	(void)what;
	vs->now_ms = bb_now_ms();
	for (unsigned int turns = 0; turns < PUMP_TURNS; turns++) {
		if (vs->n_refusals > 0) {
			if (!send_refusal(vs))
				break;
			continue;
		}
		c = TAILQ_FIRST(&vs->ready);
		if (!c)
			break;
		TAILQ_REMOVE(&vs->ready, c, ready_link);
		c->ready = false;
		if (!conn_turn(c)) {
			/* no receive buffer: it stays first, on_room() goes on */
			if (c->state != CONN_DEAD && !c->ready) {
				c->ready = true;
				TAILQ_INSERT_HEAD(&vs->ready, c, ready_link);
			}
			break;
		}
		schedule(c);
	}
	if (!TAILQ_EMPTY(&vs->ready) || vs->n_refusals > 0) {
		struct vring_chain probe;

		if (vu_device_take(vs->dev, &probe)) {
			vu_device_untake(vs->dev, 1);
			wake(vs);
		}
	}
	vu_device_flush(vs->dev);
	reap(vs);
}

/* ---- in ---- */

static void on_request(struct vsock *vs, const struct vsock_header *h)
{
	struct conn *c = conn_new(vs, h->src_port, h->dst_port);

	if (!c) {
		vs->user->on_limit(h->dst_port, vs->arg);
		refuse(vs, h->src_port, h->dst_port, h->type);
		return;
	}
	c->state = CONN_OPEN;
	c->was_open = true;
	c->tx_window = h->buf_alloc;
	c->tx_fwd = h->fwd_cnt;
	c->tx_cnt = h->fwd_cnt; /* 0 from an honest guest */
	if (!vs->user->accept(&c->stream, h->dst_port, vs->arg)) {
		refuse(vs, h->src_port, h->dst_port, h->type);
		conn_kill(c);
		return;
	}
	say(c, SAY_RESPONSE);
}

static void on_rw(struct conn *c, uint32_t len, const struct vring_chain *chain)
{
	struct iovec seg[VRING_SEGMENTS_MAX];
	size_t n;

	if ((c->shut_peer & VSOCK_SHUTDOWN_SEND) || len > c->rx_window - (c->rx_cnt - c->rx_fwd)) {
		conn_reset(c); /* past the credit, or after its own end */
		return;
	}
	if (len == 0)
		return;
	c->rx_cnt += len;
	c->last_ms = c->vs->now_ms;
	if (!c->stream.handler) { /* closing: nobody listens */
		stream_consumed(&c->stream, len);
		return;
	}
	n = vring_chain_slice(chain, false, VSOCK_HEADER_BYTES, len, seg);
	c->stream.handler->on_data(&c->stream, seg, n, len, c->stream.arg);
}

static void on_shutdown(struct conn *c, uint32_t flags)
{
	bool had_eof = c->shut_peer & VSOCK_SHUTDOWN_SEND;

	c->shut_peer |= flags;
	if (!had_eof && (c->shut_peer & VSOCK_SHUTDOWN_SEND) && c->stream.handler)
		c->stream.handler->on_eof(&c->stream, c->stream.arg);
	if (c->state == CONN_DEAD)
		return;
	if (c->shut_peer & VSOCK_SHUTDOWN_RECEIVE) {
		(void)evbuffer_drain(c->out, evbuffer_get_length(c->out));
		c->want_room = false;
	}
	/* it closed: the answer to a full shutdown is a reset */
	if (c->shut_peer == VSOCK_SHUTDOWN_BOTH) {
		refuse(c->vs, c->guest_port, c->host_port, VSOCK_TYPE_STREAM);
		conn_gone(c, true);
	}
}

static void on_response(struct conn *c)
{
	c->state = CONN_OPEN;
	c->was_open = true;
	c->deadline_ms = 0;
	if (c->stream.handler && c->stream.handler->on_open)
		c->stream.handler->on_open(&c->stream, c->stream.arg);
}

/* The guest's view of the credit it gives. Return: false when it cannot be true */
static bool take_credit(struct conn *c, const struct vsock_header *h)
{
	if ((int32_t)(c->tx_cnt - h->fwd_cnt) < 0)
		return false; /* consumed what was never sent */
	c->tx_window = h->buf_alloc;
	c->tx_fwd = h->fwd_cnt;
	return true;
}

static void on_conn_packet(struct conn *c, const struct vsock_header *h,
			   const struct vring_chain *chain)
{
	bool connecting = c->state == CONN_CONNECTING;

	if (h->op == VSOCK_OP_RST) {
		/* after our own shutdown of both sides this is the orderly end */
		conn_gone(c, c->shut == VSOCK_SHUTDOWN_BOTH);
		return;
	}
	if (h->op == VSOCK_OP_REQUEST || (h->op == VSOCK_OP_RESPONSE) != connecting ||
	    !take_credit(c, h)) {
		conn_reset(c);
		return;
	}
	switch ((enum vsock_op)h->op) {
	case VSOCK_OP_RESPONSE:
		on_response(c);
		break;
	case VSOCK_OP_RW:
		on_rw(c, h->len, chain);
		break;
	case VSOCK_OP_SHUTDOWN:
		on_shutdown(c, h->flags);
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		say(c, SAY_CREDIT);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
	case VSOCK_OP_REQUEST:
	case VSOCK_OP_RST:
	case VSOCK_OP_INVALID:
	case VSOCK_NUM_OPS:
		break;
	}
	schedule(c);
}

static void on_packet(const struct vsock_header *h, enum vsock_result r,
		      const struct vring_chain *chain, void *arg)
{
	struct vsock *vs = arg;
	struct conn *c;

	if (h->op == VSOCK_OP_RW && h->len >= STREAM_WORTH)
		vs->worth = true;
	else
		vs->work++;
	if (h->src_cid != VSOCK_CID_GUEST)
		return; /* no such sender: nobody to answer */
	if (h->dst_cid != VSOCK_CID_HOST || h->type != VSOCK_TYPE_STREAM) {
		if (h->op != VSOCK_OP_RST)
			refuse(vs, h->src_port, h->dst_port, h->type);
		return;
	}
	c = find(vs, h->src_port, h->dst_port);
	if (c && r != VSOCK_RESULT_OK)
		conn_reset(c);
	else if (c)
		on_conn_packet(c, h, chain);
	else if (h->op == VSOCK_OP_REQUEST && r == VSOCK_RESULT_OK)
		on_request(vs, h);
	else if (h->op != VSOCK_OP_RST)
		refuse(vs, h->src_port, h->dst_port, h->type);
}

/* ---- what services call ---- */

static int conn_write(struct stream *s, const void *p, size_t len)
{
	struct conn *c = conn_of(s);

	if (c->state == CONN_DEAD || (c->shut & VSOCK_SHUTDOWN_SEND) ||
	    (c->shut_peer & VSOCK_SHUTDOWN_RECEIVE))
		return 0; /* nobody will read it */
	if (evbuffer_get_length(c->out) + len > STREAM_OUT_MAX)
		return -ENOBUFS;
	if (evbuffer_add(c->out, p, len) < 0)
		return -ENOMEM;
	schedule(c);
	return 0;
}

static size_t conn_queued(const struct stream *s)
{
	return evbuffer_get_length(((const struct conn *)(const void *)s)->out);
}

static void conn_want_room(struct stream *s)
{
	struct conn *c = conn_of(s);

	if (c->shut_peer & VSOCK_SHUTDOWN_RECEIVE)
		return;
	c->want_room = true;
	schedule(c);
}

/* Double the window of a stream that has used it up */
static void maybe_grow(struct conn *c)
{
	if (!c->stream.grow || c->rx_window >= STREAM_WINDOW_MAX ||
	    c->rx_fwd - c->rx_grow_mark < c->rx_window ||
	    c->vs->windows + c->rx_window > VSOCK_WINDOWS_MAX)
		return;
	c->vs->windows += c->rx_window;
	c->rx_window *= 2;
	c->rx_grow_mark = c->rx_fwd;
	say(c, SAY_CREDIT);
}

static void conn_consumed(struct stream *s, size_t len)
{
	struct conn *c = conn_of(s);

	if (c->state == CONN_DEAD)
		return;
	c->rx_fwd += (uint32_t)len;
	maybe_grow(c);
	if (c->rx_fwd - c->rx_fwd_told >= c->rx_window / 4)
		say(c, SAY_CREDIT);
}

static void conn_shutdown(struct stream *s)
{
	struct conn *c = conn_of(s);

	if (c->state == CONN_DEAD || (c->shut & VSOCK_SHUTDOWN_SEND))
		return;
	c->shut |= VSOCK_SHUTDOWN_SEND;
	say(c, SAY_SHUTDOWN);
}

static void conn_close(struct stream *s)
{
	struct conn *c = conn_of(s);

	if (c->state == CONN_DEAD)
		return;
	s->handler = NULL;
	c->want_room = false;
	if (c->state == CONN_CONNECTING) {
		conn_reset(c);
		return;
	}
	c->state = CONN_CLOSING;
	c->deadline_ms = c->vs->now_ms + CLOSE_MS;
	c->shut = VSOCK_SHUTDOWN_BOTH;
	say(c, SAY_SHUTDOWN);
}

static void conn_reset_op(struct stream *s)
{
	struct conn *c = conn_of(s);

	s->handler = NULL;
	if (c->state != CONN_DEAD)
		conn_reset(c);
}

static const struct stream_ops conn_ops = {
	.write = conn_write,
	.queued = conn_queued,
	.pull = conn_pull,
	.want_room = conn_want_room,
	.consumed = conn_consumed,
	.shutdown = conn_shutdown,
	.close = conn_close,
	.reset = conn_reset_op,
};

struct stream *vsock_connect(struct vsock *vs, uint32_t port, const struct stream_handler *h,
			     void *arg)
{
	struct conn *c;

	vs->now_ms = bb_now_ms();
	while (find(vs, port, vs->next_port))
		vs->next_port++;
	c = conn_new(vs, port, vs->next_port);
	if (!c)
		return NULL;
	if (++vs->next_port < FIRST_HOST_PORT)
		vs->next_port = FIRST_HOST_PORT;
	stream_serve(&c->stream, h, arg);
	c->deadline_ms = vs->now_ms + CONNECT_MS;
	say(c, SAY_REQUEST);
	return &c->stream;
}

/* ---- the device's side ---- */

static bool may_take(void *arg)
{
	struct vsock *vs = arg;

	/* one packet may need two: its own, and one for the connection it hits */
	return !vs->held && !vs->paused && vs->n_refusals + 2 <= VSOCK_RST_MAX;
}

void vsock_hold(struct vsock *vs, bool on)
{
	vs->held = on;
	if (!on)
		vu_device_resume(vs->dev);
}

void vsock_pause(struct vsock *vs, bool on)
{
	vs->paused = on;
	vu_device_pause(vs->dev, on);
}

static void say_work(struct vsock *vs)
{
	uint32_t n = vs->work + (vs->worth ? 0 : VSOCK_KICK);

	vs->work = 0;
	vs->worth = false;
	vs->user->on_work(n, vs->arg);
}

static void on_batch(void *arg)
{
	struct vsock *vs = arg;

	vs->now_ms = bb_now_ms();
	say_work(vs);
	wake(vs);
}

static void on_room(void *arg)
{
	say_work(arg);
	wake(arg);
}

static void on_stop(void *arg)
{
	struct vsock *vs = arg;
	struct conn *c;

	while ((c = TAILQ_FIRST(&vs->all)))
		conn_gone(c, false);
	vs->n_refusals = 0;
}

static void on_dead(const char *why, void *arg)
{
	struct vsock *vs = arg;

	vs->user->on_dead(why, vs->arg);
}

static const struct vu_device_user device_user = {
	.may_take = may_take,
	.on_packet = on_packet,
	.on_batch = on_batch,
	.on_room = on_room,
	.on_stop = on_stop,
	.on_dead = on_dead,
};

struct vsock *vsock_new(struct event_base *base, int vhost_fd, size_t max_conns,
			const struct vsock_user *user, void *arg)
{
	struct vsock *vs = calloc(1, sizeof(*vs));

	if (!vs) {
		bb_closep(&vhost_fd);
		return NULL;
	}
	vs->base = base;
	vs->user = user;
	vs->arg = arg;
	vs->max_conns = max_conns;
	vs->next_port = FIRST_HOST_PORT;
	vs->now_ms = bb_now_ms();
	TAILQ_INIT(&vs->all);
	TAILQ_INIT(&vs->ready);
	TAILQ_INIT(&vs->dead);
	vs->pump_event = event_new(base, -1, 0, pump, vs);
	vs->dev = vu_device_new(base, vhost_fd, &device_user, vs);
	if (!vs->pump_event || !vs->dev ||
	    getrandom(&vs->seed, sizeof(vs->seed), 0) != (ssize_t)sizeof(vs->seed)) {
		vsock_free(vs);
		return NULL;
	}
	return vs;
}

void vsock_free(struct vsock *vs)
{
	struct conn *c;

	if (!vs)
		return;
	while ((c = TAILQ_FIRST(&vs->all)))
		conn_gone(c, false);
	reap(vs);
	vu_device_free(vs->dev);
	if (vs->pump_event)
		event_free(vs->pump_event);
	free(vs);
}

void vsock_tick(struct vsock *vs)
{
	struct conn *c, *next;

	vs->now_ms = bb_now_ms();
	for (c = TAILQ_FIRST(&vs->all); c; c = next) {
		uint64_t idle = c->stream.idle_ms;

		next = TAILQ_NEXT(c, all);
		if ((c->deadline_ms && vs->now_ms >= c->deadline_ms) ||
		    (idle && vs->now_ms - c->last_ms >= idle))
			conn_reset(c);
	}
}

size_t vsock_count(const struct vsock *vs)
{
	return vs->n_conns;
}
