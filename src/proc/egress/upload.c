/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "proc/egress/egress.h"

/*
 * The request's body on its way out: collected whole before the verdict, or piece by piece during
 * the exchange. No octet gets into the upstream's buffer that outbound.c has not let go.
 */

int egress_put_chunk(struct bb_buf *out, struct bb_span data)
{
	char head[HTTP1_CHUNK_HEAD_MAX];
	size_t n = http1_chunk_head(head, data.len);

	if (bb_buf_add(out, head, n) < 0 || bb_buf_add(out, data.p, data.len) < 0)
		return -1;
	return bb_buf_add(out, HTTP1_CHUNK_TAIL, 2);
}

/* ---- before the verdict ---- */

void upload_collect(struct conn *c)
{
	bb_buf_init(&c->rq->body, OUTBOUND_WHOLE_MAX);
	c->rq->left = c->rq->http.length;
	c->eg->searcher.kept += c->rq->left;
	c->rq->reserved = c->rq->left;
	c->state = CONN_COLLECT;
	conn_deadline(c, EGRESS_BODY_MS);
}

static void judge_collected(struct conn *c)
{
	struct request *rq = c->rq;
	struct judgement j;

	rq->sent = true; /* of what the guest has to say, this was all */
	j = outbound_judge_body(c, rq);
	if (j.status == 0)
		j = outbound_account(c, rq->body.len);
	if (j.status)
		reply_error(c, j.status, j.reason, j.text);
	else
		request_admit(c);
}

bool step_collect(struct conn *c)
{
	struct request *rq = c->rq;
	struct bb_buf *in = &c->guest.in;
	bool any = stream_fill(&c->guest, STREAM_CHUNK);
	size_t n = in->len < rq->left ? in->len : (size_t)rq->left;

	if (n == 0) {
		if (c->guest.eof)
			conn_abort(c, REASON_CLOSED, "guest closed inside the request body");
		return any || c->guest.eof;
	}
	if (bb_buf_add(&rq->body, in->p, n) < 0) {
		reply_error(c, 503, REASON_LIMIT, "out of memory");
		return true;
	}
	bb_buf_drop(in, n);
	rq->left -= n;
	conn_deadline(c, EGRESS_BODY_MS);
	if (rq->left == 0)
		judge_collected(c);
	return true;
}

/* ---- during the exchange ---- */

void upload_begin(struct request *rq)
{
	rq->whole_off = 0;
	rq->left = rq->http.body == HTTP1_BODY_LENGTH ? rq->http.length : 0;
	rq->sent = rq->http.body == HTTP1_BODY_NONE ||
		   (rq->http.body == HTTP1_BODY_LENGTH && rq->left == 0);
	http1_chunked_init(&rq->chunks, false);
}

static bool send_whole(struct conn *c)
{
	struct request *rq = c->rq;
	size_t n = rq->body.len - rq->whole_off;

	if (n > STREAM_CHUNK)
		n = STREAM_CHUNK;
	if (bb_buf_add(&c->up.out, rq->body.p + rq->whole_off, n) < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return true;
	}
	rq->whole_off += n;
	rq->bytes_out += n;
	rq->sent = rq->whole_off == rq->body.len;
	return true;
}

static int pass_on(struct conn *c, struct bb_span data)
{
	if (data.len == 0)
		return 0;
	c->rq->bytes_out += data.len;
	if (inbound_said(c, data) < 0)
		return -1;
	if (c->rq->http.body == HTTP1_BODY_CHUNKED)
		return egress_put_chunk(&c->up.out, data);
	return bb_buf_add(&c->up.out, data.p, data.len);
}

static void refuse(struct conn *c, struct judgement j)
{
	reply_error(c, j.status, j.reason, j.text);
}

/*
 * What may be the beginning of a token: of plain text it is in the last OUTBOUND_HOLD_TAIL octets,
 * and what stands before them may go. Of a coded body nobody can say where it is. And @coded: so
 * many of the last cannot be decoded yet, and so have not been searched. They may take their time.
 */
