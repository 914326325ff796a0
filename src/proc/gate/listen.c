/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports of a guest without virtio-vsock: listening UNIX sockets, which bottled made and passed,
 * one for each host port. Streams to the guest (port 5000) are opened the other way round: the
 * guest's agent connects and waits, and what bottled asks for takes one that waits.
 */
#include "base/io.h"
#include "base/log.h"
#include "proc/gate/gate.h"
#include "proc/gate/shovel.h"
#include "proc/gate/stream_unix.h"
#include <errno.h>
#include <sys/socket.h>

#define ACCEPT_AT_ONCE 16
#define WAITING_MAX    4
#define WANTED_MAX     64

struct listener {
	struct listen *owner;
	uint32_t port;
	int fd;
	struct event *event;
	struct event *again; /* listens on after a pause */
};

/** struct waiting - A connection of the guest's agent that has nothing to do yet; fd -1: free */
struct waiting {
	struct listen *owner;
	int fd;
	struct event *event;
};

/**
 * struct listen - All ports of one guest
 * @streams:	Those there are
 * @wanted:	Ends of streams for porters, in the order they were asked for
 */
struct listen {
	struct gate *gate;
	struct listener ports[LISTEN_NUM_PORTS];
	struct stream_unix_set streams;
	struct waiting waiting[WAITING_MAX];
	int wanted[WANTED_MAX];
	size_t n_wanted;
	unsigned int held; /* enum listen_why */
};

static void waiting_drop(struct waiting *w)
{
	if (w->event)
		event_free(w->event);
	bb_closep(&w->fd);
	*w = (struct waiting){ .owner = w->owner, .fd = -1 };
}

/* The guest speaks out of turn, or has gone */
static void on_waiting(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	waiting_drop(arg);
}

static void on_exec_done(const struct shovel_result *r, void *arg)
{
	(void)r;
	(void)arg;
}

static void join(struct listen *l, int guest, int porter)
{
	struct stream *s = stream_unix_new(l->gate->base, guest, &l->streams);

	if (!s) {
		bb_closep(&porter);
		return;
	}
	s->grow = true;
	if (!shovel_new(l->gate->base, s, porter, NULL, false, on_exec_done, NULL))
		stream_reset(s);
}

/* Bring together who waits and what is wanted */
static void match(struct listen *l)
{
	for (size_t i = 0; i < WAITING_MAX && l->n_wanted > 0; i++) {
		struct waiting *w = &l->waiting[i];
		int porter = l->wanted[0];

		if (w->fd < 0)
			continue;
		l->n_wanted--;
		memmove(l->wanted, l->wanted + 1, l->n_wanted * sizeof(l->wanted[0]));
		join(l, BB_TAKE_FD(w->fd), porter);
		waiting_drop(w);
	}
}

static void wait_for_use(struct listen *l, int fd)
{
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &l->waiting[i];

		if (w->fd >= 0)
			continue;
		w->owner = l;
		w->fd = fd;
		w->event = event_new(l->gate->base, fd, EV_READ, on_waiting, w);
		if (!w->event || event_add(w->event, NULL) < 0)
			waiting_drop(w);
		match(l);
		return;
	}
	bb_closep(&fd); /* one of its connections would have done */
}

static void take(struct listener *port, int fd)
{
	struct listen *l = port->owner;
	struct stream *s;

	pace_work(l->gate, GATE_WORK_SOCKET);
	if (port->port == GATE_PORT_EXEC) {
		wait_for_use(l, fd);
		return;
	}
	if (l->streams.live >= GATE_CONNS_MAX) {
		gate_on_limit(port->port, l->gate);
		bb_closep(&fd);
		return;
	}
	s = stream_unix_new(l->gate->base, fd, &l->streams);
	if (s && !gate_on_accept(s, port->port, l->gate))
		stream_reset(s);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = { .tv_usec = 100000 };
	struct listener *port = arg;

	(void)what;
	if (port->owner->streams.held) {
		(void)event_del(port->event);
		return;
	}
	for (int i = 0; i < ACCEPT_AT_ONCE && !port->owner->streams.held; i++) {
		int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (conn < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			/* out of descriptors: the socket stays readable, so not in a tight circle
			 */
			(void)event_del(port->event);
			(void)event_add(port->again, &pause);
		}
		if (conn < 0)
			return;
		take(port, conn);
	}
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)event_add(((struct listener *)arg)->event, NULL);
}

struct listen *listen_new(struct gate *g, const int fds[LISTEN_NUM_PORTS])
{
	static const uint32_t ports[] = { GATE_PORT_EXEC, GATE_PORT_LOG, GATE_PORT_DNS,
					  GATE_PORT_FLOW };
	struct listen *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->gate = g;
	l->streams.on_work = pace_on_work;
	l->streams.arg = g;
	for (size_t i = 0; i < WAITING_MAX; i++)
		l->waiting[i] = (struct waiting){ .owner = l, .fd = -1 };
	for (size_t i = 0; i < LISTEN_NUM_PORTS; i++) {
		struct listener *p = &l->ports[i];

		*p = (struct listener){ .owner = l, .port = ports[i], .fd = fds[i] };
		p->event = event_new(g->base, p->fd, EV_READ | EV_PERSIST, on_connection, p);
		p->again = event_new(g->base, -1, 0, on_again, p);
		if (bb_set_nonblock(p->fd, true) < 0 || !p->event || !p->again ||
		    event_add(p->event, NULL) < 0)
			return NULL; /* the process ends */
	}
	return l;
}

void listen_want(struct listen *l, int porter)
{
	if (l->n_wanted == WANTED_MAX) {
		bb_closep(&porter);
		return;
	}
	l->wanted[l->n_wanted++] = porter;
	match(l);
}

void listen_hold(struct listen *l, enum listen_why why, bool on)
{
	bool was = l->held;

	l->held = on ? l->held | why : l->held & ~(unsigned int)why;
	if (was == (bool)l->held)
		return;
	stream_unix_hold(&l->streams, l->held);
	for (size_t i = 0; i < LISTEN_NUM_PORTS && !l->held; i++)
		(void)event_add(l->ports[i].event, NULL);
}
