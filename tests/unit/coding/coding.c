/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/coding.h"
#include "tests/unit/unit.h"
#include <brotli/encode.h>
#include <stdio.h>
#include <zlib.h>
#include <zstd.h>

#define BUDGET (64u << 20)

struct octets {
	uint8_t *p;
	size_t len;
};

static struct octets text_of(size_t n)
{
	struct octets t = { malloc(n + 64), 0 };

	for (unsigned int i = 0; t.len < n; i++)
		t.len += (size_t)snprintf((char *)t.p + t.len, 64, "line %u of %x\n", i, i * 7919);
	t.len = n;
	return t;
}

static struct octets deflated(struct octets in, int window)
{
	struct octets out = { malloc(in.len + 1000), 0 };
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = in.p;
	z.avail_in = (uInt)in.len;
	z.next_out = out.p;
	z.avail_out = (uInt)(in.len + 1000);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.len = z.total_out;
	(void)deflateEnd(&z);
	return out;
}

static struct octets coded(struct octets in, enum coding_name name)
{
	struct octets out = { NULL, in.len + 4096 };

	if (name == CODING_GZIP)
		return deflated(in, 31);
	if (name == CODING_DEFLATE)
		return deflated(in, 15);
	out.p = malloc(out.len);
	if (name == CODING_BROTLI)
		assert_true(BrotliEncoderCompress(5, 20, BROTLI_MODE_GENERIC, in.len, in.p,
						  &out.len, out.p));
	else
		out.len = ZSTD_compress(out.p, out.len, in.p, in.len, 3);
	return out;
}

static bool collect(void *arg, struct bb_span piece)
{
	struct octets *to = arg;

	assert_true(piece.len > 0 && piece.len <= CODING_PIECE_MAX);
	memcpy(to->p + to->len, piece.p, piece.len);
	to->len += piece.len;
	return true;
}

static enum coding_result decode(const char *names, struct octets in, size_t cut, uint64_t max,
				 struct octets *out)
{
	struct coding_budget budget = { 0, BUDGET };
	struct coding_list list = { 0 };
	struct coding *c = NULL;
	enum coding_result r = coding_parse(BB_SPAN_STR(names), &list);

	out->len = 0;
	if (r != CODING_OK)
		return r;
	assert_int_equal(coding_open(&list, max, &budget, &c), CODING_OK);
	for (size_t at = 0; at < in.len && r == CODING_OK; at += cut) {
		size_t n = in.len - at < cut ? in.len - at : cut;

		r = coding_feed(c, (struct bb_span){ in.p + at, n }, false, collect, out);
	}
	if (r == CODING_OK)
		r = coding_feed(c, (struct bb_span){ 0 }, true, collect, out);
	coding_close(c);
	assert_int_equal(budget.used, 0);
	return r;
}

static const struct {
	enum coding_name name;
	const char *text;
} each[] = {
	{ CODING_GZIP, "gzip" }, { CODING_GZIP, " X-GZIP " },       { CODING_DEFLATE, "deflate" },
	{ CODING_BROTLI, "br" }, { CODING_ZSTD, "identity, zstd" },
};

static void round_trips(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 16384, 70000, 1000000 };
	struct octets out = { malloc(2000000), 0 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(each); i++) {
		for (size_t k = 0; k < BB_ARRAY_LEN(sizes); k++) {
			struct octets text = text_of(sizes[k]), in = coded(text, each[i].name);

			for (size_t cut = 1; cut < 100000; cut = cut * 11 + 6) {
				if (sizes[k] > 100000 && cut < 100)
					continue;
				assert_int_equal(decode(each[i].text, in, cut, 2000000, &out),
						 CODING_OK);
				assert_int_equal(out.len, text.len);
				assert_memory_equal(out.p, text.p, text.len);
			}
			free(text.p);
			free(in.p);
		}
	}
	free(out.p);
}

static void raw_deflate_and_many_members(void **state)
{
	struct octets text = text_of(5000), raw = deflated(text, -15), out = { malloc(100000), 0 };
	struct octets one = coded(text, CODING_GZIP), two = { malloc(2 * one.len), 2 * one.len };

	(void)state;
	assert_int_equal(decode("deflate", raw, 7, 100000, &out), CODING_OK);
	assert_int_equal(out.len, 5000);
	memcpy(two.p, one.p, one.len);
	memcpy(two.p + one.len, one.p, one.len);
	assert_int_equal(decode("gzip", two, 13, 100000, &out), CODING_OK);
	assert_int_equal(out.len, 10000);
	free(one.p);
	one = coded(text, CODING_ZSTD);
	memcpy(two.p, one.p, one.len);
	memcpy(two.p + one.len, one.p, one.len);
	two.len = 2 * one.len;
	assert_int_equal(decode("zstd", two, 13, 100000, &out), CODING_OK);
	assert_int_equal(out.len, 10000);
	free(text.p);
	free(raw.p);
	free(one.p);
	free(two.p);
	free(out.p);
}

