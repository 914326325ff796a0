/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/relay.h"
#include "base/io.h"
#include "guest/say.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS_MAX 128
/* <linux/netfilter_ipv4.h> and _ipv6.h, which do not go together with <netinet/in.h> */
#define SO_ORIGINAL_DST_V4 80
#define SO_ORIGINAL_DST_V6 80

/** enum state - Where a flow is */
enum state {
	STATE_CONNECT, /* vsock connect under way */
	STATE_REPLY,   /* header written, reply not yet complete */
	STATE_OPEN,    /* octets both ways */
	STATE_DEAD,    /* closed; freed at the end of this round of events */
};

enum side { SIDE_TCP, SIDE_HOST };

/**
 * struct end - One of a flow's two sockets, with what was read from it
 * @buf:	RELAY_BUFFER octets, NULL while nothing waits
 * @eof:	Its peer sent all it will
 * @shut:	We have passed the other end's EOF on to it
 */
struct end {
	struct flow *flow;
	int fd;
	uint32_t events;
	uint8_t *buf;
	size_t at, len;
	bool eof, shut, watched;
};

struct flow {
	enum state state;
	struct end end[2];
	uint8_t reply[FLOW_REPLY_BYTES];
	size_t reply_len;
	struct flow *next_dead;
};

struct relay {
	const struct host_link *link;
	const struct relay_listener *listeners;
	size_t n_listeners;
	int ep;
	size_t n_flows;
	bool listening;
	struct flow *dead;
};

static void kill_flow(struct relay *r, struct flow *f, bool reset)
{
	const struct linger now = { .l_onoff = 1 };

	if (f->state == STATE_DEAD)
		return;
	if (reset)
		(void)setsockopt(f->end[SIDE_TCP].fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	for (int i = 0; i < 2; i++) {
		bb_closep(&f->end[i].fd);
		free(f->end[i].buf);
	}
	f->state = STATE_DEAD;
	f->next_dead = r->dead;
	r->dead = f;
	r->n_flows--;
}

static void listen_all(struct relay *r, bool on)
{
	for (size_t i = 0; i < r->n_listeners && on != r->listening; i++) {
		struct epoll_event e = { .events = on ? EPOLLIN : 0,
					 .data.ptr = (void *)(uintptr_t)&r->listeners[i] };

		(void)epoll_ctl(r->ep, EPOLL_CTL_MOD, r->listeners[i].fd, &e);
	}
	r->listening = on;
}

static bool want(struct relay *r, struct end *e, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = e };
	int op = !events ? EPOLL_CTL_DEL : e->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (e->events == events && e->watched)
		return true;
	if (!events && !e->watched)
		return true;
	/* out of the set while nothing is wanted: a hang-up would be reported again and again */
	e->events = events;
	e->watched = events != 0;
	return epoll_ctl(r->ep, op, e->fd, &ev) == 0;
}

union sockaddr_in_any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool is_own_address(int fd, const union sockaddr_in_any *dst)
{
	union sockaddr_in_any own = { 0 };
	socklen_t len = sizeof(own);

	if (getsockname(fd, &own.sa, &len) < 0 || own.sa.sa_family != dst->sa.sa_family)
		return false;
	if (own.sa.sa_family == AF_INET)
		return own.v4.sin_port == dst->v4.sin_port &&
		       own.v4.sin_addr.s_addr == dst->v4.sin_addr.s_addr;
	return own.v6.sin6_port == dst->v6.sin6_port &&
	       memcmp(&own.v6.sin6_addr, &dst->v6.sin6_addr, 16) == 0;
}

