/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/mux.h"
#include "base/io.h"
#include "policy/credential.h"
#include <errno.h>

/* Line of a chunk before its content, and what follows it */
#define CHUNK_ROOM (HTTP1_CHUNK_HEAD_MAX + 2)

struct mux_scratch mux_scratch;

static void wake(struct event *ev)
{
	if (ev)
		(void)event_add(ev, &(struct timeval){ 0 });
}

/* ---- streams ---- */

static void fields_free(struct mux_stream *s)
{
	if (s->fields)
		bb_buf_release(&s->fields->text);
	free(s->fields);
	s->fields = NULL;
}

struct mux_stream *mux_stream_new(struct mux *m, int32_t id)
{
	struct mux_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->mux = m;
	s->id = id;
	bb_buf_init(&s->head, HTTP1_HEAD_MAX);
	bb_buf_init(&s->data, 2 * MUX_WINDOW_FAST);
	bb_buf_init(&s->tail, HTTP1_HEAD_MAX);
	bb_buf_init(&s->content, STREAM_OUT_HIGH + 2 * STREAM_CHUNK);
	bb_buf_init(&s->trailers, 2 * HTTP1_TRAILER_MAX);
	LIST_INSERT_HEAD(&m->streams, s, link);
	m->n_streams++;
	return s;
}

static void stream_free(struct mux_stream *s)
{
	LIST_REMOVE(s, link);
	s->mux->n_streams--;
	if (s->fast)
		--*s->mux->fast;
	if (s->orphan)
		--*s->mux->orphans;
	fields_free(s);
	bb_buf_release(&s->head);
	bb_buf_release(&s->data);
	bb_buf_release(&s->tail);
	bb_buf_release(&s->content);
	bb_buf_release(&s->trailers);
	free(s);
}

/* The conn sees an end that is none */
static void fail_end(struct mux_stream *s, int error, const char *why)
{
	if (!s->end)
		return;
	s->end->error = error;
	(void)snprintf(s->end->why, sizeof(s->end->why), "%s", why);
	wake(s->wake);
}

void mux_reset(struct mux_stream *s, uint32_t error)
{
	if (s->closed || s->id < 0)
		return;
	(void)nghttp2_submit_rst_stream(s->mux->session, NGHTTP2_FLAG_NONE, s->id, error);
	wake(s->mux->wake);
}

/* ---- the conn's end ---- */

static bool move(struct mux_stream *s, struct bb_buf *from, size_t room)
{
	size_t n = from->len < room ? from->len : room;

	if (bb_buf_add(&s->end->in, from->p, n) < 0)
		s->end->error = -ENOMEM;
	bb_buf_drop(from, n);
	if (from->len == 0)
		bb_buf_release(from);
	return n > 0;
}

/* Who reads fast gets a large window, so that a long way to the upstream does not slow him */
static void credit(struct mux_stream *s, size_t n)
{
	struct mux *m = s->mux;

	s->taken += n;
	if (s->closed)
		return;
	if (!s->fast && !s->ended && s->taken > MUX_FAST_AFTER && *m->fast < MUX_FAST_MAX) {
		s->fast = true;
		++*m->fast;
		(void)nghttp2_session_set_local_window_size(m->session, NGHTTP2_FLAG_NONE, s->id,
							    MUX_WINDOW_FAST);
	}
	(void)nghttp2_session_consume_stream(m->session, s->id, n);
	wake(m->wake);
}

static bool move_content(struct mux_stream *s, size_t room)
{
	size_t n = s->data.len - s->data_off;
	char line[HTTP1_CHUNK_HEAD_MAX];
	int r = 0;

	if (n == 0 || room <= CHUNK_ROOM)
		return false;
	if (n > room - CHUNK_ROOM)
		n = room - CHUNK_ROOM;
	if (s->chunked)
		r = bb_buf_add(&s->end->in, line, http1_chunk_head(line, n));
	if (r == 0)
		r = bb_buf_add(&s->end->in, s->data.p + s->data_off, n);
	if (r == 0 && s->chunked)
		r = bb_buf_add(&s->end->in, HTTP1_CHUNK_TAIL, 2);
	if (r < 0)
		s->end->error = -ENOMEM;
	s->data_off += n;
	/* A long buffer is not moved for each piece */
	if (s->data_off == s->data.len) {
		bb_buf_release(&s->data);
		s->data_off = 0;
	} else if (s->data_off > s->data.len / 2) {
		bb_buf_drop(&s->data, s->data_off);
		s->data_off = 0;
	}
	credit(s, n);
	return true;
}