static void nested(void **state)
{
	struct octets text = text_of(9000), a = coded(text, CODING_GZIP),
		      b = coded(a, CODING_BROTLI);
	struct octets c = coded(b, CODING_ZSTD), out = { malloc(100000), 0 };

	(void)state;
	assert_int_equal(decode("gzip, br, zstd", c, 5, 100000, &out), CODING_OK);
	assert_int_equal(out.len, 9000);
	assert_int_equal(decode("zstd, br, gzip", c, 5, 100000, &out), CODING_DAMAGED);
	assert_int_equal(decode("gzip, br, zstd, gzip", c, 5, 100000, &out), CODING_UNKNOWN);
	assert_int_equal(decode("compress", c, 5, 100000, &out), CODING_UNKNOWN);
	assert_int_equal(decode("gzip;q=1", c, 5, 100000, &out), CODING_UNKNOWN);
	free(text.p);
	free(a.p);
	free(b.p);
	free(c.p);
	free(out.p);
}

/* Cut short at every octet, damaged at every octet, followed by something: never taken for whole */
static void broken(void **state)
{
	struct octets text = text_of(600), out = { malloc(100000), 0 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(each); i++) {
		struct octets in = coded(text, each[i].name), more = { malloc(in.len + 1), 0 };

		for (size_t len = 1; len < in.len; len++)
			assert_int_equal(decode(each[i].text, (struct octets){ in.p, len }, 50,
						100000, &out),
					 CODING_CUT);
		memcpy(more.p, in.p, in.len);
		more.p[in.len] = 'x';
		more.len = in.len + 1;
		assert_int_equal(decode(each[i].text, more, 1000, 100000, &out), CODING_TRAILING);
		more.p[0] ^= 0x55;
		assert_true(decode(each[i].text, more, 1000, 100000, &out) != CODING_OK);
		free(in.p);
		free(more.p);
	}
	/* what the library knows from before the standard is not zstd */
	assert_int_equal(decode("zstd",
				(struct octets){ (uint8_t *)"\x25\xb5\x2f\xfd\0\xfd\0m", 8 }, 1,
				100000, &out),
			 CODING_DAMAGED);
	free(text.p);
	free(out.p);
}

/* A small body that would fill the memory: refused at the limit */
static void bombs(void **state)
{
	struct octets zeros = { calloc(1, 30000000), 30000000 }, once = coded(zeros, CODING_GZIP);
	struct octets bomb = coded(once, CODING_GZIP), out = { malloc(1100000), 0 };
	struct coding_list list = { { CODING_BROTLI, CODING_ZSTD }, 2 };
	struct coding_budget small = { 0, 1000 };
	struct coding *c = NULL;

	(void)state;
	assert_true(bomb.len < 2000);
	assert_int_equal(decode("gzip, gzip", bomb, 100, 1000000, &out), CODING_TOO_MUCH);
	assert_true(out.len <= 1000000);
	assert_int_equal(coding_open(&list, 1000, &small, &c), CODING_MEMORY);
	assert_int_equal(small.used, 0);
	free(zeros.p);
	free(once.p);
	free(bomb.p);
	free(out.p);
}

/* As much as is asked for, and no more */
static void pulled(void **state)
{
	struct octets text = text_of(100000), out = { malloc(200000), 0 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(each); i++) {
		struct octets in = coded(text, each[i].name);
		struct coding_budget budget = { 0, BUDGET };
		struct coding_list list = { 0 };
		struct bb_span rest = { in.p, in.len };
		size_t cap = 100 + i, n = cap;
		struct coding *c = NULL;

		assert_int_equal(coding_parse(BB_SPAN_STR(each[i].text), &list), CODING_OK);
		assert_int_equal(coding_open(&list, UINT64_MAX, &budget, &c), CODING_OK);
		for (out.len = 0; rest.len || n == cap; out.len += n) {
			assert_int_equal(coding_pull(c, &rest, out.p + out.len, cap, &n),
					 CODING_OK);
			assert_true(n <= cap);
		}
		assert_int_equal(coding_feed(c, (struct bb_span){ 0 }, true, collect, NULL),
				 CODING_OK);
		assert_int_equal(out.len, text.len);
		assert_memory_equal(out.p, text.p, text.len);
		coding_close(c);
		free(in.p);
	}
	free(text.p);
	free(out.p);
}

