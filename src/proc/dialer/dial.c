/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/dial.h"
#include "base/log.h"
#include "policy/authority.h"
#include "policy/flow.h"
#include "proc/dialer/connect.h"
#include "wire/flow.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

/*
 * Theory of operation
 *
 * Addresses wait in two queues, IPv6 and IPv4. A step takes the next one, families in turn, and
 * starts a connect; it runs when a lookup has brought something, DIALER_STAGGER_MS after the
 * previous step, and at once when a connect fails. The dial is over when one connects, when there
 * is nothing left to wait for, or at its deadline.
 *
 * Whatever ends the dial frees it. Functions that may do so return false then, and their callers
 * touch it no more.
 */
/*
 * With an upstream proxy the addresses are the proxy's. The first that connects ends the search; it
 * is asked for the target, and its answer is the dial's.
 */
enum { V6 = 0, V4 = 1, NUM_QUEUES = 2 };
#define ATTEMPTS_MAX (NUM_QUEUES * RESOLVER_ADDRS)

struct attempt {
	struct dial *dial;
	struct event *event;
	struct ip_addr addr;
	int fd; /* -1 = over */
};

struct addr_queue {
	size_t next;
	size_t n;
	struct ip_addr addrs[RESOLVER_ADDRS];
};

struct dial {
	LIST_ENTRY(dial) link;
	struct dialer *dl;
	struct ipc_peer *peer;
	uint64_t flow;
	const struct policy_route *route; /* NULL for a tcp rule */
	uint16_t port;
	char host[POLICY_NAME_MAX]; /* "" when an address was asked for */
	const char *at;             /* what is looked up: @host, its fixed upstream, the proxy */
	bool proxied;
	struct ip_addr target;       /* behind the proxy, when an address was asked for */
	struct proxy_answer *answer; /* once the proxy has been asked */
	struct resolver_lookup *lookups[NUM_QUEUES];
	struct addr_queue queues[NUM_QUEUES];
	unsigned int turn; /* queue that the next step prefers */
	size_t n_attempts;
	size_t n_open;
	struct attempt attempts[ATTEMPTS_MAX];
	struct event *step;
	struct event *deadline;
	enum policy_reason refused; /* last judgement against an address, or REASON_OK */
	struct ip_addr refused_addr;
	int connect_errno;       /* of the last connect that failed, or 0 */
	const char *resolve_why; /* of the last lookup that brought nothing, or NULL */
};

static void dial_free(struct dial *d)
{
	for (size_t i = 0; i < NUM_QUEUES; i++)
		resolver_cancel(d->lookups[i]);
	for (size_t i = 0; i < d->n_attempts; i++) {
		if (d->attempts[i].event)
			event_free(d->attempts[i].event);
		bb_closep(&d->attempts[i].fd);
	}
	if (d->step)
		event_free(d->step);
	if (d->deadline)
		event_free(d->deadline);
	free(d->answer);
	LIST_REMOVE(d, link);
	d->dl->n_dials--;
	free(d);
}

static void send_fail(struct ipc_peer *peer, uint64_t flow, enum flow_status status,
		      enum policy_reason reason, int error, const char *text)
{
	struct ipc_msg msg = { .type = IPC_DIAL_FAIL, .fd = -1, .flow = flow };

	msg.u.dial_fail.status = (uint8_t)status;
	msg.u.dial_fail.reason = (uint8_t)reason;
	msg.u.dial_fail.err = (uint16_t)error;
	msg.u.dial_fail.text = BB_SPAN_STR(text);
	if (ipc_peer_send(peer, &msg) < 0)
		bb_log("flow %llu: answer lost", (unsigned long long)flow);
}

/* Answer and end. Return: false, for the caller to return */
BB_PRINTF(5, 6)
static bool fail(struct dial *d, enum flow_status status, enum policy_reason reason, int error,
		 const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_fail(d->peer, d->flow, status, reason, error, text);
	dial_free(d);
	return false;
}

/* Without an address when the proxy has chosen it */
static bool succeed(struct dial *d, struct attempt *a)
{
	struct ipc_msg msg = { .type = IPC_DIAL_OK, .fd = a->fd, .flow = d->flow };
	int r;

	if (!d->proxied)
		msg.u.dial_ok.addr = a->addr;
	msg.u.dial_ok.port = d->port;
	msg.u.dial_ok.source = connect_source(a->fd);
	r = ipc_peer_send(d->peer, &msg);
	if (r < 0)
		return fail(d, FLOW_STATUS_LIMIT, REASON_LIMIT, -r, "socket not passed: %s",
			    strerror(-r));
	dial_free(d);
	return false;
}

