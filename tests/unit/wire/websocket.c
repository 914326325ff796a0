/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/websocket.h"
#include "base/buf.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* What was read as text: (opcode payload| payload|) per message, <opcode code payload> per control
 */
static void say(struct bb_buf *log, const struct ws_event *ev)
{
	char head[32];

	if (ev->opcode >= WS_OP_CLOSE) {
		snprintf(head, sizeof(head), "<%d %d ", (int)ev->opcode, ev->code);
		assert_int_equal(bb_buf_add(log, head, strlen(head)), 0);
	} else if (ev->begin) {
		snprintf(head, sizeof(head), "(%d ", (int)ev->opcode);
		assert_int_equal(bb_buf_add(log, head, strlen(head)), 0);
	}
	assert_int_equal(bb_buf_add(log, ev->payload.p, ev->payload.len), 0);
	if (ev->opcode >= WS_OP_CLOSE)
		assert_int_equal(bb_buf_add(log, ">", 1), 0);
	if (ev->frame_end)
		assert_int_equal(bb_buf_add(log, "|", 1), 0);
	if (ev->end)
		assert_int_equal(bb_buf_add(log, ")", 1), 0);
}

/* Reads one exact-size copy of a part */
static enum ws_result part(struct ws_reader *r, const char *in, size_t len, struct bb_buf *log)
{
	bb_auto_free uint8_t *copy = malloc(len + !len);
	size_t at = 0, used;
	enum ws_result res;
	struct ws_event ev;

	assert_non_null(copy);
	memcpy(copy, in, len);
	while ((res = ws_reader_next(r, copy + at, len - at, &used, &ev)) == WS_OK) {
		assert_true(used <= len - at);
		at += used;
		say(log, &ev);
	}
	if (res == WS_MORE)
		assert_int_equal(at + used, len);
	return res;
}

struct row {
	enum ws_role role;
	const char *in;
	size_t len;
	enum ws_result result;
	const char *log;
};
#define C(bytes, result, log)                                                                      \
	{                                                                                          \
		WS_FROM_CLIENT, bytes, sizeof(bytes) - 1, result, log                              \
	}
#define S(bytes, result, log)                                                                      \
	{                                                                                          \
		WS_FROM_SERVER, bytes, sizeof(bytes) - 1, result, log                              \
	}
