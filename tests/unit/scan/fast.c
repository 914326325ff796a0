/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/fast.h"
#include "scan/view.h"
#include "tests/unit/unit.h"
#include <ctype.h>

/* The fast forms do what the plain ones do, at every length and alignment, on every octet */
static void same_as_plain(void **state)
{
	static uint8_t in[700], one[800], two[800];
	uint64_t seed = 88172645463325252ull;

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		size_t len = round % 600, from = round % 17, n, m;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			in[i] = (uint8_t)seed;
			if (round & 1)
				in[i] = (uint8_t) "aZ09-_%=\n&\\@\xc3\x80/x"[seed & 15];
		}
		n = fast_project(in + from, len, one);
		m = fast_project_plain(in + from, len, two);
		assert_int_equal(n, m);
		assert_memory_equal(one, two, n);
		assert_int_equal(fast_special(in + from, len), fast_special_plain(in + from, len));
	}
}

/* The first run, if one begins where it can be told; and nothing before a place near the end */
static void spans_and_runs(void **state)
{
	static uint8_t in[400];
	uint64_t seed = 88172645463325252ull;

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		enum fast_class set = (enum fast_class)(round % FAST_NUM_CLASSES);
		size_t len = round % 300, run = round & 8 ? 16 : 8, at, plain;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			in[i] = (uint8_t) "aB3fcdE2A5b4-F\x80\x01"[seed % (round % 64 ? 15 : 16)];
		}
		assert_int_equal(fast_span(set, in, len), fast_span_plain(set, in, len));
		at = fast_seek(set, run, in, len);
		plain = fast_seek_plain(set, run, in, len);
		if (plain + 16 <= len || at + 16 <= len)
			assert_int_equal(at, plain);
		else
			assert_true(fast_span_plain(set, in + at, len - at) < 16 && at <= len);
		for (size_t i = 0; i + run <= at; i++)
			assert_true(fast_span_plain(set, in + i, run) < run);
	}
}

/* There need be no place where no octets are */
static void nothing(void **state)
{
	uint8_t out[32];
	size_t n = 1;

	(void)state;
	for (size_t set = 0; set < FAST_NUM_CLASSES; set++) {
		assert_int_equal(fast_span((enum fast_class)set, NULL, 0), 0);
		assert_int_equal(fast_seek((enum fast_class)set, 16, NULL, 0), 0);
	}
	for (size_t set = 0; set < FAST_TEXT; set++) {
		assert_int_equal(fast_decode((enum fast_class)set, NULL, 0, out, &n), 0);
		assert_int_equal(n, 0);
	}
	assert_int_equal(fast_special(NULL, 0), 0);
}

static void every_octet(void **state)
{
	uint8_t in[64], out[80];

	(void)state;
	for (unsigned int c = 0; c < 256; c++) {
		bool alnum =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		memset(in, (int)c, sizeof(in));
		for (size_t set = 0; set < FAST_NUM_CLASSES; set++)
			assert_int_equal(fast_span((enum fast_class)set, in, 64),
					 fast_is((enum fast_class)set, (uint8_t)c) ? 64 : 0);
		assert_int_equal(fast_is(FAST_TEXT, (uint8_t)c),
				 (c >= ' ' && c < 127) || (c >= 9 && c <= 13));
		assert_int_equal(fast_is(FAST_BASE64, (uint8_t)c),
				 alnum || c == '+' || c == '/' || c == '-' || c == '_');
		assert_int_equal(fast_is(FAST_WORD, (uint8_t)c),
				 (c >= 'a' && c <= 'z') || (c && strchr("+/-_", (int)c)));
		assert_int_equal(fast_project(in, sizeof(in), out), alnum ? sizeof(in) : 0);
	}
}

static bool begins(unsigned int c, unsigned int next)
{
	switch (c) {
	case 0:
		return true;
	case '%':
		return !next || next == 'u' || isxdigit((int)next);
	case '=':
		return !next || next == '\n' || next == '\r' ||
		       (isxdigit((int)next) && !islower((int)next));
	case '&':
		return !next || next == '#' || islower((int)next);
	case '\\':
		return strchr("\n\rnrtbfavexuU01234567", (int)next) || ispunct((int)next);
	default:
		return next >= 0x80 && next <= 0xbf && view_may_fold((uint8_t)c, (uint8_t)next);
	}
}

/* Every pair of octets, and every one at the end */
static void every_pair(void **state)
{
	static const size_t at_end = 40, places[] = { 0, 20, 31, 32, 61, 70 };
	uint8_t in[100];

	(void)state;
	for (unsigned int c = 0; c < 256; c++) {
		for (unsigned int next = 0; next < 256; next++) {
			size_t at = places[(c + next) % BB_ARRAY_LEN(places)];
			size_t want = begins(c, next)     ? at
				      : begins(next, 'z') ? at + 1
							  : sizeof(in);

			memset(in, 'z', sizeof(in));
			in[at] = (uint8_t)c;
			in[at + 1] = (uint8_t)next;
			assert_int_equal(fast_special(in, sizeof(in)), want);
			assert_int_equal(fast_special_plain(in, sizeof(in)), want);
		}
		memset(in, 'z', sizeof(in));
		in[at_end] = (uint8_t)c;
		assert_int_equal(fast_special(in, at_end + 1) == at_end,
				 c == 0 || strchr("%=&\\", (int)c) || (c >= 0xc2 && c <= 0xf4));
	}
}

