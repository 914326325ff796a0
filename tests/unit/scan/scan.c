/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/scan.h"
#include "scan/fast.h"
#include "tests/unit/scan/text.h"
#include "tests/unit/scan/vendor_expand.h"
#include "tests/unit/unit.h"
#include "vendor_examples.h"
#include <ctype.h>
#include <stdio.h>
#include <zlib.h>

/*
 * One secret in every spelling that is promised, in the middle of text, cut at every octet. The
 * spellings here are made by code of their own.
 */
BB_PRINTF(1, 2) static void putf(const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_str(text);
}

static void each(const char *s, const char *fmt)
{
	char hex[8];

	for (; *s; s++) {
		(void)snprintf(hex, sizeof(hex), "%02x", (unsigned char)*s);
		for (const char *f = fmt; *f; f++) {
			if (*f == '@')
				put(s, 1);
			else if (*f == '#')
				put_str(hex);
			else
				put(f, 1);
		}
	}
}

static void base64(const uint8_t *p, size_t len, const char *letters)
{
	uint32_t v = 0;
	unsigned int bits = 0;

	for (size_t i = 0; i < len; i++) {
		v = v << 8 | p[i];
		for (bits += 8; bits >= 6; bits -= 6)
			put(&letters[v >> (bits - 6) & 63], 1);
	}
	if (bits)
		put(&letters[v << (6 - bits) & 63], 1);
	while ((len = len % 3 ? len + 1 : 0) != 0)
		put_str("=");
}

