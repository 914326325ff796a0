/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http2.h"
#include "wire/http1_int.h"
#include <assert.h>
#include <stdio.h>

const char *const http2_result_str[] = {
	[HTTP2_OK] = "ok",
	[HTTP2_NO_PSEUDO] = "pseudo_field_missing",
	[HTTP2_BAD_PSEUDO] = "bad_pseudo_field",
	[HTTP2_BAD_SCHEME] = "bad_scheme",
	[HTTP2_BAD_METHOD] = "bad_method",
	[HTTP2_BAD_PATH] = "bad_target",
	[HTTP2_BAD_AUTHORITY] = "bad_authority",
	[HTTP2_BAD_STATUS] = "bad_status",
	[HTTP2_BAD_NAME] = "bad_field_name",
	[HTTP2_BAD_VALUE] = "control_octet",
	[HTTP2_HOP_BY_HOP] = "connection_field",
	[HTTP2_BAD_LENGTH] = "bad_content_length",
	[HTTP2_TOO_LONG] = "head_too_long",
	[HTTP2_INVALID] = "malformed_section",
};
static_assert(BB_ARRAY_LEN(http2_result_str) == HTTP2_NUM_RESULTS,
	      "http2_result_str[] doesn't match enum http2_result");

/* ---- sections that arrived ---- */

/** struct facts - What a section says besides its ordinary fields; spans without p are missing */
struct facts {
	struct bb_span method;
	struct bb_span scheme;
	struct bb_span authority;
	struct bb_span path;
	struct bb_span status;
	struct bb_span host;
	struct bb_span length;
	bool te;
	bool cookies;
};

static bool is_name(struct bb_span name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!http1_is_tchar(name.p[i]) || (name.p[i] >= 'A' && name.p[i] <= 'Z'))
			return false;
	}
	return name.len > 0;
}

static bool is_token(struct bb_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!http1_is_tchar(s.p[i]))
			return false;
	}
	return s.len > 0;
}

static bool is_value(struct bb_span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (!http1_is_value_octet(value.p[i]))
			return false;
	}
	return true;
}

/* One word of a start line, or the text of a Host field */
static bool is_word(struct bb_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '#')
			return false;
	}
	return s.len > 0;
}

static enum http2_result take_once(struct bb_span *where, struct bb_span value)
{
	if (where->p)
		return HTTP2_BAD_PSEUDO;
	*where = value;
	if (!where->p)
		where->p = (const uint8_t *)"";
	return HTTP2_OK;
}

static enum http2_result take_pseudo(struct facts *f, const struct http1_field *v, bool request)
{
	if (!request)
		return http1_span_is(v->name, ":status") ? take_once(&f->status, v->value)
							 : HTTP2_BAD_PSEUDO;
	if (http1_span_is(v->name, ":method"))
		return take_once(&f->method, v->value);
	if (http1_span_is(v->name, ":scheme"))
		return take_once(&f->scheme, v->value);
	if (http1_span_is(v->name, ":authority"))
		return take_once(&f->authority, v->value);
	if (http1_span_is(v->name, ":path"))
		return take_once(&f->path, v->value);
	return HTTP2_BAD_PSEUDO;
}

static enum http2_result take_field(struct facts *f, const struct http1_field *v, bool request)
{
	uint64_t length;

	if (!is_name(v->name))
		return HTTP2_BAD_NAME;
	if (!is_value(v->value))
		return HTTP2_BAD_VALUE;
	if (http1_span_is(v->name, "content-length")) {
		if (f->length.p || !http1_digits(v->value, &length))
			return HTTP2_BAD_LENGTH;
		f->length = v->value;
	} else if (request && http1_span_is(v->name, "te")) {
		if (!http1_span_is(http1_trim(v->value), "trailers"))
			return HTTP2_HOP_BY_HOP;
		f->te = true;
	} else if (http1_is_hop_name(v->name) && !http1_span_is(v->name, "trailer")) {
		return HTTP2_HOP_BY_HOP;
	} else if (request && http1_span_is(v->name, "host")) {
		if (f->host.p)
			return HTTP2_BAD_AUTHORITY;
		f->host = http1_trim(v->value);
	} else if (http1_span_is(v->name, "cookie")) {
		f->cookies = true;
	}
	return HTTP2_OK;
}

static enum http2_result take_all(struct facts *f, const struct http2_section *s, bool request)
{
	enum http2_result r = HTTP2_OK;
	bool pseudo = true;
	size_t size = 0;