static uint64_t value_of(enum fast_class set, uint8_t c)
{
	static const char *const alphabets[] = {
		[FAST_BASE64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		[FAST_HEX] = "0123456789ABCDEF",
		[FAST_BASE32] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
	};

	if (set == FAST_BASE64)
		c = c == '-' ? '+' : c == '_' ? '/' : c;
	else if (c >= 'a')
		c -= 0x20;
	return (uint64_t)(strchr(alphabets[set], c) - alphabets[set]);
}

/* What is decoded is what the groups say, one by one; it ends before what is not of the set */
static void decoding(void **state)
{
	static const size_t groups[] = { [FAST_BASE64] = 4, [FAST_HEX] = 2, [FAST_BASE32] = 8 };
	static const unsigned int widths[] = {
		[FAST_BASE64] = 6, [FAST_HEX] = 4, [FAST_BASE32] = 5
	};
	static uint8_t in[400], out[432], want[400];
	uint64_t seed = 88172645463325252ull;
	bool any = false;

	(void)state;
	for (unsigned int round = 0; round < 30000; round++) {
		enum fast_class set = (enum fast_class)(round % FAST_TEXT);
		size_t len = round % 300, used, n, wanted = 0, bad = round % 7 ? len : len / 2;

		for (size_t i = 0; i < len; i++) {
			do {
				seed ^= seed << 13;
				seed ^= seed >> 7;
				seed ^= seed << 17;
				in[i] = (uint8_t)seed;
			} while (fast_is(set, in[i]) == (i == bad));
		}
		used = fast_decode(set, in, len, out, &n);
		assert_true(used <= bad);
		assert_true(used % groups[set] == 0 || (used == bad && bad < len));
		any |= used > 0;
		for (size_t i = 0, n_bits = 0, bits = 0; i < used; i++) {
			bits = bits << widths[set] | value_of(set, in[i]);
			n_bits += widths[set];
			if (n_bits >= 8)
				want[wanted++] = (uint8_t)(bits >> (n_bits -= 8));
		}
		assert_int_equal(n, wanted);
		assert_memory_equal(out, want, n);
	}
#if defined(__x86_64__)
	assert_int_equal(any, fast_level() >= FAST_LEVEL_AVX2);
#endif
}

/* Sequences, broken ones and noise: the count and the state of one octet after another */
static void odd_octets(void **state)
{
	static const uint8_t alphabet[] = "a\xc3\xa4\xe2\x82\xf0\x9f\x00\x01\xff\xc1\xf5\x7f";
	uint8_t in[FAST_ODD_STEP];
	uint64_t seed = 88172645463325252ull;

	(void)state;
	for (unsigned int round = 0; round < 100000; round++) {
		uint8_t more = round & 3, want = more;
		size_t n = 0;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			in[i] = round & 4 ? (uint8_t)seed : alphabet[seed % (sizeof(alphabet) - 1)];
			if (round & 8 && seed >> 60 < 10)
				in[i] = (uint8_t)(0x80 | (seed >> 8 & 63));
		}
		for (size_t i = 0; i < sizeof(in); i++)
			n += fast_is_odd(in[i], &want);
		assert_int_equal(fast_odd(in, &more), n);
		assert_int_equal(more, want);
	}
}

static void may_fold(void **state)
{
	(void)state;
	for (uint32_t code = 0x80; code < 0x110000; code++) {
		unsigned int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;

		/* spelled with more octets than it needs, too */
		for (; view_fold(code) != 0 && more <= 3; more++) {
			uint32_t lead = more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0;

			lead |= code >> 6 * more;
			assert_true(view_may_fold((uint8_t)lead,
						  (uint8_t)(0x80 | (code >> 6 * (more - 1) & 63))));
		}
	}
	assert_false(view_may_fold(0xc3, 0xa4));
	for (unsigned int c = 0; c < 0x100; c++)
		assert_false((c < 0xc2 || c > 0xf4) && view_may_fold((uint8_t)c, 0x80));
}

/* With no argument as this processor does it, else as one that can no more than that level */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_plain), cmocka_unit_test(spans_and_runs),
		cmocka_unit_test(nothing),       cmocka_unit_test(every_octet),
		cmocka_unit_test(every_pair),    cmocka_unit_test(decoding),
		cmocka_unit_test(odd_octets),    cmocka_unit_test(may_fold)
	};

	if (argc > 1)
		fast_limit((enum fast_level)atoi(argv[1]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
