/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/dnsproxy.h"
#include "base/buf.h"
#include "base/io.h"
#include "guest/say.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define HEADER_BYTES   12
#define UDP_MIN        512
#define UDP_MAX        4096
#define MESSAGE_MAX    65535
#define STREAM_BUF     (4 * (2 + MESSAGE_MAX))
#define CLIENT_BUF     (2 * (2 + MESSAGE_MAX))
#define BATCH          64
#define CLIENT_IDLE_MS 30000
#define RETRY_MS       100
#define CONNECT_MS     2000 /* then once more: askers repeat themselves */
#define TYPE_OPT       41

/** struct slot - Who asked, and with which id */
struct slot {
	bool used;
	uint16_t id;
	uint16_t udp_size; /* UDP askers */
	int8_t udp;        /* index of the UDP socket; -1 = a TCP client */
	uint16_t client;   /* TCP askers: index, and the generation it had */
	uint32_t generation;
	struct sockaddr_in6 from; /* holds a sockaddr_in as well */
	socklen_t from_len;
};

/** struct client - One TCP connection */
struct client {
	int fd; /* -1 = free */
	uint32_t generation;
	uint64_t seen_ms;
	struct bb_buf in, out;
	bool eof;
};

/* What an epoll event means: the kind, and which of them */
enum source { SOURCE_UDP, SOURCE_LISTEN, SOURCE_CLIENT, SOURCE_HOST };

struct proxy {
	const struct host_link *link;
	const struct dnsproxy_sockets *sockets;
	int ep, host;
	bool host_connecting;
	uint32_t host_events;
	uint64_t retry_at_ms;
	struct bb_buf to_host, from_host;
	uint32_t next_slot;
	struct slot slots[DNSPROXY_SLOTS];
	struct client clients[DNSPROXY_CLIENTS];
};

/* Octet after the name at @at, or 0 when the message ends before */
static size_t skip_name(struct bb_span m, size_t at)
{
	while (at < m.len) {
		uint8_t len = m.p[at];

		if (len == 0)
			return at + 1;
		if (len >= 0xc0)
			return at + 2 <= m.len ? at + 2 : 0;
		at += 1u + len;
	}
	return 0;
}

/* Octet after the first question, or 0 */
static size_t skip_question(struct bb_span m)
{
	size_t at;

	if (m.len < HEADER_BYTES || bb_get_be16(m.p + 4) != 1)
		return 0;
	at = skip_name(m, HEADER_BYTES);
	return at && at + 4 <= m.len ? at + 4 : 0;
}

size_t dnsproxy_udp_size(struct bb_span query)
{
	size_t at = skip_question(query);
	uint32_t records;

	if (!at)
		return UDP_MIN;
	records = (uint32_t)bb_get_be16(query.p + 6) + bb_get_be16(query.p + 8) +
		  bb_get_be16(query.p + 10);
	while (records-- && (at = skip_name(query, at)) && at + 10 <= query.len) {
		size_t size = bb_get_be16(query.p + at + 2);

		if (bb_get_be16(query.p + at) == TYPE_OPT)
			return size < UDP_MIN ? UDP_MIN : size > UDP_MAX ? UDP_MAX : size;
		at += 10u + bb_get_be16(query.p + at + 8);
	}
	return UDP_MIN;
}

size_t dnsproxy_truncate(uint8_t *msg, size_t len)
{
	size_t end = skip_question((struct bb_span){ msg, len });

	if (len < HEADER_BYTES)
		return len;
	msg[2] |= 0x02;
	memset(msg + 6, 0, 6);
	if (end)
		return end;
	bb_put_be16(msg + 4, 0);
	return HEADER_BYTES;
}

static uint64_t tag(enum source source, unsigned int index)
{
	return (uint64_t)source << 32 | index;
}

static void watch(struct proxy *p, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	if (epoll_ctl(p->ep, EPOLL_CTL_ADD, fd, &e) < 0)
		say("epoll: %s", strerror(errno));
}

static void rewatch(struct proxy *p, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	(void)epoll_ctl(p->ep, EPOLL_CTL_MOD, fd, &e);
}

/* Everything under way is lost with the stream; askers repeat themselves */
static void drop_host(struct proxy *p)
{
	bb_closep(&p->host);
	p->host = -1;
	p->retry_at_ms = bb_now_ms() + RETRY_MS;
	bb_buf_drop(&p->to_host, p->to_host.len);
	bb_buf_drop(&p->from_host, p->from_host.len);
	for (size_t i = 0; i < DNSPROXY_SLOTS; i++)
		p->slots[i].used = false;
}

static bool have_host(struct proxy *p)
{
	if (p->host >= 0)
		return true;
	if (bb_now_ms() < p->retry_at_ms)
		return false;
	p->host = host_connect(p->link, HOST_PORT_DNS, CONNECT_MS, true);
	if (p->host < 0) {
		p->host = -1;
		p->retry_at_ms = bb_now_ms() + RETRY_MS;
		return false;
	}
	p->host_connecting = true;
	p->host_events = EPOLLIN | EPOLLOUT;
	watch(p, p->host, p->host_events, tag(SOURCE_HOST, 0));
	return true;
}

