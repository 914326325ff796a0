/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "proc/egress/egress.h"
#include "proc/egress/mux.h"
#include <errno.h>

/*
 * Upstream connections that belong to no conn: those that speak HTTP/2, with streams of many conns
 * in them, and idle ones of HTTP/1.1 whose conn has gone. Found again by route, name and port, so a
 * connection never carries requests of two routes, and with them of two credentials.
 */

/** struct upstream - One of them; @mux is NULL for HTTP/1.1 */
struct upstream {
	LIST_ENTRY(upstream) link;
	struct egress *eg;
	struct authority name;
	size_t route;
	bool tls;
	bool h2_offered;
	struct ip_addr addr;
	bool proxied;
	struct ip_addr source;
	bool idle;  /* counted among these */
	bool stale; /* this host has lost @source: no further streams */
	struct stream io;
	struct mux *mux;
	struct event *again;
	uint64_t idle_since;
};

static void set_idle(struct upstream *u, bool idle)
{
	if (idle && !u->idle)
		u->idle_since = bb_now_ms();
	u->eg->n_idle += (size_t)(idle - u->idle);
	u->idle = idle;
}

static void upstream_free(struct upstream *u)
{
	LIST_REMOVE(u, link);
	set_idle(u, false);
	mux_free(u->mux);
	stream_close(&u->io);
	if (u->again)
		event_free(u->again);
	free(u);
}

/* What has arrived whole is still taken by its conn, which then wakes us */
static void end_mux(struct upstream *u)
{
	mux_fail(u->mux);
	if (!mux_is_used(u->mux))
		upstream_free(u);
}

/* Of those that are idle, but for @keep, the one that has been so for longest */
static void free_oldest(struct egress *eg, const struct upstream *keep)
{
	struct upstream *u, *oldest = NULL;

	LIST_FOREACH(u, &eg->upstreams, link)
	{
		if (u != keep && u->idle && (!oldest || u->idle_since < oldest->idle_since))
			oldest = u;
	}
	upstream_free(oldest);
}

static void run_mux(struct upstream *u)
{
	unsigned int budget = 32;
	bool progress = true;

	while (progress && budget-- && !mux_is_over(u->mux)) {
		progress = stream_flush(&u->io);
		progress |= mux_run(u->mux, true);
	}
	if (mux_is_over(u->mux)) {
		end_mux(u);
		return;
	}
	if (progress)
		(void)event_add(u->again, &(struct timeval){ 0 });
	set_idle(u, !mux_is_used(u->mux));
	if (u->eg->n_idle > UPSTREAM_IDLE_MAX)
		free_oldest(u->eg, u);
}

/* Idle: an upstream that speaks or ends is of no more use */
static void watch_idle(struct upstream *u)
{
	(void)stream_fill(&u->io, 1);
	if (u->io.in.len || u->io.eof || u->io.error)
		upstream_free(u);
}

static void on_ready(void *arg)
{
	struct upstream *u = arg;

	if (u->mux)
		run_mux(u);
	else
		watch_idle(u);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	on_ready(arg);
}

/* Takes over the conn's connection. Return: NULL without memory; the connection is closed then */
static struct upstream *take_over(struct conn *c)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (!u) {
		stream_close(&c->up);
		return NULL;
	}
	u->eg = c->eg;
	u->name = c->up_name;
	u->route = c->up_route;
	u->tls = c->up_tls;
	u->h2_offered = c->up_h2_offered;
	u->addr = c->up_addr;
	u->proxied = c->up_proxied;
	u->source = c->up_source;
	u->stale = c->up_stale;
	u->io.fd = -1;
	LIST_INSERT_HEAD(&u->eg->upstreams, u, link);
	set_idle(u, true);
	u->again = evtimer_new(u->eg->base, on_again, u);
	if (u->again && stream_move(&u->io, &c->up, u->eg->base, on_ready, u) == 0)
		return u;
	stream_close(&c->up);
	upstream_free(u);
	return NULL;
}

void upstream_keep(struct conn *c)
{
	struct upstream *u;

	if (!stream_is_open(&c->up) || c->up_stale || c->up.far || c->up.in.len || c->up.out.len ||
	    c->up.eof || c->up.error || c->up.write_error) {
		stream_close(&c->up);
		return;
	}
	if (c->eg->n_idle >= UPSTREAM_IDLE_MAX)
		free_oldest(c->eg, NULL);
	u = take_over(c);
	if (u)
		stream_slim(&u->io);
}

/* ---- HTTP/2 ---- */

static void bad_section(struct mux_stream *s, enum http2_result r)
{
	mux_reset(s, NGHTTP2_PROTOCOL_ERROR);
	if (!s->end)
		return;
	s->end->error = -EPROTO;
	(void)snprintf(s->end->why, sizeof(s->end->why), "%s", http2_result_str[r]);
}

