/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/unpack.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <zlib.h>
#include <zstd.h>

static uint8_t buf[1u << 16];
static size_t n;

static void put(const void *p, size_t len)
{
	assert_true(n + len <= sizeof(buf));
	memcpy(buf + n, p, len);
	n += len;
}

/* @window: as deflateInit2() takes it; @level 0: stored */
static void put_deflated(const char *text, int window, int level)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)strlen(text);
	z.next_out = buf + n;
	z.avail_out = (uInt)(sizeof(buf) - n);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n += z.total_out;
	(void)deflateEnd(&z);
}

static void put_zstd(const char *text)
{
	size_t len = ZSTD_compress(buf + n, sizeof(buf) - n, text, strlen(text), 3);

	assert_false(ZSTD_isError(len));
	n += len;
}

/* A local header: sizes and check sum stand behind the data, as in an archive that was streamed.
 * @said: the method in it, which readers take from the directory at the end */
static void put_zip_entry(const char *text, int method, int said)
{
	uint8_t head[30] = { 'P', 'K', 3, 4, 20, 0, 8, 0, (uint8_t)said };

	head[26] = 5;
	head[28] = 3;
	put(head, sizeof(head));
	put("a.txtext", 8);
	if (method == 8)
		put_deflated(text, -15, 6);
	else
		put(text, strlen(text));
	put("PK\x07\x08"
	    "crc1size2222",
	    16);
}

/* What came out of all that were open, each on a line of its own when it ends */
struct out {
	char text[UNPACK_SLOTS][4096];
	size_t len[UNPACK_SLOTS];
	char all[1u << 15];
	size_t len_all;
	unsigned int open;
};

static bool collect(void *arg, unsigned int slot, enum unpack_event event, struct bb_span out)
{
	struct out *o = arg;

	assert_true(slot < UNPACK_SLOTS);
	if (event == UNPACK_BEGIN) {
		o->len[slot] = 0;
		o->open |= 1u << slot;
		return true;
	}
	assert_true(o->open & 1u << slot);
	if (event == UNPACK_DATA) {
		assert_true(out.len > 0 && o->len[slot] + out.len < sizeof(o->text[0]));
		memcpy(o->text[slot] + o->len[slot], out.p, out.len);
		o->len[slot] += out.len;
		return true;
	}
	o->open &= ~(1u << slot);
	assert_true(o->len_all + o->len[slot] + 2 < sizeof(o->all));
	for (size_t i = 0; i < o->len[slot]; i++) /* some of it is no text */
		o->all[o->len_all++] = o->text[slot][i] ? o->text[slot][i] : '0';
	o->all[o->len_all++] = '\n';
	return true;
}

static struct out *unpack_in(size_t step)
{
	struct unpack_budget budget = { .in = n };
	struct unpack u = { .budget = &budget };
	static struct out o;

	memset(&o, 0, sizeof(o));
	for (size_t at = 0; at < n; at += step)
		assert_int_equal(
			unpack_feed(&u, (struct bb_span){ buf + at, n - at < step ? n - at : step },
				    false, collect, &o),
			UNPACK_OK);
	assert_int_equal(unpack_feed(&u, (struct bb_span){ 0 }, true, collect, &o), UNPACK_OK);
	assert_int_equal(budget.open, 0);
	assert_int_equal(o.open, 0);
	assert_true(unpack_is_idle(&u));
	return &o;
}

static void each_kind(void **state)
{
	(void)state;
	n = 0;
	put("head", 4);
	put_deflated("first", 31, 6);
	put_deflated("second member", 31, 6);
	put("x^ \x1f\x8b", 5);
	put_deflated("third", 15, 9);
	put_deflated("fourth", 15, 1);
	put_zip_entry("fifth", 8, 8);
	put_zip_entry("not compressed, and there to be read", 0, 0);
	put_zip_entry("sixth", 8, 0);
	put_deflated("seventh", 15, 0);
	put_zstd("eighth");
	put_zstd("ninth");
	for (size_t step = 1; step <= n; step++)
		assert_string_equal(unpack_in(step)->all,
				    "first\nsecond member\nthird\nfourth\nfifth\nsixth\nseventh\n"
				    "eighth\nninth\n");
}

