/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/forward.h"
#include "base/io.h"
#include "base/log.h"
#include "policy/authority.h"
#include "policy/flow.h"
#include "proc/dialer/connect.h"
#include "wire/dns_answer.h"
#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>

#define DNS_PORT 53

struct lookup {
	LIST_ENTRY(lookup) link;
	struct dialer *dl;
	uint64_t flow;
	char name[POLICY_NAME_MAX];
	uint16_t qtype;
	unsigned int tries;
	unsigned int foreign;
	struct dns_ask ask;
	int fd;
	struct event *io;
	struct event *timer;
	size_t have; /* TCP: octets in @buf */
	uint8_t buf[2 + DNS_MSG_MAX + 1];
};

static void end_try(struct lookup *l)
{
	if (l->io)
		event_free(l->io);
	l->io = NULL;
	bb_closep(&l->fd);
	l->fd = -1;
}

static void lookup_free(struct lookup *l)
{
	end_try(l);
	if (l->timer)
		event_free(l->timer);
	LIST_REMOVE(l, link);
	l->dl->n_lookups--;
	free(l);
}

static void answer(struct dialer *dl, uint64_t flow, uint16_t qtype, const struct dns_answer *a)
{
	struct ipc_msg msg = { .type = IPC_DNS_ANSWER, .fd = -1, .flow = flow };
	size_t size = qtype == DNS_TYPE_A ? 4 : 16, n = 0;
	char names[DNS_ANSWER_NAMES * DNS_NAME_TEXT_MAX];
	uint8_t addrs[DNS_ANSWER_ADDRS * 16];

	for (size_t i = 0; i < a->n_names; i++) {
		size_t len = strlen(a->names[i]);

		memcpy(names + n, a->names[i], len);
		names[n + len] = '\n';
		n += len + 1;
	}
	for (size_t i = 0; i < a->n_addrs; i++)
		memcpy(addrs + i * size, a->addrs[i], size);
	msg.u.dns_answer.rcode = (uint8_t)a->rcode;
	msg.u.dns_answer.ttl = a->ttl;
	msg.u.dns_answer.names = (struct bb_span){ (const uint8_t *)names, n };
	msg.u.dns_answer.addrs = (struct bb_span){ addrs, a->n_addrs * size };
	if (ipc_peer_send(dl->gate, &msg) < 0)
		bb_log("query %llu: answer lost", (unsigned long long)flow);
}

static void fail(struct dialer *dl, uint64_t flow, enum dns_rcode rcode)
{
	const struct dns_answer a = { .rcode = rcode };

	answer(dl, flow, DNS_TYPE_A, &a);
}

/* What gate could not know: an address that was taken out, a question that is not the policy's */
static void record(struct dialer *dl, const char *name, uint16_t qtype, const struct ip_addr *addr,
		   enum policy_reason reason)
{
	struct ipc_msg msg = { .type = IPC_RECORD, .fd = -1 };
	struct ipc_record *r = &msg.u.record;
	char type[DNS_TYPE_TEXT];

	dns_type_text(qtype, type);
	r->kind = IPC_RECORD_DNS;
	r->verdict = POLICY_DENY;
	r->reason = (uint8_t)reason;
	r->port = DNS_PORT;
	r->addr = *addr;
	r->host = BB_SPAN_STR(name);
	r->method = BB_SPAN_STR(type);
	r->text = BB_SPAN_STR(addr->family ? "address taken out of the answer"
					   : "not a question of the policy");
	if (ipc_peer_send(dl->recorder, &msg) < 0)
		bb_log("record lost");
}

static enum policy_reason judge(const struct dialer *dl, const char *name,
				const struct ip_addr *addr)
{
	const struct ip_addr canonical = ip_addr_canonical(addr);

	if (own_has(&dl->own, &canonical))
		return REASON_FLOOR;
	return policy_judge_shown(&dl->policy, name, addr);
}

/* Answer with what of @a the guest may know */
static void deliver(struct dialer *dl, uint64_t flow, const char *name, uint16_t qtype,
		    struct dns_answer *a)
{
	size_t n = a->n_addrs;

	a->n_addrs = 0;
	for (size_t i = 0; i < n; i++) {
		struct ip_addr addr = { .family = qtype == DNS_TYPE_A ? 4 : 6 };
		enum policy_reason reason;

		memcpy(addr.a, a->addrs[i], sizeof(addr.a));
		reason = judge(dl, name, &addr);
		if (reason == REASON_OK)
			memmove(a->addrs[a->n_addrs++], a->addrs[i], sizeof(a->addrs[i]));
		else
			record(dl, name, qtype, &addr, reason);
	}
	if (a->n_addrs == 0 && qtype != DNS_TYPE_CNAME)
		a->n_names = 0;
	answer(dl, flow, qtype, a);
}

static void next_try(struct lookup *l);

/* Return: false when the lookup is over or has another socket */
static bool take_message(struct lookup *l, struct bb_span msg, bool tcp);

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	next_try(arg);
}

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;
	ssize_t n;

	(void)what;
	do {
		n = recv(fd, l->buf, DNS_MSG_MAX + 1, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			next_try(l); /* an ICMP error: nobody is there */
			return;
		}
	} while (n >= 0 && take_message(l, (struct bb_span){ l->buf, (size_t)n }, false));
}

/* Octets of the length and the message, as they come */
static void on_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;
	size_t want = l->have < 2 ? 2 : 2 + (size_t)bb_get_be16(l->buf);
	ssize_t n;

	(void)what;
	if (want > 2 + DNS_MSG_MAX) {
		next_try(l);
		return;
	}
	n = recv(fd, l->buf + l->have, want - l->have, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		next_try(l);
		return;
	}
	l->have += (size_t)n;
	if (l->have < 2 || l->have < 2 + (size_t)bb_get_be16(l->buf))
		return;
	(void)take_message(l, (struct bb_span){ l->buf + 2, l->have - 2 }, true);
}