static const struct row rows[] = {
	/* RFC 6455, 5.7 */
	S("\x81\x05Hello", WS_MORE, "(1 Hello|)"),
	C("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", WS_MORE, "(1 Hello|)"),
	S("\x01\x03Hel\x80\x02lo", WS_MORE, "(1 Hel|lo|)"),
	S("\x89\x05Hello", WS_MORE, "<9 0 Hello>"),
	C("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", WS_MORE, "<10 0 Hello>"),
	/* fragments, pings between them, empty frames */
	S("\x01\x01"
	  "a\x89\x01!\x00\x00\x8a\x00\x80\x01z\x82\x00",
	  WS_MORE, "(1 a|<9 0 !>|<10 0 >z|)(2 |)"),
	C("\x82\x80\x01\x02\x03\x04\x89\x80\x01\x02\x03\x04", WS_MORE, "(2 |)<9 0 >"),
	S("\x82\x02\xff\xfe", WS_MORE, "(2 \xff\xfe|)"),
	S("\x82\x03xy", WS_MORE, "(2 xy"),
	S("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx", WS_MORE, "(2 x"),
	S("\x82\x7e\x00\x7ex", WS_MORE, "(2 x"),
	/* every rule */
	S("\xc1\x00", WS_BAD_RSV, ""),
	S("\xa1\x00", WS_BAD_RSV, ""),
	S("\x91\x00", WS_BAD_RSV, ""),
	S("\x83\x00", WS_BAD_OPCODE, ""),
	S("\x87\x00", WS_BAD_OPCODE, ""),
	S("\x8b\x00", WS_BAD_OPCODE, ""),
	S("\x8f\x00", WS_BAD_OPCODE, ""),
	S("\x81\x80", WS_BAD_MASK, ""),
	C("\x81\x05Hello", WS_BAD_MASK, ""),
	C("\x89\x00", WS_BAD_MASK, ""),
	S("\x82\x7e\x00\x7d", WS_BAD_LENGTH, ""),
	S("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", WS_BAD_LENGTH, ""),
	S("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00", WS_BAD_LENGTH, ""),
	S("\x89\x7e\x00\x7e", WS_CONTROL_TOO_LONG, ""),
	S("\x88\x7f", WS_CONTROL_TOO_LONG, ""),
	S("\x09\x00", WS_CONTROL_FRAGMENTED, ""),
	S("\x08\x00", WS_CONTROL_FRAGMENTED, ""),
	S("\x80\x00", WS_BAD_CONTINUATION, ""),
	S("\x01\x00\x81\x00", WS_BAD_CONTINUATION, "(1 |"),
	S("\x82\x00\x00\x00", WS_BAD_CONTINUATION, "(2 |)"),
	/* close */
	S("\x88\x00\x89\x00", WS_CLOSED, "<8 0 >"),
	S("\x88\x05\x03\xe8"
	  "bye",
	  WS_CLOSED, "<8 1000 bye>"),
	S("\x88\x02\x03\xf6", WS_CLOSED, "<8 1014 >"),
	S("\x88\x02\x0b\xb8", WS_CLOSED, "<8 3000 >"),
	S("\x88\x02\x13\x87", WS_CLOSED, "<8 4999 >"),
	S("\x88\x01\x03", WS_BAD_CLOSE, ""),
	S("\x88\x02\x03\xe7", WS_BAD_CLOSE, ""),
	S("\x88\x02\x03\xec", WS_BAD_CLOSE, ""),
	S("\x88\x02\x03\xed", WS_BAD_CLOSE, ""),
	S("\x88\x02\x03\xee", WS_BAD_CLOSE, ""),
	S("\x88\x02\x03\xf7", WS_BAD_CLOSE, ""),
	S("\x88\x02\x0b\xb7", WS_BAD_CLOSE, ""),
	S("\x88\x02\x13\x88", WS_BAD_CLOSE, ""),
	S("\x88\x03\x03\xe8\xff", WS_BAD_UTF8, ""),
	S("\x88\x03\x03\xe8\xc3", WS_BAD_UTF8, ""),
	/* UTF-8: across frames, and each way to break it */
	S("\x01\x02\xe2\x82\x89\x00\x80\x01\xac", WS_MORE, "(1 \xe2\x82|<9 0 >\xac|)"),
	S("\x81\x04\xf4\x8f\xbf\xbf", WS_MORE, "(1 \xf4\x8f\xbf\xbf|)"),
	S("\x81\x03\xed\x9f\xbf", WS_MORE, "(1 \xed\x9f\xbf|)"),
	S("\x81\x03"
	  "ab\xff",
	  WS_BAD_UTF8, "(1 ab"),
	S("\x81\x02\xc0\x80", WS_BAD_UTF8, ""),
	S("\x81\x03\xe0\x9f\xbf", WS_BAD_UTF8, "(1 \xe0"),
	S("\x81\x03\xed\xa0\x80", WS_BAD_UTF8, "(1 \xed"),
	S("\x81\x04\xf0\x8f\xbf\xbf", WS_BAD_UTF8, "(1 \xf0"),
	S("\x81\x04\xf4\x90\x80\x80", WS_BAD_UTF8, "(1 \xf4"),
	S("\x81\x01\x80", WS_BAD_UTF8, ""),
	S("\x81\x02\xe2\x82", WS_BAD_UTF8, "(1 \xe2"),
	S("\x01\x01\xc3\x80\x00", WS_BAD_UTF8, "(1 \xc3|"),
	S("\x01\x01\xc3\x80\x01x", WS_BAD_UTF8, "(1 \xc3|"),
};