static bool end_fill(void *arg, size_t limit)
{
	struct mux_stream *s = arg;
	size_t room = limit > s->end->in.len ? limit - s->end->in.len : 0;

	if (room == 0)
		return false;
	if (s->head.len)
		return move(s, &s->head, room);
	if (s->data.len)
		return move_content(s, room);
	if (!s->ended || !s->got_head)
		return false;
	if (s->tail.len && !move(s, &s->tail, room))
		return false;
	s->end->eof = s->tail.len == 0;
	return true;
}

/* Content that has left its framing */
static int take_content(struct mux_stream *s, struct bb_span data)
{
	return data.len ? bb_buf_add(&s->content, data.p, data.len) : 0;
}

static int take_chunked(struct mux_stream *s, struct bb_buf *out)
{
	enum http1_result r = HTTP1_OK;
	size_t at = 0;
	int e = 0;

	while (at < out->len && r == HTTP1_OK && e == 0 && s->content.len < STREAM_OUT_HIGH) {
		size_t used, n = out->len - at;
		struct bb_span data;

		r = http1_chunked_next(
			&s->chunks,
			(struct bb_span){ out->p + at, n < STREAM_CHUNK ? n : STREAM_CHUNK }, &used,
			&data);
		at += used;
		e = take_content(s, data);
		if (e == 0 && s->chunks.trailers.len)
			e = bb_buf_add(&s->trailers, s->chunks.trailers.p, s->chunks.trailers.len);
		if (r == HTTP1_MORE && at < out->len)
			r = HTTP1_OK;
	}
	bb_buf_drop(out, at);
	if (r == HTTP1_END)
		s->text = MUX_DONE;
	return http1_result_is_bad(r) ? -EPROTO : e;
}

static int take_plain(struct mux_stream *s, struct bb_buf *out)
{
	size_t n = out->len < STREAM_CHUNK ? out->len : STREAM_CHUNK;
	int e;

	if (n > s->left)
		n = (size_t)s->left;
	e = take_content(s, (struct bb_span){ out->p, n });
	bb_buf_drop(out, n);
	s->left -= n;
	if (s->left == 0)
		s->text = MUX_DONE;
	return e;
}

static int take_head(struct mux_stream *s, struct bb_buf *out)
{
	const struct mux_role *role = s->mux->role;
	size_t len = 0;
	enum http1_result r = role->server ? http1_scan_response(&s->scan, bb_buf_span(out), &len)
					   : http1_scan_request(&s->scan, bb_buf_span(out), &len);
	int e;

	if (r == HTTP1_MORE)
		return 0;
	s->scan = (struct http1_scan){ 0 };
	if (r != HTTP1_OK)
		return -EPROTO;
	e = role->send_head(s, len);
	bb_buf_drop(out, len);
	return e;
}

/* One step of what the conn has written. Return: 0 or negative */
static int take(struct mux_stream *s, struct bb_buf *out)
{
	switch (s->text) {
	case MUX_HEAD:
		return take_head(s, out);
	case MUX_BODY:
		return s->body == HTTP1_BODY_CHUNKED ? take_chunked(s, out) : take_plain(s, out);
	case MUX_DONE:
		break;
	}
	bb_buf_drop(out, out->len); /* nothing belongs there */
	return 0;
}

static bool end_flush(void *arg)
{
	struct mux_stream *s = arg;
	struct bb_buf *out = &s->end->out;
	size_t before = out->len;

	while (out->len && s->content.len < STREAM_OUT_HIGH) {
		size_t len = out->len;

		if (s->closed) {
			s->end->write_error = -ECONNRESET;
			return true;
		}
		if (take(s, out) < 0) {
			mux_reset(s, NGHTTP2_INTERNAL_ERROR);
			s->end->write_error = -EPROTO;
			return true;
		}
		if (out->len == len)
			break;
	}
	if (out->len == before)
		return false;
	if (s->waits && !s->closed) {
		s->waits = false;
		(void)nghttp2_session_resume_data(s->mux->session, s->id);
	}
	wake(s->mux->wake);
	return true;
}

