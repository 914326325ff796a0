/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "proc/egress/egress.h"

/* Request heads: collect, parse, have judged, and act on the judgement. */

static struct request *request_new(struct bb_span head)
{
	struct request *rq = calloc(1, sizeof(*rq));

	if (!rq)
		return NULL;
	bb_buf_init(&rq->head, HTTP1_HEAD_MAX);
	bb_buf_init(&rq->own_path, HTTP1_HEAD_MAX);
	bb_buf_init(&rq->injected, 2 * SECRETS_VALUE_MAX);
	bb_buf_init(&rq->held, MASK_REACH_MAX(SECRETS_VALUE_MAX) + HTTP1_HEAD_MAX);
	bb_buf_init(&rq->tap, INBOUND_TAP_MAX);
	bb_buf_init(&rq->said, INBOUND_SAID_MAX);
	bb_buf_init(&rq->trailers, 2 * HTTP1_TRAILER_MAX);
	bb_buf_init(&rq->coded_in, 2 * HTTP1_HEAD_MAX);
	bb_buf_init(&rq->waiting, OUTBOUND_HOLD_MAX);
	rq->started_ms = bb_now_ms();
	if (bb_buf_add(&rq->head, head.p, head.len) == 0)
		return rq;
	request_free(rq);
	return NULL;
}

/* In a tunnel the first thing said has to be HTTP: no answer to what is another protocol */
static bool is_not_http(const struct conn *c)
{
	const struct bb_buf *in = &c->guest.in;
	const uint8_t *lf;

	if (!c->tunnel || c->spoke || in->len == 0)
		return false;
	lf = memchr(in->p, '\n', in->len);
	return !memmem(in->p, lf ? (size_t)(lf - in->p) : in->len, "HTTP/", 5);
}

static bool close_if_not_http(struct conn *c, const char *text)
{
	if (!is_not_http(c))
		return false;
	audit_verdict(c, POLICY_DENY, REASON_NOT_HTTP, 0, text, false);
	c->state = CONN_DEAD;
	return true;
}

void request_timeout(struct conn *c)
{
	if (!c->head_begun)
		c->state = CONN_DEAD; /* idle: no more to it */
	else if (!close_if_not_http(c, "first line"))
		reply_error(c, 408, REASON_TIMEOUT, "request head not complete in time");
}

static void bad_head(struct conn *c, enum http1_result r)
{
	if (close_if_not_http(c, http1_result_str[r]))
		return;
	reply_error(c, r == HTTP1_BAD_EXPECT ? 417 : 400, REASON_BAD_REQUEST, http1_result_str[r]);
}

void request_admit(struct conn *c)
{
	c->rq->admitted = true;
	c->state = CONN_ACK;
	conn_deadline(c, EGRESS_ACK_MS);
	audit_verdict(c, POLICY_ALLOW, c->rq->cleaned ? c->rq->why : REASON_ROUTE, 0,
		      c->rq->cleaned ? c->rq->detail : "", true);
}

static int send_continue(struct conn *c)
{
	static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!c->rq->http.expect || c->rq->http.body == HTTP1_BODY_NONE)
		return 0;
	c->rq->http.expect = false;
	return bb_buf_add(&c->guest.out, go, sizeof(go) - 1);
}

/* No body, or one that is searched on its way */
static void admit_stream(struct conn *c)
{
	struct judgement j = { 0 };

	if (c->rq->http.body == HTTP1_BODY_CHUNKED || c->rq->http.length)
		j = outbound_judge_stream(c, c->rq);
	if (j.status)
		reply_error(c, j.status, j.reason, j.text);
	else
		request_admit(c);
}

/* The head may pass */
static void head_admitted(struct conn *c)
{
	if (c->rq->http.form == HTTP1_FORM_AUTHORITY) {
		/* The requests inside are what is recorded */
		c->name = c->rq->to;
		tunnel_begin(c);
	} else if (!outbound_wants_whole(c, c->rq)) {
		admit_stream(c);
	} else if (send_continue(c) < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
	} else {
		upload_collect(c);
	}
}

static void on_head(struct conn *c, size_t len)
{
	struct bb_span head = { c->guest.in.p + c->scan.skip, len - c->scan.skip };
	struct request *rq = request_new(head);
	struct judgement j;
	enum http1_result r;

	if (!rq) {
		c->state = CONN_DEAD; /* out of memory costs this flow */
		return;
	}
	r = http1_request_parse(bb_buf_span(&rq->head), &rq->http);
	if (r != HTTP1_OK) {
		request_free(rq);
		bad_head(c, r);
		return;
	}
	bb_buf_drop(&c->guest.in, len);
	c->rq = rq;
	c->spoke = c->tunnel;
	j = judge_request(c, rq);
	if (j.status)
		reply_error(c, j.status, j.reason, j.text);
	else
		head_admitted(c);
}

bool step_head(struct conn *c)
{
	struct bb_buf *in = &c->guest.in;
	enum http1_result r;
	size_t len = 0;
	bool any;

	if (stream_out_full(&c->guest) || audit_is_behind(c))
		return false; /* who pipelines has to read, and wait for the audit */
	any = stream_fill(&c->guest, HTTP1_HEAD_MAX + 2);
	if (in->len == 0) {
		exchange_watch_idle(c); /* before a request goes out it is asked for anyway */
		if (c->guest.eof && c->guest.out.len == 0) {
			stream_shutdown(&c->guest);
			c->state = CONN_DEAD;
		}
		return any;
	}
	if (!c->head_begun) {
		c->head_begun = true;
		conn_deadline(c, EGRESS_HEAD_MS);
	}
	r = http1_scan_request(&c->scan, bb_buf_span(in), &len);
	if (r == HTTP1_OK)
		on_head(c, len);
	else if (r != HTTP1_MORE)
		bad_head(c, r);
	else if (c->scan.started && close_if_not_http(c, "first line"))
		return true;
	else if (c->guest.eof)
		reply_error(c, 400, REASON_BAD_REQUEST, http1_result_str[r]);
	else
		return any;
	return true;
}

void request_on_ack(struct conn *c)
{
	if (send_continue(c) < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return;
	}
	exchange_begin(c);
}
