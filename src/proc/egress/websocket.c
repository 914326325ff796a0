/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/websocket.h"
#include "base/io.h"
#include "proc/egress/egress.h"
#include <openssl/rand.h>
#include <stdio.h>

#define CLOSE_POLICY 1008
#define CLOSE_GONE   1001

/* Why the upstream's 101 is none, or NULL */
static const char *bad_answer(const struct websocket *ws, const struct http1_response *h)
{
	const struct http1_fields *f = &h->fields;
	const struct http1_field *upgrade = http1_fields_find(f, "upgrade", 0);
	const struct http1_field *connection = http1_fields_find(f, "connection", 0);
	const struct http1_field *accept = http1_fields_find(f, "sec-websocket-accept", 0);
	const struct http1_field *protocol = http1_fields_find(f, "sec-websocket-protocol", 0);
	char chosen[128];

	if (!upgrade || !http1_span_is(upgrade->value, "websocket") || !connection ||
	    !http1_list_has(connection->value, "upgrade"))
		return "websocket: not an upgrade";
	if (!accept || !bb_span_eq(accept->value, BB_SPAN_STR(ws->accept_upstream)))
		return "websocket: Sec-WebSocket-Accept";
	if (http1_fields_find(f, "sec-websocket-extensions", 0))
		return "websocket: an extension that was not offered";
	if (!protocol)
		return NULL;
	if (protocol->value.len >= sizeof(chosen))
		return "websocket: subprotocol too long";
	(void)snprintf(chosen, sizeof(chosen), "%.*s", (int)protocol->value.len,
		       (const char *)protocol->value.p);
	return http1_list_has(ws->offered, chosen)
		       ? NULL
		       : "websocket: a subprotocol that was not offered";
}

static int write_answer(struct conn *c, const struct http1_response *h)
{
	const struct http1_field *protocol =
		http1_fields_find(&h->fields, "sec-websocket-protocol", 0);
	int r = bb_buf_addf(&c->guest.out,
			    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
			    c->rq->ws->accept_guest);

	if (r == 0 && protocol)
		r = bb_buf_addf(&c->guest.out, "Sec-WebSocket-Protocol: %.*s\r\n",
				(int)protocol->value.len, (const char *)protocol->value.p);
	return r < 0 ? r : bb_buf_add(&c->guest.out, "\r\n", 2);
}

void websocket_begin(struct conn *c, const struct http1_response *h)
{
	struct request *rq = c->rq;
	const char *why = bad_answer(rq->ws, h);
	struct judgement j;

	if (why) {
		reply_error(c, 502, REASON_UPSTREAM_PROTOCOL, why);
		return;
	}
	j = outbound_judge_stream(c, rq);
	if (j.status || write_answer(c, h) < 0) {
		reply_error(c, 503, REASON_LIMIT, "out of memory");
		return;
	}
	rq->status = 101;
	rq->head_written = true;
	rq->sent = true;
	c->state = CONN_WEBSOCKET;
	conn_deadline(c, EGRESS_IDLE_MS);
}

/* ---- frames ---- */

static int put_control(struct bb_buf *out, enum ws_opcode op, bool masked, struct bb_span payload)
{
	uint8_t head[WS_HEAD_MAX], mask[WS_MASK_BYTES] = { 0 }, copy[WS_CONTROL_MAX];
	size_t len = 0;
	int r;

	if (masked && RAND_bytes(mask, sizeof(mask)) != 1)
		return -1;
	ws_write_head(op, true, payload.len, masked ? mask : NULL, head, &len);
	if (payload.len)
		memcpy(copy, payload.p, payload.len);
	if (masked)
		ws_mask(copy, payload.len, mask, 0);
	r = bb_buf_add(out, head, len);
	return r < 0 ? r : bb_buf_add(out, copy, payload.len);
}

static int put_close(struct bb_buf *out, bool masked, uint16_t code, struct bb_span reason)
{
	uint8_t payload[WS_CONTROL_MAX];

	if (code == 0)
		return put_control(out, WS_OP_CLOSE, masked, (struct bb_span){ 0 });
	bb_put_be16(payload, code);
	if (reason.len)
		memcpy(payload + 2, reason.p, reason.len);
	return put_control(out, WS_OP_CLOSE, masked, (struct bb_span){ payload, 2 + reason.len });
}