static int hold_back(struct conn *c, struct bb_span data, bool token, size_t coded)
{
	struct request *rq = c->rq;
	int r = bb_buf_add(&rq->waiting, data.p, data.len);
	size_t keep = !token ? coded : rq->decoder ? rq->waiting.len : OUTBOUND_HOLD_TAIL;
	size_t n = rq->waiting.len > keep ? rq->waiting.len - keep : 0;

	if (!token)
		rq->waiting_since = 0;
	else if (rq->waiting_since == 0)
		rq->waiting_since = bb_now_ms();
	if (token)
		(void)event_add(c->again, &(struct timeval){ .tv_usec = OUTBOUND_HOLD_MS * 1000 });
	if (r < 0 || n == 0)
		return r;
	r = pass_on(c, (struct bb_span){ rq->waiting.p, n });
	bb_buf_drop(&rq->waiting, n);
	return r;
}

/* Search, then let go or keep. Return: false when the request is over */
static bool release(struct conn *c, struct bb_span data, bool end)
{
	struct request *rq = c->rq;
	struct judgement j = outbound_account(c, data.len);
	bool hold = false;
	size_t coded;
	int r;

	if (j.status == 0)
		j = outbound_feed(c, data, end, &hold);
	if (j.status) {
		refuse(c, j);
		return false;
	}
	coded = rq->decoder && !end ? coding_held(rq->decoder) : 0;
	if (hold || coded) {
		r = hold_back(c, data, hold, coded);
	} else {
		r = pass_on(c, bb_buf_span(&rq->waiting));
		bb_buf_release(&rq->waiting);
		rq->waiting_since = 0;
		if (r == 0)
			r = pass_on(c, data);
	}
	if (r < 0)
		conn_abort(c, REASON_LIMIT, "out of memory");
	return r == 0;
}

static void send_length(struct conn *c)
{
	struct request *rq = c->rq;
	struct bb_buf *in = &c->guest.in;
	size_t n = in->len < rq->left ? in->len : (size_t)rq->left;

	rq->left -= n;
	if (!release(c, (struct bb_span){ in->p, n }, rq->left == 0))
		return;
	bb_buf_drop(in, n);
	rq->sent = rq->left == 0;
}

static void send_chunked(struct conn *c)
{
	struct request *rq = c->rq;
	struct bb_buf *in = &c->guest.in;
	enum http1_result r = HTTP1_OK;
	size_t at = 0;

	while (at < in->len && r == HTTP1_OK) {
		struct bb_span data;
		size_t used;

		r = http1_chunked_next(&rq->chunks, (struct bb_span){ in->p + at, in->len - at },
				       &used, &data);
		at += used;
		if (data.len && !release(c, data, false))
			return;
	}
	bb_buf_drop(in, at);
	if (http1_result_is_bad(r)) {
		reply_error(c, 400, REASON_BAD_REQUEST, http1_result_str[r]);
	} else if (r == HTTP1_END && release(c, (struct bb_span){ 0 }, true)) {
		if (bb_buf_add(&c->up.out, HTTP1_CHUNK_LAST, 5) < 0)
			conn_abort(c, REASON_LIMIT, "out of memory");
		rq->sent = true;
	}
}

/* What began like a token and was not continued in time counts as one */
static bool held_too_long(struct conn *c)
{
	struct request *rq = c->rq;

	if (rq->waiting.len == 0 || rq->waiting_since == 0 ||
	    bb_now_ms() - rq->waiting_since < OUTBOUND_HOLD_MS)
		return false;
	refuse(c, (struct judgement){ 403, REASON_TOKEN_PATTERN,
				      "the beginning of a token, and no more of it in time" });
	return true;
}

bool upload_pump(struct conn *c)
{
	bool any;

	if (c->rq->sent) {
		any = stream_fill(&c->guest, STREAM_CHUNK);
		return conn_guest_left(c) || any;
	}
	/* An upstream that takes no more may still have answered: pump_response() finds out */
	if (stream_out_full(&c->up) || c->up.write_error || c->up.error)
		return conn_guest_left(c);
	if (c->rq->body.len)
		return send_whole(c);
	any = stream_fill(&c->guest, STREAM_CHUNK);
	if (c->guest.in.len == 0) {
		if (c->guest.eof)
			conn_abort(c, REASON_CLOSED, "guest closed inside the request body");
		else if (held_too_long(c))
			return true;
		return any;
	}
	if (c->rq->http.body == HTTP1_BODY_CHUNKED)
		send_chunked(c);
	else
		send_length(c);
	return true;
}
