/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/json_text.h"
#include "base/printable.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <sys/mman.h>

static void buf_cap_holds(void **state)
{
	bb_auto_buf struct bb_buf b;

	(void)state;
	bb_buf_init(&b, 4);
	assert_int_equal(bb_buf_add(&b, "abc", 3), 0);
	assert_int_equal(bb_buf_add(&b, "de", 2), -ENOBUFS);
	assert_int_equal(bb_buf_addf(&b, "%d", 7), 0);
	assert_string_equal(bb_buf_str(&b), "abc7");
	bb_buf_drop(&b, 2);
	assert_string_equal(bb_buf_str(&b), "c7");
}

static void json_string_escapes(void **state)
{
	bb_auto_buf struct bb_buf b;

	(void)state;
	bb_buf_init(&b, 128);
	assert_int_equal(
		bb_json_string(&b, (struct bb_span){ (const uint8_t *)"a\"\\\x1b\x7f\x80", 6 }), 0);
	assert_string_equal(bb_buf_str(&b), "\"a\\\"\\\\\\u001b\\u007f\\u0080\"");
	b.cap = b.len + 2;
	assert_int_equal(bb_json_string(&b, BB_SPAN_STR("xy")), -ENOBUFS);
	assert_int_equal(b.len + 2, b.cap);
}

static void memfd_is_sealed(void **state)
{
	struct bb_err err = { 0 };
	bb_auto_close int fd = bb_memfd_sealed("t", BB_SPAN_STR("hello"), &err);
	char text[6] = "";

	(void)state;
	assert_true(fd >= 0);
	for (int i = 0; i < 2; i++) { /* whatever others that hold it do with the offset */
		bb_auto_buf struct bb_buf all;

		bb_buf_init(&all, 5);
		assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
		assert_int_equal(bb_memfd_read(fd, &all), 0);
		assert_string_equal(bb_buf_str(&all), "hello");
		assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(bb_read_full(fd, text, 5), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
}

static void err_wraps(void **state)
{
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(bb_err_set(&err, -ENOENT, "inner %d", 1), -ENOENT);
	assert_int_equal(bb_err_wrap(&err, "outer"), -ENOENT);
	assert_string_equal(err.msg, "outer: inner 1");
}

static void fnv_known_answer(void **state)
{
	(void)state;
	assert_true(bb_fnv1a64(BB_SPAN_STR("a")) == 0xaf63dc4c8601ec8cu);
}

/* The vectors of its authors: key and text are the octets 0, 1, 2 ... */
static void sip_known_answers(void **state)
{
	static const uint64_t key[] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = { { 0, 0x726fdb47dd0e0e31u },
		     { 1, 0x74f839c593dc67fdu },
		     { 8, 0x93f5f5799a932462u },
		     { 15, 0xa129ca6149be45e5u } };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct bb_sip s;

		bb_sip_begin(&s, key);
		for (size_t k = 0; k < rows[i].len; k++)
			bb_sip_octet(&s, (uint8_t)k);
		assert_true(bb_sip_end(&s) == rows[i].hash);
	}
}

static void hostile_text_is_escaped(void **state)
{
	static const char *const rows[][2] = {
		{ "plain", "plain" },
		{ "\033[31mred", "\\x1b[31mred" },
		{ "a\nb\tc\r", "a\\x0ab\\x09c\\x0d" },
		{ "caf\xc3\xa9 \xe2\x86\x92", "caf\xc3\xa9 \xe2\x86\x92" },
		{ "\xc2\x9b"
		  "2J",
		  "\\xc2\\x9b2J" }, /* C1 CSI */
		{ "\xe2\x80\xae"
		  "cod",
		  "\\xe2\\x80\\xae"
		  "cod" },                                      /* right-to-left override */
		{ "\xe2\x80\x8b", "\\xe2\\x80\\x8b" },          /* zero width */
		{ "\xc0\x9b", "\\xc0\\x9b" },                   /* not the shortest form */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },          /* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* past the last one */
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "cut \xe2\x86", "cut \\xe2\\x86" },
		{ "\\x1b", "\\x5cx1b" }, /* what looks escaped was not */
		{ "\x7f", "\\x7f" },
	};
	bb_auto_buf struct bb_buf lines;
	char text[64], small[6];

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		assert_string_equal(bb_printable(rows[i][0], text, sizeof(text)), rows[i][1]);
		assert_int_equal(bb_printable_is(rows[i][0]), strcmp(rows[i][0], rows[i][1]) == 0);
	}
	assert_string_equal(bb_printable("abcd\033", small, sizeof(small)), "abcd");
	assert_string_equal(
		bb_printable_span((struct bb_span){ (const uint8_t *)"a\033\xe2\x80\xae", 3 }, text,
				  sizeof(text)),
		"a\\x1b\\xe2");
	assert_string_equal(bb_printable_span((struct bb_span){ 0 }, text, sizeof(text)), "");
	bb_buf_init(&lines, 64);
	assert_int_equal(bb_printable_lines(&lines, "a\\b\n\033[1mc\r\xc2\x9b"
						    "2J\xc3\xa9"),
			 0);
	assert_string_equal(bb_buf_str(&lines), "a\\b\n\\x1b[1mc\\x0d\\xc2\\x9b2J\xc3\xa9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_cap_holds),           cmocka_unit_test(json_string_escapes),
		cmocka_unit_test(memfd_is_sealed),         cmocka_unit_test(err_wraps),
		cmocka_unit_test(fnv_known_answer),        cmocka_unit_test(sip_known_answers),
		cmocka_unit_test(hostile_text_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