static int put_piece(struct bb_buf *out, const struct ws_event *ev, bool masked)
{
	uint8_t head[WS_HEAD_MAX], mask[WS_MASK_BYTES] = { 0 };
	size_t len = 0, at;
	int r;

	if (masked && RAND_bytes(mask, sizeof(mask)) != 1)
		return -1;
	ws_write_piece_head(ev, masked ? mask : NULL, head, &len);
	r = bb_buf_add(out, head, len);
	at = out->len;
	if (r == 0)
		r = bb_buf_add(out, ev->payload.p, ev->payload.len);
	if (r == 0 && masked)
		ws_mask(out->p + at, ev->payload.len, mask, 0);
	return r;
}

/* Both sides hear the same, the guest with a word on why */
static void close_both(struct conn *c, uint16_t code, enum policy_reason reason, const char *text)
{
	struct bb_span said = BB_SPAN_STR(policy_reason_str[reason]);
	struct websocket *ws = c->rq->ws;

	if (!ws->guest_closed && put_close(&c->guest.out, false, code, said) < 0)
		c->guest.write_error = -1;
	if (!ws->upstream_closed && put_close(&c->up.out, true, code, (struct bb_span){ 0 }) == 0)
		(void)stream_flush(&c->up);
	stream_shutdown(&c->up);
	audit_end(c, reason, text);
	stream_close(&c->up);
	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_LINGER;
	conn_rest(c, EGRESS_LINGER_MS);
}

void websocket_leave(struct conn *c, enum policy_reason reason, const char *text)
{
	close_both(c, CLOSE_GONE, reason, text);
}

static void out_of_memory(struct conn *c)
{
	conn_abort(c, REASON_LIMIT, "out of memory");
}

static bool is_control(const struct ws_event *ev)
{
	return ev->opcode == WS_OP_CLOSE || ev->opcode == WS_OP_PING || ev->opcode == WS_OP_PONG;
}

static struct judgement search_event(struct conn *c, const struct ws_event *ev)
{
	struct judgement j = outbound_account(c, ev->payload.len);

	if (j.status || (is_control(ev) && ev->payload.len == 0))
		return j;
	return is_control(ev) ? outbound_feed_control(c, ev->payload, &c->rq->ws->control_holds)
			      : outbound_feed_message(c, ev->payload, ev->begin, ev->end,
						      &c->rq->ws->data_holds);
}

/* What the guest says: searched, and held while it may be the beginning of a token */
static bool search(struct conn *c, const struct ws_event *ev)
{
	struct request *rq = c->rq;
	struct judgement j = search_event(c, ev);

	if (j.status) {
		close_both(c, CLOSE_POLICY, j.reason, j.text);
		return false;
	}
	rq->bytes_out += ev->payload.len;
	if (rq->ws->data_holds || rq->ws->control_holds) {
		if (rq->holding == 0)
			rq->waiting_since = bb_now_ms();
		rq->holding = true;
		(void)event_add(c->again, &(struct timeval){ .tv_usec = OUTBOUND_HOLD_MS * 1000 });
		return true;
	}
	rq->holding = false;
	return true;
}

static bool let_go(struct conn *c)
{
	struct request *rq = c->rq;

	if (rq->holding || rq->waiting.len == 0)
		return true;
	if (bb_buf_add(&c->up.out, rq->waiting.p, rq->waiting.len) < 0) {
		out_of_memory(c);
		return false;
	}
	bb_buf_release(&rq->waiting);
	return true;
}

static bool from_guest(struct conn *c, const struct ws_event *ev)
{
	struct request *rq = c->rq;
	int r;

	if (!search(c, ev))
		return false;
	if (ev->opcode == WS_OP_CLOSE) {
		rq->ws->guest_closed = true;
		r = put_close(&rq->waiting, true, ev->code, ev->payload);
	} else if (ev->opcode == WS_OP_PING || ev->opcode == WS_OP_PONG) {
		r = put_control(&rq->waiting, ev->opcode, true, ev->payload);
	} else {
		r = put_piece(&rq->waiting, ev, true);
	}
	if (r < 0) {
		out_of_memory(c);
		return false;
	}
	return let_go(c);
}