/* A refusal that the asker could not know of: an address that a name turned out to have */
static void record_refusal(struct dial *d, const struct ip_addr *addr, enum policy_reason reason)
{
	struct ipc_msg msg = { .type = IPC_RECORD, .fd = -1, .flow = d->flow };
	struct ipc_record *r = &msg.u.record;

	r->kind = IPC_RECORD_FLOW;
	r->verdict = POLICY_DENY;
	r->reason = (uint8_t)reason;
	r->port = d->port;
	r->addr = *addr;
	r->host = BB_SPAN_STR(d->host);
	r->method = BB_SPAN_STR("dial");
	r->text = BB_SPAN_STR("resolved address refused");
	if (ipc_peer_send(d->dl->recorder, &msg) < 0)
		bb_log("record lost");
}

static enum policy_reason judge(const struct dial *d, const struct ip_addr *addr)
{
	const struct ip_addr canonical = ip_addr_canonical(addr);
	bool upstream = d->route && d->route->upstream.host[0];

	if (d->proxied)
		return policy_judge_proxy(addr);
	if (!upstream && own_has(&d->dl->own, &canonical))
		return REASON_FLOOR;
	return policy_judge_resolved(&d->dl->policy, d->route, addr, d->port);
}

static void add_candidates(struct dial *d, const struct ip_addr *addrs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct addr_queue *q = &d->queues[addrs[i].family == 6 ? V6 : V4];
		enum policy_reason reason = judge(d, &addrs[i]);

		if (reason != REASON_OK) {
			d->refused = reason;
			d->refused_addr = addrs[i];
			record_refusal(d, &addrs[i], reason);
		} else if (q->n < RESOLVER_ADDRS) {
			q->addrs[q->n++] = addrs[i];
		}
	}
}

static bool has_candidates(const struct dial *d)
{
	return d->queues[V6].next < d->queues[V6].n || d->queues[V4].next < d->queues[V4].n;
}

/* The next address, families in turn */
static const struct ip_addr *take_candidate(struct dial *d)
{
	for (unsigned int i = 0; i < NUM_QUEUES; i++) {
		struct addr_queue *q = &d->queues[(d->turn + i) % NUM_QUEUES];

		if (q->next < q->n) {
			d->turn = (d->turn + i + 1) % NUM_QUEUES;
			return &q->addrs[q->next++];
		}
	}
	return NULL;
}

/* For messages: where a socket goes, "a.test port 443" */
#define PLACE_MAX (POLICY_NAME_MAX + 32)
static const char *place(const struct dial *d, char out[static PLACE_MAX])
{
	const struct policy_proxy *proxy = &d->dl->policy.proxy;

	if (d->proxied)
		(void)snprintf(out, PLACE_MAX, "upstream proxy %s port %u", proxy->host,
			       proxy->port);
	else
		(void)snprintf(out, PLACE_MAX, "%s%sport %u", d->host, d->host[0] ? " " : "",
			       d->port);
	return out;
}

/* Whose fault it is */
static enum policy_reason blame(const struct dial *d, enum policy_reason reason)
{
	return d->proxied ? REASON_UPSTREAM_PROXY : reason;
}

static bool fail_refused(struct dial *d)
{
	char addr[IP_ADDR_TEXT_MAX];

	ip_addr_format(&d->refused_addr, addr);
	if (d->proxied)
		return fail(d, FLOW_STATUS_UNREACHABLE, REASON_UPSTREAM_PROXY, 0,
			    "upstream proxy %s: address %s may never be reached", d->at, addr);
	if (d->refused == REASON_PRIVATE)
		return fail(d, FLOW_STATUS_DENIED, d->refused, 0,
			    "%s%saddress %s is in a private range that no rule names", d->host,
			    d->host[0] ? ": " : "", addr);
	return fail(d, FLOW_STATUS_DENIED, d->refused, 0, "%s%saddress %s may never be reached",
		    d->host, d->host[0] ? ": " : "", addr);
}

static enum flow_status status_of(int error)
{
	if (error == ECONNREFUSED)
		return FLOW_STATUS_REFUSED;
	return error == ETIMEDOUT ? FLOW_STATUS_TIMEOUT : FLOW_STATUS_UNREACHABLE;
}

