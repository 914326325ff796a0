/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "wire/http1.h"
#include <stdio.h>

/* Exact-size heap copies, so that ASan sees any read past the end */
static enum http1_result parse(const char *text, size_t len, uint8_t **ret_copy,
			       struct http1_request *r)
{
	struct http1_scan s = { 0 };
	enum http1_result res;
	size_t end = 0;

	*ret_copy = malloc(len + !len);
	assert_non_null(*ret_copy);
	memcpy(*ret_copy, text, len);
	/* Octet by octet must come to the same as all at once */
	for (size_t n = 1; n <= len; n++) {
		res = http1_scan_request(&s, (struct bb_span){ *ret_copy, n }, &end);
		if (res != HTTP1_MORE)
			break;
	}
	if (res != HTTP1_OK)
		return res;
	return http1_request_parse((struct bb_span){ *ret_copy + s.skip, end - s.skip }, r);
}

struct refusal {
	const char *text;
	enum http1_result want;
};
#define H "Host: a.test\r\n"
static const struct refusal refusals[] = {
	{ "GET / HTTP/1.1\r\n" H "\r\n", HTTP1_OK },
	{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", HTTP1_OK },
	{ "GET / HTTP/1.0\r\n\r\n", HTTP1_OK },
	{ "CONNECT a.test:443 HTTP/1.0\r\n\r\n", HTTP1_OK },
	{ "CONNECT a.test:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", HTTP1_OK },
	{ "GET http://a.test/ HTTP/1.1\r\n" H "\r\n", HTTP1_OK },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", HTTP1_OK },
	{ "GET / HTTP/1.1\r\n" H "X: caf\xc3\xa9\r\n\r\n", HTTP1_OK },
	{ "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", HTTP1_OK },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", HTTP1_OK },
	{ "GET / HTTP/1.1\r\n" H, HTTP1_MORE },
	{ "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_LINE },
	{ "GET /\r\n" H "\r\n", HTTP1_BAD_LINE },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_LINE },
	{ "GET / a HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_LINE },
	{ "GET /  HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_LINE },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", HTTP1_BAD_LINE },
	{ " GET / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_LINE },
	{ "GET / HTTP/1.2\r\n" H "\r\n", HTTP1_BAD_VERSION },
	{ "GET / http/1.1\r\n" H "\r\n", HTTP1_BAD_VERSION },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP1_BAD_VERSION },
	{ "G@T / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_METHOD },
	{ "GET\t/ / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_METHOD },
	{ "GET * HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_TARGET },
	{ "GET a.test/x HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_TARGET },
	{ "GET /#f HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_TARGET },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_TARGET },
	{ "CONNECT http://a.test/ HTTP/1.1\r\n" H "\r\n", HTTP1_BAD_TARGET },
	{ "GET / HTTP/1.1\n" H "\r\n", HTTP1_BARE_LF },
	{ "GET / HTTP/1.1\r\nHost: a.test\n\r\n", HTTP1_BARE_LF },
	{ "GET / HTTP/1.1\r\n" H "\n", HTTP1_BARE_LF },
	{ "GET / HTTP/1.1\r" H "\r\n", HTTP1_BARE_CR },
	{ "GET / HTTP/1.1\r\n" H "X:\rTransfer-Encoding: chunked\r\n\r\n", HTTP1_BARE_CR },
	{ "GET / HTTP/1.1\r\r\n" H "\r\n", HTTP1_BARE_CR },
	{ "GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", HTTP1_BAD_OCTET },
	{ "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", HTTP1_BAD_OCTET },
	{ "\x16\x03\x01", HTTP1_BAD_OCTET },
	{ "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", HTTP1_OBS_FOLD },
	{ "GET / HTTP/1.1\r\n " H "\r\n", HTTP1_OBS_FOLD },
	{ "GET / HTTP/1.1\r\n" H ": a\r\n\r\n", HTTP1_BAD_NAME },
	{ "GET / HTTP/1.1\r\n" H "noline\r\n\r\n", HTTP1_BAD_NAME },
	{ "GET / HTTP/1.1\r\n" H "X Y: a\r\n\r\n", HTTP1_BAD_NAME },
	{ "GET / HTTP/1.1\r\n" H "X\xc3: a\r\n\r\n", HTTP1_BAD_NAME },
	{ "POST / HTTP/1.1\r\n" H "Transfer_Encoding: chunked\r\n\r\n", HTTP1_BAD_NAME },
	{ "POST / HTTP/1.1\r\n" H "Content_length: 4\r\n\r\n", HTTP1_BAD_NAME },
	{ "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", HTTP1_SPACE_BEFORE_COLON },
	{ "GET / HTTP/1.1\r\nHost\t: a.test\r\n\r\n", HTTP1_SPACE_BEFORE_COLON },
	{ "GET / HTTP/1.1\r\n\r\n", HTTP1_HOST_MISSING },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", HTTP1_HOST_DUPLICATE },
	{ "GET / HTTP/1.1\r\nHost:\r\nHost: b\r\n\r\n", HTTP1_HOST_DUPLICATE },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: +4\r\n\r\n", HTTP1_BAD_LENGTH },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 4 4\r\n\r\n", HTTP1_BAD_LENGTH },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 0x4\r\n\r\n", HTTP1_BAD_LENGTH },
	{ "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", HTTP1_BAD_LENGTH },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 9999999999999999999\r\n\r\n", HTTP1_BAD_LENGTH },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 4, 4\r\n\r\n", HTTP1_LENGTH_DUPLICATE },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 4\r\ncontent-length: 4\r\n\r\n",
	  HTTP1_LENGTH_DUPLICATE },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP1_BAD_CODING },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", HTTP1_BAD_CODING },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", HTTP1_BAD_CODING },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", HTTP1_BAD_CODING },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;a=b\r\n\r\n", HTTP1_BAD_CODING },
	{ "POST / HTTP/1.1\r\n" H
	  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	  HTTP1_BAD_CODING },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
	  HTTP1_CODING_AND_LENGTH },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
	  HTTP1_CODING_AND_LENGTH },
	{ "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", HTTP1_CODING_IN_HTTP10 },
	{ "CONNECT a:1 HTTP/1.1\r\nContent-Length: 4\r\n\r\n", HTTP1_CONNECT_BODY },
	{ "CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_CONNECT_BODY },
	{ "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n", HTTP1_BAD_EXPECT },
};

