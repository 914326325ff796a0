/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "tests/unit/unit.h"
#include "wire/http1.h"

/* Decode @len octets in pieces of @step; the content is appended to @out */
static enum http1_result decode(const char *text, size_t len, size_t step, bool lenient,
				struct bb_buf *out, struct http1_chunked *c, size_t *ret_used)
{
	bb_auto_free uint8_t *copy = malloc(len + !len);
	enum http1_result r = HTTP1_MORE;
	size_t at = 0;

	assert_non_null(copy);
	memcpy(copy, text, len);
	http1_chunked_init(c, lenient);
	while (at < len && (r == HTTP1_MORE || r == HTTP1_OK)) {
		size_t n = len - at < step ? len - at : step, used;
		struct bb_span data;

		r = http1_chunked_next(c, (struct bb_span){ copy + at, n }, &used, &data);
		assert_true(used <= n);
		if (r == HTTP1_OK)
			assert_true(data.len > 0);
		assert_int_equal(bb_buf_add(out, data.p, data.len), 0);
		at += used;
	}
	*ret_used = at;
	return r;
}

struct row {
	const char *text;
	enum http1_result strict;
	enum http1_result lenient;
	const char *content;
};
static const struct row rows[] = {
	{ "0\r\n\r\n", HTTP1_END, HTTP1_END, "" },
	{ "5\r\nhello\r\n0\r\n\r\n", HTTP1_END, HTTP1_END, "hello" },
	{ "2\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n", HTTP1_END, HTTP1_END, "hello" },
	{ "A\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n", HTTP1_END, HTTP1_END, "0123456789" },
	{ "1;a=\"b c\"\r\nx\r\n0;z\r\n\r\n", HTTP1_END, HTTP1_END, "x" },
	{ "1 \r\nx\r\n0\r\n\r\n", HTTP1_BAD_CHUNK_SIZE, HTTP1_END, "x" },
	{ "1\nx\r\n0\r\n\r\n", HTTP1_BARE_LF, HTTP1_END, "x" },
	{ "1\r\nx\n0\r\n\r\n", HTTP1_BAD_CHUNK_END, HTTP1_END, "x" },
	{ "1\r\nx\r\n0\n\n", HTTP1_BARE_LF, HTTP1_END, "x" },
	{ "1\r\nx\r\n0\r\nA: b\n\r\n", HTTP1_BARE_LF, HTTP1_END, "x" },
	{ "1;a\nx\r\n0\r\n\r\n", HTTP1_BARE_LF, HTTP1_END, "x" },
	{ "\r\nx", HTTP1_BAD_CHUNK_SIZE, HTTP1_BAD_CHUNK_SIZE, "" },
	{ "0x5\r\n", HTTP1_BAD_CHUNK_SIZE, HTTP1_BAD_CHUNK_SIZE, "" },
	{ "-1\r\n", HTTP1_BAD_CHUNK_SIZE, HTTP1_BAD_CHUNK_SIZE, "" },
	{ "g\r\n", HTTP1_BAD_CHUNK_SIZE, HTTP1_BAD_CHUNK_SIZE, "" },
	{ " 5\r\n", HTTP1_BAD_CHUNK_SIZE, HTTP1_BAD_CHUNK_SIZE, "" },
	{ "1 1\r\n", HTTP1_BAD_CHUNK_SIZE, HTTP1_BAD_CHUNK_SIZE, "" },
	{ "1234567890123456\r\n", HTTP1_BAD_CHUNK_SIZE, HTTP1_BAD_CHUNK_SIZE, "" },
	{ "5\rX", HTTP1_BARE_CR, HTTP1_BARE_CR, "" },
	{ "1;\r\nx", HTTP1_BAD_CHUNK_EXT, HTTP1_OK, "x" },
	{ "1;\x01\r\n", HTTP1_BAD_CHUNK_EXT, HTTP1_BAD_CHUNK_EXT, "" },
	{ "1;a\rb\r\n", HTTP1_BARE_CR, HTTP1_BARE_CR, "" },
	{ "1\r\nxy\r\n", HTTP1_BAD_CHUNK_END, HTTP1_BAD_CHUNK_END, "x" },
	{ "1\r\nx\rY", HTTP1_BAD_CHUNK_END, HTTP1_BAD_CHUNK_END, "x" },
	{ "0\r\n A: b\r\n\r\n", HTTP1_BAD_TRAILER, HTTP1_BAD_TRAILER, "" },
	{ "0\r\nA b\r\n\r\n", HTTP1_BAD_TRAILER, HTTP1_BAD_TRAILER, "" },
	{ "0\r\nA: \x01\r\n\r\n", HTTP1_BAD_TRAILER, HTTP1_BAD_TRAILER, "" },
	{ "0\r\n\rX", HTTP1_BARE_CR, HTTP1_BARE_CR, "" },
	{ "5\r\nhel", HTTP1_OK, HTTP1_OK, "hel" },
	{ "5\r\n", HTTP1_MORE, HTTP1_MORE, "" },
};

