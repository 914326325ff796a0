/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"
#include "proc/egress/tls.h"
#include "wire/flow.h"
#include <stdio.h>

/*
 * The upstream side of an admitted request: reuse or dial, TLS, head, and both bodies through
 * buffers of fixed size. What is sent on is always decoded and encoded again, never copied through.
 */

/* Methods that may be sent again when a reused connection turns out to be closed (RFC 9110 9.2.2)
 */
static bool may_retry(const struct request *rq)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" };

	for (size_t i = 0; i < BB_ARRAY_LEN(methods); i++) {
		if (bb_span_eq(rq->http.method, BB_SPAN_STR(methods[i])))
			return rq->http.body == HTTP1_BODY_NONE && !rq->retried;
	}
	return false;
}

void exchange_cancel_dial(struct conn *c)
{
	if (c->dial_id)
		(void)ipc_peer_send(
			c->eg->dialer,
			&(struct ipc_msg){ .type = IPC_DIAL_CANCEL, .fd = -1, .flow = c->dial_id });
	c->dial_id = 0;
}

static void dial(struct conn *c)
{
	struct ipc_msg msg = {
		.type = IPC_DIAL_NAME,
		.fd = -1,
		.flow = c->dial_id = conn_call_id(c),
		.u.dial_name = { (uint32_t)c->rq->route, c->rq->to.port,
				 BB_SPAN_STR(c->rq->to.name) },
	};

	stream_close(&c->up);
	c->up_addr = (struct ip_addr){ 0 };
	c->state = CONN_DIAL;
	conn_deadline(c, EGRESS_DIAL_MS);
	if (ipc_peer_send(c->eg->dialer, &msg) < 0)
		reply_error(c, 503, REASON_LIMIT, "out of memory");
}