/* Where the program wanted to go. Return: false when there is no such place */
static bool destination(int fd, enum relay_kind kind, struct flow_header *ret)
{
	union sockaddr_in_any a = { 0 };
	socklen_t len = sizeof(a);

	*ret = (struct flow_header){ 0 };
	if (getsockname(fd, &a.sa, &len) < 0)
		return false;
	if (kind == RELAY_KIND_REDIRECTED) {
		bool v4 = a.sa.sa_family == AF_INET;

		len = v4 ? sizeof(a.v4) : sizeof(a.v6);
		if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			       v4 ? SO_ORIGINAL_DST_V4 : SO_ORIGINAL_DST_V6, &a, &len) < 0 ||
		    is_own_address(fd, &a))
			return false; /* somebody dialled the redirect port itself */
	}
	if (a.sa.sa_family == AF_INET) {
		ret->family = 4;
		ret->port = ntohs(a.v4.sin_port);
		memcpy(ret->addr, &a.v4.sin_addr, 4);
	} else {
		ret->family = 6;
		ret->port = ntohs(a.v6.sin6_port);
		memcpy(ret->addr, &a.v6.sin6_addr, 16);
	}
	return ret->port != 0;
}

/* The header waits in the TCP end's buffer, as if the program had sent it */
static bool queue_header(struct flow *f, const struct flow_header *h)
{
	struct end *tcp = &f->end[SIDE_TCP];

	tcp->buf = malloc(RELAY_BUFFER);
	if (!tcp->buf)
		return false;
	flow_header_write(tcp->buf, h);
	tcp->len = FLOW_HEADER_BYTES;
	return true;
}

static bool add_end(struct relay *r, struct flow *f, enum side side, uint32_t events)
{
	struct end *e = &f->end[side];
	struct epoll_event ev = { .events = events, .data.ptr = e };

	e->flow = f;
	e->events = events;
	e->watched = true;
	return epoll_ctl(r->ep, EPOLL_CTL_ADD, e->fd, &ev) == 0;
}

static void start_flow(struct relay *r, int tcp, enum relay_kind kind)
{
	struct flow *f = calloc(1, sizeof(*f));
	struct flow_header h;
	int one = 1;

	if (!f) {
		(void)close(tcp);
		return;
	}
	r->n_flows++;
	f->end[SIDE_TCP].fd = tcp;
	f->end[SIDE_HOST].fd = -1;
	(void)setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!destination(tcp, kind, &h) || !queue_header(f, &h)) {
		kill_flow(r, f, true);
		return;
	}
	f->end[SIDE_HOST].fd = host_connect(r->link, HOST_PORT_FLOW, HOST_CONNECT_MS, true);
	if (f->end[SIDE_HOST].fd < 0 || !add_end(r, f, SIDE_TCP, 0) ||
	    !add_end(r, f, SIDE_HOST, EPOLLOUT))
		kill_flow(r, f, true);
}

static void on_listener(struct relay *r, const struct relay_listener *l)
{
	while (r->n_flows < RELAY_FLOWS_MAX) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		start_flow(r, fd, l->kind);
	}
	listen_all(r, false);
}

/* Move what waits in @from to the other socket. Return: false = the flow is broken */
static bool flush(struct end *from, struct end *to)
{
	while (from->len) {
		ssize_t n = send(to->fd, from->buf + from->at, from->len, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		from->at += (size_t)n;
		from->len -= (size_t)n;
	}
	free(from->buf);
	from->buf = NULL;
	from->at = 0;
	if (from->eof && !to->shut) {
		to->shut = true;
		(void)shutdown(to->fd, SHUT_WR);
	}
	return true;
}

/* One read, then straight on to the other side. Return: false = the flow is broken */
static bool fill(struct end *from, struct end *to)
{
	ssize_t n;

	if (from->len || from->eof)
		return true;
	if (!from->buf && !(from->buf = malloc(RELAY_BUFFER)))
		return false;
	n = read(from->fd, from->buf, RELAY_BUFFER);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n == 0)
		from->eof = true;
	from->at = 0;
	from->len = n > 0 ? (size_t)n : 0;
	return flush(from, to);
}