/* Fail when nothing is under way and nothing can come. Return: false when the dial is over */
static bool check_over(struct dial *d)
{
	int error = d->connect_errno;
	char at[PLACE_MAX];

	if (d->n_open || has_candidates(d) || d->lookups[V6] || d->lookups[V4])
		return true;
	if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS)
		return fail(d, FLOW_STATUS_LIMIT, REASON_LIMIT, error, "%s", strerror(error));
	if (error)
		return fail(d, status_of(error), blame(d, REASON_UPSTREAM_CONNECT), error, "%s: %s",
			    place(d, at), strerror(error));
	if (d->refused != REASON_OK)
		return fail_refused(d);
	return fail(d, FLOW_STATUS_UNREACHABLE, blame(d, REASON_UPSTREAM_RESOLVE), 0, "%s%s: %s",
		    d->proxied ? "upstream proxy " : "", d->proxied ? d->at : d->host,
		    d->resolve_why ? d->resolve_why : "no address");
}

static bool step(struct dial *d);
static void ask_proxy(struct attempt *a);
static void arm(struct event *event, unsigned int ms);

static void attempt_end(struct attempt *a, int error)
{
	if (error)
		a->dial->connect_errno = error;
	if (a->event)
		event_free(a->event);
	a->event = NULL;
	bb_closep(&a->fd);
	a->fd = -1;
	a->dial->n_open--;
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;
	struct dial *d = a->dial;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (!error && d->proxied) {
		ask_proxy(a);
		return;
	}
	if (!error) {
		(void)succeed(d, a);
		return;
	}
	attempt_end(a, error);
	if (step(d))
		(void)check_over(d);
}

/* Connect to its address; a failure leaves its errno in the dial */
static void attempt_open(struct attempt *a)
{
	struct dial *d = a->dial;

	a->fd = connect_new(&a->addr, d->proxied ? d->dl->policy.proxy.port : d->port, SOCK_STREAM);
	if (a->fd < 0) {
		d->connect_errno = -a->fd;
		a->fd = -1;
		return;
	}
	d->n_open++;
	a->event = event_new(d->dl->base, a->fd, EV_WRITE, on_connected, a);
	if (!a->event || event_add(a->event, NULL) < 0)
		attempt_end(a, ENOMEM);
}

static void attempt_start(struct dial *d, const struct ip_addr *addr)
{
	struct attempt *a = &d->attempts[d->n_attempts++];

	*a = (struct attempt){ .dial = d, .addr = *addr };
	attempt_open(a);
}

static void arm(struct event *event, unsigned int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)event_add(event, &tv);
}

/* Start the next connect, and the clock for the one after. Return: false when the dial is over */
static bool step(struct dial *d)
{
	size_t open = d->n_open;

	(void)event_del(d->step);
	while (d->n_open == open && has_candidates(d))
		attempt_start(d, take_candidate(d));
	if (has_candidates(d))
		arm(d->step, DIALER_STAGGER_MS);
	return true;
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	if (step(d))
		(void)check_over(d);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	char at[PLACE_MAX];

	(void)fd;
	(void)what;
	if (d->answer)
		(void)fail(d, FLOW_STATUS_TIMEOUT, REASON_UPSTREAM_PROXY, ETIMEDOUT,
			   "%s: no answer to CONNECT within %d s", place(d, at),
			   DIALER_PROXY_MS / 1000);
	else if (d->n_attempts)
		(void)fail(d, FLOW_STATUS_TIMEOUT, blame(d, REASON_UPSTREAM_CONNECT), ETIMEDOUT,
			   "%s: no connection within %d s", place(d, at),
			   DIALER_DEADLINE_MS / 1000);
	else
		(void)fail(d, FLOW_STATUS_TIMEOUT, blame(d, REASON_UPSTREAM_RESOLVE), 0,
			   "%s%s: no answer from the resolver", d->proxied ? "upstream proxy " : "",
			   d->proxied ? d->at : d->host);
}

static bool fail_itself(struct dial *d)
{
	return fail(d, FLOW_STATUS_DENIED, REASON_FLOOR, 0,
		    "that is the upstream proxy itself, which no bottle may ask for");
}

