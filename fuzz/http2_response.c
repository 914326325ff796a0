/* SPDX-License-Identifier: Apache-2.0 */
#include "http2_split.h"

/*
 * Input: one octet of flags, then lines "name\x1fvalue\n". Invariants: a response head that is made
 * parses, is not odd, has the section's status and the framing that was meant; trailers that are
 * made are read back by the decoder of chunked content as that many fields or fewer.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_trailers(const struct http2_section *s)
{
	static uint8_t text[HTTP1_HEAD_MAX], names[HTTP1_WRITE_MAX];
	static struct http1_fields fields;
	static struct http2_section back;
	struct http1_chunked c;
	struct bb_span data;
	size_t len = 0, used = 0;
	enum http1_result r;

	if (http2_trailers(s, text, sizeof(text), &len) != HTTP2_OK)
		return;
	http1_chunked_init(&c, true);
	r = http1_chunked_next(&c, (struct bb_span){ text, len }, &used, &data);
	check(r == HTTP1_END && used == len && data.len == 0 && !c.odd);
	r = http1_trailers_parse(c.trailers, &fields);
	check(r == HTTP1_OK ? fields.n <= s->n : r == HTTP1_TOO_MANY_FIELDS);
	if (r == HTTP1_OK)
		check(http2_trailer_section(&fields, names, sizeof(names), &back) == HTTP2_OK &&
		      back.n == fields.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t text[HTTP1_HEAD_MAX], names[HTTP1_WRITE_MAX];
	static struct http2_section s, back;
	static struct http1_response r;
	struct bb_span method;
	unsigned int status = 0;
	enum http1_result parsed;
	size_t len = 0;
	bool ended, chunked;

	if (size == 0)
		return 0;
	ended = data[0] & 1;
	method = data[0] & 2 ? BB_SPAN_STR("HEAD") : BB_SPAN_STR("GET");
	http2_split(data + 1, size - 1, &s);
	check_trailers(&s);
	if (http2_response_head(&s, ended, method, text, sizeof(text), &len, &status, &chunked) !=
	    HTTP2_OK)
		return 0;
	parsed = http1_response_parse(text, len, method, &r);
	check(parsed == HTTP1_OK || parsed == HTTP1_TOO_MANY_FIELDS);
	if (parsed != HTTP1_OK)
		return 0;
	check(r.status == status && !r.odd && r.keep_alive && r.body != HTTP1_BODY_CLOSE);
	check((r.body == HTTP1_BODY_CHUNKED) == chunked && !(chunked && ended));
	check(http2_response_section(&r, names, sizeof(names), &back) == HTTP2_OK);
	check(back.n <= s.n + 1);
	return 0;
}