/* Wherever it begins, among octets that all but begin something, and with few or many behind it */
static void at_every_place(void **state)
{
	static const char all_but[] = "x\x03x\x8b/x8(\x03x\x08/", behind[200];

	(void)state;
	for (size_t place = 0; place < 200; place++) {
		for (unsigned int kind = 0; kind < 4; kind++) {
			n = 0;
			while (n < place)
				put(all_but + n % (sizeof(all_but) - 1), 1);
			if (kind == 0)
				put_deflated("this", 31, 6);
			else if (kind == 1)
				put_deflated("this", 15, 1 + (int)(place % 9));
			else if (kind == 2)
				put_zip_entry("this", 8, 8);
			else
				put_zstd("this");
			put(behind, place * 7 % sizeof(behind));
			assert_non_null(strstr(unpack_in(n)->all, "this\n"));
		}
	}
}

/* What only looks like a beginning hides nothing that begins inside it */
static void false_beginnings(void **state)
{
	static const uint8_t stored[] = {
		0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0xff, 0x1f, 0, 0xe0
	};

	(void)state;
	n = 0;
	put("\x1f\x8b\x08PK\3\4\x78\x9c", 9);
	put(stored, sizeof(stored)); /* a stored block of 8191 octets goes over all that follows */
	put_deflated("inside", 31, 6);
	put("\x1f\x8b\x08\0", 4);
	put_deflated("inside that", 15, 6);
	put("\x28\xb5\x2f\xfd", 4); /* a frame whose raw block goes over all that follows */
	put("\x00\x58\xf9\xff\x0f", 5);
	put_zstd("behind the frame");
	for (size_t step = 1; step <= n; step++) {
		const struct out *o = unpack_in(step);

		assert_non_null(strstr(o->all, "inside\n"));
		assert_non_null(strstr(o->all, "inside that\n"));
		assert_non_null(strstr(o->all, "behind the frame\n"));
	}
}

static void cut_short(void **state)
{
	(void)state;
	n = 0;
	put_deflated("a text that is long enough to be cut somewhere", 31, 0);
	n -= 20;
	assert_non_null(strstr(unpack_in(7)->all, "a text that is long"));
}

static bool swallow(void *arg, unsigned int slot, enum unpack_event event, struct bb_span out)
{
	(void)slot;
	(void)event;
	*(uint64_t *)arg += out.len;
	return true;
}

static void bounds(void **state)
{
	static const uint8_t stored[] = {
		0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0xff, 0x1f, 0, 0xe0
	};
	static const uint8_t stored_zlib[] = { 0x78, 0x01, 1, 0xff, 0x1f, 0, 0xe0 };
	struct unpack_budget budget = { .in = 1000 };
	struct unpack u = { .budget = &budget };
	uint64_t out = 0;
	enum unpack_result r = UNPACK_OK;

	(void)state;
	n = 0;
	for (unsigned int i = 0; i <= UNPACK_SLOTS; i++)
		put(stored, sizeof(stored));
	r = unpack_feed(&u, (struct bb_span){ buf, n }, false, swallow, &out);
	assert_int_equal(r, UNPACK_TOO_MUCH);
	unpack_clear(&u);
	assert_int_equal(budget.open, 0);
	n = 0;
	for (unsigned int i = 0; i <= UNPACK_SLOTS; i++)
		put(stored_zlib, sizeof(stored_zlib));
	r = unpack_feed(&u, (struct bb_span){ buf, n }, false, swallow, &out);
	assert_int_equal(r, UNPACK_TOO_MUCH);
	unpack_clear(&u);
	n = 0;
	put_deflated("some text", 31, 6);
	budget.out = UNPACK_FREE + UNPACK_RATIO * budget.in;
	assert_int_equal(unpack_feed(&u, (struct bb_span){ buf, n }, false, swallow, &out),
			 UNPACK_TOO_MUCH);
	unpack_clear(&u);
}

static void text_passes(void **state)
{
	struct unpack_budget budget = { .in = 100 };
	struct unpack u = { .budget = &budget };
	uint64_t out = 0;

	(void)state;
	n = 0;
	put_deflated("behind text", 31, 6);
	assert_int_equal(unpack_feed(&u, (struct bb_span){ (const uint8_t *)"text", 4 }, false,
				     swallow, &out),
			 UNPACK_OK);
	assert_int_equal(unpack_feed(&u, (struct bb_span){ buf, n }, true, swallow, &out),
			 UNPACK_OK);
	assert_int_equal(out, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),        cmocka_unit_test(at_every_place),
		cmocka_unit_test(false_beginnings), cmocka_unit_test(cut_short),
		cmocka_unit_test(bounds),           cmocka_unit_test(text_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
