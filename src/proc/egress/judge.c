/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"

/*
 * The steps between a parsed head and the dial, in their order. Each either passes on or ends the
 * request with a status and a reason. Only names and routes are judged in this build; git, matches,
 * credentials and the outbound scan stand in the table as comments so that their order is settled.
 */

static const struct judgement go_on = { 0, REASON_OK, "" };

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

/* What this build has no code for */
static struct judgement judge_built(const struct conn *c, struct request *rq)
{
	(void)c;
	if (rq->http.websocket)
		return no(501, REASON_NOT_BUILT, "WebSocket is not in this build yet");
	return go_on;
}

struct judgement judge_request(const struct conn *c, struct request *rq)
{
	static struct judgement (*const order[])(const struct conn *c, struct request *rq) = {
		judge_name, judge_route, judge_built,
		/* 4: git over HTTPS. 5: matches. 6: credentials. 7: outbound scan of the head.
		 * 8: our credential is put in by exchange.c when the head is written. */
	};
	struct judgement j = go_on;

	for (size_t i = 0; i < BB_ARRAY_LEN(order) && j.status == 0; i++)
		j = order[i](c, rq);
	return j;
}