static bool fail_proxy(struct dial *d, enum proxy_result r)
{
	unsigned int status = d->answer->status;
	char target[PROXY_TARGET_MAX], at[PLACE_MAX];
	const char *more = "";

	proxy_target(d->host, &d->target, d->port, target);
	(void)place(d, at);
	if (status == 407)
		more = d->dl->proxy_auth[0] ? ": it does not take the value of upstream_proxy_auth"
					    : ": it wants a password, which upstream_proxy_auth "
					      "in config.yaml names";
	if (r == PROXY_REFUSED)
		return fail(d, FLOW_STATUS_UNREACHABLE, REASON_UPSTREAM_PROXY, 0,
			    "%s answers %u to CONNECT %s%s", at, status, target, more);
	return fail(d, FLOW_STATUS_UNREACHABLE, REASON_UPSTREAM_PROXY, 0, "%s %s to CONNECT %s", at,
		    r == PROXY_CLOSED ? "closes the connection instead of an answer"
				      : "answers something that is not HTTP",
		    target);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;
	enum proxy_result r = proxy_read(a->dial->answer, fd);

	(void)what;
	if (r == PROXY_OK)
		(void)succeed(a->dial, a);
	else if (r != PROXY_MORE)
		(void)fail_proxy(a->dial, r);
}

static bool target_is_proxy(const struct dial *d)
{
	for (size_t q = 0; q < NUM_QUEUES; q++) {
		for (size_t i = 0; i < d->queues[q].n; i++) {
			struct ip_addr its = ip_addr_canonical(&d->queues[q].addrs[i]);

			if (ip_addr_eq(&its, &d->target))
				return true;
		}
	}
	return false;
}

/* This connection it is: what else is under way ends */
static void settle_for(struct dial *d, const struct attempt *a)
{
	(void)event_del(d->step);
	for (size_t i = 0; i < NUM_QUEUES; i++) {
		resolver_cancel(d->lookups[i]);
		d->lookups[i] = NULL;
		d->queues[i].next = d->queues[i].n;
	}
	for (size_t i = 0; i < d->n_attempts; i++) {
		if (&d->attempts[i] != a && d->attempts[i].fd >= 0)
			attempt_end(&d->attempts[i], 0);
	}
}

/* Connected to the proxy: ask it. So short a request fits into a new socket */
static void ask_proxy(struct attempt *a)
{
	struct dial *d = a->dial;
	char request[PROXY_REQUEST_MAX], target[PROXY_TARGET_MAX];
	ssize_t sent;
	size_t len;

	if (target_is_proxy(d)) {
		record_refusal(d, &d->target, REASON_FLOOR);
		(void)fail_itself(d);
		return;
	}
	settle_for(d, a);
	event_free(a->event);
	a->event = event_new(d->dl->base, a->fd, EV_READ | EV_PERSIST, on_answer, a);
	d->answer = calloc(1, sizeof(*d->answer));
	if (!d->answer || !a->event || event_add(a->event, NULL) < 0) {
		(void)fail(d, FLOW_STATUS_LIMIT, REASON_LIMIT, ENOMEM, "out of memory");
		return;
	}
	proxy_target(d->host, &d->target, d->port, target);
	len = proxy_request(target, d->dl->proxy_auth, request);
	sent = send(a->fd, request, len, MSG_NOSIGNAL);
	explicit_bzero(request, sizeof(request));
	if (sent != (ssize_t)len) {
		(void)fail_proxy(d, PROXY_CLOSED);
		return;
	}
	arm(d->deadline, DIALER_PROXY_MS);
}

static void on_lookup(struct dial *d, unsigned int queue, const struct ip_addr *addrs, size_t n,
		      const char *why)
{
	d->lookups[queue] = NULL;
	add_candidates(d, addrs, n);
	if (n == 0)
		d->resolve_why = why;
	/* Is the target the proxy itself? That takes all its addresses */
	if (d->target.family && (d->lookups[V6] || d->lookups[V4]))
		return;
	/* IPv4 alone gives IPv6 a moment; later answers wait for their turn */
	if (has_candidates(d) && d->n_attempts == 0 && d->lookups[V6])
		arm(d->step, DIALER_V6_WAIT_MS);
	else if (has_candidates(d) && d->n_open > 0 && !event_pending(d->step, EV_TIMEOUT, NULL))
		arm(d->step, DIALER_STAGGER_MS);
	else if (d->n_open == 0 && !step(d))
		return;
	(void)check_over(d);
}

static void on_lookup6(const struct ip_addr *addrs, size_t n, const char *why, void *arg)
{
	on_lookup(arg, V6, addrs, n, why);
}

static void on_lookup4(const struct ip_addr *addrs, size_t n, const char *why, void *arg)
{
	on_lookup(arg, V4, addrs, n, why);
}

