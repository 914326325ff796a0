/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/resolver.h"
#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/queue.h>

#define TRY_MS      2000
#define TRIES       2
#define EDNS_SIZE   1232
#define SERVERS_MAX 16

/* One socket of c-ares */
struct watch {
	LIST_ENTRY(watch) link;
	int fd;
	struct event *ev;
	struct resolver *res;
};

struct resolver {
	struct event_base *base;
	ares_channel channel;
	bool has_servers;
	struct event *timer;
	LIST_HEAD(, watch) watches;
};

/* Freed when its event has run; @fn NULL = cancelled */
struct resolver_lookup {
	resolver_fn fn;
	void *arg;
	struct event *deliver;
	size_t n;
	struct ip_addr addrs[RESOLVER_ADDRS];
	const char *why;
};

/* c-ares wants to be called again at its next time-out */
static void arm_timer(struct resolver *res)
{
	struct timeval tv, *next = ares_timeout(res->channel, NULL, &tv);

	if (next)
		(void)event_add(res->timer, next);
	else
		(void)event_del(res->timer);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct resolver *res = w->res; /* @w may be gone after the call */

	ares_process_fd(res->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
			what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm_timer(res);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *res = arg;

	(void)fd;
	(void)what;
	ares_process_fd(res->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(res);
}

/* c-ares says which of its sockets to watch, and when it closes one */
static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	struct resolver *res = arg;
	struct watch *w;

	LIST_FOREACH(w, &res->watches, link)
	{
		if (w->fd == fd)
			break;
	}
	if (w) {
		event_free(w->ev);
		LIST_REMOVE(w, link);
		free(w);
	}
	if (!readable && !writable)
		return;
	/* without memory the query times out */
	w = calloc(1, sizeof(*w));
	if (!w)
		return;
	*w = (struct watch){ .fd = fd, .res = res };
	w->ev = event_new(res->base, fd, what, on_socket, w);
	if (!w->ev || event_add(w->ev, NULL) < 0) {
		if (w->ev)
			event_free(w->ev);
		free(w);
		return;
	}
	LIST_INSERT_HEAD(&res->watches, w, link);
}

/* As text, because Debian 13's c-ares deprecates the other way. IPv6 without brackets: that of
 * Debian 12 wants none */
static int set_servers(struct resolver *res, const struct ip_addr *servers, size_t n)
{
	char text[SERVERS_MAX * IP_ADDR_TEXT_MAX] = "", one[IP_ADDR_TEXT_MAX];
	size_t at = 0;

	if (n > SERVERS_MAX)
		n = SERVERS_MAX;
	for (size_t i = 0; i < n; i++) {
		ip_addr_format(&servers[i], one);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? "," : "", one);
	}
	res->has_servers = n > 0;
	return n ? ares_set_servers_csv(res->channel, text) : ARES_SUCCESS;
}

struct resolver *resolver_new(struct event_base *base, const struct ip_addr *servers,
			      size_t n_servers, struct bb_err *err)
{
	/* each of these keeps c-ares from looking for it in a file */
	struct in_addr none = { 0 };
	char lookups[] = "b";
	struct ares_options opt = { .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
					     ARES_FLAG_EDNS,
				    .timeout = TRY_MS,
				    .tries = TRIES,
				    .ndots = 1,
				    .ednspsz = EDNS_SIZE,
				    .lookups = lookups,
				    .servers = &none,
				    .nservers = 1,
				    .sock_state_cb = on_state };
	const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
			 ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
			 ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB;
	struct resolver *res = calloc(1, sizeof(*res));
	int r = ARES_ENOMEM;

	if (!res)
		goto fail;
	res->base = base;
	LIST_INIT(&res->watches);
	res->timer = event_new(base, -1, 0, on_timer, res);
	opt.sock_state_cb_data = res;
	r = ares_library_init(ARES_LIB_INIT_ALL);
	if (res->timer && r == ARES_SUCCESS)
		r = ares_init_options(&res->channel, &opt, mask);
	if (r == ARES_SUCCESS)
		r = set_servers(res, servers, n_servers);
	if (r == ARES_SUCCESS)
		return res;
fail:
	(void)bb_err_set(err, -ENOMEM, "resolver: %s", ares_strerror(r));
	free(res); /* start-up fails: the process exits */
	return NULL;
}