static void put(struct octets *to, const char *prefix, struct octets message)
{
	memcpy(to->p + to->len, prefix, 1);
	for (unsigned int i = 0; i < 4; i++)
		to->p[to->len + 1 + i] = (uint8_t)(message.len >> (24 - 8 * i));
	memcpy(to->p + to->len + 5, message.p, message.len);
	to->len += 5 + message.len;
}

static enum coding_result decode_grpc(const char *names, struct octets in, size_t cut, uint64_t max,
				      struct octets *out)
{
	struct coding_budget budget = { 0, BUDGET };
	struct coding_list list = { 0 };
	enum coding_result r = CODING_OK;
	struct coding *c = NULL;

	out->len = 0;
	assert_int_equal(coding_parse(BB_SPAN_STR(names), &list), CODING_OK);
	assert_int_equal(coding_open_grpc(&list, max, &budget, &c), CODING_OK);
	for (size_t at = 0; at < in.len && r == CODING_OK; at += cut) {
		size_t n = in.len - at < cut ? in.len - at : cut;

		r = coding_feed(c, (struct bb_span){ in.p + at, n }, false, collect, out);
	}
	if (r == CODING_OK)
		r = coding_feed(c, (struct bb_span){ 0 }, true, collect, out);
	coding_close(c);
	assert_int_equal(budget.used, 0);
	return r;
}

/* Plain, coded, empty, coded and empty, trailers; whatever the cut */
static void grpc(void **state)
{
	struct octets text = text_of(20000), small = coded(text, CODING_GZIP);
	struct octets in = { malloc(200000), 0 }, out = { malloc(200000), 0 }, none = { text.p, 0 };

	(void)state;
	put(&in, "\x00", text);
	put(&in, "\x01", small);
	put(&in, "\x00", none);
	put(&in, "\x01", none);
	put(&in, "\x01", small);
	put(&in, "\x80", text);
	for (size_t cut = 1; cut < 100000; cut = cut * 11 + 6) {
		assert_int_equal(decode_grpc("gzip", in, cut, 80000, &out), CODING_OK);
		assert_int_equal(out.len, 80000);
		for (size_t i = 0; i < 4; i++)
			assert_memory_equal(out.p + i * text.len, text.p, text.len);
		assert_int_not_equal(decode_grpc("gzip", in, cut, 79999, &out), CODING_OK);
		assert_int_equal(decode_grpc("", in, cut, 80000, &out), CODING_UNKNOWN);
		assert_int_equal(decode_grpc("zstd", in, cut, 80000, &out), CODING_DAMAGED);
	}
	for (size_t len = 1; len < 30; len++)
		assert_int_equal(decode_grpc("gzip", (struct octets){ in.p, len }, 3, 80000, &out),
				 CODING_CUT);
	in.p[0] = 2;
	assert_int_equal(decode_grpc("gzip", in, 50, 80000, &out), CODING_DAMAGED);
	/* a member that ends before the message does */
	in.len = 0;
	put(&in, "\x01", (struct octets){ small.p, small.len - 1 });
	put(&in, "\x00", text);
	assert_int_equal(decode_grpc("gzip", in, 50, 80000, &out), CODING_CUT);
	free(text.p);
	free(small.p);
	free(in.p);
	free(out.p);
}

/* Of a block of zstd nothing comes out before all of it is there */
static void held(void **state)
{
	static const struct coding_list list = { { CODING_ZSTD }, 1 };
	struct octets text = text_of(300000), in = coded(text, CODING_ZSTD), out = { 0 };
	struct coding_budget budget = { .max = BUDGET };
	struct coding *c = NULL;
	size_t most = 0;

	(void)state;
	out.p = malloc(text.len);
	assert_int_equal(coding_open(&list, 1u << 20, &budget, &c), CODING_OK);
	for (size_t at = 0; at < in.len; at++) {
		assert_int_equal(
			coding_feed(c, (struct bb_span){ in.p + at, 1 }, false, collect, &out),
			CODING_OK);
		assert_true(coding_held(c) <= at + 1);
		most = coding_held(c) > most ? coding_held(c) : most;
	}
	assert_int_equal(coding_held(c), 0);
	assert_int_equal(out.len, text.len);
	/* all of a block, and of no two together */
	assert_true(most > 1000 && most < in.len - 1000);
	coding_close(c);
	free(text.p);
	free(in.p);
	free(out.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips), cmocka_unit_test(raw_deflate_and_many_members),
		cmocka_unit_test(nested),      cmocka_unit_test(broken),
		cmocka_unit_test(bombs),       cmocka_unit_test(grpc),
		cmocka_unit_test(pulled),      cmocka_unit_test(held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