	for (size_t i = 0; i < s->n && r == HTTP2_OK; i++) {
		const struct http1_field *v = &s->v[i];

		size += v->name.len + v->value.len + HTTP2_FIELD_COST;
		if (size > HTTP2_SECTION_MAX)
			return HTTP2_TOO_LONG;
		if (v->name.len && v->name.p[0] == ':') {
			r = pseudo ? take_pseudo(f, v, request) : HTTP2_BAD_PSEUDO;
		} else {
			pseudo = false;
			r = take_field(f, v, request);
		}
	}
	return r;
}

static enum http2_result judge_request(struct facts *f, bool tls, bool ended)
{
	uint64_t length = 0;

	if (!f->method.p || !f->scheme.p || !f->path.p)
		return HTTP2_NO_PSEUDO; /* and CONNECT has no use here: it lacks two of them */
	if (!is_token(f->method) || bb_span_eq(f->method, BB_SPAN_STR("CONNECT")))
		return HTTP2_BAD_METHOD;
	if (!http1_span_is(f->scheme, tls ? "https" : "http"))
		return HTTP2_BAD_SCHEME;
	if (!is_word(f->path) || (f->path.p[0] != '/' && !bb_span_eq(f->path, BB_SPAN_STR("*"))))
		return HTTP2_BAD_PATH;
	/* Two names that differ are two requests to two readers (section 8.3.1) */
	if (f->authority.p && f->host.p && !bb_span_eq(f->authority, f->host))
		return HTTP2_BAD_AUTHORITY;
	if (!f->authority.p)
		f->authority = f->host;
	if (!is_word(f->authority))
		return f->authority.p ? HTTP2_BAD_AUTHORITY : HTTP2_NO_PSEUDO;
	if (f->length.p && http1_digits(f->length, &length) && ended && length)
		return HTTP2_BAD_LENGTH;
	return HTTP2_OK;
}

static void put_cookies(struct http1_out *o, const struct http2_section *s)
{
	bool first = true;

	for (size_t i = 0; i < s->n; i++) {
		if (!http1_span_is(s->v[i].name, "cookie"))
			continue;
		http1_put_str(o, first ? "cookie: " : "; ");
		http1_put(o, http1_trim(s->v[i].value));
		first = false;
	}
	http1_put_str(o, "\r\n");
}

static void put_ordinary(struct http1_out *o, const struct http2_section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct http1_field *v = &s->v[i];

		if (v->name.p[0] == ':' || http1_is_hop_name(v->name) ||
		    http1_span_is(v->name, "host") || http1_span_is(v->name, "cookie"))
			continue;
		http1_put_field(o, v->name, http1_trim(v->value));
	}
}

/* The framing last: what follows the head is framed by it */
static enum http2_result finish(struct http1_out *o, struct bb_span length, bool chunked,
				size_t *ret_len)
{
	if (length.p)
		http1_put_field(o, BB_SPAN_STR("Content-Length"), length);
	else if (chunked)
		http1_put_str(o, "Transfer-Encoding: chunked\r\n");
	http1_put_str(o, "\r\n");
	if (o->full || o->len > HTTP1_HEAD_MAX)
		return HTTP2_TOO_LONG;
	*ret_len = o->len;
	return HTTP2_OK;
}

enum http2_result http2_request_head(const struct http2_section *s, bool tls, bool ended,
				     uint8_t *out, size_t cap, size_t *ret_len, bool *ret_chunked)
{
	struct http1_out o = { .p = out, .cap = cap };
	struct facts f = { 0 };
	enum http2_result r = take_all(&f, s, true);

	if (r == HTTP2_OK)
		r = judge_request(&f, tls, ended);
	if (r != HTTP2_OK)
		return r;
	http1_put(&o, f.method);
	http1_put_str(&o, " ");
	http1_put(&o, f.path);
	http1_put_str(&o, " HTTP/1.1\r\n");
	http1_put_field(&o, BB_SPAN_STR("Host"), f.authority);
	put_ordinary(&o, s);
	if (f.cookies)
		put_cookies(&o, s);
	if (f.te)
		http1_put_str(&o, "TE: trailers\r\n");
	*ret_chunked = !ended && !f.length.p;
	return finish(&o, f.length, *ret_chunked, ret_len);
}

static bool has_no_content(unsigned int status, struct bb_span method)
{
	return status < 200 || status == 204 || status == 304 ||
	       bb_span_eq(method, BB_SPAN_STR("HEAD"));
}

