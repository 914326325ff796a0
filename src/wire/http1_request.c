/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1_int.h"

/*
 * Requests: strict. Whatever two implementations could read in two ways is refused, because the
 * reader behind us would otherwise see another message than the one that was judged.
 */

static enum http1_result parse_target(struct http1_request *r)
{
	struct bb_span t = r->target;

	if (t.len == 0)
		return HTTP1_BAD_TARGET;
	for (size_t i = 0; i < t.len; i++) {
		/* A fragment is never sent (RFC 9112 section 3.2); nor is anything non-ASCII */
		if (t.p[i] <= 0x20 || t.p[i] >= 0x7f || t.p[i] == '#')
			return HTTP1_BAD_TARGET;
	}
	if (bb_span_eq(r->method, BB_SPAN_STR("CONNECT"))) {
		r->form = HTTP1_FORM_AUTHORITY;
		return memchr(t.p, '/', t.len) ? HTTP1_BAD_TARGET : HTTP1_OK;
	}
	if (t.p[0] == '/') {
		r->form = HTTP1_FORM_ORIGIN;
		return HTTP1_OK;
	}
	if (t.len == 1 && t.p[0] == '*') {
		r->form = HTTP1_FORM_ASTERISK;
		return bb_span_eq(r->method, BB_SPAN_STR("OPTIONS")) ? HTTP1_OK : HTTP1_BAD_TARGET;
	}
	r->form = HTTP1_FORM_ABSOLUTE;
	return memmem(t.p, t.len, "://", 3) ? HTTP1_OK : HTTP1_BAD_TARGET;
}

/* method SP target SP HTTP/1.x: exactly one space each (RFC 9112 section 3) */
static enum http1_result parse_request_line(struct bb_span line, struct http1_request *r)
{
	if (!http1_split(&line, ' ', &r->method) || !http1_split(&line, ' ', &r->target))
		return HTTP1_BAD_LINE;
	if (bb_span_eq(line, BB_SPAN_STR("HTTP/1.1")))
		r->minor = 1;
	else if (bb_span_eq(line, BB_SPAN_STR("HTTP/1.0")))
		r->minor = 0;
	else
		return line.len && memchr(line.p, ' ', line.len) ? HTTP1_BAD_LINE
								 : HTTP1_BAD_VERSION;
	if (r->method.len == 0 || r->method.len > 32)
		return HTTP1_BAD_METHOD;
	for (size_t i = 0; i < r->method.len; i++) {
		if (!http1_is_tchar(r->method.p[i]))
			return HTTP1_BAD_METHOD;
	}
	return parse_target(r);
}

static enum http1_result parse_field(struct bb_span line, struct http1_field *f)
{
	if (http1_is_space(line.p[0]))
		return HTTP1_OBS_FOLD;
	if (!http1_split(&line, ':', &f->name) || f->name.len == 0)
		return HTTP1_BAD_NAME;
	if (http1_is_space(f->name.p[f->name.len - 1]))
		return HTTP1_SPACE_BEFORE_COLON;
	for (size_t i = 0; i < f->name.len; i++) {
		if (!http1_is_tchar(f->name.p[i]))
			return HTTP1_BAD_NAME;
	}
	f->value = http1_trim(line);
	return HTTP1_OK;
}

static enum http1_result parse_host(const struct http1_field *f, struct http1_request *r)
{
	if (r->host.p)
		return HTTP1_HOST_DUPLICATE;
	r->host = f->value;
	return HTTP1_OK;
}

/* The strict scan lets only value octets through, so white space inside is all that is left */
static enum http1_result parse_length(const struct http1_field *f, struct http1_request *r,
				      bool *seen)
{
	if (*seen)
		return HTTP1_LENGTH_DUPLICATE;
	*seen = true;
	if (f->value.len && memchr(f->value.p, ',', f->value.len))
		return HTTP1_LENGTH_DUPLICATE;
	return http1_digits(f->value, &r->length) ? HTTP1_OK : HTTP1_BAD_LENGTH;
}

static enum http1_result parse_coding(const struct http1_field *f, struct http1_request *r)
{
	if (r->body == HTTP1_BODY_CHUNKED || !http1_span_is(f->value, "chunked"))
		return HTTP1_BAD_CODING;
	if (r->minor == 0)
		return HTTP1_CODING_IN_HTTP10;
	r->body = HTTP1_BODY_CHUNKED;
	return HTTP1_OK;
}

/*
 * A name that becomes a framing name when '_' is read as '-', as CGI-style servers do, would be
 * framing to them and content to us.
 */