/* Return: false when the dial is over */
static bool look_up(struct dial *d, const char *name, bool v6, bool v4)
{
	struct resolver *res = d->dl->resolver;

	if (v6)
		d->lookups[V6] = resolver_ask(res, name, 6, on_lookup6, d);
	if (v4)
		d->lookups[V4] = resolver_ask(res, name, 4, on_lookup4, d);
	if ((!v6 || d->lookups[V6]) && (!v4 || d->lookups[V4]))
		return true;
	return fail(d, FLOW_STATUS_LIMIT, REASON_LIMIT, ENOMEM, "out of memory");
}

/* Where the dial leads: the literal, the hosts file's addresses, or what a resolver says */
static void resolve(struct dial *d, const char *name)
{
	struct ip_addr found[2 * RESOLVER_ADDRS];
	size_t n = ip_addr_parse(name, &found[0]);

	d->at = name;
	if (n == 0)
		n = hosts_find(&d->dl->hosts, name, found, BB_ARRAY_LEN(found));
	if (n) {
		add_candidates(d, found, n);
		if (step(d))
			(void)check_over(d);
		return;
	}
	(void)look_up(d, name, true, true);
}

/* Is it a dial of the policy? For egress by its route, for gate by its tcp rule */
static enum policy_reason judge_request(struct dial *d, const struct ipc_msg *msg,
					const struct ip_addr *addr)
{
	const struct policy *p = &d->dl->policy;
	enum policy_reason r;
	size_t route = 0;
	uint32_t rule = 0;

	if (msg->type == IPC_DIAL_ADDR)
		return policy_tcp_by_addr(p, addr, d->port, &rule);
	if (d->peer == d->dl->egress) {
		r = authority_route(p, d->host, d->port, &route);
		rule = (uint32_t)route;
		d->route = r == REASON_ROUTE ? &p->routes[route] : NULL;
	} else {
		r = policy_tcp_by_name(p, d->host, d->port, &rule);
	}
	if ((r == REASON_ROUTE || r == REASON_TCP_RULE) && rule != msg->u.dial_name.rule)
		return REASON_DEFAULT_DENY;
	return r;
}

static struct dial *find(struct dialer *dl, const struct ipc_peer *peer, uint64_t flow)
{
	struct dial *d;

	LIST_FOREACH(d, &dl->dials, link)
	{
		if (d->peer == peer && d->flow == flow)
			return d;
	}
	return NULL;
}

/* One slow host must not take the connects of all others */
static bool name_is_busy(const struct dial *d)
{
	const struct dial *other;
	size_t n = 0;

	LIST_FOREACH(other, &d->dl->dials, link)
	{
		n += strcmp(other->host, d->host) == 0;
	}
	return d->host[0] && n > DIALER_NAME_MAX;
}

/* Return: NULL without memory */
static struct dial *dial_new(struct dialer *dl, struct ipc_peer *peer, uint64_t flow)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->dl = dl;
	d->peer = peer;
	d->flow = flow;
	LIST_INSERT_HEAD(&dl->dials, d, link);
	dl->n_dials++;
	d->step = event_new(dl->base, -1, 0, on_step, d);
	d->deadline = event_new(dl->base, -1, 0, on_deadline, d);
	if (!d->step || !d->deadline) {
		dial_free(d);
		return NULL;
	}
	arm(d->deadline, DIALER_DEADLINE_MS);
	return d;
}

/* Does it name the proxy? What addresses the proxy has is known when they are looked up */
static bool asks_for_proxy(const struct dial *d, const struct ip_addr *addr)
{
	const struct policy_proxy *proxy = &d->dl->policy.proxy;
	const char *name =
		d->route && d->route->upstream.host[0] ? d->route->upstream.host : d->host;
	struct ip_addr its;

	if (!proxy->host[0])
		return false;
	if (*name)
		return strcmp(name, proxy->host) == 0;
	if (!ip_addr_parse(proxy->host, &its))
		return false;
	its = ip_addr_canonical(&its);
	return ip_addr_eq(&its, addr);
}

/* A name goes to the proxy as it is; an address is judged here as ever */
static void begin_proxied(struct dial *d, const struct ip_addr *addr)
{
	enum policy_reason reason = addr->family ? judge(d, addr) : REASON_OK;

	if (reason != REASON_OK) {
		d->refused = reason;
		d->refused_addr = *addr;
		record_refusal(d, addr, reason);
		(void)fail_refused(d);
		return;
	}
	d->target = *addr;
	d->proxied = true;
	resolve(d, d->dl->policy.proxy.host);
}