/* Through the mask; what it holds back goes with the next piece of the message */
static int put_masked(struct conn *c, const struct ws_event *ev)
{
	struct request *rq = c->rq;
	struct ws_event piece = *ev;
	size_t keep;
	int r = bb_buf_add(&rq->held, ev->payload.p, ev->payload.len);

	if (r < 0)
		return r;
	keep = mask_apply(&rq->mask, rq->held.p, rq->held.len, ev->end);
	piece.begin = ev->begin || rq->ws->piece.begin;
	piece.payload = (struct bb_span){ rq->held.p, rq->held.len - keep };
	if (piece.payload.len == 0 && !ev->end) {
		rq->ws->piece.begin = piece.begin;
		return 0;
	}
	rq->ws->piece.begin = false;
	r = put_piece(&c->guest.out, &piece, false);
	bb_buf_drop(&rq->held, rq->held.len - keep);
	return r;
}

/* A control frame is a text by itself */
static int put_masked_control(struct conn *c, const struct ws_event *ev)
{
	uint8_t text[WS_CONTROL_MAX];
	struct bb_span payload = { text, ev->payload.len };

	if (payload.len)
		memcpy(text, ev->payload.p, payload.len);
	(void)mask_apply(&c->rq->mask, text, payload.len, true);
	if (ev->opcode == WS_OP_CLOSE)
		return put_close(&c->guest.out, false, ev->code, payload);
	return put_control(&c->guest.out, ev->opcode, false, payload);
}

static bool from_upstream(struct conn *c, const struct ws_event *ev)
{
	int r;

	c->rq->bytes_in += ev->payload.len;
	if (is_control(ev)) {
		c->rq->ws->upstream_closed |= ev->opcode == WS_OP_CLOSE;
		r = put_masked_control(c, ev);
	} else if (c->rq->mask.n) {
		r = put_masked(c, ev);
	} else {
		r = put_piece(&c->guest.out, ev, false);
	}
	if (r < 0)
		out_of_memory(c);
	return r == 0;
}

/* One direction, as far as its input goes. Return: something was done */
static bool pump(struct conn *c, struct stream *in, struct ws_reader *reader,
		 bool (*on_event)(struct conn *c, const struct ws_event *ev), bool *closed)
{
	bool any = stream_fill(in, STREAM_CHUNK), more = true;
	enum ws_result r = WS_OK;
	struct ws_event ev;

	while (more && in->in.len && !*closed && r == WS_OK) {
		size_t used = 0;

		r = ws_reader_next(reader, in->in.p, in->in.len, &used, &ev);
		if (r == WS_OK)
			more = on_event(c, &ev);
		if (!more)
			return true;
		any |= used > 0;
		bb_buf_drop(&in->in, used);
	}
	if (*closed && in->in.len) {
		in->in.len = 0; /* nothing counts behind a close */
		any = true;
	}
	if (r > WS_CLOSED) {
		close_both(c, ws_close_code(r), REASON_BAD_REQUEST, ws_result_str[r]);
		return true;
	}
	return any;
}

static bool is_over(struct conn *c)
{
	const struct websocket *ws = c->rq->ws;
	bool guest_gone = c->guest.eof || c->guest.error,
	     up_gone = c->up.eof || c->up.error || c->up.write_error;

	if (ws->guest_closed && ws->upstream_closed && c->up.out.len == 0) {
		audit_end(c, REASON_OK, "");
		stream_shutdown(&c->up);
		stream_close(&c->up);
		if (c->state != CONN_DEAD)
			c->state = CONN_LINGER;
		conn_rest(c, EGRESS_LINGER_MS);
		return true;
	}
	if (!guest_gone && !up_gone)
		return false;
	close_both(c, CLOSE_GONE,
		   ws->guest_closed || ws->upstream_closed ? REASON_OK : REASON_CLOSED,
		   guest_gone ? "guest closed" : "upstream closed");
	return true;
}

bool step_websocket(struct conn *c)
{
	struct request *rq = c->rq;
	bool any = false;

	if (rq->holding && bb_now_ms() - rq->waiting_since >= OUTBOUND_HOLD_MS) {
		close_both(c, CLOSE_POLICY, REASON_TOKEN_PATTERN,
			   "the beginning of a token, and no more of it in time");
		return true;
	}
	if (!stream_out_full(&c->up) && rq->waiting.len < STREAM_OUT_HIGH)
		any = pump(c, &c->guest, &rq->ws->guest, from_guest, &rq->ws->guest_closed);
	if (c->state == CONN_WEBSOCKET && !stream_out_full(&c->guest))
		any |= pump(c, &c->up, &rq->ws->upstream, from_upstream, &rq->ws->upstream_closed);
	if (c->state != CONN_WEBSOCKET || is_over(c))
		return true;
	if (any)
		conn_deadline(c, EGRESS_IDLE_MS);
	return any;
}