enum http2_result http2_response_head(const struct http2_section *s, bool ended,
				      struct bb_span method, uint8_t *out, size_t cap,
				      size_t *ret_len, unsigned int *ret_status, bool *ret_chunked)
{
	struct http1_out o = { .p = out, .cap = cap };
	struct facts f = { 0 };
	enum http2_result r = take_all(&f, s, false);
	uint64_t status = 0;
	bool none;

	if (r != HTTP2_OK)
		return r;
	if (!f.status.p)
		return HTTP2_NO_PSEUDO;
	if (f.status.len != 3 || !http1_digits(f.status, &status) || status < 100 || status > 599 ||
	    status == 101)
		return HTTP2_BAD_STATUS;
	*ret_status = (unsigned int)status;
	none = has_no_content(*ret_status, method);
	if (status < 200 || status == 204)
		f.length = (struct bb_span){ 0 };
	else if (ended && !none && !f.length.p)
		f.length = BB_SPAN_STR("0");
	http1_put_uint(&o, "HTTP/1.1 ", status, " \r\n");
	put_ordinary(&o, s);
	if (f.cookies)
		put_cookies(&o, s);
	*ret_chunked = !ended && !none && !f.length.p;
	return finish(&o, f.length, *ret_chunked, ret_len);
}

enum http2_result http2_trailers(const struct http2_section *s, uint8_t *out, size_t cap,
				 size_t *ret_len)
{
	struct http1_out o = { .p = out, .cap = cap };
	struct facts f = { 0 };
	enum http2_result r;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].name.len == 0 || s->v[i].name.p[0] == ':')
			return HTTP2_BAD_PSEUDO;
	}
	r = take_all(&f, s, false);
	if (r != HTTP2_OK)
		return r;
	http1_put_str(&o, "0\r\n");
	put_ordinary(&o, s);
	http1_put_str(&o, "\r\n");
	if (o.full || o.len > HTTP1_TRAILER_MAX)
		return HTTP2_TOO_LONG;
	*ret_len = o.len;
	return HTTP2_OK;
}

/* ---- sections that are made ---- */

/** struct maker - A section, and the room for what its fields do not borrow */
struct maker {
	struct http2_section *s;
	struct http1_out room;
	bool full;
};

static void add(struct maker *m, struct bb_span name, struct bb_span value)
{
	if (m->s->n == HTTP2_FIELDS_MAX)
		m->full = true;
	else
		m->s->v[m->s->n++] = (struct http1_field){ name, value };
}

static struct bb_span lower(struct maker *m, struct bb_span name)
{
	size_t at = m->room.len;

	http1_put(&m->room, name);
	for (size_t i = at; i < m->room.len; i++) {
		if (m->room.p[i] >= 'A' && m->room.p[i] <= 'Z')
			m->room.p[i] |= 0x20;
	}
	return (struct bb_span){ m->room.p + at, m->room.len - at };
}

static struct bb_span number(struct maker *m, uint64_t v)
{
	size_t at = m->room.len;

	http1_put_uint(&m->room, "", v, "");
	return (struct bb_span){ m->room.p + at, m->room.len - at };
}

static void add_fields(struct maker *m, const struct http1_fields *f, bool request)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct http1_field *v = &f->v[i];

		if (http1_is_hop_name(v->name) || (request && http1_span_is(v->name, "host")))
			continue;
		add(m, lower(m, v->name), v->value);
	}
}

static enum http2_result made(const struct maker *m)
{
	return m->full || m->room.full ? HTTP2_TOO_LONG : HTTP2_OK;
}

enum http2_result http2_request_section(const struct http1_request *r, bool tls, uint8_t *names,
					size_t cap, struct http2_section *ret)
{
	struct maker m = { .s = ret, .room = { .p = names, .cap = cap } };

	ret->n = 0;
	add(&m, BB_SPAN_STR(":method"), r->method);
	add(&m, BB_SPAN_STR(":scheme"), tls ? BB_SPAN_STR("https") : BB_SPAN_STR("http"));
	add(&m, BB_SPAN_STR(":authority"), r->host);
	add(&m, BB_SPAN_STR(":path"), r->target);
	add_fields(&m, &r->fields, true);
	if (r->te_trailers)
		add(&m, BB_SPAN_STR("te"), BB_SPAN_STR("trailers"));
	if (r->body == HTTP1_BODY_LENGTH)
		add(&m, BB_SPAN_STR("content-length"), number(&m, r->length));
	return made(&m);
}

enum http2_result http2_response_section(const struct http1_response *r, uint8_t *names, size_t cap,
					 struct http2_section *ret)
{
	struct maker m = { .s = ret, .room = { .p = names, .cap = cap } };

	ret->n = 0;
	add(&m, BB_SPAN_STR(":status"), number(&m, r->status));
	add_fields(&m, &r->fields, false);
	if (r->has_length)
		add(&m, BB_SPAN_STR("content-length"), number(&m, r->length));
	return made(&m);
}

enum http2_result http2_trailer_section(const struct http1_fields *f, uint8_t *names, size_t cap,
					struct http2_section *ret)
{
	struct maker m = { .s = ret, .room = { .p = names, .cap = cap } };

	ret->n = 0;
	add_fields(&m, f, false);
	return made(&m);
}
