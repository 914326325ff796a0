/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"
#include "proc/egress/mux.h"

/*
 * A guest's connection that speaks HTTP/2. Each of its streams becomes a conn that reads one
 * request and ends.
 */

static bool is_head_request(const struct http2_section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (http1_span_is(s->v[i].name, ":method"))
			return bb_span_eq(s->v[i].value, BB_SPAN_STR("HEAD"));
	}
	return false;
}

static enum http2_result make_head(struct mux_stream *s, bool tls, bool ended)
{
	const struct http2_section *section = mux_section(s);
	enum http2_result r;
	size_t len = 0;

	if (s->fields->too_long)
		return HTTP2_TOO_LONG;
	if (s->fields->invalid)
		return HTTP2_INVALID;
	s->head_request = is_head_request(section);
	r = http2_request_head(section, tls, ended, mux_scratch.text, sizeof(mux_scratch.text),
			       &len, &s->chunked);
	if (r == HTTP2_OK && bb_buf_add(&s->head, mux_scratch.text, len) < 0)
		r = HTTP2_TOO_LONG;
	return r;
}

static void on_section(struct mux_stream *s, bool ended)
{
	struct conn *c = s->mux->owner, *child;
	enum http2_result r;

	if (s->got_head)
		return; /* trailers of a request say nothing that has to pass */
	s->got_head = true;
	child = conn_open_inside(c);
	if (!child) {
		mux_reset(s, NGHTTP2_REFUSED_STREAM);
		return;
	}
	mux_attach(s, &child->guest, child->again);
	r = make_head(s, c->tls, ended);
	if (r != HTTP2_OK)
		reply_error(child, 400, REASON_BAD_REQUEST, http2_result_str[r]);
	c->spoke = true;
}

static struct mux_stream *on_begin(struct mux *m, int32_t id)
{
	return mux_stream_new(m, id);
}

/* What a conn has written: a 1xx and more to come, or the response */
static int send_head(struct mux_stream *s, size_t len)
{
	static struct http1_response h;
	struct mux_scratch *t = &mux_scratch;
	nghttp2_session *session = s->mux->session;
	struct bb_span method = s->head_request ? BB_SPAN_STR("HEAD") : BB_SPAN_STR("GET");
	nghttp2_data_provider content = mux_provider(s);
	bool none;

	if (http1_response_parse(s->end->out.p, len, method, &h) != HTTP1_OK ||
	    http2_response_section(&h, t->names, sizeof(t->names), &t->section) != HTTP2_OK)
		return -1;
	if (h.status < 200)
		return nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, s->id, NULL, mux_nva(),
					      t->section.n, NULL) < 0;
	none = h.body == HTTP1_BODY_NONE || (h.body == HTTP1_BODY_LENGTH && h.length == 0);
	s->text = none ? MUX_DONE : MUX_BODY;
	s->body = h.body;
	s->left = h.length;
	http1_chunked_init(&s->chunks, false);
	return nghttp2_submit_response(session, s->id, mux_nva(), t->section.n,
				       none ? NULL : &content);
}

static const struct mux_role guest_role = {
	.server = true,
	.on_section = on_section,
	.send_head = send_head,
	.on_begin = on_begin,
};

void h2_begin(struct conn *c)
{
	c->mux =
		mux_new(&guest_role, c, &c->guest, c->again, &c->eg->fast_streams, &c->eg->orphans);
	if (!c->mux) {
		conn_abort(c, REASON_LIMIT, "out of memory");
		return;
	}
	c->state = CONN_H2;
	conn_deadline(c, EGRESS_KEEP_ALIVE_MS);
}

bool step_h2(struct conn *c)
{
	struct mux *m = c->mux;
	/* A section that is malformed gets its record at once, so none is read while those wait */
	bool any = mux_run(m, !audit_is_behind(c));

	if (mux_is_over(m)) {
		if (!c->spoke && m->failed)
			audit_verdict(c, POLICY_DENY, REASON_NOT_HTTP, 0, "HTTP/2 preface", false);
		stream_shutdown(&c->guest);
		c->state = CONN_DEAD;
		return true;
	}
	if (m->in_section != c->head_begun) {
		c->head_begun = m->in_section;
		conn_deadline(c, m->in_section ? EGRESS_HEAD_MS : EGRESS_KEEP_ALIVE_MS);
	}
	return any;
}

void h2_goaway(struct conn *c)
{
	if (nghttp2_session_terminate_session(c->mux->session, NGHTTP2_NO_ERROR) == 0)
		conn_deadline(c, EGRESS_LINGER_MS);
	else
		c->state = CONN_DEAD;
}

void h2_timeout(struct conn *c)
{
	struct mux *m = c->mux;
	bool over = false;

	/* An answer that the guest has not taken yet may take as long as an exchange */
	if (mux_is_used(m))
		c->unread = 0;
	else if (mux_has_unsent(m) && c->unread < EGRESS_IDLE_MS / EGRESS_KEEP_ALIVE_MS)
		c->unread++;
	else
		over = true;
	if (!over && !m->in_section) {
		conn_deadline(c, EGRESS_KEEP_ALIVE_MS);
		return;
	}
	/* Once more through conn_run(), which sees its end when that is sent, or here again */
	if (nghttp2_session_want_read(m->session))
		h2_goaway(c);
	else
		c->state = CONN_DEAD;
}