/*
 * Answered before the request's end. A reset now would be the proper thing (RFC 9113 section 8.1),
 * but there are clients that lose the answer then; so the rest is taken and forgotten, up to a
 * bound.
 */
static void discard(struct mux_stream *s, size_t n)
{
	if (s->closed || s->id < 0 || n == 0)
		return;
	s->discarded += n;
	if (s->discarded > MUX_DISCARD_MAX)
		mux_reset(s, NGHTTP2_NO_ERROR);
	else
		(void)nghttp2_session_consume_stream(s->mux->session, s->id, n);
	wake(s->mux->wake);
}

static void end_close(void *arg)
{
	struct mux_stream *s = arg;
	bool whole = s->text == MUX_DONE && (s->mux->role->server || s->ended);

	s->end = NULL;
	s->wake = NULL;
	discard(s, s->data.len - s->data_off);
	bb_buf_release(&s->head);
	bb_buf_release(&s->data);
	bb_buf_release(&s->tail);
	wake(s->mux->wake);
	if (!whole && s->mux->role->server && s->text == MUX_BODY && s->content.len)
		s->broken = true; /* what the guest's HTTP/1.1 connection would have got, too */
	else if (!whole)
		mux_reset(s, s->mux->role->server ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL);
	if (s->closed || s->id < 0) {
		stream_free(s);
		return;
	}
	s->orphan = true;
	++*s->mux->orphans;
}

static const struct stream_far mux_far = { end_fill, end_flush, end_close };

void mux_attach(struct mux_stream *s, struct stream *end, struct event *ev)
{
	s->end = end;
	s->wake = ev;
	stream_open_far(end, &mux_far, s);
}

/* ---- nghttp2 ---- */

static struct mux_stream *stream_of(struct mux *m, int32_t id)
{
	return id > 0 ? nghttp2_session_get_stream_user_data(m->session, id) : NULL;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
		       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct mux_stream *s = source->ptr;
	size_t n = s->content.len < len ? s->content.len : len;

	(void)arg;
	if (n == 0 && s->broken)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (n == 0 && s->text != MUX_DONE) {
		s->waits = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n)
		memcpy(buf, s->content.p, n);
	bb_buf_drop(&s->content, n);
	wake(s->wake);
	if (s->text != MUX_DONE || s->content.len)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	bb_buf_release(&s->content);
	if (s->trailers.len > 2) {
		static struct http1_fields fields;

		if (http1_trailers_parse(bb_buf_span(&s->trailers), &fields) == HTTP1_OK &&
		    http2_trailer_section(&fields, mux_scratch.names, sizeof(mux_scratch.names),
					  &mux_scratch.section) == HTTP2_OK &&
		    nghttp2_submit_trailer(session, id, mux_nva(), mux_scratch.section.n) == 0)
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	}
	return (ssize_t)n;
}

nghttp2_data_provider mux_provider(struct mux_stream *s)
{
	return (nghttp2_data_provider){ .source = { .ptr = s }, .read_callback = on_read };
}

const nghttp2_nv *mux_nva(void)
{
	nghttp2_nv *nva = mux_scratch.nva;

	for (size_t i = 0; i < mux_scratch.section.n; i++) {
		const struct http1_field *f = &mux_scratch.section.v[i];
		bool secret = f->name.p[0] != ':' && credential_field(f->name) != CREDENTIAL_NONE;

		nva[i] = (nghttp2_nv){
			.name = (uint8_t *)(uintptr_t)f->name.p,
			.namelen = f->name.len,
			.value = (uint8_t *)(uintptr_t)f->value.p,
			.valuelen = f->value.len,
			.flags = secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
		};
	}
	return nva;
}

