/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"

/*
 * The response on its way to the guest: its head, and its body piece by piece, decoded where it is
 * looked at.
 */

/* How the body goes to the guest, and whether its connection stays */
static void choose_framing(struct conn *c, const struct http1_response *h)
{
	struct request *rq = c->rq;

	rq->body_in = rq->body_out = h->body;
	if (h->body == HTTP1_BODY_CHUNKED || h->body == HTTP1_BODY_CLOSE || rq->response_decoder)
		rq->body_out = rq->http.minor == 1 ? HTTP1_BODY_CHUNKED : HTTP1_BODY_CLOSE;
	rq->keep_guest = rq->http.keep_alive && rq->body_out != HTTP1_BODY_CLOSE && rq->sent;
	rq->keep_upstream = h->keep_alive;
	rq->response_left = h->body == HTTP1_BODY_LENGTH ? h->length : 0;
	http1_chunked_init(&rq->response_chunks, true);
}

static const char *connection_value(const struct request *rq)
{
	if (!rq->keep_guest)
		return "close";
	return rq->http.minor == 0 ? "keep-alive" : NULL;
}

static int put_body(struct conn *c, struct bb_span data)
{
	if (data.len == 0)
		return 0;
	if (c->rq->body_out == HTTP1_BODY_CHUNKED)
		return egress_put_chunk(&c->guest.out, data);
	return bb_buf_add(&c->guest.out, data.p, data.len);
}

/* Through the mask; what may begin a credential waits in @held */
static int put_masked(struct conn *c, struct bb_span data, bool last)
{
	struct bb_buf *held = &c->rq->held;
	size_t keep;
	int r = bb_buf_add(held, data.p, data.len);

	if (r < 0)
		return r;
	keep = mask_apply(&c->rq->mask, held->p, held->len, last);
	r = put_body(c, (struct bb_span){ held->p, held->len - keep });
	bb_buf_drop(held, held->len - keep);
	return r;
}

/* The last chunk, with the trailers for who understands them */
static int put_last_chunk(struct conn *c)
{
	static struct http1_fields fields;
	struct request *rq = c->rq;
	size_t len = 0;

	if (rq->trailers.len <= 2 || (!c->inside && !rq->http.te_trailers))
		return bb_buf_add(&c->guest.out, HTTP1_CHUNK_LAST, 5);
	inbound_mask_head(c, rq->trailers.p, rq->trailers.len);
	if (http1_trailers_parse(bb_buf_span(&rq->trailers), &fields) != HTTP1_OK ||
	    http1_trailers_write(&fields, c->eg->scratch, sizeof(c->eg->scratch), &len) != HTTP1_OK)
		return -1;
	return bb_buf_add(&c->guest.out, c->eg->scratch, len);
}

static void finish_body(struct conn *c)
{
	struct request *rq = c->rq;
	int r = rq->held.len ? put_masked(c, (struct bb_span){ 0 }, true) : 0;

	inbound_end(c);
	if (r == 0 && rq->body_out == HTTP1_BODY_CHUNKED)
		r = put_last_chunk(c);
	if (r < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return;
	}
	rq->response = RESPONSE_DONE;
}

static int write_response_head(struct conn *c, const struct http1_response *h, enum http1_body body,
			       const char *connection)
{
	size_t len = 0;

	if (http1_response_write(h, body, connection, c->eg->scratch, sizeof(c->eg->scratch),
				 &len) != HTTP1_OK)
		return -1;
	return bb_buf_add(&c->guest.out, c->eg->scratch, len);
}

/* 1xx: passed to who can read it; 100 is ours to send, and nobody asked for 101 */
static void on_informational(struct conn *c, struct http1_response *h)
{
	struct request *rq = c->rq;

	rq->scan = (struct http1_scan){ 0 };
	if (h->status == 101 || ++rq->informational > EGRESS_INFORMATIONAL_MAX) {
		reply_error(c, 502, REASON_UPSTREAM_PROTOCOL, "unexpected 1xx response");
		return;
	}
	if (h->status == 100 || rq->http.minor == 0)
		return;
	inbound_on_informational(c, h);
	if (write_response_head(c, h, HTTP1_BODY_NONE, NULL) < 0)
		conn_abort(c, REASON_LIMIT, "out of memory");
}