static const char std64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void base32(const uint8_t *p, size_t len)
{
	uint64_t v = 0;
	unsigned int bits = 0;

	for (size_t i = 0; i < len; i++) {
		v = v << 8 | p[i];
		for (bits += 8; bits >= 5; bits -= 5)
			put(&"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[v >> (bits - 5) & 31], 1);
	}
}

/* Base64 of text in which the secret stands @skew octets in */
static void shape_base64(const char *letters, size_t skew, bool twice)
{
	uint8_t text[128], once[512];
	size_t len = 0, from = n;

	memset(text, '"', skew);
	memcpy(text + skew, SECRET, strlen(SECRET));
	len = skew + strlen(SECRET);
	base64(text, len, letters);
	if (!twice)
		return;
	len = n - from;
	memcpy(once, buf + from, len);
	n = from;
	base64(once, len, letters);
}

static void wide(bool little)
{
	for (const char *s = SECRET; *s; s++) {
		char two[2] = { little ? *s : '\0', little ? '\0' : *s };

		put(two, 2);
	}
}

static void full_width(void)
{
	for (const char *s = SECRET; *s; s++) {
		unsigned int code = 0xff01u + (unsigned int)*s - '!';

		putf("%c%c%c", 0xe0 | code >> 12, 0x80 | (code >> 6 & 63), 0x80 | (code & 63));
	}
}

static void shape(int which)
{
	size_t len = strlen(SECRET);
	const char *s = SECRET;

	switch (which) {
	case 0:
		put_str(SECRET);
		break;
	case 1:
		for (size_t i = len; i-- > 0;)
			put(&s[i], 1);
		break;
	case 2:
		for (; *s; s++) {
			char c = (char)(isalpha(*s) ? (tolower(*s) < 'n' ? *s + 13 : *s - 13) : *s);
			put(&c, 1);
		}
		break;
	case 3:
		each(SECRET, "#");
		break;
	case 4:
		for (; *s; s++)
			putf("%02X", (unsigned char)*s);
		break;
	case 5:
		each(SECRET, "%#");
		break;
	case 6:
		each(SECRET, "\\u00#");
		break;
	case 7:
		for (; *s; s++)
			putf("&#x%x;", (unsigned char)*s);
		break;
	case 8:
		for (; *s; s++)
			putf("&#%d;", *s);
		break;
	case 9:
		for (; *s; s++)
			putf("=%02X", (unsigned char)*s);
		break;
	case 10:
		each(SECRET, "\\x#");
		break;
	case 11:
		each(SECRET, "@ ");
		break;
	case 12:
		each(SECRET, "@\r\n");
		break;
	case 13:
		each(SECRET, "@\xe2\x80\x8b");
		break; /* zero-width space */
	case 14:
		full_width();
		break;
	case 15:
		wide(true);
		break;
	case 16:
		wide(false);
		break;
	case 17:
	case 18:
	case 19:
		shape_base64(std64, (size_t)which - 17, false);
		break;
	case 20:
	case 21:
	case 22:
		shape_base64(url64, (size_t)which - 20, false);
		break;
	case 23:
	case 24:
	case 25:
		shape_base64(std64, (size_t)which - 23, true);
		break;
	case 26:
		base32((const uint8_t *)SECRET, len);
		break;
	case 27:
		put_str("xyz");
		base32((const uint8_t *)"ab" SECRET, len + 2);
		break;
	case 28:
		each(SECRET, "%25#");
		break;
	case 29:
		each(SECRET, "\\\\u00#");
		break;
	case 30:
		each(SECRET, "@\",\"");
		break;
	case 31:
		each(SECRET, ":#");
		break;
	default:
		fail();
	}
}
#define NUM_SHAPES 32

struct seen {
	unsigned int known, vendor;
};

static bool note(void *arg, const struct scan_finding *f)
{
	struct seen *seen = arg;

	if (f->kind == SCAN_KNOWN)
		seen->known++;
	else
		seen->vendor++;
	return false;
}

/* Few secrets are looked for in another way than many */
static bool among_many;

static struct known_db *table(const char *const *values, size_t num)
{
	static const char *const others[] = {
		"Qf7Lw2Zr9Tb4Ym1Xc6Vn3Kd8Hs5Jg0Pe",
		"e0Pg5Js8Hd3Kn6Vc1Xm4Yb9Tr2Zw7LfQ",
		"uR3oW8tA5iG2yE7pB4nD9kC6hM1xF0vS",
	};
	struct known_secret secrets[8];
	struct known_db *db = NULL;
	struct bb_err err = { 0 };

	for (size_t i = 0; i < num; i++)
		secrets[i] = (struct known_secret){ BB_SPAN_STR(values[i]) };
	for (size_t i = 0; among_many && i < BB_ARRAY_LEN(others); i++)
		secrets[num++] = (struct known_secret){ BB_SPAN_STR(others[i]) };
	assert_int_equal(known_db_new(secrets, num, &db, &err), 0);
	return db;
}

static struct seen scan_cut(struct scan_stream *s, size_t cut)
{
	struct seen seen = { 0 };

	scan_reset(s, true);
	assert_true(scan_feed(s, (struct bb_span){ buf, cut }, false, note, &seen) != SCAN_ERROR);
	assert_true(scan_feed(s, (struct bb_span){ buf + cut, n - cut }, true, note, &seen) !=
		    SCAN_ERROR);
	return seen;
}

static void every_shape_at_every_cut(void **state)
{
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct scan_stream *s = NULL;

	(void)state;
	assert_int_equal(scan_open(NULL, db, &s), 0);
	for (int which = 0; which < NUM_SHAPES; which++) {
		n = 0;
		put_str("{\"role\": \"user\", \"text\": \"here it is ");
		shape(which);
		put_str(" and so on\"}");
		for (size_t cut = 0; cut <= n; cut++) {
			if (scan_cut(s, cut).known == 0)
				fail_msg("shape %d cut at %zu is not found", which, cut);
		}
	}
	scan_close(s);
	known_db_free(db);
}

static void one_octet_at_a_time(void **state)
{
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct scan_stream *s = NULL;

	(void)state;
	assert_int_equal(scan_open(NULL, db, &s), 0);
	for (int which = 0; which < NUM_SHAPES; which++) {
		struct seen seen = { 0 };

		n = 0;
		put_str("before it ");
		shape(which);
		scan_reset(s, true);
		for (size_t i = 0; i < n; i++)
			(void)scan_feed(s, (struct bb_span){ buf + i, 1 }, i + 1 == n, note, &seen);
		if (!seen.known)
			fail_msg("shape %d is not found in single octets", which);
	}
	scan_close(s);
	known_db_free(db);
}

/* Of the secret as it is, at most eleven letters and digits pass before the find */
static void twelve_in_a_row(void **state)
{
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct scan_stream *s = NULL;
	uint8_t alnum[64];
	size_t len = known_project((const uint8_t *)SECRET, strlen(SECRET), alnum);

	(void)state;
	assert_int_equal(scan_open(NULL, db, &s), 0);
	for (size_t from = 0; from + KNOWN_WINDOW <= len; from++) {
		for (size_t lead = 0; lead < 7; lead++) {
			struct seen seen = { 0 };
			size_t i = 0;

			scan_reset(s, true);
			(void)scan_feed(s, (struct bb_span){ (const uint8_t *)"0101010", lead },
					false, note, &seen);
			while (i < KNOWN_WINDOW - 1)
				(void)scan_feed(s, (struct bb_span){ alnum + from + i++, 1 }, false,
						note, &seen);
			assert_int_equal(seen.known, 0);
			(void)scan_feed(s, (struct bb_span){ alnum + from + i, 1 }, false, note,
					&seen);
			assert_true(seen.known > 0);
		}
	}
	scan_close(s);
	known_db_free(db);
}

static bool extent(void *arg, const struct scan_finding *f)
{
	struct scan_finding *keep = arg;

	if (f->view == SCAN_RAW && f->len >= keep->len)
		*keep = *f;
	return false;
}

static void where_it_is(void **state)
{
	static const char *const values[] = { "first-secret-0123456789", SECRET };
	struct known_db *db = table(values, 2);
	struct scan_stream *s = NULL;
	struct scan_finding f = { 0 };
	uint8_t alnum[64];
	size_t end;

	(void)state;
	assert_int_equal(scan_open(NULL, db, &s), 0);
	n = 0;
	for (int i = 0; i < 700; i++)
		put_str("some text;");
	put_str(SECRET);
	end = n;
	put_str(" and more");
	(void)scan_feed(s, (struct bb_span){ buf, n }, true, extent, &f);
	assert_int_equal(f.index, 1);
	assert_int_equal(f.end, end);
	assert_int_equal(f.len, known_project((const uint8_t *)SECRET, strlen(SECRET), alnum));
	scan_close(s);
	known_db_free(db);
}

/* Text without secrets: nothing; and a secret that is another's beginning is each found */
static void nothing_where_nothing_is(void **state)
{
	static const char *const values[] = { SECRET, "ABABABABABABABABABABABAB",
					      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct known_db *db = table(values, 3);
	struct scan_stream *s = NULL;
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(scan_open(NULL, db, &s), 0);
	n = 0;
	for (int i = 0; i < 500; i++)
		putf("line %d: kX9 vQ2 mB7 of %x%x\n", i, i * 7919, i * 104729);
	(void)scan_feed(s, (struct bb_span){ buf, n }, true, note, &seen);
	assert_int_equal(seen.known, 0);
	n = 0;
	put_str("x ABABABABABABABABABABABAB y aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	seen = scan_cut(s, 20);
	assert_true(seen.known >= 2);
	scan_close(s);
	known_db_free(db);
}

static uint32_t next_random(void)
{
	static uint64_t seed = 88172645463325252ull;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* Text in which there is nothing to undo, or something every now and then */
static void filler(size_t len, unsigned int escapes)
{
	for (size_t end = n + len; n < end;) {
		if (escapes && next_random() % escapes == 0)
			put_str(next_random() & 1 ? "%41" : "\\n");
		else
			put(&"ab c.\n, e"[next_random() % 9], 1);
	}
}

/* One octet of @text may be spelled otherwise, so that it is in the plain view only */
static void put_perhaps_escaped(const char *text)
{
	size_t at = next_random() % (2 * strlen(text));

	for (size_t i = 0; text[i]; i++) {
		if (i == at)
			putf("%%%02X", (unsigned char)text[i]);
		else
			put(&text[i], 1);
	}
}

static bool note_all(void *arg, const struct scan_finding *f)
{
	unsigned int *found = arg;

	*found |= f->kind == SCAN_KNOWN ? 1 : 2;
	return false;
}

static unsigned int scan_in_pieces(struct scan_stream *s)
{
	unsigned int found = 0;
	size_t at = 0;

	scan_reset(s, true);
	while (at < n) {
		size_t piece = 1 + next_random() % (next_random() & 1 ? 9000 : 300);

		piece = piece < n - at ? piece : n - at;
		assert_true(scan_feed(s, (struct bb_span){ buf + at, piece }, false, note_all,
				      &found) < SCAN_FOUND);
		at += piece;
	}
	assert_int_equal(scan_feed(s, (struct bb_span){ 0 }, true, note_all, &found), SCAN_CLEAN);
	return found;
}

/* Where raw and plain view part, and go on together, nothing is lost: a known secret and a vendor's
 * token anywhere near */
static void views_part_and_join(void **state)
{
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct vendor_db *vendors = NULL;
	struct scan_stream *s = NULL;
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(vendor_db_open(NULL, &vendors, &err), 0);
	assert_int_equal(scan_open(vendors, db, &s), 0);
	for (unsigned int round = 0; round < 6000; round++) {
		n = 0;
		filler(next_random() % 4000, 0);
		filler(next_random() % 4000, round % 3 ? 400 : 0);
		filler(next_random() % 5000, 0);
		put_perhaps_escaped(SECRET);
		filler(next_random() % 50, 10);
		put_perhaps_escaped(" glpat"
				    "-x9Kq2LmZ7rTw4VbN8cJd ");
		filler(next_random() % 5000, round % 5 ? 0 : 100);
		if (scan_in_pieces(s) != 3)
			fail_msg("round %u", round);
	}
	scan_close(s);
	vendor_db_free(vendors);
	known_db_free(db);
}

struct wanted {
	unsigned int rule;
	bool found;
};

static bool note_rule(void *arg, const struct scan_finding *f)
{
	struct wanted *w = arg;

	w->found |= f->kind == SCAN_VENDOR && f->index == w->rule;
	return false;
}

/* @x far from the beginning, and far from the end, in random pieces. @escaped: all letters and
 * digits */
static void example_anywhere(struct scan_stream *s, const struct vendor_example *x, bool escaped,
			     uint64_t *seed)
{
	uint8_t text[VENDOR_EXPANDED_MAX + 1];
	size_t len = vendor_expand(x->text, seed, text), before = next_random() % 9000, at = 0;
	struct wanted w = { .rule = x->rule };

	n = 0;
	filler(before, 0);
	put_str("\n"); /* what some rules want before it */
	text[len++] = '\n';
	for (size_t i = 0; i < len; i++)
		putf(escaped && isalnum(text[i]) ? "%%%02X" : "%c", text[i]);
	filler(next_random() % 9000, 0);
	scan_reset(s, true);
	while (at < n) {
		size_t piece = 1 + next_random() % (next_random() & 1 ? 17000 : 600);

		piece = piece < n - at ? piece : n - at;
		assert_true(scan_feed(s, (struct bb_span){ buf + at, piece }, at + piece == n,
				      note_rule, &w) < SCAN_FOUND);
		at += piece;
	}
	if (!w.found)
		fail_msg("behind %zu octets: %s", before, x->text);
}

/* Nothing depends on where the blocks of a search begin: not on what leads to a token either, of
 * which most is before what is noticed first */
static void tokens_anywhere(void **state)
{
	struct vendor_db *vendors = NULL;
	struct scan_stream *s = NULL;
	struct bb_err err = { 0 };
	uint64_t seed = 0x5eed;
	struct vendor_example jwt = { 0 };

	(void)state;
	assert_int_equal(vendor_db_open(NULL, &vendors, &err), 0);
	assert_int_equal(scan_open(vendors, NULL, &s), 0);
	for (size_t e = 0; e < BB_ARRAY_LEN(vendor_examples); e++) {
		for (unsigned int round = 0; round < 2; round++)
			example_anywhere(s, &vendor_examples[e], round & 1, &seed);
		if (strcmp(vendor_rule_name(vendor_examples[e].rule), "jwt") == 0)
			jwt = vendor_examples[e];
	}
	assert_non_null(jwt.text);
	for (unsigned int round = 0; round < 240; round++) {
		static const char *const long_ones[] = {
			"eyJ{b64u:300}.eyJ{b64u:200}.{b64u:43}",
			"eyJ{b64u:500}{b64u:500}.eyJ{b64u:30}.{b64u:43}",
			"eyJ{b64u:500}{b64u:500}.eyJ{b64u:500}{b64u:300}.{b64u:60}",
		};

		jwt.text = long_ones[round % BB_ARRAY_LEN(long_ones)];
		example_anywhere(s, &jwt, round & 1, &seed);
	}
	scan_close(s);
	vendor_db_free(vendors);
}

/* However long a token is, what is fed at once tells it once */
static void told_once(void **state)
{
	static const char jwt[] = "eyJ{b64u:500}{b64u:400}.eyJ{b64u:500}.{b64u:500}";
	struct vendor_db *vendors = NULL;
	struct scan_stream *s = NULL;
	struct bb_err err = { 0 };
	uint8_t text[VENDOR_EXPANDED_MAX];
	uint64_t seed = 0x0ce;

	(void)state;
	assert_int_equal(vendor_db_open(NULL, &vendors, &err), 0);
	assert_int_equal(scan_open(vendors, NULL, &s), 0);
	for (unsigned int before = 0; before < 1200; before += 40) {
		n = 0;
		filler(before, 0);
		put_str("\n");
		put(text, vendor_expand(jwt, &seed, text));
		put_str("\n");
		filler(600, 0);
		assert_int_equal(scan_cut(s, n).vendor, 1);
	}
	scan_close(s);
	vendor_db_free(vendors);
}

/* @text in one of the shapes that stand in the plain view, a decoded one, or what is compressed */
static void put_somehow(const uint8_t *text, size_t len)
{
	unsigned int how = next_random() % 6;
	BB_UNINIT uint8_t packed[2 * VENDOR_EXPANDED_MAX];
	uLongf packed_len = sizeof(packed);

	if (how == 0) {
		base64(text, len, std64);
	} else if (how == 1) {
		base32(text, len);
	} else if (how == 2) {
		assert_int_equal(compress(packed, &packed_len, text, len), Z_OK);
		put(packed, packed_len);
	}
	for (size_t i = 0; i < len && how > 2; i++) {
		if (how == 3)
			putf("%02x", text[i]);
		else if (how == 4 && next_random() % 3 == 0)
			putf("\\u%04x", text[i]);
		else
			put(text + i, 1);
		if (how == 5)
			put("\0", 1);
	}
}

/* Which secrets, and tokens of which rules, have been found */
static bool note_each(void *arg, const struct scan_finding *f)
{
	uint8_t *found = arg;

	found[(f->kind == SCAN_KNOWN ? 0 : 1024) + f->index % 1024] = 1;
	return false;
}

static void scan_each(struct scan_stream *s, uint8_t found[static 2048], unsigned int largest)
{
	size_t at = 0;

	scan_reset(s, true);
	while (at < n) {
		size_t piece = 1 + next_random() % largest;

		piece = piece < n - at ? piece : n - at;
		assert_true(scan_feed(s, (struct bb_span){ buf + at, piece }, at + piece == n,
				      note_each, found) < SCAN_FOUND);
		at += piece;
	}
}

/* What scan.h says first, with texts of several blocks and of much in them */
static void cuts_change_nothing(void **state)
{
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct vendor_db *vendors = NULL;
	struct scan_stream *s = NULL;
	struct bb_err err = { 0 };
	uint64_t seed = 0xc07;

	(void)state;
	assert_int_equal(vendor_db_open(NULL, &vendors, &err), 0);
	assert_int_equal(scan_open(vendors, db, &s), 0);
	for (unsigned int round = 0; round < 150; round++) {
		uint8_t text[VENDOR_EXPANDED_MAX], one[2048] = { 0 }, other[2048] = { 0 };

		n = 0;
		for (unsigned int i = next_random() % 5; i < 5; i++) {
			const struct vendor_example *x =
				&vendor_examples[next_random() % BB_ARRAY_LEN(vendor_examples)];

			filler(next_random() % 4000, next_random() & 1 ? 0 : 200);
			put_somehow(text, vendor_expand(x->text, &seed, text));
			put_str(" ");
			put_somehow((const uint8_t *)SECRET, strlen(SECRET));
		}
		filler(next_random() % 4000, 100);
		scan_each(s, one, round % 4 ? 20000 : 30);
		scan_each(s, other, round & 1 ? 600 : 20000);
		assert_int_equal(one[0], 1);
		if (memcmp(one, other, sizeof(one)) != 0)
			fail_msg("round %u", round);
	}
	scan_close(s);
	vendor_db_free(vendors);
	known_db_free(db);
}

static void put_deflated(const char *text, size_t repeat, int window)
{
	bb_auto_free uint8_t *in = malloc(strlen(text) * repeat + 1);
	z_stream z = { 0 };

	for (size_t i = 0; i < repeat; i++)
		memcpy(in + i * strlen(text), text, strlen(text));
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = in;
	z.avail_in = (uInt)(strlen(text) * repeat);
	z.next_out = buf + n;
	z.avail_out = (uInt)(sizeof(buf) - n);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n += z.total_out;
	(void)deflateEnd(&z);
}

/* What is compressed without saying so: as it stands, in base64, and in something compressed */
static void compressed_unsaid(void **state)
{
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct scan_stream *s = NULL;
	uint8_t once[4096];
	size_t len;

	(void)state;
	assert_int_equal(scan_open(NULL, db, &s), 0);
	for (int how = 0; how < 6; how++) {
		n = 0;
		put_str("before it ");
		put_deflated("some text, " SECRET ", and more\n", 1,
			     how % 3 ? 15 + 16 * (how % 2) : 31);
		len = n - 10;
		memcpy(once, buf + 10, len);
		n = 0;
		put_str("{\"file\": \"");
		if (how < 3)
			base64(once, len, std64);
		else
			put(once, len);
		put_str("\", and so on");
		for (size_t cut = 0; cut <= n; cut++) {
			if (scan_cut(s, cut).known == 0)
				fail_msg("%d cut at %zu is not found", how, cut);
		}
	}
	scan_close(s);
	known_db_free(db);
}

/* More than anybody sends on purpose is refused, not searched for minutes */
static void bomb(void **state)
{
	static const char *const values[] = { SECRET };
	static char zeros[1u << 16];
	struct known_db *db = table(values, 1);
	struct scan_stream *s = NULL;
	struct seen seen = { 0 };

	(void)state;
	memset(zeros, 'a', sizeof(zeros) - 1);
	assert_int_equal(scan_open(NULL, db, &s), 0);
	n = 0;
	put_deflated(zeros, 600, 31); /* 37 MiB */
	assert_true(n < 64u << 10);
	assert_int_equal(scan_feed(s, (struct bb_span){ buf, n }, true, note, &seen),
			 SCAN_TOO_MUCH);
	scan_reset(s, true);
	n = 0;
	put_deflated(zeros, 60, 31);
	assert_int_equal(scan_feed(s, (struct bb_span){ buf, n }, true, note, &seen), SCAN_CLEAN);
	scan_close(s);
	known_db_free(db);
}

/* Something with an escape in it, longer than anything reaches, then @token with @out in it */
static void split_by(const char *token, const char *out, size_t out_len)
{
	n = 0;
	put_str("%41");
	for (int i = 0; i < 100; i++)
		put_str("some words in 1 row, ");
	put(token, strlen(token) / 2);
	put(out, out_len);
	put_str(token + strlen(token) / 2);
	put_str(" and the rest\n");
}

/* What is left out at the start of a piece makes the views differ as much as what is put in */
static void left_out_at_every_cut(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool is_space; /* which parts no secret, but a token */
	} outs[] = { { "\0", 1, true },
		     { "\xe2\x80\x8b", 3, false },
		     { "\\u200b", 6, false },
		     { "=\n", 2, false },
		     { "\\\n", 2, false } };
	static const char token[] = "glpat-Zx81kQmW0pTr7vLs2NbY";
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct vendor_db *vendors = NULL;
	struct scan_stream *s = NULL;
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(vendor_db_open(NULL, &vendors, &err), 0);
	assert_int_equal(scan_open(vendors, db, &s), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(outs); i++) {
		split_by("kX9vQ2mB7rT4", outs[i].text, outs[i].len);
		for (size_t cut = 2000; cut < n; cut++)
			assert_true(scan_cut(s, cut).known > 0);
		split_by(token, outs[i].text, outs[i].len);
		for (size_t cut = 2000; cut < n; cut++)
			assert_true(scan_cut(s, cut).vendor > 0 || outs[i].is_space);
	}
	scan_close(s);
	vendor_db_free(vendors);
	known_db_free(db);
}

enum kind { PERCENT, JSON, ENTITY, OCTAL, C_HEX, QUOTED, BRACES, NUM_KINDS };

static void escaped(enum kind kind, uint8_t c)
{
	switch (kind) {
	case PERCENT:
		putf("%%%02x", c);
		break;
	case JSON:
		putf("\\u%04X", c);
		break;
	case ENTITY:
		putf("&#%u;", c);
		break;
	case OCTAL:
		putf("\\%03o", c);
		break;
	case C_HEX:
		putf("\\x%02x", c);
		break;
	case QUOTED:
		putf("=%02X", c);
		break;
	case BRACES:
	case NUM_KINDS:
		putf("\\u{%09x}", c);
		break;
	}
}

/* Each character in an escape of one kind, and each of those in one of the other */
static void put_twice(const char *text, enum kind inner, enum kind outer)
{
	for (; *text; text++) {
		uint8_t once[32];
		size_t from = n, len;

		escaped(inner, (uint8_t)*text);
		len = n - from;
		memcpy(once, buf + from, len);
		n = from;
		for (size_t i = 0; i < len; i++)
			escaped(outer, once[i]);
	}
}

#define TOKEN                                                                                      \
	"glpat"                                                                                    \
	"-Zx81kQmW0pTr7vLs2NbY"

/* The layers of the plain view: any escape of any other, whole */
static void escapes_of_escapes(void **state)
{
	static const char *const values[] = { SECRET };
	struct known_db *db = table(values, 1);
	struct vendor_db *vendors = NULL;
	struct scan_stream *s = NULL;
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(vendor_db_open(NULL, &vendors, &err), 0);
	assert_int_equal(scan_open(vendors, db, &s), 0);
	for (unsigned int i = 0; i < NUM_KINDS * NUM_KINDS; i++) {
		enum kind in = (enum kind)(i % NUM_KINDS), out = (enum kind)(i / NUM_KINDS);

		n = 0;
		put_str("text ");
		put_twice(SECRET, in, out);
		put_str(" text ");
		put_twice(" " TOKEN " ", in, out);
		for (size_t cut = 0; cut <= n; cut += 1 + n / 97) {
			struct seen seen = scan_cut(s, cut);

			if (!seen.known || !seen.vendor)
				fail_msg("%d in %d, cut at %zu", in, out, cut);
		}
	}
	scan_close(s);
	vendor_db_free(vendors);
	known_db_free(db);
}

/* What a view leaves out must not join what stands around it, and what hides in it comes out */
static void tokens_among_others(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} texts[] = {
#define TEXT(t) { t, sizeof(t) - 1 }
		TEXT("HOME=/root\0T=" TOKEN "\0PATH=/bin"),
		TEXT("HOME=/root%00T%3d" TOKEN "%00PATH=/bin"),
		TEXT("HOME=/root\\u0000T=" TOKEN "\\u0000PATH=/bin"),
		TEXT("H\0O\0M\0E\0=\0/"
		     "\0r\0\0\0T\0=\0g\0l\0p\0a\0t\0-\0Z\0x\0008\0001\0k\0Q\0m\0W\0000\0p\0T\0"
		     "r\0007\0v\0L\0s\0002\0N\0b\0Y\0\0\0P\0A\0T\0H\0=\0"),
		TEXT("name\0\0\0\0\0\0\0\0\0\0\0\0\0" TOKEN "\0\0\0\0\0\0\0\0\0\0\0name"),
		TEXT("curl\0--token\0Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=\0next"),
		TEXT("a glpat\\-Zx81\\\nkQmW0pTr7vLs2NbY z"),
		TEXT("a glpat&bsol;x2dZx81kQmW0pTr7vLs2NbY z"),
		TEXT("a =67=6C=70=61=74=2D=EF=BC=BAx81kQmW0pTr7vLs2NbY z"),
		TEXT("a gl\xef\xb8\xa1pat-Zx81kQmW0p\xe3\x85\xa4Tr7vLs2NbY z"),
		TEXT("a glpat-\\\\ud835\\\\uddd8\\\\ud835\\\\uddd8kQmW0pTr7vLs2NbYabc z"),
	};
	struct vendor_db *vendors = NULL;
	struct scan_stream *s = NULL;
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(vendor_db_open(NULL, &vendors, &err), 0);
	assert_int_equal(scan_open(vendors, NULL, &s), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(texts); i++) {
		n = 0;
		put(texts[i].text, texts[i].len);
		for (size_t cut = 0; cut <= n; cut++) {
			if (!scan_cut(s, cut).vendor)
				fail_msg("text %zu, cut at %zu", i, cut);
		}
	}
	scan_close(s);
	vendor_db_free(vendors);
}

/* With an argument as a processor does it that can no more than that level; with another, among
 * many secrets */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_at_every_cut),
		cmocka_unit_test(one_octet_at_a_time),
		cmocka_unit_test(twelve_in_a_row),
		cmocka_unit_test(where_it_is),
		cmocka_unit_test(nothing_where_nothing_is),
		cmocka_unit_test(views_part_and_join),
		cmocka_unit_test(compressed_unsaid),
		cmocka_unit_test(bomb),
		cmocka_unit_test(left_out_at_every_cut),
		cmocka_unit_test(tokens_anywhere),
		cmocka_unit_test(told_once),
		cmocka_unit_test(cuts_change_nothing),
		cmocka_unit_test(escapes_of_escapes),
		cmocka_unit_test(tokens_among_others),
	};

	if (argc > 1)
		fast_limit((enum fast_level)atoi(argv[1]));
	among_many = argc > 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
