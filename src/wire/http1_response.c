/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1_int.h"

/*
 * Responses: real servers are sloppier than real clients, and the reader behind us is the guest,
 * which is not what we protect. So what has one sensible reading is normalised and marked odd; what
 * could be read as two different messages is refused.
 */

/* The next line without its end; a bare LF ends one too. Returns false at the end of input */
static bool next_line(struct bb_span *rest, struct bb_span *ret_line, bool *odd)
{
	if (!http1_split(rest, '\n', ret_line))
		return false;
	if (ret_line->len && ret_line->p[ret_line->len - 1] == '\r')
		ret_line->len--;
	else
		*odd = true;
	return true;
}

/* HTTP/1.x SP 3DIGIT [SP reason]; servers that send no reason often leave out its space as well */
static enum http1_result parse_status_line(struct bb_span line, struct http1_response *r)
{
	if (line.len < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ')
		return line.len >= 5 && memcmp(line.p, "HTTP/", 5) == 0 ? HTTP1_BAD_VERSION
									: HTTP1_BAD_LINE;
	if (line.p[7] != '0' && line.p[7] != '1')
		return HTTP1_BAD_VERSION;
	r->minor = line.p[7] == '1';
	for (size_t i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return HTTP1_BAD_STATUS;
		r->status = r->status * 10 + (unsigned int)(line.p[i] - '0');
	}
	if (r->status < 100 || r->status > 599 || (line.len > 12 && line.p[12] != ' '))
		return HTTP1_BAD_STATUS;
	if (line.len > 13)
		r->reason = http1_trim((struct bb_span){ line.p + 13, line.len - 13 });
	for (size_t i = 0; i < r->reason.len; i++) {
		if (!http1_is_value_octet(r->reason.p[i]))
			return HTTP1_BAD_OCTET;
	}
	return HTTP1_OK;
}

/*
 * Join folded lines in place: a line end followed by white space, and all white space around it,
 * becomes one space (RFC 9112 section 5.2). The status line cannot be continued.
 */
static size_t unfold(uint8_t *p, size_t len, bool *odd)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (p[i] != '\n' || i + 1 == len || !http1_is_space(p[i + 1])) {
			p[n++] = p[i];
			continue;
		}
		*odd = true;
		while (n && (p[n - 1] == '\r' || http1_is_space(p[n - 1])))
			n--;
		while (i + 1 < len && http1_is_space(p[i + 1]))
			i++;
		p[n++] = ' ';
	}
	return n;
}

static enum http1_result parse_field(struct bb_span line, struct http1_field *f, bool *odd)
{
	if (!http1_split(&line, ':', &f->name))
		return HTTP1_BAD_NAME;
	/* RFC 9112 section 5.1: a proxy removes the white space */
	while (f->name.len && http1_is_space(f->name.p[f->name.len - 1])) {
		f->name.len--;
		*odd = true;
	}
	if (f->name.len == 0)
		return HTTP1_BAD_NAME;
	for (size_t i = 0; i < f->name.len; i++) {
		if (!http1_is_tchar(f->name.p[i]))
			return HTTP1_BAD_NAME;
	}
	f->value = http1_trim(line);
	for (size_t i = 0; i < f->value.len; i++) {
		if (!http1_is_value_octet(f->value.p[i]))
			return HTTP1_BAD_OCTET;
	}
	return HTTP1_OK;
}

/* Equal lengths, as several fields or as a list, are one (RFC 9112 section 6.3) */
static enum http1_result parse_length(struct bb_span list, struct http1_response *r)
{
	struct bb_span e;
	unsigned int n = 0;

	while (http1_list_next(&list, &e)) {
		uint64_t v;

		if (!http1_digits(e, &v))
			return HTTP1_BAD_LENGTH;
		if (r->has_length && v != r->length)
			return HTTP1_LENGTH_DIFFERS;
		r->odd |= r->has_length;
		r->has_length = true;
		r->length = v;
		n++;
	}
	return n ? HTTP1_OK : HTTP1_BAD_LENGTH;
}

struct framing {
	bool chunked;
	bool close;
	bool stay;
};

static enum http1_result parse_known(const struct http1_field *f, struct http1_response *r,
				     struct framing *fr)
{
	if (http1_span_is(f->name, "content-length"))
		return parse_length(f->value, r);
	if (http1_span_is(f->name, "transfer-encoding")) {
		if (!http1_span_is(f->value, "chunked"))
			return HTTP1_BAD_CODING; /* we asked for no other coding */
		r->odd |= fr->chunked;
		fr->chunked = true;
	} else if (http1_span_is(f->name, "connection")) {
		fr->close |= http1_list_has(f->value, "close");
		fr->stay |= http1_list_has(f->value, "keep-alive");
	}
	return HTTP1_OK;
}

/* RFC 9112 section 6.3 */
static void judge(struct http1_response *r, struct bb_span method, const struct framing *fr)
{
	bool none = r->status < 200 || r->status == 204 || r->status == 304 ||
		    bb_span_eq(method, BB_SPAN_STR("HEAD"));

	if (fr->chunked && (r->has_length || r->minor == 0))
		r->odd = true;
	if (none)
		r->body = HTTP1_BODY_NONE;
	else if (fr->chunked)
		r->body = HTTP1_BODY_CHUNKED;
	else if (r->has_length)
		r->body = HTTP1_BODY_LENGTH;
	else
		r->body = HTTP1_BODY_CLOSE;
	if (fr->chunked || r->status < 200 || r->status == 204)
		r->has_length = false;
	r->keep_alive =
		!fr->close && (r->minor == 1 || fr->stay) && !r->odd && r->body != HTTP1_BODY_CLOSE;
}

enum http1_result http1_response_parse(uint8_t *head, size_t len, struct bb_span method,
				       struct http1_response *ret)
{
	struct bb_span rest = { head, len }, line;
	struct http1_scan s = { 0 };
	struct framing fr = { 0 };
	enum http1_result r;
	size_t end = 0;

	r = http1_scan_response(&s, rest, &end);
	if (r == HTTP1_OK && end != len)
		r = HTTP1_BAD_LINE;
	if (r != HTTP1_OK)
		return r;
	memset(ret, 0, offsetof(struct http1_response, fields));
	ret->fields.n = 0;
	if (!next_line(&rest, &line, &ret->odd))
		return HTTP1_BAD_LINE;
	r = parse_status_line(line, ret);
	if (r == HTTP1_OK && rest.len && http1_is_space(rest.p[0]))
		r = HTTP1_OBS_FOLD;
	rest.len = unfold(head + (rest.p - head), rest.len, &ret->odd);
	while (r == HTTP1_OK && next_line(&rest, &line, &ret->odd) && line.len) {
		struct http1_field *f = &ret->fields.v[ret->fields.n];

		if (ret->fields.n == HTTP1_FIELDS_MAX)
			return HTTP1_TOO_MANY_FIELDS;
		r = parse_field(line, f, &ret->odd);
		if (r == HTTP1_OK)
			r = parse_known(f, ret, &fr);
		ret->fields.n++;
	}
	if (r == HTTP1_OK)
		judge(ret, method, &fr);
	return r;
}

enum http1_result http1_trailers_parse(struct bb_span section, struct http1_fields *ret)
{
	enum http1_result r = HTTP1_OK;
	struct bb_span line;
	bool odd = false;

	ret->n = 0;
	while (r == HTTP1_OK && next_line(&section, &line, &odd) && line.len) {
		if (ret->n == HTTP1_FIELDS_MAX)
			return HTTP1_TOO_MANY_FIELDS;
		r = parse_field(line, &ret->v[ret->n++], &odd);
	}
	return r;
}