static void every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		/* the last round is octet by octet */
		for (size_t cut = 0; cut <= row->len + 1; cut++) {
			struct bb_buf log;
			struct ws_reader r;
			enum ws_result res = WS_MORE;

			bb_buf_init(&log, 4096);
			ws_reader_init(&r, row->role);
			if (cut <= row->len) {
				(void)part(&r, row->in, cut, &log);
				res = part(&r, row->in + cut, row->len - cut, &log);
			}
			for (size_t k = 0; cut > row->len && k < row->len; k++)
				res = part(&r, row->in + k, 1, &log);
			if (res != row->result || log.len != strlen(row->log) ||
			    (log.len > 0 && memcmp(log.p, row->log, log.len) != 0))
				fail_msg("row %zu cut %zu: %s, %.*s", i, cut, ws_result_str[res],
					 (int)log.len, (const char *)log.p);
			/* an end is final */
			if (res != WS_MORE)
				assert_int_equal(part(&r, "\x89\x00", 2, &log), res);
			bb_buf_release(&log);
		}
	}
}

static void heads(void **state)
{
	static const struct {
		uint64_t length;
		size_t head;
	} cases[] = { { 0, 2 },     { 125, 2 },    { 126, 4 },
		      { 65535, 4 }, { 65536, 10 }, { INT64_MAX, 10 } };
	const uint8_t mask[4] = { 1, 2, 3, 4 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++)
		for (int masked = 0; masked < 2; masked++) {
			uint8_t out[WS_HEAD_MAX];
			struct ws_reader r;
			struct ws_event ev;
			size_t len, used;

			ws_write_head(WS_OP_BINARY, true, cases[i].length, masked ? mask : NULL,
				      out, &len);
			assert_int_equal(len, cases[i].head + (masked ? 4 : 0));
			ws_reader_init(&r, masked ? WS_FROM_CLIENT : WS_FROM_SERVER);
			assert_int_equal(ws_reader_next(&r, out, len, &used, &ev),
					 cases[i].length ? WS_MORE : WS_OK);
			assert_int_equal(used, len);
			assert_true(r.left == cases[i].length);
			assert_int_equal(ws_reader_is_between(&r), cases[i].length == 0);
		}
}

static void keys(void **state)
{
	/* RFC 6455, 1.3 */
	static const uint8_t sha1[20] = { 0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f,
					  0x16, 0x90, 0xf6, 0x46, 0x06, 0xcf, 0x38,
					  0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea };
	static const char *const bad[] = { "",
					   "dGhlIHNhbXBsZSBub25jZQ=",
					   "dGhlIHNhbXBsZSBub25jZQ===",
					   "dGhlIHNhbXBsZSBub25jZR==",
					   "dGhlIHNhbXBsZSBub25jZQAA",
					   "dGhlIHNhbXBsZSBub25-ZQ==" };
	const struct bb_span key = BB_SPAN_STR("dGhlIHNhbXBsZSBub25jZQ==");
	uint8_t hashed[WS_HASHED_BYTES];
	char accept[WS_ACCEPT_BYTES];

	(void)state;
	assert_true(ws_key_is_ok(key));
	for (size_t i = 0; i < BB_ARRAY_LEN(bad); i++)
		assert_false(ws_key_is_ok(BB_SPAN_STR(bad[i])));
	ws_accept_input(key, hashed);
	assert_memory_equal(hashed, "dGhlIHNhbXBsZSBub25jZQ==" WS_GUID, sizeof(hashed));
	ws_accept_text(sha1, accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void codes(void **state)
{
	(void)state;
	assert_int_equal(ws_close_code(WS_BAD_UTF8), 1007);
	assert_int_equal(ws_close_code(WS_BAD_RSV), 1002);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut),
		cmocka_unit_test(heads),
		cmocka_unit_test(keys),
		cmocka_unit_test(codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
