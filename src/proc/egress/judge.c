/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "proc/egress/egress.h"

/*
 * The steps between a parsed head and the dial, in their order. Each either passes on or ends the
 * request with a status and a reason.
 */

static const struct judgement go_on = { 0, REASON_OK, "" };

bool route_is_tls(const struct conn *c, size_t route)
{
	const struct policy_upstream *u = &c->eg->policy.routes[route].upstream;

	return u->host[0] ? u->tls : c->tls;
}

static struct judgement no(unsigned int status, enum policy_reason reason, const char *text)
{
	return (struct judgement){ status, reason, text };
}

/* An unusable name: an address is simply not listed, anything else is no request */
static struct judgement bad_authority(enum policy_reason reason)
{
	if (reason == REASON_IP_LITERAL)
		return no(403, reason, "routes are names, never addresses");
	return no(400, reason, "not a host name");
}

/* The Host field, where there is one, against what the request is for */
static struct judgement judge_host(const struct http1_request *h, const struct authority *want,
				   unsigned int status)
{
	struct authority host = { 0 };

	if (!h->host.p)
		return go_on;
	if (authority_parse(h->host, &host) != REASON_OK)
		return no(400, REASON_NAME_MISMATCH, "Host is not a host name");
	if (!authority_agrees(&host, want))
		return no(status, REASON_NAME_MISMATCH, "Host names another host");
	return go_on;
}

static struct judgement judge_connect(const struct conn *c, struct request *rq)
{
	enum policy_reason r;

	if (c->tunnel)
		return no(400, REASON_BAD_REQUEST, "CONNECT inside a tunnel");
	r = authority_parse(rq->http.target, &rq->to);
	if (r != REASON_OK)
		return bad_authority(r);
	if (rq->to.port == 0)
		return no(400, REASON_BAD_REQUEST, "CONNECT without a port");
	rq->path = (struct bb_span){ 0 };
	return judge_host(&rq->http, &rq->to, 400);
}

/* "?query" alone stands for "/?query", nothing for "/" (RFC 9112 section 3.2.1) */
static bool take_path(struct request *rq, struct bb_span path)
{
	if (path.len && path.p[0] == '/') {
		rq->path = path;
		return true;
	}
	if (path.len == 0 && bb_span_eq(rq->http.method, BB_SPAN_STR("OPTIONS"))) {
		rq->path = BB_SPAN_STR("*"); /* section 3.2.4 */
		return true;
	}
	if (bb_buf_add(&rq->own_path, "/", 1) < 0 ||
	    bb_buf_add(&rq->own_path, path.p, path.len) < 0)
		return false;
	rq->path = bb_buf_span(&rq->own_path);
	return true;
}

static struct judgement judge_absolute(const struct conn *c, struct request *rq)
{
	struct bb_span path;
	struct judgement j;
	enum policy_reason r;
	bool tls = false;

	r = authority_absolute(rq->http.target, &rq->to, &tls, &path);
	if (r == REASON_BAD_REQUEST)
		return no(400, r, "only http:// is proxied like this");
	if (r != REASON_OK)
		return bad_authority(r);
	if (tls != c->tls)
		return no(400, REASON_BAD_REQUEST,
			  tls ? "https goes through CONNECT" : "http:// inside TLS");
	if (rq->to.port == 0)
		rq->to.port = tls ? 443 : 80;
	j = judge_host(&rq->http, &rq->to, 400);
	if (j.status)
		return j;
	if (c->tunnel && !authority_agrees(&rq->to, &c->name))
		return no(421, REASON_NAME_MISMATCH, "the target is not the tunnel's host");
	return take_path(rq, path) ? go_on : no(503, REASON_LIMIT, "out of memory");
}

/* Step 2: whom is it for, and does everything in it say so? */
static struct judgement judge_name(const struct conn *c, struct request *rq)
{
	switch (rq->http.form) {
	case HTTP1_FORM_AUTHORITY:
		return judge_connect(c, rq);
	case HTTP1_FORM_ABSOLUTE:
		return judge_absolute(c, rq);
	case HTTP1_FORM_ORIGIN:
	case HTTP1_FORM_ASTERISK:
		break;
	case HTTP1_NUM_FORMS:
		BB_BUG_ON(true);
	}
	if (!c->tunnel)
		return no(400, REASON_NOT_PROXY, "this is a proxy");
	rq->to = c->name;
	rq->path = rq->http.target;
	return judge_host(&rq->http, &c->name, 421);
}