/* Queue one query under a fresh slot. Return: the slot, or NULL when it was dropped */
static struct slot *ask_host(struct proxy *p, struct bb_span query)
{
	uint16_t number = (uint16_t)(p->next_slot % DNSPROXY_SLOTS);
	struct slot *slot = &p->slots[number];
	uint8_t head[4];

	if (query.len < HEADER_BYTES || !have_host(p) ||
	    p->to_host.len + 2 + query.len > p->to_host.cap)
		return NULL;
	bb_put_be16(head, (uint16_t)query.len);
	bb_put_be16(head + 2, number);
	BB_BUG_ON(bb_buf_add(&p->to_host, head, sizeof(head)) < 0);
	BB_BUG_ON(bb_buf_add(&p->to_host, query.p + 2, query.len - 2) < 0);
	p->next_slot++;
	*slot = (struct slot){ .used = true, .id = bb_get_be16(query.p) };
	return slot;
}

static void flush_host(struct proxy *p)
{
	uint32_t events = EPOLLIN;

	if (p->host < 0 || p->host_connecting)
		return;
	if (p->to_host.len) {
		ssize_t n = send(p->host, p->to_host.p, p->to_host.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			drop_host(p);
			return;
		}
		if (n > 0)
			bb_buf_drop(&p->to_host, (size_t)n);
	}
	if (p->to_host.len)
		events |= EPOLLOUT;
	if (events != p->host_events)
		rewatch(p, p->host, events, tag(SOURCE_HOST, 0));
	p->host_events = events;
}

static void on_udp(struct proxy *p, unsigned int index)
{
	static uint8_t data[BATCH][UDP_MAX];
	static struct sockaddr_in6 from[BATCH];
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						.msg_namelen = sizeof(from[i]),
						.msg_iov = &iov[i],
						.msg_iovlen = 1 };
	}
	n = recvmmsg(p->sockets->udp[index], m, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct bb_span query = { data[i], m[i].msg_len };
		struct slot *slot;

		if (m[i].msg_hdr.msg_flags & MSG_TRUNC || !(slot = ask_host(p, query)))
			continue;
		slot->udp = (int8_t)index;
		slot->udp_size = (uint16_t)dnsproxy_udp_size(query);
		slot->from = from[i];
		slot->from_len = m[i].msg_hdr.msg_namelen;
	}
}

static void close_client(struct proxy *p, unsigned int index)
{
	struct client *c = &p->clients[index];

	if (c->fd < 0)
		return;
	bb_closep(&c->fd);
	c->fd = -1;
	c->generation++;
	bb_buf_release(&c->in);
	bb_buf_release(&c->out);
}

static void on_listen(struct proxy *p, unsigned int listener)
{
	bb_auto_close int fd =
		accept4(p->sockets->tcp[listener], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	unsigned int oldest = 0;

	if (fd < 0)
		return;
	for (unsigned int i = 0; i < DNSPROXY_CLIENTS; i++) {
		if (p->clients[i].fd < 0) {
			oldest = i;
			break;
		}
		if (p->clients[i].seen_ms < p->clients[oldest].seen_ms)
			oldest = i;
	}
	close_client(p, oldest); /* the quietest makes room */
	p->clients[oldest] = (struct client){
		.fd = BB_TAKE_FD(fd),
		.generation = p->clients[oldest].generation,
		.seen_ms = bb_now_ms(),
	};
	bb_buf_init(&p->clients[oldest].in, CLIENT_BUF);
	bb_buf_init(&p->clients[oldest].out, CLIENT_BUF);
	watch(p, p->clients[oldest].fd, EPOLLIN, tag(SOURCE_CLIENT, oldest));
}

/* Return: false = close it */
static bool write_client(struct proxy *p, unsigned int index)
{
	struct client *c = &p->clients[index];

	if (c->out.len) {
		ssize_t n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0)
			bb_buf_drop(&c->out, (size_t)n);
	}
	rewatch(p, c->fd, (c->eof ? 0u : EPOLLIN) | (c->out.len ? EPOLLOUT : 0u),
		tag(SOURCE_CLIENT, index));
	return true;
}

static bool read_client(struct proxy *p, unsigned int index)
{
	static uint8_t chunk[16384];
	struct client *c = &p->clients[index];
	ssize_t n = read(c->fd, chunk, sizeof(chunk));
	size_t at = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->eof = n == 0;
	c->seen_ms = bb_now_ms();
	if (bb_buf_add(&c->in, chunk, (size_t)n) < 0)
		return false;
	while (c->in.len - at >= 2) {
		size_t len = bb_get_be16(c->in.p + at);
		struct slot *slot;

		if (len < HEADER_BYTES)
			return false;
		if (c->in.len - at - 2 < len)
			break;
		slot = ask_host(p, (struct bb_span){ c->in.p + at + 2, len });
		if (!slot)
			return false;
		slot->udp = -1;
		slot->client = (uint16_t)index;
		slot->generation = c->generation;
		at += 2 + len;
	}
	bb_buf_drop(&c->in, at);
	return true;
}