const struct http2_section *mux_section(struct mux_stream *s)
{
	struct http2_section *out = &mux_scratch.section;
	const struct mux_fields *f = s->fields;
	const uint8_t *p = f->text.p;

	out->n = 0;
	for (size_t i = 0; i < f->n; i++) {
		struct bb_span name = { p, f->len[i].name },
			       value = { p + f->len[i].name, f->len[i].value };

		out->v[out->n++] = (struct http1_field){ name, value };
		p = value.p + value.len;
	}
	return out;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct mux *m = arg;
	struct mux_stream *s = stream_of(m, frame->hd.stream_id);

	m->in_section = true;
	if (!s && m->role->on_begin && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		s = m->role->on_begin(m, frame->hd.stream_id);
		if (!s)
			return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE,
							 frame->hd.stream_id,
							 NGHTTP2_REFUSED_STREAM);
		(void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
	}
	if (!s || s->fields)
		return 0;
	s->fields = calloc(1, sizeof(*s->fields));
	if (!s->fields)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	bb_buf_init(&s->fields->text, HTTP2_SECTION_MAX);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct mux_stream *s = stream_of(arg, frame->hd.stream_id);
	struct mux_fields *f = s ? s->fields : NULL;

	(void)session;
	(void)flags;
	if (!f || f->too_long)
		return 0;
	/* nghttp2 bounds neither their number nor their sum */
	f->size += name_len + value_len + HTTP2_FIELD_COST;
	if (f->size > HTTP2_SECTION_MAX || f->n == HTTP2_FIELDS_MAX) {
		f->too_long = true;
		return 0;
	}
	if (bb_buf_add(&f->text, name, name_len) < 0 || bb_buf_add(&f->text, value, value_len) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	f->len[f->n].name = (uint32_t)name_len;
	f->len[f->n++].value = (uint32_t)value_len;
	return 0;
}

/* Too many resets, whoever sends them: the peer only makes us work */
static void count_reset(struct mux *m)
{
	uint64_t now = bb_now_ms();

	if (now - m->resets_since > MUX_RESETS_MS) {
		m->resets_since = now;
		m->resets = 0;
	}
	if (++m->resets == MUX_RESETS_MAX)
		(void)nghttp2_session_terminate_session(m->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct mux *m = arg;
	struct mux_stream *s = stream_of(m, frame->hd.stream_id);
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)session;
	if (frame->hd.type == NGHTTP2_RST_STREAM)
		count_reset(m);
	if (frame->hd.type == NGHTTP2_HEADERS)
		m->in_section = false;
	if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	s->ended |= ended;
	if (frame->hd.type == NGHTTP2_HEADERS && s->fields) {
		m->role->on_section(s, ended);
		fields_free(s);
	}
	if (ended && s->chunked && s->tail.len == 0 &&
	    bb_buf_add(&s->tail, HTTP1_CHUNK_LAST, 5) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	wake(s->wake);
	return 0;
}

/* A request that nghttp2 does not let through is one still: it gets its record */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
	struct mux *m = arg;
	struct mux_stream *s = stream_of(m, frame->hd.stream_id);

	(void)session;
	(void)error;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	m->in_section = false;
	if (!s || !s->fields || !m->role->server)
		return 0;
	s->fields->invalid = true;
	m->role->on_section(s, true);
	fields_free(s);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t len, void *arg)
{
	struct mux_stream *s = stream_of(arg, id);

	(void)flags;
	(void)nghttp2_session_consume_connection(session, len);
	if (s && !s->end)
		discard(s, len);
	if (!s || !s->end)
		return 0;
	if (bb_buf_add(&s->data, data, len) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	wake(s->wake);
	return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct mux *m = arg;

	(void)session;
	if (frame->hd.type == NGHTTP2_RST_STREAM &&
	    frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
		count_reset(m);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	const struct mux_role *role = ((struct mux *)arg)->role;
	struct mux_stream *s = stream_of(arg, id);

	(void)session;
	if (!s)
		return 0;
	s->closed = true;
	if (!s->end) {
		stream_free(s);
		return 0;
	}
	/* A guest that has gone waits for nothing; an upstream may go when it has said all */
	if (role->server ? error != NGHTTP2_NO_ERROR || s->text != MUX_DONE : !s->ended)
		fail_end(s, -ECONNRESET, nghttp2_http2_strerror(error));
	else
		wake(s->wake);
	return 0;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *cb = NULL;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	return cb;
}

static int make_session(struct mux *m)
{
	nghttp2_session_callbacks *cb = make_callbacks();
	nghttp2_option *opt = NULL;
	int r = -1;

	if (cb && nghttp2_option_new(&opt) == 0) {
		nghttp2_option_set_no_auto_window_update(opt, 1);
		nghttp2_option_set_max_outbound_ack(opt, 200);
		nghttp2_option_set_no_closed_streams(opt, 1);
		nghttp2_option_set_stream_reset_rate_limit(opt, MUX_RESETS_MAX, 40);
		r = m->role->server ? nghttp2_session_server_new2(&m->session, cb, m, opt)
				    : nghttp2_session_client_new2(&m->session, cb, m, opt);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	return r;
}

struct mux *mux_new(const struct mux_role *role, void *owner, struct stream *io, struct event *ev,
		    unsigned int *fast, size_t *orphans)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MUX_STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, MUX_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_SECTION_MAX },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 }, /* a client's */
	};
	struct mux *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	*m = (struct mux){
		.role = role, .owner = owner, .io = io, .wake = ev, .fast = fast, .orphans = orphans
	};
	if (make_session(m) == 0 &&
	    nghttp2_submit_settings(m->session, NGHTTP2_FLAG_NONE, settings,
				    BB_ARRAY_LEN(settings) - role->server) == 0 &&
	    nghttp2_session_set_local_window_size(m->session, NGHTTP2_FLAG_NONE, 0,
						  MUX_WINDOW_ALL) == 0)
		return m;
	mux_free(m);
	return NULL;
}