static void begin(struct dial *d, const struct ipc_msg *msg, const struct ip_addr *addr)
{
	enum policy_reason r = judge_request(d, msg, addr);

	if (r != REASON_ROUTE && r != REASON_TCP_RULE) {
		record_refusal(d, addr, r);
		(void)fail(d, FLOW_STATUS_DENIED, r, 0, "not in the policy");
	} else if (asks_for_proxy(d, addr)) {
		record_refusal(d, addr, REASON_FLOOR);
		(void)fail_itself(d);
	} else if (d->route && d->route->upstream.host[0]) {
		d->port = d->route->upstream.port;
		resolve(d, d->route->upstream.host);
	} else if (d->dl->policy.proxy.host[0]) {
		begin_proxied(d, addr);
	} else if (msg->type == IPC_DIAL_ADDR) {
		add_candidates(d, addr, 1);
		if (step(d))
			(void)check_over(d);
	} else {
		resolve(d, d->host);
	}
}

void dial_request(struct dialer *dl, struct ipc_peer *peer, const struct ipc_msg *msg)
{
	struct ip_addr addr = { 0 };
	enum policy_reason r = REASON_OK;
	struct dial *d;

	if (dl->n_dials >= DIALER_DIALS_MAX || find(dl, peer, msg->flow)) {
		send_fail(peer, msg->flow, FLOW_STATUS_LIMIT, REASON_LIMIT, 0,
			  "too many connects under way");
		return;
	}
	d = dial_new(dl, peer, msg->flow);
	if (!d) {
		send_fail(peer, msg->flow, FLOW_STATUS_LIMIT, REASON_LIMIT, ENOMEM,
			  "out of memory");
		return;
	}
	if (msg->type == IPC_DIAL_ADDR) {
		addr = ip_addr_canonical(&msg->u.flow.addr);
		d->port = msg->u.flow.port;
		r = addr.family ? REASON_OK : REASON_MALFORMED;
	} else {
		d->port = msg->u.dial_name.port;
		r = authority_name(msg->u.dial_name.name, d->host);
	}
	if (r != REASON_OK)
		(void)fail(d, FLOW_STATUS_DENIED, r, 0, "not a destination");
	else if (name_is_busy(d))
		(void)fail(d, FLOW_STATUS_LIMIT, REASON_LIMIT, 0,
			   "%s: too many connects under way to this name", d->host);
	else
		begin(d, msg, &addr);
}

void dial_cancel(struct dialer *dl, const struct ipc_peer *peer, uint64_t flow)
{
	struct dial *d = find(dl, peer, flow);

	if (d)
		dial_free(d);
}

/* Cancel now, ask when the resolver has its new servers: see network.c */
void dial_network_changed(struct dialer *dl)
{
	struct dial *d, *next;

	for (d = LIST_FIRST(&dl->dials); d; d = next) {
		bool v6 = d->lookups[V6], v4 = d->lookups[V4];

		next = LIST_NEXT(d, link);
		resolver_cancel(d->lookups[V6]);
		resolver_cancel(d->lookups[V4]);
		d->lookups[V6] = d->lookups[V4] = NULL;
		(void)look_up(d, d->at, v6, v4);
	}
}

/* A proxy that was asked is not asked again: what it has done by then nobody knows */
static void lose_source(struct dial *d, const struct ip_addr *source)
{
	bool lost = false;

	for (size_t i = 0; i < d->n_attempts; i++) {
		struct attempt *a = &d->attempts[i];
		struct ip_addr its = a->fd < 0 ? (struct ip_addr){ 0 } : connect_source(a->fd);

		if (a->fd < 0 || !ip_addr_eq(&its, source))
			continue;
		lost = true;
		attempt_end(a, ENETDOWN);
		if (!d->answer)
			attempt_open(a);
	}
	if (lost && (d->n_open || step(d)))
		(void)check_over(d);
}

void dial_addr_gone(struct dialer *dl, const struct ip_addr *source)
{
	struct dial *d, *next;

	for (d = LIST_FIRST(&dl->dials); d; d = next) {
		next = LIST_NEXT(d, link);
		lose_source(d, source);
	}
}

void dial_cancel_all(struct dialer *dl)
{
	struct dial *d;

	while ((d = LIST_FIRST(&dl->dials)))
		dial_free(d);
}
