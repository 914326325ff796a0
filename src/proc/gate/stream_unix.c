/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/stream_unix.h"
#include "base/io.h"
#include <errno.h>
#include <event2/buffer.h>
#include <sys/socket.h>
#include <time.h>

#define READ_BYTES  65536u
#define IDLE_LOOK_S 60
#define READ_WORK   4u

/*
 * Octets that were sent one by one cost the kernel a microsecond each, some 280 of them fill a
 * socket, and a reader does not see what it reads: so the time that a read of few takes is work too
 */
#define READ_WORK_NS 128    /* a unit */
#define READ_NS_MAX  512000 /* longer: it had to wait for a processor */

struct unix_stream {
	struct stream stream; /* first */
	struct event_base *base;
	int fd;
	struct event *rd;
	struct event *wr;
	struct event *later; /* on_room() and the end, from the loop */
	struct event *idle;
	uint64_t last_ms; /* of the last octet */
	struct evbuffer *out;
	size_t unconsumed;
	bool want_room;
	bool shut;    /* nothing more will be written */
	bool closing; /* the service let go */
	bool eof;
	bool in_call;
	bool freed;
	LIST_ENTRY(unix_stream) link;
	struct stream_unix_set *set; /* or NULL */
};

/* Octets on their way through one call: nothing stays in them */
static uint8_t in_hand[READ_BYTES], out_hand[READ_BYTES];

static struct unix_stream *of(struct stream *s)
{
	return (struct unix_stream *)(void *)s;
}

static void destroy(struct unix_stream *u)
{
	u->stream.handler = NULL;
	if (u->in_call) {
		u->freed = true;
		return;
	}
	if (u->rd)
		event_free(u->rd);
	if (u->wr)
		event_free(u->wr);
	if (u->later)
		event_free(u->later);
	if (u->idle)
		event_free(u->idle);
	if (u->out)
		evbuffer_free(u->out);
	bb_closep(&u->fd);
	if (u->set) {
		u->set->live--;
		LIST_REMOVE(u, link);
	}
	free(u);
}

static void gone(struct unix_stream *u, bool orderly)
{
	const struct stream_handler *h = u->stream.handler;

	u->stream.handler = NULL;
	if (h)
		h->on_gone(&u->stream, orderly, u->stream.arg);
	destroy(u);
}

/* Write what waits. Return: false when the stream has ended */
static bool flush(struct unix_stream *u)
{
	while (evbuffer_get_length(u->out) > 0) {
		int n = evbuffer_write(u->out, u->fd);

		if (n > 0)
			u->last_ms = bb_now_ms();
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n < 0 && errno != EAGAIN) {
			gone(u, false);
			return false;
		}
		(void)event_add(u->wr, NULL);
		return true;
	}
	(void)event_del(u->wr);
	if (u->shut)
		(void)shutdown(u->fd, SHUT_WR);
	if (u->closing) {
		destroy(u);
		return false;
	}
	if (u->want_room)
		event_active(u->later, EV_TIMEOUT, 1);
	return true;
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct unix_stream *u = arg;

	(void)fd;
	(void)what;
	if (!u->stream.handler || !u->want_room || evbuffer_get_length(u->out) > 0)
		return;
	u->want_room = false;
	u->in_call = true;
	u->stream.handler->on_room(&u->stream, u->stream.arg);
	u->in_call = false;
	if (u->freed)
		destroy(u);
	else
		(void)flush(u);
}

/* The service may say how long at any time: looked at again when it could be over */
static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct unix_stream *u = arg;
	uint64_t past = bb_now_ms() - u->last_ms, limit = u->stream.idle_ms;
	struct timeval tv = { .tv_sec = IDLE_LOOK_S };

	(void)fd;
	(void)what;
	if (limit && past >= limit) {
		gone(u, false);
		return;
	}
	if (limit && limit - past < IDLE_LOOK_S * 1000u)
		tv = (struct timeval){ .tv_sec = (time_t)((limit - past) / 1000),
				       .tv_usec =
					       (suseconds_t)((limit - past) % 1000 * 1000 + 1000) };
	(void)event_add(u->idle, &tv);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)flush(arg);
}