static bool is_disguised(struct bb_span name)
{
	static const char *const names[] = { "transfer-encoding", "content-length", "host" };

	if (!memchr(name.p, '_', name.len))
		return false;
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		size_t j = 0;

		if (strlen(names[i]) != name.len)
			continue;
		while (j < name.len && (name.p[j] == '_' ? names[i][j] == '-'
							 : (name.p[j] | 0x20) == names[i][j] ||
								   name.p[j] == names[i][j]))
			j++;
		if (j == name.len)
			return true;
	}
	return false;
}

struct framing {
	bool has_length;
	bool upgrade_websocket;
	bool connection_upgrade;
	bool close;
	bool stay; /* "keep-alive", which HTTP/1.0 needs */
};

static enum http1_result parse_known(const struct http1_field *f, struct http1_request *r,
				     struct framing *fr)
{
	if (is_disguised(f->name))
		return HTTP1_BAD_NAME;
	if (http1_span_is(f->name, "host"))
		return parse_host(f, r);
	if (http1_span_is(f->name, "content-length"))
		return parse_length(f, r, &fr->has_length);
	if (http1_span_is(f->name, "transfer-encoding"))
		return parse_coding(f, r);
	if (http1_span_is(f->name, "expect")) {
		if (!http1_span_is(f->value, "100-continue"))
			return HTTP1_BAD_EXPECT;
		r->expect = r->minor == 1; /* RFC 9110 section 10.1.1 */
	} else if (http1_span_is(f->name, "connection") ||
		   http1_span_is(f->name, "proxy-connection")) {
		fr->close |= http1_list_has(f->value, "close");
		fr->stay |= http1_list_has(f->value, "keep-alive");
		fr->connection_upgrade |= http1_list_has(f->value, "upgrade");
	} else if (http1_span_is(f->name, "te")) {
		r->te_trailers |= http1_list_has(f->value, "trailers");
	} else if (http1_span_is(f->name, "upgrade")) {
		fr->upgrade_websocket |= http1_list_has(f->value, "websocket");
	}
	return HTTP1_OK;
}

static enum http1_result judge(struct http1_request *r, const struct framing *fr)
{
	bool connect = r->form == HTTP1_FORM_AUTHORITY;

	if (fr->has_length && r->body == HTTP1_BODY_CHUNKED)
		return HTTP1_CODING_AND_LENGTH;
	if (fr->has_length)
		r->body = HTTP1_BODY_LENGTH;
	/* Real clients send CONNECT without Host, and HTTP/1.0 has none */
	if (!r->host.p && r->minor == 1 && !connect)
		return HTTP1_HOST_MISSING;
	if (connect && (r->body == HTTP1_BODY_CHUNKED || r->length > 0))
		return HTTP1_CONNECT_BODY;
	r->websocket = fr->upgrade_websocket && fr->connection_upgrade && r->minor == 1;
	r->keep_alive = !fr->close && (r->minor == 1 || fr->stay);
	return HTTP1_OK;
}

/* A line without its CRLF; the scan has seen to it that there is one */
static bool next_line(struct bb_span *rest, struct bb_span *ret_line)
{
	if (!http1_split(rest, '\n', ret_line) || ret_line->len == 0 ||
	    ret_line->p[ret_line->len - 1] != '\r')
		return false;
	ret_line->len--;
	return true;
}

enum http1_result http1_request_parse(struct bb_span head, struct http1_request *ret)
{
	struct http1_scan s = { 0 };
	struct framing fr = { 0 };
	struct bb_span line;
	enum http1_result r;
	size_t len = 0;

	/* Cheap, and makes this function safe to call with anything */
	r = http1_scan_request(&s, head, &len);
	if (r == HTTP1_OK && (len != head.len || s.skip))
		r = HTTP1_BAD_LINE;
	if (r != HTTP1_OK)
		return r;
	memset(ret, 0, offsetof(struct http1_request, fields));
	ret->fields.n = 0;
	if (!next_line(&head, &line))
		return HTTP1_BAD_LINE;
	r = parse_request_line(line, ret);
	while (r == HTTP1_OK && next_line(&head, &line) && line.len) {
		struct http1_field *f = &ret->fields.v[ret->fields.n];

		if (ret->fields.n == HTTP1_FIELDS_MAX)
			return HTTP1_TOO_MANY_FIELDS;
		r = parse_field(line, f);
		if (r == HTTP1_OK)
			r = parse_known(f, ret, &fr);
		ret->fields.n++;
	}
	return r == HTTP1_OK ? judge(ret, &fr) : r;
}
