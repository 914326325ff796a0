/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/shovel.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define DRAIN_MS 60000

/*
 * @to_fd_done: nothing more goes to the socket: the guest's end was passed on, or it refuses.
 * @from_fd_done: the socket's end was passed on.
 */
struct shovel {
	struct stream *stream; /* NULL once the guest's side has gone */
	int fd;
	struct event *ev;       /* the socket, edge-triggered */
	struct event *timer;    /* while draining, else NULL */
	struct evbuffer *to_fd; /* NULL until the socket once did not take all */
	bool guest_eof;
	bool to_fd_done;
	bool from_fd_done;
	struct shovel_result r;
	shovel_done_fn done;
	void *arg;
};

static void shovel_free(struct shovel *sh)
{
	if (sh->ev)
		event_free(sh->ev);
	if (sh->timer)
		event_free(sh->timer);
	if (sh->to_fd)
		evbuffer_free(sh->to_fd);
	bb_closep(&sh->fd);
	free(sh);
}

static size_t kept(const struct shovel *sh)
{
	return sh->to_fd ? evbuffer_get_length(sh->to_fd) : 0;
}

/* The end. @orderly false: what the socket got is not all there was, so it gets a reset */
static void finish(struct shovel *sh, bool orderly)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (sh->stream && orderly)
		stream_close(sh->stream);
	else if (sh->stream)
		stream_reset(sh->stream);
	if (!orderly)
		(void)setsockopt(sh->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	sh->r.orderly = orderly;
	sh->done(&sh->r, sh->arg);
	shovel_free(sh);
}

/* Return: true when it has ended, and @sh with it */
static bool check_done(struct shovel *sh)
{
	bool guest_gone = !sh->stream;

	if (!sh->to_fd_done || (!sh->from_fd_done && !guest_gone))
		return false;
	finish(sh, true);
	return true;
}

/* The socket does not take octets any more; there may still be some to read from it */
static void refuse_writes(struct shovel *sh)
{
	size_t n = kept(sh);

	if (n > 0)
		(void)evbuffer_drain(sh->to_fd, n);
	sh->to_fd_done = true;
	if (sh->stream)
		stream_consumed(sh->stream, n);
}

/* Pass the guest's end on once all it sent is out. Return: as check_done() */
static bool pass_eof(struct shovel *sh)
{
	if (sh->guest_eof && !sh->to_fd_done && kept(sh) == 0) {
		(void)shutdown(sh->fd, SHUT_WR);
		sh->to_fd_done = true;
	}
	return check_done(sh);
}

/* Write what was kept. Return: as check_done() */
static bool flush(struct shovel *sh)
{
	while (kept(sh) > 0) {
		int n = evbuffer_write(sh->to_fd, sh->fd);

		if (n > 0) {
			sh->r.bytes_out += (uint64_t)n;
			if (sh->stream)
				stream_consumed(sh->stream, (size_t)n);
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			refuse_writes(sh);
		} else if (n == 0 || errno == EAGAIN) {
			break;
		}
	}
	return pass_eof(sh);
}

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
	struct shovel *sh = arg;

	(void)fd;
	if ((what & EV_WRITE) && flush(sh))
		return;
	if ((what & EV_READ) && sh->stream && !sh->from_fd_done)
		stream_want_room(sh->stream);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg, false);
}

/* What the socket did not take: all but @skip octets. Return: false without memory */
static bool keep(struct shovel *sh, const struct iovec *seg, size_t n, size_t skip)
{
	if (!sh->to_fd)
		sh->to_fd = evbuffer_new();
	if (!sh->to_fd)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t part = seg[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		if (evbuffer_add(sh->to_fd, (uint8_t *)seg[i].iov_base + skip, part - skip) < 0)
			return false;
		skip = 0;
	}
	return true;
}

static void on_data(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg)
{
	struct shovel *sh = arg;
	size_t done = 0;

	if (sh->to_fd_done) {
		stream_consumed(s, len);
		return;
	}
	if (kept(sh) == 0) {
		ssize_t w = writev(sh->fd, seg, (int)n);

		if (w < 0 && errno != EAGAIN && errno != EINTR) {
			stream_consumed(s, len);
			refuse_writes(sh);
			(void)check_done(sh);
			return;
		}
		done = w > 0 ? (size_t)w : 0;
		sh->r.bytes_out += done;
	}
	if (done < len && !keep(sh, seg, n, done)) {
		finish(sh, false);
		return;
	}
	if (done > 0)
		stream_consumed(s, done);
}

static void on_eof(struct stream *s, void *arg)
{
	struct shovel *sh = arg;

	(void)s;
	sh->guest_eof = true;
	(void)pass_eof(sh);
}

static void on_room(struct stream *s, void *arg)
{
	struct shovel *sh = arg;
	ssize_t n = stream_pull(s, sh->fd);

	if (n > 0) {
		sh->r.bytes_in += (uint64_t)n;
		stream_want_room(s); /* until EAGAIN: the event is edge-triggered */
	} else if (n == 0) {
		sh->from_fd_done = true;
		stream_shutdown(s);
		(void)check_done(sh);
	} else if (n == -ENOBUFS) {
		stream_want_room(s);
	} else if (n != -EAGAIN) {
		finish(sh, false);
	}
}

static void on_gone(struct stream *s, bool orderly, void *arg)
{
	const struct timeval wait = { .tv_sec = DRAIN_MS / 1000 };
	struct shovel *sh = arg;

	(void)s;
	sh->stream = NULL;
	if (!orderly) {
		finish(sh, false);
		return;
	}
	sh->guest_eof = true;
	if (pass_eof(sh))
		return;
	sh->timer = event_new(event_get_base(sh->ev), -1, 0, on_timer, sh);
	if (!sh->timer || event_add(sh->timer, &wait) < 0)
		finish(sh, false); /* without its deadline it would not be waited for */
}

/* The guest accepted the stream that we opened: from now on octets may go out */
static void on_open(struct stream *s, void *arg)
{
	(void)arg;
	stream_want_room(s);
}

static const struct stream_handler shovel_handler = {
	.on_open = on_open,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_room = on_room,
	.on_gone = on_gone,
};

struct shovel *shovel_new(struct event_base *base, struct stream *s, int fd, struct evbuffer *early,
			  bool eof, shovel_done_fn done, void *arg)
{
	struct shovel *sh = calloc(1, sizeof(*sh));

	if (!sh) {
		bb_closep(&fd);
		return NULL;
	}
	*sh = (struct shovel){ .stream = s, .fd = fd, .guest_eof = eof, .done = done, .arg = arg };
	if (early)
		sh->to_fd = evbuffer_new();
	sh->ev = event_new(base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_fd, sh);
	/* all that a socket has of flags: no need to ask for them first */
	if (!sh->ev || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    (early && (!sh->to_fd || evbuffer_add_buffer(sh->to_fd, early) < 0)) ||
	    event_add(sh->ev, NULL) < 0) {
		shovel_free(sh);
		return NULL;
	}
	stream_serve(s, &shovel_handler, sh);
	/* what there is to read is the first edge; so is, to a socket with room, what came early */
	if (early || eof)
		event_active(sh->ev, EV_WRITE, 1);
	return sh;
}

void shovel_abort(struct shovel *sh)
{
	finish(sh, false);
}
