/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http2.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* A section as text: "name value\n" each; the first blank parts them */
static void parse(const char *text, struct http2_section *s)
{
	s->n = 0;
	while (*text) {
		const char *end = strchr(text, '\n'), *blank = strchr(text, ' ');

		assert_non_null(end);
		assert_true(blank && blank < end && s->n < HTTP2_FIELDS_MAX);
		s->v[s->n++] = (struct http1_field){
			{ (const uint8_t *)text, (size_t)(blank - text) },
			{ (const uint8_t *)blank + 1, (size_t)(end - blank - 1) },
		};
		text = end + 1;
	}
}

static void print(const struct http2_section *s, char *out, size_t cap)
{
	size_t at = 0;

	for (size_t i = 0; i < s->n; i++)
		at += (size_t)snprintf(out + at, cap - at, "%.*s %.*s\n", (int)s->v[i].name.len,
				       (const char *)s->v[i].name.p, (int)s->v[i].value.len,
				       (const char *)s->v[i].value.p);
}

static struct http2_section section;
static uint8_t text[HTTP1_WRITE_MAX];
static uint8_t names[HTTP1_WRITE_MAX];

#define GET ":method GET\n:scheme https\n:path /\n:authority a.test\n"

static const struct {
	const char *in;
	bool ended;
	enum http2_result result;
	const char *out;
} requests[] = {
	{ GET, true, HTTP2_OK, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n" },
	{ GET, false, HTTP2_OK,
	  "GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" },
	{ GET "content-length 5\n", false, HTTP2_OK,
	  "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n" },
	{ GET "content-length 0\n", true, HTTP2_OK,
	  "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n" },
	{ ":path *\n:authority b\n:scheme https\n:method OPTIONS\n", true, HTTP2_OK,
	  "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n" },
	{ ":method GET\n:scheme https\n:path /x?y\nhost a.test:8443\n", true, HTTP2_OK,
	  "GET /x?y HTTP/1.1\r\nHost: a.test:8443\r\n\r\n" },
	{ GET "host a.test\nx-a 1\n", true, HTTP2_OK,
	  "GET / HTTP/1.1\r\nHost: a.test\r\nx-a: 1\r\n\r\n" },
	{ GET "cookie a=1\nx-a 1\ncookie b=2\n", true, HTTP2_OK,
	  "GET / HTTP/1.1\r\nHost: a.test\r\nx-a: 1\r\ncookie: a=1; b=2\r\n\r\n" },
	{ GET "te trailers\n", true, HTTP2_OK,
	  "GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n\r\n" },
	{ GET "x-a \x80\n", true, HTTP2_OK, "GET / HTTP/1.1\r\nHost: a.test\r\nx-a: \x80\r\n\r\n" },
	{ GET "x-a  v \n", true, HTTP2_OK, "GET / HTTP/1.1\r\nHost: a.test\r\nx-a: v\r\n\r\n" },
	/* pseudo-fields */
	{ "", true, HTTP2_NO_PSEUDO, NULL },
	{ ":method GET\n:scheme https\n:path /\n", true, HTTP2_NO_PSEUDO, NULL },
	{ ":scheme https\n:path /\n:authority a\n", true, HTTP2_NO_PSEUDO, NULL },
	{ ":method GET\n:path /\n:authority a\n", true, HTTP2_NO_PSEUDO, NULL },
	{ ":method GET\n:scheme https\n:authority a\n", true, HTTP2_NO_PSEUDO, NULL },
	{ ":method CONNECT\n:authority a:443\n", true, HTTP2_NO_PSEUDO, NULL },
	{ GET ":method GET\n", true, HTTP2_BAD_PSEUDO, NULL },
	{ GET ":authority a.test\n", true, HTTP2_BAD_PSEUDO, NULL },
	{ GET ":protocol websocket\n", true, HTTP2_BAD_PSEUDO, NULL },
	{ GET ":status 200\n", true, HTTP2_BAD_PSEUDO, NULL },
	{ ":method GET\n:scheme https\nx-a 1\n:path /\n:authority a\n", true, HTTP2_BAD_PSEUDO,
	  NULL },
	{ ":method CONNECT\n:scheme https\n:path /\n:authority a\n", true, HTTP2_BAD_METHOD, NULL },
	{ ":method G T\n", true, HTTP2_NO_PSEUDO, NULL },
	{ ":method \n:scheme https\n:path /\n:authority a\n", true, HTTP2_BAD_METHOD, NULL },
	{ ":method GET HTTP/1.1\r\n:scheme https\n:path /\n:authority a\n", true, HTTP2_BAD_METHOD,
	  NULL },
	{ ":method GET\n:scheme http\n:path /\n:authority a\n", true, HTTP2_BAD_SCHEME, NULL },
	{ ":method GET\n:scheme https\n:path \n:authority a\n", true, HTTP2_BAD_PATH, NULL },
	{ ":method GET\n:scheme https\n:path x\n:authority a\n", true, HTTP2_BAD_PATH, NULL },
	{ ":method GET\n:scheme https\n:path https://a/\n:authority a\n", true, HTTP2_BAD_PATH,
	  NULL },
	{ ":method GET\n:scheme https\n:path /a b\n:authority a\n", true, HTTP2_BAD_PATH, NULL },
	{ ":method GET\n:scheme https\n:path /a\r\n:authority a\n", true, HTTP2_BAD_PATH, NULL },
	{ ":method GET\n:scheme https\n:path /a#b\n:authority a\n", true, HTTP2_BAD_PATH, NULL },
	{ ":method GET\n:scheme https\n:path /\x80\n:authority a\n", true, HTTP2_BAD_PATH, NULL },
	{ ":method GET\n:scheme https\n:path /\n:authority \n", true, HTTP2_BAD_AUTHORITY, NULL },
	{ ":method GET\n:scheme https\n:path /\n:authority a b\n", true, HTTP2_BAD_AUTHORITY,
	  NULL },
	{ GET "host b.test\n", true, HTTP2_BAD_AUTHORITY, NULL },
	{ ":method GET\n:scheme https\n:path /\nhost a\nhost a\n", true, HTTP2_BAD_AUTHORITY,
	  NULL },
	/* fields */
	{ GET "X-A 1\n", true, HTTP2_BAD_NAME, NULL },
	{ GET " 1\n", true, HTTP2_BAD_NAME, NULL },
	{ GET "x:a 1\n", true, HTTP2_BAD_NAME, NULL },
	{ GET "x\ra 1\n", true, HTTP2_BAD_NAME, NULL },
	{ GET "x-a 1\r\n", true, HTTP2_BAD_VALUE, NULL },
	{ GET "x-a 1\x01\n", true, HTTP2_BAD_VALUE, NULL },
	{ GET "connection close\n", true, HTTP2_HOP_BY_HOP, NULL },
	{ GET "transfer-encoding chunked\n", false, HTTP2_HOP_BY_HOP, NULL },
	{ GET "upgrade websocket\n", true, HTTP2_HOP_BY_HOP, NULL },
	{ GET "keep-alive 5\n", true, HTTP2_HOP_BY_HOP, NULL },
	{ GET "proxy-connection keep-alive\n", true, HTTP2_HOP_BY_HOP, NULL },
	{ GET "te gzip\n", true, HTTP2_HOP_BY_HOP, NULL },
	{ GET "content-length 5\ncontent-length 5\n", false, HTTP2_BAD_LENGTH, NULL },
	{ GET "content-length 5, 5\n", false, HTTP2_BAD_LENGTH, NULL },
	{ GET "content-length +5\n", false, HTTP2_BAD_LENGTH, NULL },
	{ GET "content-length 5\n", true, HTTP2_BAD_LENGTH, NULL },
	{ GET "content-length 99999999999999999999\n", false, HTTP2_BAD_LENGTH, NULL },
};

static void request_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(requests); i++) {
		static struct http1_request h;
		enum http2_result r;
		bool chunked = false;
		size_t len = 0;

		parse(requests[i].in, &section);
		r = http2_request_head(&section, true, requests[i].ended, text, sizeof(text), &len,
				       &chunked);
		if (r != requests[i].result)
			fail_msg("%zu: %s: %s", i, requests[i].in, http2_result_str[r]);
		if (r != HTTP2_OK)
			continue;
		assert_int_equal(len, strlen(requests[i].out));
		assert_memory_equal(text, requests[i].out, len);
		assert_int_equal(http1_request_parse((struct bb_span){ text, len }, &h), HTTP1_OK);
		assert_int_equal(chunked, h.body == HTTP1_BODY_CHUNKED);
	}
}