/* Return: false when the flow was refused or the host broke off */
static bool read_reply(struct flow *f)
{
	struct end *host = &f->end[SIDE_HOST];
	ssize_t n = read(host->fd, f->reply + f->reply_len, sizeof(f->reply) - f->reply_len);
	struct flow_reply reply;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	f->reply_len += (size_t)n;
	switch (flow_reply_read((struct bb_span){ f->reply, f->reply_len }, &reply)) {
	case FLOW_RESULT_OK:
		f->state = STATE_OPEN;
		return reply.status == FLOW_STATUS_OK;
	case FLOW_RESULT_SHORT:
		return true;
	case FLOW_RESULT_BAD_MAGIC:
	case FLOW_RESULT_BAD_VERSION:
	case FLOW_RESULT_BAD_FAMILY:
	case FLOW_RESULT_BAD_PROTO:
	case FLOW_RESULT_BAD_RESERVED:
	case FLOW_RESULT_BAD_PORT:
	case FLOW_RESULT_BAD_STATUS:
	case FLOW_NUM_RESULTS:
		break;
	}
	return false;
}

static bool connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static bool step(struct flow *f, struct end *e, uint32_t events)
{
	struct end *tcp = &f->end[SIDE_TCP], *host = &f->end[SIDE_HOST];
	struct end *other = e == tcp ? host : tcp;

	if (f->state == STATE_CONNECT) {
		if (e == tcp)
			return false; /* the program gave up */
		if (!connected(host->fd) || !flush(tcp, host))
			return false;
		if (!tcp->len)
			f->state = STATE_REPLY;
		return true;
	}
	if (f->state == STATE_REPLY)
		return e == host && read_reply(f);
	if (events & EPOLLERR)
		return false;
	if ((events & EPOLLOUT) && !flush(other, e))
		return false;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		return fill(e, other);
	return true;
}

/* What to wait for next, after a step */
static bool arm(struct relay *r, struct flow *f)
{
	struct end *tcp = &f->end[SIDE_TCP], *host = &f->end[SIDE_HOST];

	if (f->state == STATE_CONNECT)
		return want(r, host, EPOLLOUT);
	if (f->state == STATE_REPLY)
		return want(r, host, EPOLLIN);
	for (int i = 0; i < 2; i++) {
		struct end *e = &f->end[i], *other = &f->end[!i];

		if (!want(r, e, (!e->len && !e->eof ? EPOLLIN : 0u) | (other->len ? EPOLLOUT : 0u)))
			return false;
	}
	return !(tcp->shut && host->shut && !tcp->len && !host->len);
}

static bool is_finished(const struct flow *f)
{
	return f->state == STATE_OPEN && f->end[SIDE_TCP].shut && f->end[SIDE_HOST].shut;
}

static void on_end(struct relay *r, struct end *e, uint32_t events)
{
	struct flow *f = e->flow;

	if (f->state == STATE_DEAD)
		return;
	if (!step(f, e, events) || !arm(r, f))
		kill_flow(r, f, !is_finished(f));
}

static void bury(struct relay *r)
{
	while (r->dead) {
		struct flow *f = r->dead;

		r->dead = f->next_dead;
		free(f);
	}
	if (r->n_flows < RELAY_FLOWS_MAX)
		listen_all(r, true);
}

static bool is_listener(const struct relay *r, const void *p)
{
	return (uintptr_t)p >= (uintptr_t)r->listeners &&
	       (uintptr_t)p < (uintptr_t)(r->listeners + r->n_listeners);
}

void relay_run(const struct host_link *link, const struct relay_listener *listeners, size_t n)
{
	struct relay r = {
		.link = link,
		.listeners = listeners,
		.n_listeners = n,
		.ep = epoll_create1(EPOLL_CLOEXEC),
		.listening = true,
	};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN,
					 .data.ptr = (void *)(uintptr_t)&listeners[i] };

		(void)bb_set_nonblock(listeners[i].fd, true);
		if (epoll_ctl(r.ep, EPOLL_CTL_ADD, listeners[i].fd, &e) < 0)
			say("listener: %s", strerror(errno));
	}
	for (;;) {
		struct epoll_event events[EVENTS_MAX];
		int count = epoll_wait(r.ep, events, EVENTS_MAX, -1);

		if (count < 0 && errno != EINTR)
			return;
		for (int i = 0; i < count; i++) {
			if (is_listener(&r, events[i].data.ptr))
				on_listener(&r, events[i].data.ptr);
			else
				on_end(&r, events[i].data.ptr, events[i].events);
		}
		bury(&r);
	}
}