static void on_response_head(struct conn *c, size_t len)
{
	struct request *rq = c->rq;
	struct http1_response h;
	enum coding_result coded;
	enum http1_result r;

	inbound_mask_head(c, c->up.in.p, len);
	r = http1_response_parse(c->up.in.p, len, rq->http.method, &h);
	if (r != HTTP1_OK) {
		reply_error(c, 502, REASON_UPSTREAM_PROTOCOL, http1_result_str[r]);
		return;
	}
	rq->bytes_in += len;
	if (h.status == 101 && rq->ws) {
		websocket_begin(c, &h);
		if (stream_is_open(&c->up))
			bb_buf_drop(&c->up.in, len);
		return;
	}
	if (h.status < 200) {
		on_informational(c, &h);
		if (stream_is_open(&c->up))
			bb_buf_drop(&c->up.in, len);
		return;
	}
	coded = inbound_on_head(c, &h);
	if (coded != CODING_OK) {
		reply_error(c, 502, REASON_CODING, coding_result_str[coded]);
		return;
	}
	choose_framing(c, &h);
	if (write_response_head(c, &h, rq->body_out, connection_value(rq)) < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return;
	}
	rq->status = h.status;
	rq->head_written = true;
	bb_buf_drop(&c->up.in, len);
	rq->response = RESPONSE_BODY;
	if (rq->body_in == HTTP1_BODY_NONE ||
	    (rq->body_in == HTTP1_BODY_LENGTH && rq->response_left == 0))
		rq->response = RESPONSE_DONE;
}

static bool pump_response_head(struct conn *c)
{
	bool any = stream_fill(&c->up, HTTP1_HEAD_MAX), over;
	enum http1_result r;
	size_t len = 0;

	over = c->up.eof || c->up.error;
	if (c->up.in.len == 0) {
		if (over)
			exchange_upstream_lost(c);
		return any || over;
	}
	r = http1_scan_response(&c->rq->scan, bb_buf_span(&c->up.in), &len);
	if (r == HTTP1_MORE && c->up.in.len >= HTTP1_HEAD_MAX)
		r = HTTP1_HEAD_TOO_LONG;
	if (r == HTTP1_OK)
		on_response_head(c, len);
	else if (r != HTTP1_MORE || over)
		reply_error(c, 502, REASON_UPSTREAM_PROTOCOL, http1_result_str[r]);
	else
		return any;
	return true;
}

static int deliver_decoded(struct conn *c, struct bb_span data)
{
	inbound_tap(c, data);
	return c->rq->mask.n ? put_masked(c, data, false) : put_body(c, data);
}

static int deliver(struct conn *c, struct bb_span data)
{
	c->rq->bytes_in += data.len;
	if (c->rq->response_decoder)
		return bb_buf_add(&c->rq->coded_in, data.p, data.len);
	return deliver_decoded(c, data);
}

/* One piece of what waits to be decoded: a few octets may become very many */
static void decode_piece(struct conn *c)
{
	struct request *rq = c->rq;
	struct bb_span in = bb_buf_span(&rq->coded_in);
	BB_UNINIT uint8_t out[STREAM_CHUNK];
	enum coding_result r;
	size_t len = 0;

	r = coding_pull(rq->response_decoder, &in, out, sizeof(out), &len);
	bb_buf_drop(&rq->coded_in, rq->coded_in.len - in.len);
	rq->decoding = len == sizeof(out);
	if (r != CODING_OK)
		conn_abort(c, REASON_CODING, coding_result_str[r]);
	else if (len && deliver_decoded(c, (struct bb_span){ out, len }) < 0)
		conn_abort(c, REASON_LIMIT, "out of memory");
}