static const struct {
	const char *in;
	bool ended;
	const char *method;
	enum http2_result result;
	const char *out;
} responses[] = {
	{ ":status 200\n", false, "GET", HTTP2_OK,
	  "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n" },
	{ ":status 200\n", true, "GET", HTTP2_OK, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n" },
	{ ":status 200\n", true, "HEAD", HTTP2_OK, "HTTP/1.1 200 \r\n\r\n" },
	{ ":status 200\ncontent-length 9\nx-a 1\n", true, "HEAD", HTTP2_OK,
	  "HTTP/1.1 200 \r\nx-a: 1\r\nContent-Length: 9\r\n\r\n" },
	{ ":status 103\nlink </x>\n", false, "GET", HTTP2_OK,
	  "HTTP/1.1 103 \r\nlink: </x>\r\n\r\n" },
	{ ":status 204\ncontent-length 0\n", true, "GET", HTTP2_OK, "HTTP/1.1 204 \r\n\r\n" },
	{ ":status 304\n", true, "GET", HTTP2_OK, "HTTP/1.1 304 \r\n\r\n" },
	{ ":status 200\nset-cookie a=1\nset-cookie b=2\n", true, "GET", HTTP2_OK,
	  "HTTP/1.1 200 \r\nset-cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n" },
	{ "", true, "GET", HTTP2_NO_PSEUDO, NULL },
	{ "x-a 1\n", true, "GET", HTTP2_NO_PSEUDO, NULL },
	{ ":status 200\n:status 200\n", true, "GET", HTTP2_BAD_PSEUDO, NULL },
	{ ":status 200\n:path /\n", true, "GET", HTTP2_BAD_PSEUDO, NULL },
	{ "x-a 1\n:status 200\n", true, "GET", HTTP2_BAD_PSEUDO, NULL },
	{ ":status 101\n", false, "GET", HTTP2_BAD_STATUS, NULL },
	{ ":status 20\n", true, "GET", HTTP2_BAD_STATUS, NULL },
	{ ":status 2000\n", true, "GET", HTTP2_BAD_STATUS, NULL },
	{ ":status +20\n", true, "GET", HTTP2_BAD_STATUS, NULL },
	{ ":status 099\n", true, "GET", HTTP2_BAD_STATUS, NULL },
	{ ":status 600\n", true, "GET", HTTP2_BAD_STATUS, NULL },
	{ ":status 200\nx-a 1\r2\n", true, "GET", HTTP2_BAD_VALUE, NULL },
	{ ":status 200\nX-a 1\n", true, "GET", HTTP2_BAD_NAME, NULL },
	{ ":status 200\nconnection close\n", true, "GET", HTTP2_HOP_BY_HOP, NULL },
	{ ":status 200\ntransfer-encoding chunked\n", false, "GET", HTTP2_HOP_BY_HOP, NULL },
	{ ":status 200\ncontent-length 1\ncontent-length 1\n", false, "GET", HTTP2_BAD_LENGTH,
	  NULL },
};

static void response_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(responses); i++) {
		static struct http1_response h;
		unsigned int status = 0;
		enum http2_result r;
		bool chunked = false;
		size_t len = 0;

		parse(responses[i].in, &section);
		r = http2_response_head(&section, responses[i].ended,
					BB_SPAN_STR(responses[i].method), text, sizeof(text), &len,
					&status, &chunked);
		if (r != responses[i].result)
			fail_msg("%zu: %s: %s", i, responses[i].in, http2_result_str[r]);
		if (r != HTTP2_OK)
			continue;
		assert_int_equal(len, strlen(responses[i].out));
		assert_memory_equal(text, responses[i].out, len);
		assert_int_equal(
			http1_response_parse(text, len, BB_SPAN_STR(responses[i].method), &h),
			HTTP1_OK);
		assert_int_equal(h.status, status);
		assert_int_equal(chunked, h.body == HTTP1_BODY_CHUNKED);
	}
}