static void deliver(struct unix_stream *u, size_t n)
{
	const struct iovec seg = { in_hand, n };

	u->in_call = true;
	u->last_ms = bb_now_ms();
	if (n > 0) {
		u->unconsumed += n;
		u->stream.handler->on_data(&u->stream, &seg, 1, n, u->stream.arg);
	} else {
		u->eof = true;
		u->stream.handler->on_eof(&u->stream, u->stream.arg);
	}
	u->in_call = false;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void say_work(const struct unix_stream *u, uint32_t n)
{
	if (u->set && u->set->on_work)
		u->set->on_work(n, u->set->arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct unix_stream *u = arg;
	size_t room = STREAM_WINDOW_MIN - u->unconsumed;
	uint64_t took;
	ssize_t n;

	(void)what;
	if (!u->stream.handler || room == 0 || u->eof || (u->set && u->set->held)) {
		(void)event_del(u->rd);
		say_work(u, 2 * READ_WORK); /* stopped, and started again */
		return;
	}
	took = now_ns();
	n = read(fd, in_hand, room < READ_BYTES ? room : READ_BYTES);
	took = now_ns() - took;
	took = took < READ_NS_MAX ? took : READ_NS_MAX;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		gone(u, false);
		return;
	}
	if (n < (ssize_t)STREAM_WORTH)
		say_work(u, READ_WORK + (uint32_t)(took / READ_WORK_NS));
	deliver(u, (size_t)n);
	if (u->freed)
		destroy(u);
	else if (flush(u) && (u->eof || u->unconsumed >= STREAM_WINDOW_MIN))
		(void)event_del(u->rd);
}

static int unix_write(struct stream *s, const void *p, size_t len)
{
	struct unix_stream *u = of(s);

	if (u->shut || u->freed)
		return 0;
	if (evbuffer_get_length(u->out) + len > STREAM_OUT_MAX)
		return -ENOBUFS;
	if (evbuffer_add(u->out, p, len) < 0)
		return -ENOMEM;
	if (!u->in_call) /* else flushed when the call returns */
		(void)event_add(u->wr, NULL);
	return 0;
}

static size_t unix_queued(const struct stream *s)
{
	return evbuffer_get_length(((const struct unix_stream *)(const void *)s)->out);
}

static ssize_t unix_pull(struct stream *s, int fd)
{
	struct unix_stream *u = of(s);
	ssize_t n;

	if (evbuffer_get_length(u->out) > 0)
		return -ENOBUFS;
	do {
		n = read(fd, out_hand, READ_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return n > 0 && unix_write(s, out_hand, (size_t)n) < 0 ? -ENOMEM : n;
}

static void unix_want_room(struct stream *s)
{
	struct unix_stream *u = of(s);

	u->want_room = true;
	if (evbuffer_get_length(u->out) == 0)
		event_active(u->later, EV_TIMEOUT, 1);
}

static void unix_consumed(struct stream *s, size_t len)
{
	struct unix_stream *u = of(s);

	u->unconsumed -= len;
	if (len > 0 && !u->eof && !u->freed && !u->closing)
		(void)event_add(u->rd, NULL);
}

static void unix_shutdown(struct stream *s)
{
	of(s)->shut = true;
	if (!of(s)->in_call)
		(void)event_add(of(s)->wr, NULL);
}

static void unix_close(struct stream *s)
{
	struct unix_stream *u = of(s);

	s->handler = NULL;
	u->closing = u->shut = true;
	(void)event_del(u->rd);
	if (!u->in_call)
		(void)event_add(u->wr, NULL);
}

static void unix_reset(struct stream *s)
{
	destroy(of(s));
}

static const struct stream_ops unix_ops = {
	.write = unix_write,
	.queued = unix_queued,
	.pull = unix_pull,
	.want_room = unix_want_room,
	.consumed = unix_consumed,
	.shutdown = unix_shutdown,
	.close = unix_close,
	.reset = unix_reset,
};

void stream_unix_hold(struct stream_unix_set *set, bool on)
{
	struct unix_stream *u;

	set->held = on;
	if (on)
		return;
	LIST_FOREACH(u, &set->streams, link)
	{
		if (!u->eof && !u->freed && !u->closing)
			(void)event_add(u->rd, NULL);
	}
}

struct stream *stream_unix_new(struct event_base *base, int fd, struct stream_unix_set *set)
{
	struct unix_stream *u = calloc(1, sizeof(*u));

	if (!u) {
		bb_closep(&fd);
		return NULL;
	}
	u->stream.ops = &unix_ops;
	u->set = set;
	if (set) {
		set->live++;
		LIST_INSERT_HEAD(&set->streams, u, link);
	}
	u->base = base;
	u->fd = fd;
	u->out = evbuffer_new();
	u->rd = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, u);
	u->wr = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, u);
	u->later = event_new(base, -1, 0, on_later, u);
	u->idle = event_new(base, -1, 0, on_idle, u);
	u->last_ms = bb_now_ms();
	if (!u->out || !u->rd || !u->wr || !u->later || !u->idle || bb_set_nonblock(fd, true) < 0 ||
	    event_add(u->rd, NULL) < 0 ||
	    event_add(u->idle, &(struct timeval){ .tv_sec = IDLE_LOOK_S }) < 0) {
		destroy(u);
		return NULL;
	}
	return &u->stream;
}