static bool no_sink(void *arg, struct bb_span out)
{
	(void)arg;
	(void)out;
	return false;
}

/* All of the content has arrived, and is decoded. If it is not whole the guest must see that */
static void end_content(struct conn *c)
{
	struct request *rq = c->rq;
	enum coding_result r = CODING_OK;

	if (rq->response_decoder)
		r = coding_feed(rq->response_decoder, (struct bb_span){ 0 }, true, no_sink, NULL);
	if (r == CODING_OK)
		finish_body(c);
	else
		conn_abort(c, REASON_CODING, coding_result_str[r]);
}

static void deliver_chunked(struct conn *c)
{
	struct request *rq = c->rq;
	struct bb_buf *in = &c->up.in;
	enum http1_result r = HTTP1_OK;
	size_t at = 0;
	int e = 0;

	while (at < in->len && r == HTTP1_OK && e == 0) {
		struct bb_span data;
		size_t used;

		r = http1_chunked_next(&rq->response_chunks,
				       (struct bb_span){ in->p + at, in->len - at }, &used, &data);
		at += used;
		if (data.len)
			e = deliver(c, data);
		if (e == 0 && rq->response_chunks.trailers.len)
			e = bb_buf_add(&rq->trailers, rq->response_chunks.trailers.p,
				       rq->response_chunks.trailers.len);
	}
	bb_buf_drop(in, at);
	rq->keep_upstream &= !rq->response_chunks.odd;
	if (http1_result_is_bad(r))
		conn_abort(c, REASON_UPSTREAM_PROTOCOL, http1_result_str[r]);
	else if (e < 0)
		conn_abort(c, REASON_LIMIT, "out of memory");
	else
		rq->arrived = r == HTTP1_END;
}

static void deliver_plain(struct conn *c)
{
	struct request *rq = c->rq;
	struct bb_buf *in = &c->up.in;
	size_t n = in->len;

	if (rq->body_in == HTTP1_BODY_LENGTH && n > rq->response_left)
		n = (size_t)rq->response_left;
	if (deliver(c, (struct bb_span){ in->p, n }) < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return;
	}
	bb_buf_drop(in, n);
	if (rq->body_in != HTTP1_BODY_LENGTH)
		return;
	rq->response_left -= n;
	rq->arrived = rq->response_left == 0;
}

void response_begin(struct request *rq)
{
	rq->response = RESPONSE_HEAD;
	rq->scan = (struct http1_scan){ 0 };
	rq->arrived = rq->decoding = false;
}

bool response_pump(struct conn *c)
{
	struct request *rq = c->rq;
	bool any;

	if (rq->response == RESPONSE_HEAD) {
		any = pump_response_head(c);
		/* What has come with it goes with it: one record, one write */
		if (c->state != CONN_EXCHANGE || rq->response != RESPONSE_BODY || !c->up.in.len)
			return any;
	}
	if (rq->response == RESPONSE_DONE || stream_out_full(&c->guest))
		return false;
	if (rq->coded_in.len || rq->decoding) {
		decode_piece(c);
		return true;
	}
	if (rq->arrived) {
		end_content(c);
		return true;
	}
	any = c->up.in.len == 0 && stream_fill(&c->up, STREAM_CHUNK);
	if (c->up.in.len) {
		if (rq->body_in == HTTP1_BODY_CHUNKED)
			deliver_chunked(c);
		else
			deliver_plain(c);
		return true;
	}
	if (!c->up.eof && !c->up.error)
		return any;
	/* Without close_notify the end of such a body is not to be believed */
	if (rq->body_in == HTTP1_BODY_CLOSE && c->up.eof)
		rq->arrived = true;
	else
		conn_abort(c, REASON_UPSTREAM_PROTOCOL, "connection closed inside the response");
	return true;
}
