/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1_int.h"
#include <assert.h>

/* What every head has in common: characters, lists, and the scan for the empty line. */

const char *const http1_result_str[] = {
	[HTTP1_OK] = "ok",
	[HTTP1_MORE] = "incomplete",
	[HTTP1_END] = "end",
	[HTTP1_BAD_LINE] = "bad_start_line",
	[HTTP1_BAD_METHOD] = "bad_method",
	[HTTP1_BAD_TARGET] = "bad_target",
	[HTTP1_BAD_VERSION] = "bad_version",
	[HTTP1_BAD_STATUS] = "bad_status",
	[HTTP1_BARE_LF] = "bare_lf",
	[HTTP1_BARE_CR] = "bare_cr",
	[HTTP1_BAD_OCTET] = "control_octet",
	[HTTP1_OBS_FOLD] = "obs_fold",
	[HTTP1_BAD_NAME] = "bad_field_name",
	[HTTP1_SPACE_BEFORE_COLON] = "space_before_colon",
	[HTTP1_HEAD_TOO_LONG] = "head_too_long",
	[HTTP1_TOO_MANY_FIELDS] = "too_many_fields",
	[HTTP1_HOST_MISSING] = "host_missing",
	[HTTP1_HOST_DUPLICATE] = "host_duplicate",
	[HTTP1_BAD_LENGTH] = "bad_content_length",
	[HTTP1_LENGTH_DUPLICATE] = "content_length_duplicate",
	[HTTP1_LENGTH_DIFFERS] = "content_length_differs",
	[HTTP1_BAD_CODING] = "bad_transfer_encoding",
	[HTTP1_CODING_AND_LENGTH] = "transfer_encoding_and_content_length",
	[HTTP1_CODING_IN_HTTP10] = "transfer_encoding_in_http10",
	[HTTP1_CONNECT_BODY] = "connect_with_body",
	[HTTP1_BAD_EXPECT] = "bad_expect",
	[HTTP1_BAD_CHUNK_SIZE] = "bad_chunk_size",
	[HTTP1_BAD_CHUNK_EXT] = "bad_chunk_extension",
	[HTTP1_BAD_CHUNK_END] = "bad_chunk_end",
	[HTTP1_BAD_TRAILER] = "bad_trailer",
	[HTTP1_NO_ROOM] = "no_room",
};
static_assert(BB_ARRAY_LEN(http1_result_str) == HTTP1_NUM_RESULTS,
	      "http1_result_str[] doesn't match enum http1_result");

/* RFC 9110 section 5.6.2 */
bool http1_is_tchar(uint8_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

struct bb_span http1_trim(struct bb_span s)
{
	while (s.len && http1_is_space(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && http1_is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool http1_split(struct bb_span *s, uint8_t c, struct bb_span *ret_before)
{
	const uint8_t *at = s->len ? memchr(s->p, c, s->len) : NULL;
	size_t n;

	if (!at)
		return false;
	n = (size_t)(at - s->p);
	*ret_before = (struct bb_span){ s->p, n };
	*s = (struct bb_span){ at + 1, s->len - n - 1 };
	return true;
}

bool http1_list_next(struct bb_span *list, struct bb_span *ret_element)
{
	while (list->len) {
		struct bb_span e;

		if (!http1_split(list, ',', &e)) {
			e = *list;
			list->len = 0;
		}
		e = http1_trim(e);
		if (e.len) {
			*ret_element = e;
			return true;
		}
	}
	return false;
}

bool http1_digits(struct bb_span s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > 18)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return true;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool http1_is_same(const uint8_t *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (lower(a[i]) != lower((uint8_t)b[i]))
			return false;
	}
	return true;
}

bool http1_list_has(struct bb_span list, const char *token)
{
	struct bb_span e;

	while (http1_list_next(&list, &e)) {
		if (http1_span_is(e, token))
			return true;
	}
	return false;
}

const struct http1_field *http1_fields_find(const struct http1_fields *f, const char *name,
					    size_t from)
{
	for (size_t i = from; i < f->n; i++) {
		if (http1_span_is(f->v[i].name, name))
			return &f->v[i];
	}
	return NULL;
}

/* The octet at s->pos is LF: does it end the head? */
static enum http1_result scan_line_end(struct http1_scan *s, struct bb_span buf, bool lenient)
{
	bool cr = s->pos > s->line && buf.p[s->pos - 1] == '\r';
	size_t len = s->pos - s->line - cr;

	if (!cr && !lenient)
		return HTTP1_BARE_LF;
	s->line = s->pos + 1;
	if (len > 0) {
		s->started = true;
		return HTTP1_MORE;
	}
	if (s->started)
		return HTTP1_OK;
	/* RFC 9112 section 2.2: one empty line before a request is ignored */
	if (lenient || s->skip)
		return HTTP1_BAD_LINE;
	s->skip = s->line;
	return HTTP1_MORE;
}

static enum http1_result scan(struct http1_scan *s, struct bb_span buf, bool lenient,
			      size_t *ret_len)
{
	for (; s->pos < buf.len; s->pos++) {
		uint8_t c = buf.p[s->pos];
		enum http1_result r;

		if (s->pos - s->skip >= HTTP1_HEAD_MAX)
			return HTTP1_HEAD_TOO_LONG;
		if (c != '\n' && s->pos > s->line && buf.p[s->pos - 1] == '\r')
			return HTTP1_BARE_CR;
		if (c == '\n') {
			r = scan_line_end(s, buf, lenient);
			if (r == HTTP1_OK)
				*ret_len = ++s->pos;
			if (r != HTTP1_MORE)
				return r;
		} else if (c == '\0' || (!lenient && c != '\r' && !http1_is_value_octet(c))) {
			return HTTP1_BAD_OCTET;
		}
	}
	return HTTP1_MORE;
}

enum http1_result http1_scan_request(struct http1_scan *s, struct bb_span buf, size_t *ret_len)
{
	return scan(s, buf, false, ret_len);
}

enum http1_result http1_scan_response(struct http1_scan *s, struct bb_span buf, size_t *ret_len)
{
	return scan(s, buf, true, ret_len);
}