static void on_client(struct proxy *p, unsigned int index, uint32_t events)
{
	struct client *c = &p->clients[index];
	bool ok = true;

	if (c->fd < 0)
		return;
	if (events & (EPOLLERR | EPOLLHUP))
		ok = false;
	if (ok && (events & EPOLLIN))
		ok = read_client(p, index);
	if (ok)
		ok = write_client(p, index);
	if (!ok)
		close_client(p, index);
}

static void answer(struct proxy *p, uint8_t *msg, size_t len)
{
	struct slot *slot;
	struct client *c;
	uint8_t head[2];

	if (len < HEADER_BYTES || bb_get_be16(msg) >= DNSPROXY_SLOTS)
		return;
	slot = &p->slots[bb_get_be16(msg)];
	if (!slot->used)
		return;
	slot->used = false;
	bb_put_be16(msg, slot->id);
	if (slot->udp >= 0) {
		if (len > slot->udp_size)
			len = dnsproxy_truncate(msg, len);
		(void)sendto(p->sockets->udp[slot->udp], msg, len, MSG_DONTWAIT | MSG_NOSIGNAL,
			     &slot->from, slot->from_len);
		return;
	}
	c = &p->clients[slot->client];
	if (c->fd < 0 || c->generation != slot->generation || c->out.len + 2 + len > c->out.cap)
		return;
	bb_put_be16(head, (uint16_t)len);
	BB_BUG_ON(bb_buf_add(&c->out, head, 2) < 0 || bb_buf_add(&c->out, msg, len) < 0);
	if (!write_client(p, slot->client))
		close_client(p, slot->client);
}

static void take_answers(struct proxy *p)
{
	size_t at = 0;

	while (p->from_host.len - at >= 2) {
		size_t len = bb_get_be16(p->from_host.p + at);

		if (p->from_host.len - at - 2 < len)
			break;
		answer(p, p->from_host.p + at + 2, len);
		at += 2 + len;
	}
	bb_buf_drop(&p->from_host, at);
}

static void on_host(struct proxy *p, uint32_t events)
{
	static uint8_t chunk[65536];
	int error = 0;
	socklen_t len = sizeof(error);
	ssize_t n;

	if (p->host < 0)
		return;
	if (p->host_connecting) {
		if (getsockopt(p->host, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
			drop_host(p);
			return;
		}
		p->host_connecting = false;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = read(p->host, chunk, sizeof(chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || bb_buf_add(&p->from_host, chunk, (size_t)n) < 0)
		drop_host(p);
	else
		take_answers(p);
}

static void close_idle(struct proxy *p)
{
	uint64_t now = bb_now_ms();

	for (unsigned int i = 0; i < DNSPROXY_CLIENTS; i++)
		if (p->clients[i].fd >= 0 && now - p->clients[i].seen_ms > CLIENT_IDLE_MS)
			close_client(p, i);
}

static struct proxy *proxy_new(const struct host_link *link, const struct dnsproxy_sockets *sockets)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (!p || (p->ep = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		free(p);
		return NULL;
	}
	p->link = link;
	p->sockets = sockets;
	p->host = -1;
	bb_buf_init(&p->to_host, STREAM_BUF);
	bb_buf_init(&p->from_host, STREAM_BUF);
	for (unsigned int i = 0; i < DNSPROXY_CLIENTS; i++)
		p->clients[i].fd = -1;
	for (unsigned int i = 0; i < BB_ARRAY_LEN(sockets->udp); i++)
		if (sockets->udp[i] >= 0)
			watch(p, sockets->udp[i], EPOLLIN, tag(SOURCE_UDP, i));
	for (unsigned int i = 0; i < BB_ARRAY_LEN(sockets->tcp); i++)
		if (sockets->tcp[i] >= 0)
			watch(p, sockets->tcp[i], EPOLLIN, tag(SOURCE_LISTEN, i));
	return p;
}

static void on_event(struct proxy *p, const struct epoll_event *e)
{
	unsigned int index = (unsigned int)(e->data.u64 & 0xffffffffu);

	switch ((enum source)(e->data.u64 >> 32)) {
	case SOURCE_UDP:
		on_udp(p, index);
		break;
	case SOURCE_LISTEN:
		on_listen(p, index);
		break;
	case SOURCE_CLIENT:
		on_client(p, index, e->events);
		break;
	case SOURCE_HOST:
		on_host(p, e->events);
		break;
	}
}

void dnsproxy_run(const struct host_link *link, const struct dnsproxy_sockets *sockets)
{
	struct proxy *p = proxy_new(link, sockets);

	(void)signal(SIGPIPE, SIG_IGN);
	while (p) {
		struct epoll_event events[BATCH];
		int n = epoll_wait(p->ep, events, BATCH, 5000);

		if (n < 0 && errno != EINTR)
			return;
		for (int i = 0; i < n; i++)
			on_event(p, &events[i]);
		flush_host(p); /* all that came in this round goes out in one write */
		close_idle(p);
	}
}