static void strict_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(refusals); i++) {
		const struct refusal *t = &refusals[i];
		bb_auto_free uint8_t *copy = NULL;
		struct http1_request r;
		enum http1_result got = parse(t->text, strlen(t->text), &copy, &r);

		if (got != t->want)
			fail_msg("%zu: %s: %s instead of %s", i, t->text, http1_result_str[got],
				 http1_result_str[t->want]);
	}
}

static void nul_is_refused(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
	bb_auto_free uint8_t *copy = NULL;
	struct http1_request r;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &copy, &r), HTTP1_BAD_OCTET);
}

static void limits_hold(void **state)
{
	size_t len = HTTP1_HEAD_MAX + 100;
	bb_auto_free char *text = malloc(len + 1);
	bb_auto_free uint8_t *copy = NULL, *copy2 = NULL, *copy3 = NULL;
	struct http1_request r;
	int n;

	(void)state;
	assert_non_null(text);
	/* One octet over, and exactly the limit */
	n = snprintf(text, len, "GET / HTTP/1.1\r\n" H "X: ");
	memset(text + n, 'a', len - (size_t)n);
	memcpy(text + HTTP1_HEAD_MAX - 3, "\r\n\r\n", 5);
	assert_int_equal(parse(text, HTTP1_HEAD_MAX + 1, &copy, &r), HTTP1_HEAD_TOO_LONG);
	memcpy(text + HTTP1_HEAD_MAX - 4, "\r\n\r\n", 5);
	assert_int_equal(parse(text, HTTP1_HEAD_MAX, &copy2, &r), HTTP1_OK);

	n = snprintf(text, len, "GET / HTTP/1.1\r\n" H);
	for (unsigned int i = 0; i < HTTP1_FIELDS_MAX; i++)
		n += snprintf(text + n, len - (size_t)n, "X: %u\r\n", i);
	n += snprintf(text + n, len - (size_t)n, "\r\n");
	assert_int_equal(parse(text, (size_t)n, &copy3, &r), HTTP1_TOO_MANY_FIELDS);
}

static void facts_are_read(void **state)
{
	static const char text[] =
		"POST /a?b HTTP/1.1\r\nhOsT:\t a.test:8080 \r\nContent-Length: 005\r\nExpect: "
		"100-Continue\r\nConnection: close, TE\r\nTE: gzip, trailers\r\n\r\n";
	bb_auto_free uint8_t *copy = NULL, *copy2 = NULL;
	struct http1_request r;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &copy, &r), HTTP1_OK);
	assert_true(bb_span_eq(r.method, BB_SPAN_STR("POST")));
	assert_true(bb_span_eq(r.target, BB_SPAN_STR("/a?b")));
	assert_true(bb_span_eq(r.host, BB_SPAN_STR("a.test:8080")));
	assert_int_equal(r.body, HTTP1_BODY_LENGTH);
	assert_int_equal(r.length, 5);
	assert_true(r.expect && r.te_trailers && !r.keep_alive && !r.websocket);

	static const char old[] = "GET http://a/ HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\n\r\n";
	assert_int_equal(parse(old, sizeof(old) - 1, &copy2, &r), HTTP1_OK);
	assert_true(r.keep_alive && r.form == HTTP1_FORM_ABSOLUTE && r.minor == 0);
}

static void writes_what_may_go_on(void **state)
{
	static const char text[] =
		"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\nX: 1\r\n"
		"Connection: x-drop, keep-alive\r\nX-Drop: 2\r\nKeep-Alive: 5\r\n"
		"Proxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\n"
		"Upgrade: h2c\r\nHTTP2-Settings: aa\r\nTE: trailers\r\n"
		"Trailer: z\r\nAccept:  */*\t\r\n\r\n";
	static const char want[] = "GET /x HTTP/1.1\r\nHost: b.test\r\nX: 1\r\nAccept: */*\r\n"
				   "TE: trailers\r\nConnection: TE\r\n\r\n";
	bb_auto_free uint8_t *copy = NULL;
	struct http1_request r;
	uint8_t out[512];
	size_t len = 0;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &copy, &r), HTTP1_OK);
	assert_int_equal(http1_request_write(&r, BB_SPAN_STR("/x"), BB_SPAN_STR("b.test"), out,
					     sizeof(out), &len),
			 HTTP1_OK);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(out, want, len);
	assert_int_equal(http1_request_write(&r, BB_SPAN_STR("/x"), BB_SPAN_STR("b.test"), out,
					     len - 1, &len),
			 HTTP1_NO_ROOM);
	http1_request_settle(&r);
	assert_int_equal(r.fields.n, 2);
	assert_true(http1_span_is(r.fields.v[0].name, "x") &&
		    http1_span_is(r.fields.v[1].name, "accept"));
}

static void websocket_is_seen(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\n" H
				   "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
	bb_auto_free uint8_t *copy = NULL;
	struct http1_request r;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &copy, &r), HTTP1_OK);
	assert_true(r.websocket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strict_table),      cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(limits_hold),       cmocka_unit_test(facts_are_read),
		cmocka_unit_test(websocket_is_seen), cmocka_unit_test(writes_what_may_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