/* Responses are looked at as they come, so they have to come as they are */
static void ask_for_identity(const struct conn *c, struct http1_fields *f)
{
	static const struct http1_field identity = { { (const uint8_t *)"Accept-Encoding", 15 },
						     { (const uint8_t *)"identity", 8 } };
	size_t kept = 0;

	if (c->eg->policy.routes[c->rq->route].content->credentials == CONTENT_PASS)
		return;
	for (size_t i = 0; i < f->n; i++) {
		if (!http1_span_is(f->v[i].name, "accept-encoding"))
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
	if (f->n < HTTP1_FIELDS_MAX)
		f->v[f->n++] = identity;
}

/* The Host field: the port only where it is not the scheme's own */
static int write_head(struct conn *c)
{
	struct request *rq = c->rq;
	size_t fields = rq->http.fields.n;
	char host[POLICY_NAME_MAX + 8];
	bool plain_port = rq->to.port == (c->tls ? 443 : 80);
	size_t len = 0;

	(void)snprintf(host, sizeof(host), plain_port ? "%s" : "%s:%u", rq->to.name, rq->to.port);
	rq->injected.len = 0;
	if (rq->inject && credential_add_field(c, rq, &rq->injected) < 0)
		return -1;
	if (http1_request_write(&rq->http, rq->path, BB_SPAN_STR(host), c->eg->scratch,
				sizeof(c->eg->scratch), &len) != HTTP1_OK)
		return -1;
	rq->http.fields.n = fields; /* again as it was, should the request be sent once more */
	rq->bytes_out += len;
	if (bb_buf_add(&c->up.out, c->eg->scratch, len) < 0)
		return -1;
	if (rq->inject)
		explicit_bzero(c->eg->scratch, len);
	return 0;
}

static void send_request(struct conn *c)
{
	struct request *rq = c->rq;

	rq->response = RESPONSE_HEAD;
	rq->scan = (struct http1_scan){ 0 };
	upload_begin(rq);
	c->state = CONN_EXCHANGE;
	conn_deadline(c, EGRESS_IDLE_MS);
	ask_for_identity(c, &rq->http.fields);
	if (rq->ws)
		websocket_edit(rq);
	if (write_head(c) < 0)
		reply_error(c, 503, REASON_LIMIT, "out of memory, or no room for the credential");
	else
		inbound_begin(c);
}

void exchange_watch_idle(struct conn *c)
{
	if (!stream_is_open(&c->up))
		return;
	c->up.readable = true; /* ask: its end may be in the same round of events */
	(void)stream_fill(&c->up, 1);
	if (c->up.in.len || c->up.eof || c->up.error || c->up.write_error)
		stream_close(&c->up);
}

static void on_up_ready(void *arg)
{
	conn_run(arg);
}

void exchange_begin(struct conn *c)
{
	struct request *rq = c->rq;

	exchange_watch_idle(c);
	if (stream_is_open(&c->up) && c->up_route == rq->route &&
	    c->up_tls == route_is_tls(c, rq->route) && c->up_name.port == rq->to.port &&
	    strcmp(c->up_name.name, rq->to.name) == 0) {
		c->up_used = true;
		send_request(c);
		return;
	}
	upstream_keep(c);
	if (upstream_reuse(c, on_up_ready)) {
		c->up_used = true;
		send_request(c);
		return;
	}
	if (upstream_follow(c))
		return;
	c->up_used = false;
	dial(c);
	upstream_lead(c);
}

bool step_follow(struct conn *c)
{
	bool any = stream_fill(&c->guest, STREAM_CHUNK);

	if (conn_guest_left(c))
		return true;
	if (c->leader)
		return any;
	exchange_begin(c);
	return true;
}

/* Without TLS nothing is negotiated: the upstream is spoken to as the guest speaks, or as gRPC has
 * to be */
bool exchange_wants_h2(const struct conn *c)
{
	return c->inside && (route_is_tls(c, c->rq->route) || !c->tls || request_is_grpc(c->rq));
}

static void adopt(struct conn *c)
{
	if (upstream_adopt(c))
		send_request(c);
	else
		reply_error(c, 503, REASON_LIMIT, "out of memory");
}

static void on_dialled(struct conn *c, struct ipc_msg *msg)
{
	SSL *ssl;

	c->up_addr = msg->u.dial_ok.addr;
	c->up_name = c->rq->to;
	c->up_route = c->rq->route;
	c->up_tls = route_is_tls(c, c->rq->route);
	c->up_h2_offered = c->up_tls && exchange_wants_h2(c);
	if (stream_open(&c->up, c->eg->base, BB_TAKE_FD(msg->fd), on_up_ready, c) < 0) {
		reply_error(c, 503, REASON_LIMIT, "out of memory");
		return;
	}
	if (!c->up_tls) {
		if (exchange_wants_h2(c))
			adopt(c);
		else
			send_request(c);
		return;
	}
	ssl = tls_upstream_ssl(c->eg->upstream_tls, c->rq->to.name, c->rq->to.port,
			       c->up_h2_offered);
	if (!ssl || stream_start_tls(&c->up, ssl) < 0) {
		reply_error(c, 503, REASON_LIMIT, "out of memory");
		return;
	}
	c->state = CONN_UP_TLS;
	conn_deadline(c, EGRESS_UPSTREAM_TLS_MS);
}

static void on_dial_failed(struct conn *c, const struct ipc_dial_fail *f)
{
	enum policy_reason reason = REASON_UPSTREAM_CONNECT;
	unsigned int status = 502;
	char text[160];

	(void)snprintf(text, sizeof(text), "%.*s", (int)(f->text.len < 150 ? f->text.len : 150),
		       (const char *)f->text.p);
	if (f->reason > REASON_OK && f->reason < POLICY_NUM_REASONS)
		reason = (enum policy_reason)f->reason;
	if (f->status == FLOW_STATUS_DENIED)
		status = 403;
	else if (f->status == FLOW_STATUS_TIMEOUT)
		status = 504;
	else if (f->status == FLOW_STATUS_LIMIT)
		status = 503;
	reply_error(c, status, reason, text);
}

void exchange_on_dial(struct conn *c, struct ipc_msg *msg)
{
	if (c->state != CONN_DIAL || c->dial_id != msg->flow)
		return; /* an answer that nobody waits for any more; its fd is closed by ipc */
	c->dial_id = 0;
	if (msg->type == IPC_DIAL_OK)
		on_dialled(c, msg);
	else
		on_dial_failed(c, &msg->u.dial_fail);
}

void exchange_timeout(struct conn *c)
{
	if (c->state == CONN_EXCHANGE && !c->rq->sent) {
		reply_error(c, 408, REASON_TIMEOUT, "request body stalled");
		return;
	}
	reply_error(c, 504, REASON_TIMEOUT,
		    c->state == CONN_EXCHANGE ? "no response in time" : "no connection in time");
}

bool step_up_tls(struct conn *c)
{
	bool any = stream_fill(&c->guest, STREAM_CHUNK);
	int r;

	if (conn_guest_left(c))
		return true;
	r = stream_handshake(&c->up);
	if (r == 0)
		return any;
	if (r > 0 && stream_speaks_h2(&c->up))
		adopt(c);
	else if (r > 0)
		send_request(c);
	else
		reply_error(c, 502, REASON_UPSTREAM_TLS, c->up.why);
	return true;
}

/* ---- response ---- */

static void upstream_lost(struct conn *c)
{
	if (c->up_used && may_retry(c->rq)) {
		c->rq->retried = true;
		c->up_used = false;
		dial(c);
		return;
	}
	reply_error(c, 502, REASON_UPSTREAM_PROTOCOL,
		    c->up.why[0] ? c->up.why : "connection closed before the response");
}

/* How the body goes to the guest, and whether its connection stays */
static void choose_framing(struct conn *c, const struct http1_response *h)
{
	struct request *rq = c->rq;

	rq->body_in = rq->body_out = h->body;
	if (h->body == HTTP1_BODY_CHUNKED || h->body == HTTP1_BODY_CLOSE)
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
static void on_informational(struct conn *c, const struct http1_response *h)
{
	struct request *rq = c->rq;

	rq->scan = (struct http1_scan){ 0 };
	if (h->status == 101 || ++rq->informational > EGRESS_INFORMATIONAL_MAX) {
		reply_error(c, 502, REASON_UPSTREAM_PROTOCOL, "unexpected 1xx response");
		return;
	}
	if (h->status == 100 || rq->http.minor == 0)
		return;
	if (write_response_head(c, h, HTTP1_BODY_NONE, NULL) < 0)
		conn_abort(c, REASON_LIMIT, "out of memory");
}

static void on_response_head(struct conn *c, size_t len)
{
	struct request *rq = c->rq;
	struct http1_response h;
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
	inbound_on_head(c, &h);
	if (rq->coded && rq->mask.n && h.body != HTTP1_BODY_NONE) {
		reply_error(c, 502, REASON_CODING,
			    "the response is coded, though identity was asked");
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
			upstream_lost(c);
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

static int deliver(struct conn *c, struct bb_span data)
{
	c->rq->bytes_in += data.len;
	inbound_tap(c, data);
	return c->rq->mask.n ? put_masked(c, data, false) : put_body(c, data);
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
	else if (r == HTTP1_END)
		finish_body(c);
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
	if (rq->response_left == 0)
		finish_body(c);
}

static bool pump_response(struct conn *c)
{
	bool any;

	if (c->rq->response == RESPONSE_HEAD)
		return pump_response_head(c);
	if (c->rq->response == RESPONSE_DONE || stream_out_full(&c->guest))
		return false;
	any = stream_fill(&c->up, STREAM_CHUNK);
	if (c->up.in.len) {
		if (c->rq->body_in == HTTP1_BODY_CHUNKED)
			deliver_chunked(c);
		else
			deliver_plain(c);
		return true;
	}
	if (!c->up.eof && !c->up.error)
		return any;
	/* Without close_notify the end of such a body is not to be believed */
	if (c->rq->body_in == HTTP1_BODY_CLOSE && c->up.eof)
		finish_body(c);
	else
		conn_abort(c, REASON_UPSTREAM_PROTOCOL, "connection closed inside the response");
	return true;
}

static void exchange_end(struct conn *c)
{
	struct request *rq = c->rq;
	bool keep = rq->keep_guest && rq->sent;

	audit_end(c, REASON_OK, "");
	if (!rq->keep_upstream || !rq->sent || c->up.far || c->up.in.len || c->up.eof ||
	    c->up.error || c->up.write_error)
		stream_close(&c->up);
	if (c->state == CONN_DEAD)
		return;
	if (keep) {
		conn_next(c);
		return;
	}
	upstream_keep(c);
	c->state = CONN_LINGER;
	conn_deadline(c, EGRESS_LINGER_MS);
}

bool step_exchange(struct conn *c)
{
	bool any = upload_pump(c);

	if (c->state == CONN_EXCHANGE)
		any |= pump_response(c);
	if (c->state != CONN_EXCHANGE)
		return true;
	if (c->rq->response == RESPONSE_DONE) {
		exchange_end(c);
		return true;
	}
	if (any)
		conn_deadline(c, EGRESS_IDLE_MS);
	return any;
}