static void on_tcp_connected(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;
	uint8_t out[2 + DNS_ASK_MAX];

	(void)what;
	bb_put_be16(out, (uint16_t)l->ask.len);
	memcpy(out + 2, l->ask.msg, l->ask.len);
	event_free(l->io);
	l->io = event_new(l->dl->base, fd, EV_READ | EV_PERSIST, on_tcp, l);
	/* a fresh connection has room for it, or it is none */
	if (!l->io || event_add(l->io, NULL) < 0 ||
	    send(fd, out, 2 + l->ask.len, MSG_NOSIGNAL) != (ssize_t)(2 + l->ask.len))
		next_try(l);
}

/* A socket to the resolver of this try. Return: 0 or -errno */
static int open_socket(struct lookup *l, int type, event_callback_fn fn)
{
	const struct dialer *dl = l->dl;
	const struct ip_addr *server = &dl->servers[(l->tries - 1) % dl->n_servers];
	const struct timeval limit = { .tv_sec = FORWARD_TRY_MS / 1000 };
	short what = type == SOCK_DGRAM ? EV_READ | EV_PERSIST : EV_WRITE;

	end_try(l);
	l->have = 0;
	l->fd = connect_new(server, DNS_PORT, type);
	if (l->fd < 0)
		return l->fd;
	l->io = event_new(dl->base, l->fd, what, fn, l);
	if (!l->io || event_add(l->io, NULL) < 0 || event_add(l->timer, &limit) < 0)
		return -ENOMEM;
	return 0;
}

static bool take_message(struct lookup *l, struct bb_span msg, bool tcp)
{
	struct dns_answer a;

	switch (dns_answer_read(msg, &l->ask, &a)) {
	case DNS_ANSWER_OK:
		deliver(l->dl, l->flow, l->name, l->qtype, &a);
		lookup_free(l);
		return false;
	case DNS_ANSWER_FOREIGN: /* over UDP the answer may still come */
		if (!tcp && ++l->foreign < FORWARD_FOREIGN_MAX)
			return true;
		break;
	case DNS_ANSWER_TRUNCATED:
		if (!tcp && open_socket(l, SOCK_STREAM, on_tcp_connected) == 0)
			return false;
		break;
	case DNS_ANSWER_ERROR:
	case DNS_ANSWER_MALFORMED:
	case DNS_NUM_ANSWER_RESULTS:
		break;
	}
	next_try(l);
	return false;
}

/* The next resolver in turn, with a fresh port, id and case */
static void next_try(struct lookup *l)
{
	uint8_t random[DNS_ASK_RANDOM];

	while (l->tries++ < FORWARD_TRIES && l->foreign < FORWARD_FOREIGN_MAX && l->dl->n_servers) {
		if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
			break;
		dns_ask_write(&l->ask, l->name, l->qtype, random);
		if (open_socket(l, SOCK_DGRAM, on_udp) == 0 &&
		    send(l->fd, l->ask.msg, l->ask.len, 0) == (ssize_t)l->ask.len)
			return;
	}
	fail(l->dl, l->flow, DNS_RCODE_SERVFAIL);
	lookup_free(l);
}

/* What the operator's hosts file says is all that there is for the name */
static bool from_hosts(struct dialer *dl, uint64_t flow, const char *name, uint16_t qtype)
{
	struct ip_addr found[DNS_ANSWER_ADDRS];
	size_t n = hosts_find(&dl->hosts, name, found, BB_ARRAY_LEN(found));
	struct dns_answer a = { .ttl = DNS_LOCAL_TTL };

	for (size_t i = 0; i < n; i++) {
		if (found[i].family == (qtype == DNS_TYPE_A ? 4 : 6) && qtype != DNS_TYPE_CNAME)
			memcpy(a.addrs[a.n_addrs++], found[i].a, sizeof(found[i].a));
	}
	if (n)
		deliver(dl, flow, name, qtype, &a);
	return n > 0;
}

void forward_request(struct dialer *dl, const struct ipc_msg *msg)
{
	const struct ip_addr none = { 0 };
	uint16_t qtype = msg->u.probe_dns.qtype;
	char name[POLICY_NAME_MAX] = "";
	enum policy_reason r = authority_name(msg->u.probe_dns.name, name);
	struct lookup *l;

	r = r == REASON_OK ? policy_judge_lookup(&dl->policy, name, qtype) : r;
	if (r != REASON_FORWARDED) {
		record(dl, name, qtype, &none, r);
		fail(dl, msg->flow, DNS_RCODE_REFUSED);
		return;
	}
	if (from_hosts(dl, msg->flow, name, qtype))
		return;
	l = dl->n_lookups < FORWARD_MAX ? calloc(1, sizeof(*l)) : NULL;
	if (!l) {
		record(dl, name, qtype, &none, REASON_LIMIT);
		fail(dl, msg->flow, DNS_RCODE_SERVFAIL);
		return;
	}
	l->dl = dl;
	l->flow = msg->flow;
	l->qtype = qtype;
	l->fd = -1;
	memcpy(l->name, name, sizeof(name));
	LIST_INSERT_HEAD(&dl->lookups, l, link);
	dl->n_lookups++;
	l->timer = event_new(dl->base, -1, 0, on_timer, l);
	if (!l->timer)
		l->tries = FORWARD_TRIES;
	next_try(l);
}

void forward_cancel_all(struct dialer *dl)
{
	struct lookup *l;

	while ((l = LIST_FIRST(&dl->lookups)))
		lookup_free(l);
}