int resolver_set_servers(struct resolver *res, const struct ip_addr *servers, size_t n,
			 struct bb_err *err)
{
	int r;

	ares_cancel(res->channel); /* with queries under way c-ares takes no new servers */
	r = set_servers(res, servers, n);
	arm_timer(res);
	if (r == ARES_SUCCESS)
		return 0;
	res->has_servers = false;
	return bb_err_set(err, -ENOMEM, "resolver: %s", ares_strerror(r));
}

void resolver_free(struct resolver *res)
{
	struct watch *w;

	if (!res)
		return;
	ares_destroy(res->channel);
	while ((w = LIST_FIRST(&res->watches))) {
		LIST_REMOVE(w, link);
		event_free(w->ev);
		free(w);
	}
	event_free(res->timer);
	free(res);
}

static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
	struct resolver_lookup *l = arg;

	(void)fd;
	(void)what;
	if (l->fn)
		l->fn(l->addrs, l->n, l->why, l->arg);
	event_free(l->deliver);
	free(l);
}

static void take_addrs(struct resolver_lookup *l, const struct ares_addrinfo *ai)
{
	for (const struct ares_addrinfo_node *n = ai->nodes; n && l->n < RESOLVER_ADDRS;
	     n = n->ai_next) {
		struct ip_addr *a = &l->addrs[l->n];

		if (n->ai_family == AF_INET) {
			const void *sin = n->ai_addr;

			*a = (struct ip_addr){ .family = 4 };
			memcpy(a->a, &((const struct sockaddr_in *)sin)->sin_addr, 4);
		} else if (n->ai_family == AF_INET6) {
			const void *sin6 = n->ai_addr;

			*a = (struct ip_addr){ .family = 6 };
			memcpy(a->a, &((const struct sockaddr_in6 *)sin6)->sin6_addr, 16);
		} else {
			continue;
		}
		l->n++;
	}
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct resolver_lookup *l = arg;

	(void)timeouts;
	if (status == ARES_SUCCESS && ai)
		take_addrs(l, ai);
	if (ai)
		ares_freeaddrinfo(ai);
	if (status == ARES_EDESTRUCTION) { /* the loop has ended: nobody is there to be told */
		event_free(l->deliver);
		free(l);
		return;
	}
	l->why = status == ARES_SUCCESS ? "no address" : ares_strerror(status);
	event_active(l->deliver, EV_TIMEOUT, 1);
}

struct resolver_lookup *resolver_ask(struct resolver *res, const char *name, uint8_t family,
				     resolver_fn fn, void *arg)
{
	const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT,
						   .ai_family = family == 4 ? AF_INET : AF_INET6,
						   .ai_socktype = SOCK_STREAM };
	struct resolver_lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->fn = fn;
	l->arg = arg;
	l->deliver = event_new(res->base, -1, 0, on_deliver, l);
	if (!l->deliver) {
		free(l);
		return NULL;
	}
	if (res->has_servers) {
		ares_getaddrinfo(res->channel, name, NULL, &hints, on_answer, l);
		arm_timer(res);
	} else {
		l->why = "no resolver is configured";
		event_active(l->deliver, EV_TIMEOUT, 1);
	}
	return l;
}

void resolver_cancel(struct resolver_lookup *lookup)
{
	if (lookup)
		lookup->fn = NULL;
}

size_t resolver_servers(struct bb_span text, struct ip_addr *out, size_t max)
{
	static const char key[] = "nameserver";
	size_t n = 0;

	while (text.len && n < max) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end ? (size_t)(end - text.p) : text.len, at = sizeof(key) - 1, to;
		char word[IP_ADDR_TEXT_MAX];

		if (len > at && memcmp(text.p, key, at) == 0) {
			while (at < len && (text.p[at] == ' ' || text.p[at] == '\t'))
				at++;
			for (to = at; to < len && text.p[to] > ' ' && text.p[to] != '#'; to++)
				;
			if (to - at < sizeof(word)) {
				memcpy(word, text.p + at, to - at);
				word[to - at] = '\0';
				n += ip_addr_parse(word, &out[n]);
			}
		}
		len += end != NULL;
		text.p += len;
		text.len -= len;
	}
	return n;
}