void mux_free(struct mux *m)
{
	struct mux_stream *s, *next;

	if (!m)
		return;
	nghttp2_session_del(m->session);
	for (s = LIST_FIRST(&m->streams); s; s = next) {
		next = LIST_NEXT(s, link);
		if (s->end) {
			s->end->far = NULL;
			fail_end(s, -ECONNRESET, "connection closed");
		}
		stream_free(s);
	}
	free(m);
}

static bool feed(struct mux *m)
{
	struct bb_buf *in = &m->io->in;
	ssize_t n;

	if (in->len == 0)
		return false;
	n = nghttp2_session_mem_recv(m->session, in->p, in->len);
	if (n < 0)
		m->failed = true;
	bb_buf_drop(in, n < 0 ? in->len : (size_t)n);
	return true;
}

static bool pump(struct mux *m)
{
	bool any = false;

	while (!stream_out_full(m->io) && !m->failed) {
		const uint8_t *p = NULL;
		ssize_t n = nghttp2_session_mem_send(m->session, &p);

		if (n == 0)
			break;
		if (n < 0 || bb_buf_add(&m->io->out, p, (size_t)n) < 0)
			m->failed = true;
		any = true;
	}
	return any;
}

bool mux_run(struct mux *m, bool read)
{
	bool any = false;

	/* Who does not read what we send is not read either */
	if (read && !stream_out_full(m->io)) {
		any = stream_fill(m->io, STREAM_CHUNK);
		any |= feed(m);
	}
	any |= pump(m);
	if (m->io->error || m->io->write_error)
		m->failed = true;
	return any;
}

void mux_fail(struct mux *m)
{
	struct mux_stream *s;

	LIST_FOREACH(s, &m->streams, link)
	{
		if (!s->ended)
			fail_end(s, -ECONNRESET, "connection closed");
		s->closed = true;
	}
	m->failed = true;
}

bool mux_is_used(const struct mux *m)
{
	const struct mux_stream *s;

	LIST_FOREACH(s, &m->streams, link)
	{
		if (s->end)
			return true;
	}
	return false;
}

bool mux_has_unsent(const struct mux *m)
{
	const struct mux_stream *s;

	LIST_FOREACH(s, &m->streams, link)
	{
		if (s->content.len)
			return true;
	}
	return m->io->out.len > 0;
}

bool mux_is_over(const struct mux *m)
{
	return m->failed || (m->io->eof && m->io->in.len == 0) ||
	       (!nghttp2_session_want_read(m->session) && !nghttp2_session_want_write(m->session) &&
		m->io->out.len == 0);
}