/* Step 3: a route lists it, or nothing does */
static struct judgement judge_route(const struct conn *c, struct request *rq)
{
	enum policy_reason r =
		authority_route(&c->eg->policy, rq->to.name, rq->to.port, &rq->route);

	return r == REASON_ROUTE ? go_on : no(403, r, "");
}

static struct judgement judge_websocket(const struct conn *c, struct request *rq)
{
	(void)c;
	return rq->http.websocket ? websocket_judge(rq) : go_on;
}

static bool field_at(const void *arg, size_t i, struct bb_span *ret_name, struct bb_span *ret_value)
{
	const struct http1_fields *f = arg;

	if (i >= f->n)
		return false;
	*ret_name = f->v[i].name;
	*ret_value = f->v[i].value;
	return true;
}

/* Steps 4 and 5, without the fields that Connection names, for they go no further. A
 * CONNECT says nothing about the requests to come */
static struct judgement judge_content(const struct conn *c, struct request *rq)
{
	static struct http1_fields sent;
	struct content_request what = {
		.method = rq->http.method, .path = rq->path, .field = field_at, .arg = &sent
	};
	enum policy_reason r;

	if (rq->http.form == HTTP1_FORM_AUTHORITY)
		return go_on;
	sent.n = rq->http.fields.n;
	memcpy(sent.v, rq->http.fields.v, sent.n * sizeof(sent.v[0]));
	http1_fields_drop_named(&sent);
	r = content_judge(c->eg->policy.routes[rq->route].content, &what, NULL, NULL);
	return r == REASON_OK ? go_on : no(403, r, "");
}

/* Step 6 */
static struct judgement judge_credentials(const struct conn *c, struct request *rq)
{
	return rq->http.form == HTTP1_FORM_AUTHORITY ? go_on : credential_judge(c, rq);
}

/* Step 7, as far as the head goes: of the fields that will be sent, in that order, for what is
 * taken out between two of them would hide that they go on from one another */
static struct judgement judge_search(const struct conn *c, struct request *rq)
{
	if (rq->http.form == HTTP1_FORM_AUTHORITY)
		return go_on;
	http1_request_settle(&rq->http);
	inbound_ask(c, &rq->http.fields);
	if (rq->ws)
		websocket_edit(rq);
	return outbound_judge_head(c, rq);
}

/* So many requests a minute, and so many octets that the head announces */
static struct judgement judge_limits(const struct conn *c, struct request *rq)
{
	const struct content_limits *l = &c->eg->policy.routes[rq->route].content->limits;
	struct route_use *u = &c->eg->used[rq->route];
	uint64_t minute = bb_now_ms() / 60000;

	if (rq->http.form == HTTP1_FORM_AUTHORITY)
		return go_on;
	if (u->minute != minute) {
		u->minute = minute;
		u->requests = 0;
	}
	if (l->requests_per_minute && u->requests >= l->requests_per_minute)
		return no(429, REASON_BUDGET, "requests_per_minute");
	u->requests++;
	if (rq->http.body != HTTP1_BODY_LENGTH)
		return go_on;
	if (l->request_bytes && rq->http.length > l->request_bytes)
		return no(403, REASON_BUDGET, "request_bytes");
	/* A reload may have made it less than what has been used */
	if (l->upload_per_session && (u->uploaded > l->upload_per_session ||
				      rq->http.length > l->upload_per_session - u->uploaded))
		return no(403, REASON_BUDGET, "upload_per_session");
	return go_on;
}

struct judgement judge_request(const struct conn *c, struct request *rq)
{
	static struct judgement (*const order[])(const struct conn *c, struct request *rq) = {
		judge_name,        judge_route,  judge_websocket, judge_content,
		judge_credentials, judge_search, judge_limits,
		/* 8: our credential is put in when the head is written */
	};
	struct judgement j = go_on;

	for (size_t i = 0; i < BB_ARRAY_LEN(order) && j.status == 0; i++)
		j = order[i](c, rq);
	return j;
}