static void on_section(struct mux_stream *s, bool ended)
{
	const struct http2_section *section = mux_section(s);
	struct mux_scratch *t = &mux_scratch;
	struct bb_span method = s->head_request ? BB_SPAN_STR("HEAD") : BB_SPAN_STR("GET");
	enum http2_result r = HTTP2_TOO_LONG;
	unsigned int status = 0;
	size_t len = 0;

	if (s->got_head && !s->chunked)
		return; /* no place for trailers */
	if (!s->fields->too_long)
		r = s->got_head ? http2_trailers(section, t->text, sizeof(t->text), &len)
				: http2_response_head(section, ended, method, t->text,
						      sizeof(t->text), &len, &status, &s->chunked);
	if (r == HTTP2_OK && bb_buf_add(s->got_head ? &s->tail : &s->head, t->text, len) < 0)
		r = HTTP2_TOO_LONG;
	if (r != HTTP2_OK)
		bad_section(s, r);
	s->got_head |= status >= 200;
}

static int send_head(struct mux_stream *s, size_t len)
{
	static struct http1_request h;
	struct mux_scratch *t = &mux_scratch;
	struct upstream *u = s->mux->owner;
	nghttp2_data_provider content = mux_provider(s);
	bool none;

	if (http1_request_parse((struct bb_span){ s->end->out.p, len }, &h) != HTTP1_OK ||
	    http2_request_section(&h, u->tls, t->names, sizeof(t->names), &t->section) != HTTP2_OK)
		return -1;
	none = h.body == HTTP1_BODY_NONE || (h.body == HTTP1_BODY_LENGTH && h.length == 0);
	s->id = nghttp2_submit_request(s->mux->session, NULL, mux_nva(), t->section.n,
				       none ? NULL : &content, s);
	if (s->id < 0)
		return -1;
	s->head_request = bb_span_eq(h.method, BB_SPAN_STR("HEAD"));
	s->text = none ? MUX_DONE : MUX_BODY;
	s->body = h.body;
	s->left = h.length;
	http1_chunked_init(&s->chunks, false);
	return 0;
}

static const struct mux_role upstream_role = { .on_section = on_section, .send_head = send_head };