static void chunked_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows) * 4; i++) {
		const struct row *t = &rows[i / 4];
		bool lenient = i & 1;
		enum http1_result want = lenient ? t->lenient : t->strict, got;
		size_t len = strlen(t->text), used;
		bb_auto_buf struct bb_buf out;
		struct http1_chunked c;

		bb_buf_init(&out, 64);
		got = decode(t->text, len, i & 2 ? 1 : len, lenient, &out, &c, &used);
		if (got != want)
			fail_msg("%s: %s instead of %s (%zu)", t->text, http1_result_str[got],
				 http1_result_str[want], i % 4);
		if (want == HTTP1_END) {
			assert_string_equal(bb_buf_str(&out), t->content);
			assert_int_equal(used, len);
			assert_int_equal(c.odd, t->strict != HTTP1_END);
		}
	}
}

static void next_message_is_left_alone(void **state)
{
	static const char text[] = "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
	bb_auto_buf struct bb_buf out;
	struct http1_chunked c;
	size_t used;

	(void)state;
	bb_buf_init(&out, 64);
	assert_int_equal(decode(text, sizeof(text) - 1, 100, false, &out, &c, &used), HTTP1_END);
	assert_string_equal(text + used, "GET / HTTP/1.1\r\n");
}

static void bounds_hold(void **state)
{
	static char text[HTTP1_TRAILER_MAX + 64];
	struct http1_chunked c;
	struct bb_span data;
	size_t used;
	enum http1_result r;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "1;", 2);
	http1_chunked_init(&c, false);
	r = http1_chunked_next(&c, (struct bb_span){ (uint8_t *)text, sizeof(text) }, &used, &data);
	assert_int_equal(r, HTTP1_BAD_CHUNK_EXT);
	assert_int_equal(used, HTTP1_EXT_MAX + 3);

	memcpy(text, "0\r\na:", 5);
	http1_chunked_init(&c, true);
	r = http1_chunked_next(&c, (struct bb_span){ (uint8_t *)text, sizeof(text) }, &used, &data);
	assert_int_equal(r, HTTP1_BAD_TRAILER);

	/* Many small extensions add up */
	http1_chunked_init(&c, false);
	memcpy(text, "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 54);
	for (unsigned int i = 0; i < 1000; i++) {
		size_t at = 0;

		do {
			r = http1_chunked_next(&c,
					       (struct bb_span){ (uint8_t *)text + at, 54 - at },
					       &used, &data);
			at += used;
		} while (r == HTTP1_OK && at < 54);
		if (http1_result_is_bad(r))
			break;
	}
	assert_int_equal(r, HTTP1_BAD_CHUNK_EXT);
}

static void encodes(void **state)
{
	char head[HTTP1_CHUNK_HEAD_MAX];

	(void)state;
	assert_int_equal(http1_chunk_head(head, 16384), 6);
	assert_string_equal(head, "4000\r\n");
	assert_int_equal(http1_chunk_head(head, SIZE_MAX), 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunked_table),
		cmocka_unit_test(next_message_is_left_alone),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(encodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
