/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "wire/http1.h"

static enum http1_result parse(const char *text, const char *method, uint8_t **ret_copy,
			       struct http1_response *r)
{
	size_t len = strlen(text), end = 0;
	struct http1_scan s = { 0 };
	enum http1_result res;

	*ret_copy = malloc(len + !len);
	assert_non_null(*ret_copy);
	memcpy(*ret_copy, text, len);
	res = http1_scan_response(&s, (struct bb_span){ *ret_copy, len }, &end);
	if (res != HTTP1_OK)
		return res;
	return http1_response_parse(*ret_copy, end, BB_SPAN_STR(method), r);
}

struct row {
	const char *text;
	enum http1_result want;
	bool odd;
	enum http1_body body;
	uint64_t length;
};
#define S "HTTP/1.1 200 OK\r\n"
static const struct row rows[] = {
	{ S "Content-Length: 5\r\n\r\n", HTTP1_OK, false, HTTP1_BODY_LENGTH, 5 },
	{ S "Transfer-Encoding: chunked\r\n\r\n", HTTP1_OK, false, HTTP1_BODY_CHUNKED, 0 },
	{ S "\r\n", HTTP1_OK, false, HTTP1_BODY_CLOSE, 0 },
	{ "HTTP/1.1 200\r\n\r\n", HTTP1_OK, false, HTTP1_BODY_CLOSE, 0 },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", HTTP1_OK, false, HTTP1_BODY_NONE,
	  5 },
	{ "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", HTTP1_OK, false, HTTP1_BODY_NONE, 5 },
	{ "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n", HTTP1_OK, false, HTTP1_BODY_NONE, 0 },
	/* Oddities that have one reading */
	{ S "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_OK, true,
	  HTTP1_BODY_CHUNKED, 5 },
	{ S "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP1_OK, true, HTTP1_BODY_LENGTH,
	  5 },
	{ S "Content-Length: 5, 5\r\n\r\n", HTTP1_OK, true, HTTP1_BODY_LENGTH, 5 },
	{ "HTTP/1.1 200 OK\nContent-Length: 5\n\n", HTTP1_OK, true, HTTP1_BODY_LENGTH, 5 },
	{ S "X: a\r\n \tb\r\nContent-Length: 5\r\n\r\n", HTTP1_OK, true, HTTP1_BODY_LENGTH, 5 },
	{ S "Content-Length : 5\r\n\r\n", HTTP1_OK, true, HTTP1_BODY_LENGTH, 5 },
	{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_OK, true,
	  HTTP1_BODY_CHUNKED, 0 },
	{ S "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_OK, true,
	  HTTP1_BODY_CHUNKED, 0 },
	/* Refused */
	{ S "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", HTTP1_LENGTH_DIFFERS, false, 0, 0 },
	{ S "Content-Length: 5, 6\r\n\r\n", HTTP1_LENGTH_DIFFERS, false, 0, 0 },
	{ S "Content-Length: -5\r\n\r\n", HTTP1_BAD_LENGTH, false, 0, 0 },
	{ S "Content-Length:\r\n\r\n", HTTP1_BAD_LENGTH, false, 0, 0 },
	{ S "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP1_BAD_CODING, false, 0, 0 },
	{ S "X: a\rb\r\n\r\n", HTTP1_BARE_CR, false, 0, 0 },
	{ S "X: a\x01\r\n\r\n", HTTP1_BAD_OCTET, false, 0, 0 },
	{ S " X: a\r\n\r\n", HTTP1_OBS_FOLD, false, 0, 0 },
	{ S "novalue\r\n\r\n", HTTP1_BAD_NAME, false, 0, 0 },
	{ S ": a\r\n\r\n", HTTP1_BAD_NAME, false, 0, 0 },
	{ "HTTP/2 200 OK\r\n\r\n", HTTP1_BAD_VERSION, false, 0, 0 },
	{ "HTTP/1.1 20 OK\r\n\r\n", HTTP1_BAD_STATUS, false, 0, 0 },
	{ "HTTP/1.1 099 OK\r\n\r\n", HTTP1_BAD_STATUS, false, 0, 0 },
	{ "HTTP/1.1 2000\r\n\r\n", HTTP1_BAD_STATUS, false, 0, 0 },
	{ "ICY 200 OK\r\n\r\n", HTTP1_BAD_LINE, false, 0, 0 },
	{ "\r\nHTTP/1.1 200 OK\r\n\r\n", HTTP1_BAD_LINE, false, 0, 0 },
	{ S "X: a\r\n", HTTP1_MORE, false, 0, 0 },
};

static void tolerant_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		const struct row *t = &rows[i];
		bb_auto_free uint8_t *copy = NULL;
		struct http1_response r;
		enum http1_result got = parse(t->text, "GET", &copy, &r);

		if (got != t->want)
			fail_msg("%zu: %s: %s instead of %s", i, t->text, http1_result_str[got],
				 http1_result_str[t->want]);
		if (got != HTTP1_OK)
			continue;
		if (r.odd != t->odd || r.body != t->body || (r.has_length && r.length != t->length))
			fail_msg("%zu: %s: odd %d body %d", i, t->text, r.odd, (int)r.body);
		if (r.odd)
			assert_false(r.keep_alive);
	}
}

static void head_has_no_body(void **state)
{
	bb_auto_free uint8_t *copy = NULL;
	struct http1_response r;
	uint8_t out[256];
	size_t len;

	(void)state;
	assert_int_equal(parse(S "Content-Length: 5\r\n\r\n", "HEAD", &copy, &r), HTTP1_OK);
	assert_true(r.body == HTTP1_BODY_NONE && r.has_length && r.keep_alive);
	assert_int_equal(http1_response_write(&r, r.body, NULL, out, sizeof(out), &len), HTTP1_OK);
	assert_memory_equal(out, S "Content-Length: 5\r\n\r\n", len);
}

static void folds_are_joined(void **state)
{
	static const char want[] = S "A: b c d\r\nE: f\r\nConnection: close\r\n"
				     "Transfer-Encoding: chunked\r\n\r\n";
	bb_auto_free uint8_t *copy = NULL;
	struct http1_response r;
	uint8_t out[256];
	size_t len;

	(void)state;
	assert_int_equal(parse(S "A: b \r\n\t  c\n d\r\nAlt-Svc: h3\r\nE: f\r\nKeep-Alive: x\r\n"
				 "Connection: q\r\nQ: 1\r\n\r\n",
			       "GET", &copy, &r),
			 HTTP1_OK);
	assert_true(r.odd);
	assert_int_equal(
		http1_response_write(&r, HTTP1_BODY_CHUNKED, "close", out, sizeof(out), &len),
		HTTP1_OK);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(out, want, len);
	assert_int_equal(http1_response_write(&r, HTTP1_BODY_CHUNKED, "close", out, 40, &len),
			 HTTP1_NO_ROOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tolerant_table),
		cmocka_unit_test(head_has_no_body),
		cmocka_unit_test(folds_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