static bool has_room(const struct upstream *u)
{
	uint32_t theirs = nghttp2_session_get_remote_settings(
		u->mux->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	return !u->stale && !mux_is_over(u->mux) &&
	       nghttp2_session_check_request_allowed(u->mux->session) &&
	       u->mux->n_streams < (theirs < MUX_STREAMS_MAX ? theirs : MUX_STREAMS_MAX);
}

static bool join(struct upstream *u, struct conn *c)
{
	struct mux_stream *s = mux_stream_new(u->mux, -1);

	if (!s)
		return false;
	c->up_name = u->name;
	c->up_route = u->route;
	c->up_tls = u->tls;
	c->up_addr = u->addr;
	c->up_proxied = u->proxied;
	c->up_stale = false; /* the stream's end is its connection's matter */
	mux_attach(s, &c->up, c->again);
	set_idle(u, false);
	return true;
}

bool upstream_adopt(struct conn *c)
{
	struct upstream *u = take_over(c);

	if (!u)
		return false;
	u->mux =
		mux_new(&upstream_role, u, &u->io, u->again, &u->eg->fast_streams, &u->eg->orphans);
	if (u->mux && join(u, c)) {
		(void)event_add(u->again, &(struct timeval){ 0 });
		return true;
	}
	upstream_free(u);
	return false;
}

static bool fits(const struct upstream *u, const struct conn *c)
{
	const struct request *rq = c->rq;

	return u->route == rq->route && u->tls == route_is_tls(c, rq->route) &&
	       u->name.port == rq->to.port && strcmp(u->name.name, rq->to.name) == 0;
}

/* The conn gets the idle connection for itself */
static bool give_back(struct upstream *u, struct conn *c, stream_fn on_up_ready)
{
	c->up_name = u->name;
	c->up_route = u->route;
	c->up_tls = u->tls;
	c->up_h2_offered = u->h2_offered;
	c->up_addr = u->addr;
	c->up_proxied = u->proxied;
	c->up_source = u->source;
	c->up_stale = false;
	return stream_move(&c->up, &u->io, c->eg->base, on_up_ready, c) == 0;
}

bool upstream_reuse(struct conn *c, stream_fn on_up_ready)
{
	struct upstream *u, *next;
	bool ok = false;

	for (u = LIST_FIRST(&c->eg->upstreams); u && !ok; u = next) {
		next = LIST_NEXT(u, link);
		if (!fits(u, c))
			continue;
		if (u->mux) {
			u->io.readable = true; /* ask, as below */
			if (!mux_is_over(u->mux))
				(void)mux_run(u->mux, true);
			ok = c->inside && has_room(u) && join(u, c);
			(void)event_add(u->again, &(struct timeval){ 0 });
			continue;
		}
		if (exchange_wants_h2(c) && !u->h2_offered)
			continue;
		u->io.readable = true; /* ask: its end may be in the same round of events */
		(void)stream_fill(&u->io, 1);
		if (!u->io.in.len && !u->io.eof && !u->io.error)
			ok = give_back(u, c, on_up_ready);
		upstream_free(u);
	}
	return ok;
}

/* ---- dials that others wait for ---- */

/* For how many a request waits while they succeed: each is room for a hundred, but others may
 * take */
#define FOLLOWS_MAX 4

static bool same_upstream(const struct conn *a, const struct conn *b)
{
	return a->rq->route == b->rq->route && a->rq->to.port == b->rq->to.port &&
	       route_is_tls(a, a->rq->route) == route_is_tls(b, b->rq->route) &&
	       strcmp(a->rq->to.name, b->rq->to.name) == 0;
}

bool upstream_follow(struct conn *c)
{
	struct conn *l;

	if (!exchange_wants_h2(c) || c->rq->followed >= FOLLOWS_MAX)
		return false;
	LIST_FOREACH(l, &c->eg->leaders, dialling)
	{
		if (l->rq && l->followers + 1 < MUX_STREAMS_MAX && same_upstream(l, c))
			break;
	}
	if (!l)
		return false;
	l->followers++;
	c->leader = l->id;
	c->rq->followed++;
	LIST_INSERT_HEAD(&c->eg->followers, c, dialling);
	c->state = CONN_FOLLOW;
	conn_deadline(c, EGRESS_DIAL_MS + EGRESS_UPSTREAM_TLS_MS);
	return true;
}

void upstream_lead(struct conn *c)
{
	if (c->leads || c->state != CONN_DIAL || !exchange_wants_h2(c))
		return;
	c->leads = true;
	c->followers = 0;
	LIST_INSERT_HEAD(&c->eg->leaders, c, dialling);
}

static void follow_no_more(struct conn *c)
{
	LIST_REMOVE(c, dialling);
	c->leader = 0;
	(void)event_add(c->again, &(struct timeval){ 0 });
}

void upstream_led(struct conn *c)
{
	struct conn *f, *next;
	bool shared = c->up.far;

	if (c->leader)
		follow_no_more(c);
	if (!c->leads)
		return;
	c->leads = false;
	LIST_REMOVE(c, dialling);
	for (f = LIST_FIRST(&c->eg->followers); f; f = next) {
		next = LIST_NEXT(f, dialling);
		if (f->leader != c->id)
			continue;
		if (!shared && f->rq)
			f->rq->followed = FOLLOWS_MAX;
		follow_no_more(f);
	}
}

void upstream_sweep(struct egress *eg)
{
	uint64_t now = bb_now_ms();
	struct upstream *u, *next;

	for (u = LIST_FIRST(&eg->upstreams); u; u = next) {
		next = LIST_NEXT(u, link);
		if (u->mux && mux_is_used(u->mux))
			continue;
		if (u->stale || (u->idle && now - u->idle_since > UPSTREAM_IDLE_MS))
			upstream_free(u);
	}
}

static bool carries_a_request(const struct conn *c)
{
	return c->state == CONN_UP_TLS || c->state == CONN_EXCHANGE || c->state == CONN_WEBSOCKET;
}

void upstream_addr_gone(struct egress *eg, const struct ip_addr *source)
{
	struct upstream *u, *next;
	struct conn *c;

	for (u = LIST_FIRST(&eg->upstreams); u; u = next) {
		next = LIST_NEXT(u, link);
		if (!ip_addr_eq(&u->source, source))
			continue;
		u->stale = true;
		if (!u->mux || !mux_is_used(u->mux))
			upstream_free(u);
	}
	for (size_t i = 0; i < EGRESS_CONN_BUCKETS; i++) {
		LIST_FOREACH(c, &eg->conns[i], link)
		{
			if (!stream_is_open(&c->up) || c->up.far ||
			    !ip_addr_eq(&c->up_source, source))
				continue;
			c->up_stale = true;
			if (!carries_a_request(c))
				stream_close(&c->up);
		}
	}
}

void upstream_rejudge(struct egress *eg,
		      bool (*keep)(void *arg, const struct authority *name,
				   const struct ip_addr *addr, size_t *route),
		      void *arg)
{
	struct upstream *u, *next;

	for (u = LIST_FIRST(&eg->upstreams); u; u = next) {
		next = LIST_NEXT(u, link);
		if (keep(arg, &u->name, &u->addr, &u->route))
			continue;
		if (u->mux)
			mux_fail(u->mux); /* its conns have been ended before */
		upstream_free(u);
	}
}