/* A head that the guard has written, and the section it becomes */
static void sections(void **state)
{
	static const char request[] =
		"POST /x HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\n"
		"Connection: keep-alive\r\nTE: trailers\r\nContent-Length: 5\r\n\r\n";
	static struct http1_request rq;
	static struct http1_response rs;
	char response[] = "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
	char got[1000];

	(void)state;
	assert_int_equal(http1_request_parse(BB_SPAN_STR(request), &rq), HTTP1_OK);
	assert_int_equal(http2_request_section(&rq, true, names, sizeof(names), &section),
			 HTTP2_OK);
	print(&section, got, sizeof(got));
	assert_string_equal(got, ":method POST\n:scheme https\n:authority a.test\n:path /x\nx-a 1\n"
				 "te trailers\ncontent-length 5\n");
	assert_int_equal(http2_request_section(&rq, true, names, 3, &section), HTTP2_TOO_LONG);
	assert_int_equal(http1_response_parse((uint8_t *)response, strlen(response),
					      BB_SPAN_STR("GET"), &rs),
			 HTTP1_OK);
	assert_int_equal(http2_response_section(&rs, names, sizeof(names), &section), HTTP2_OK);
	print(&section, got, sizeof(got));
	assert_string_equal(got, ":status 200\nx-a 1\n");
}

