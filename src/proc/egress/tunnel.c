/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"
#include "proc/egress/tls.h"

/*
 * CONNECT, and flows that gate already knows the name of. The certificate is there before the 200
 * is sent, so that no handshake has to wait. Then the first octet decides: 0x16 is TLS; anything
 * that can begin a request line is HTTP (undici tunnels plain HTTP through CONNECT h:80); the rest
 * is closed, because nothing passes that we cannot read.
 */

/* Also called from the leaf store's answers: the loop comes back to us */
static void on_leaf(SSL_CTX *ctx, void *arg)
{
	struct conn *c = arg;

	if (ctx && SSL_CTX_up_ref(ctx))
		c->leaf = ctx;
	else
		c->leaf_failed = true;
	(void)event_add(c->again, &(struct timeval){ 0 });
}

void tunnel_begin(struct conn *c)
{
	SSL_CTX *ctx = leaf_get(c->eg->leafs, c->name.name, &c->wait, on_leaf, c);

	if (ctx)
		on_leaf(ctx, c);
	c->state = CONN_LEAF;
	conn_deadline(c, EGRESS_LEAF_MS);
}

static void begin_tls(struct conn *c)
{
	SSL *ssl = tls_guest_ssl(c->leaf, c->name.name);

	if (!ssl || stream_start_tls(&c->guest, ssl) < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return;
	}
	c->state = CONN_HANDSHAKE;
	conn_deadline(c, EGRESS_HANDSHAKE_MS);
}

static void send_established(struct conn *c)
{
	static const char ok[] = "HTTP/1.1 200 Connection established\r\n\r\n";

	if (bb_buf_add(&c->guest.out, ok, sizeof(ok) - 1) < 0) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return;
	}
	conn_drop_request(c);
	c->tunnel = c->opened = true;
	c->state = CONN_FIRST;
	conn_deadline(c, EGRESS_FIRST_OCTET_MS);
}

void tunnel_no_leaf(struct conn *c, const char *text)
{
	if (!c->opened) {
		reply_error(c, 502, REASON_LEAF, text);
		return;
	}
	/* The client has begun TLS: nothing we could say would be understood */
	audit_verdict(c, POLICY_DENY, REASON_LEAF, 0, text, false);
	c->state = CONN_DEAD;
}

bool step_leaf(struct conn *c)
{
	if (c->leaf_failed) {
		tunnel_no_leaf(c, "no certificate for this name");
		return true;
	}
	if (!c->leaf) {
		if (c->guest.eof && stream_peer_gone(&c->guest))
			c->state = CONN_DEAD;
		return stream_fill(&c->guest, STREAM_CHUNK);
	}
	if (c->opened)
		begin_tls(c);
	else
		send_established(c);
	return true;
}

/* HTTP/2 with prior knowledge (RFC 9113 section 3.4), as far as it goes; no method is called PRI */
#define PREFACE_LEN 4
static bool is_preface(const struct bb_buf *in)
{
	return memcmp(in->p, "PRI ", in->len < PREFACE_LEN ? in->len : PREFACE_LEN) == 0;
}

bool step_first(struct conn *c)
{
	bool any;
	uint8_t first;

	if (audit_is_behind(c))
		return false;
	any = stream_fill(&c->guest, STREAM_CHUNK);
	if (c->guest.in.len == 0) {
		if (c->guest.eof)
			c->state = CONN_DEAD;
		return any;
	}
	first = c->guest.in.p[0];
	if (first == 0x16) {
		c->tls = true;
		if (c->leaf)
			begin_tls(c);
		else
			tunnel_begin(c);
	} else if (is_preface(&c->guest.in)) {
		if (c->guest.in.len < PREFACE_LEN && !c->guest.eof)
			return any;
		h2_begin(c);
	} else if (first == '\r' || (first > 0x20 && first < 0x7f)) {
		conn_next(c);
	} else {
		audit_verdict(c, POLICY_DENY, REASON_NOT_HTTP, 0, "first octet", false);
		c->state = CONN_DEAD;
	}
	return true;
}

bool step_handshake(struct conn *c)
{
	int r = stream_handshake(&c->guest);

	if (r == 0)
		return false;
	if (r > 0) {
		if (stream_speaks_h2(&c->guest))
			h2_begin(c);
		else
			conn_next(c);
		return true;
	}
	audit_verdict(c, POLICY_DENY, REASON_GUEST_TLS, 0, c->guest.why, false);
	c->state = CONN_DEAD;
	return true;
}