static void trailers(void **state)
{
	static struct http1_fields fields;
	char got[1000];
	size_t len = 0;

	(void)state;
	parse("grpc-status 0\ngrpc-message ok\n", &section);
	assert_int_equal(http2_trailers(&section, text, sizeof(text), &len), HTTP2_OK);
	assert_int_equal(len, strlen("0\r\ngrpc-status: 0\r\ngrpc-message: ok\r\n\r\n"));
	assert_memory_equal(text, "0\r\ngrpc-status: 0\r\ngrpc-message: ok\r\n\r\n", len);
	assert_int_equal(http1_trailers_parse((struct bb_span){ text + 3, len - 3 }, &fields),
			 HTTP1_OK);
	assert_int_equal(http2_trailer_section(&fields, names, sizeof(names), &section), HTTP2_OK);
	print(&section, got, sizeof(got));
	assert_string_equal(got, "grpc-status 0\ngrpc-message ok\n");
	parse(":status 200\n", &section);
	assert_int_equal(http2_trailers(&section, text, sizeof(text), &len), HTTP2_BAD_PSEUDO);
	parse("x-a 1\r\n", &section);
	assert_int_equal(http2_trailers(&section, text, sizeof(text), &len), HTTP2_BAD_VALUE);
	parse("transfer-encoding chunked\n", &section);
	assert_int_equal(http2_trailers(&section, text, sizeof(text), &len), HTTP2_HOP_BY_HOP);
}

/* The size is counted with 32 for each field */
static void bounds(void **state)
{
	static char value[HTTP2_SECTION_MAX];
	struct bb_span name = BB_SPAN_STR("x-a");
	bool chunked;
	size_t len;

	(void)state;
	memset(value, 'v', sizeof(value));
	parse(GET, &section);
	section.v[section.n++] = (struct http1_field){ name, { (uint8_t *)value, 65300 } };
	assert_int_equal(
		http2_request_head(&section, true, true, text, sizeof(text), &len, &chunked),
		HTTP2_OK);
	section.v[section.n++] = (struct http1_field){ name, { (uint8_t *)value, 40 } };
	assert_int_equal(
		http2_request_head(&section, true, true, text, sizeof(text), &len, &chunked),
		HTTP2_TOO_LONG);
	parse(GET, &section);
	assert_int_equal(http2_request_head(&section, true, true, text, 20, &len, &chunked),
			 HTTP2_TOO_LONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_heads), cmocka_unit_test(response_heads),
		cmocka_unit_test(sections),      cmocka_unit_test(trailers),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
