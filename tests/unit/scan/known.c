/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/known.h"
#include "scan/fast.h"
#include "scan/scan.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* Few secrets are looked for in another way than many */
static bool among_many;

static struct known_db *table(struct bb_span value)
{
	static const char *const others[] = {
		"Qf7Lw2Zr9Tb4Ym1Xc6Vn3Kd8Hs5Jg0Pe",
		"e0Pg5Js8Hd3Kn6Vc1Xm4Yb9Tr2Zw7LfQ",
		"uR3oW8tA5iG2yE7pB4nD9kC6hM1xF0vS",
	};
	struct known_secret secrets[4] = { { value } };
	struct known_db *db = NULL;
	struct bb_err err = { 0 };
	size_t n = 1;

	for (size_t i = 0; among_many && i < BB_ARRAY_LEN(others); i++)
		secrets[n++] = (struct known_secret){ BB_SPAN_STR(others[i]) };
	assert_int_equal(known_db_new(secrets, n, &db, &err), 0);
	return db;
}

static bool note(void *arg, const struct scan_finding *f)
{
	assert_int_equal(f->kind, SCAN_KNOWN);
	assert_int_equal(f->index, 0);
	*(bool *)arg = true;
	return false;
}

static bool finds(struct scan_stream *s, struct bb_span text)
{
	bool found = false;

	scan_reset(s, false);
	assert_int_equal(scan_feed(s, text, true, note, &found), SCAN_CLEAN);
	return found;
}

/* ---- what holds escapes, or letters that look like others ---- */

#define CYRILLIC "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"

static const struct {
	const char *value;
	const char *texts[8];
} escaped[] = {
	{ "Xk2\\t9Lm4#qR8vZ",
	  { "Xk2\\t9Lm4#qR8vZ", "\"Xk2\\\\t9Lm4#qR8vZ\"", "Xk2%5Ct9Lm4%23qR8vZ",
	    "%22Xk2%5C%5Ct9Lm4%23qR8vZ%22", "WGsyXHQ5TG00I3FSOHZa",
	    "586b325c74394c6d342371523876" } },
	{ "k9%40Xm2%23Lq7%24Vb4%26Zt8",
	  { "k9%40Xm2%23Lq7%24Vb4%26Zt8", "k9%2540Xm2%2523Lq7%2524Vb4%2526Zt8",
	    "k9@Xm2#Lq7$Vb4&Zt8", "{\"p\": \"k9@Xm2#Lq7$Vb4\\u0026Zt8\"}",
	    "azlAWG0yI0xxNyRWYjQmWnQ4", "6b3940586d32234c713724566234265a7438",
	    "8tZ&4bV$7qL#2mX@9k" } },
	{ "pass\xc2\xb2word\xc2\xb3"
	  "1\xc2\xb2"
	  "ab\xc2\xb3"
	  "cd",
	  { "pass\xc2\xb2word\xc2\xb3"
	    "1\xc2\xb2"
	    "ab\xc2\xb3"
	    "cd",
	    "pass\\u00b2word\\u00b31\\u00b2ab\\u00b3cd", "pass%C2%B2word%C2%B31%C2%B2ab%C2%B3cd",
	    "pass&#178;word&#179;1&#178;ab&#179;cd",
	    "pass2word31"
	    "2ab3cd" } },
	{ CYRILLIC "-Xk29\xd1\x81-Lm47\xd0\xb5-Zq8v\xd1\x80",
	  { "\\u043a\\u043b\\u044e\\u0447-Xk29\\u0441-Lm47\\u0435-Zq8v\\u0440",
	    CYRILLIC "-Xk29\xd1\x81-Lm47\xd0\xb5-Zq8v\xd1\x80" } },
	{ "ab&lt;cd9Kx2&amp;mQ7v",
	  { "ab&amp;lt;cd9Kx2&amp;amp;mQ7v", "ab<cd9Kx2&mQ7v#1", "ab&lt;cd9Kx2&amp;mQ7v" } },
	/* of "%5Ct" a client makes two characters, and no tab */
	{ "Rr4%5CtGh77%5CnVvQ2z1", { "UnI0XHRHaDc3XG5WdlEyejE=", "Rr4\\tGh77\\nVvQ2z1" } },
};

static void undone_in_the_secret(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(escaped); i++) {
		struct known_db *db = table(BB_SPAN_STR(escaped[i].value));
		struct scan_stream *s = NULL;

		assert_int_equal(scan_open(NULL, db, &s), 0);
		for (size_t k = 0; k < 8 && escaped[i].texts[k]; k++) {
			if (!finds(s, BB_SPAN_STR(escaped[i].texts[k])))
				fail_msg("%s: %s", escaped[i].value, escaped[i].texts[k]);
		}
		scan_close(s);
		known_db_free(db);
	}
}

/* What is undone may be too short to be looked for, or what others write */
static void undone_to_nothing(void **state)
{
	static const struct {
		const char *value;
		const char *others;
	} cases[] = {
		{ "%30%31%32%33%34%35%36%37%38%39%61%62%63%64", "0123456789abcd" },
		{ "%41%62%43%64%45%66%47%68", "AbCdEfGh" },
		{ "%41%62%43%64%45%66%47%68", "QWJDZEVmR2g=" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct known_db *db = table(BB_SPAN_STR(cases[i].value));
		struct scan_stream *s = NULL;

		assert_int_equal(scan_open(NULL, db, &s), 0);
		assert_false(finds(s, BB_SPAN_STR(cases[i].others)));
		assert_true(finds(s, BB_SPAN_STR(cases[i].value)));
		scan_close(s);
		known_db_free(db);
	}
}

/* ---- what repeats itself ---- */

static uint64_t seed = 88172645463325252ull;

static uint32_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* Every window of @text, wherever the steps of the search fall. Return: those not found */
static size_t missed(struct scan_stream *s, struct bb_span text)
{
	size_t missed = 0;

	for (size_t at = 0; at + KNOWN_WINDOW <= text.len; at++) {
		for (size_t lead = 0; lead < 9; lead++) {
			char one[32];
			int len = snprintf(one, sizeof(one), "%.*s%.*sX", (int)lead, "QWQWQWQWQ",
					   KNOWN_WINDOW, (const char *)text.p + at);

			missed += !finds(s, (struct bb_span){ (const uint8_t *)one, (size_t)len });
		}
	}
	return missed;
}

static void every_window_of(const char *value)
{
	struct bb_span plain = BB_SPAN_STR(value);
	struct known_db *db = table(plain);
	struct scan_stream *s = NULL;
	uint8_t alnum[512 + KNOWN_ROOM];
	char hex[1025] = "";
	size_t n;

	assert_true(plain.len <= 512);
	assert_int_equal(scan_open(NULL, db, &s), 0);
	n = known_project(plain.p, plain.len, alnum);
	for (size_t i = 0; i < plain.len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)value[i]);
	n = missed(s, (struct bb_span){ alnum, n });
	if (n)
		fail_msg("%s: %zu windows", value, n);
	n = missed(s, BB_SPAN_STR(hex));
	if (n)
		fail_msg("%s in hexadecimal: %zu windows", value, n);
	scan_close(s);
	known_db_free(db);
}

/* A run of eight that stands at many places is no reason to forget where */
static void few_characters(void **state)
{
	static const char *const alphabets[] = { "01", "0123456789", "0123456789abcdef" };
	static const size_t lens[] = { 24, 64, 200 };

	(void)state;
	for (size_t i = 0; i < 3 * BB_ARRAY_LEN(alphabets); i++) {
		const char *alphabet = alphabets[i / 3];
		char value[256] = "";

		for (size_t k = 0; k < lens[i % 3]; k++)
			value[k] = alphabet[next_random() % strlen(alphabet)];
		every_window_of(value);
	}
}

static void again_and_again(void **state)
{
	static const char *const unit[] = { "changeme-", "deadbeef", "a1b2c3d4", "ab", "f0f0000f" };
	static const char *const tails[] = { "x1", "Zq9", "", "-7Kp" };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(unit) * BB_ARRAY_LEN(tails); i++) {
		char value[256] = "";

		for (size_t k = 0; k < 12; k++)
			strcat(value, unit[i / BB_ARRAY_LEN(tails)]);
		strcat(value, tails[i % BB_ARRAY_LEN(tails)]);
		every_window_of(value);
	}
}

static bool count(void *arg, const struct known_hit *hit)
{
	(void)hit;
	++*(size_t *)arg;
	return false;
}

/* One run of eight at thousands of places, each with another beginning and end: looking there is
 * no matter of all of them */
static void bounded(void **state)
{
	static uint8_t block[KNOWN_HISTORY + (1u << 16) + KNOWN_ROOM];
	static char value[20000];
	struct known_stream stream = { 0 };
	struct known_db *db;
	size_t n = 0, hits = 0, len = 1u << 16;

	(void)state;
	for (unsigned int i = 0; i < 1200; i++)
		n += (size_t)snprintf(value + n, sizeof(value) - n, "%04xQQQQQQQQ%03x",
				      i * 40503 & 0xffff, i);
	db = table(BB_SPAN_STR(value));
	for (size_t i = 0; i < len; i++)
		block[KNOWN_HISTORY + i] = (uint8_t) "QQQQQQQQzyx"[i % 11];
	(void)known_feed(db, &stream, block + KNOWN_HISTORY, len, count, &hits);
	assert_int_equal(hits, 0);
	for (size_t i = 0; i + KNOWN_WINDOW <= n; i += 7) {
		memcpy(block + KNOWN_HISTORY, "zyxwzyxwzyxwzyxw", 16);
		memcpy(block + KNOWN_HISTORY + i % 9, value + i, KNOWN_WINDOW);
		stream = (struct known_stream){ 0 };
		hits = 0;
		(void)known_feed(db, &stream, block + KNOWN_HISTORY, 24, count, &hits);
		assert_true(hits > 0 && hits < 200);
	}
	known_db_free(db);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undone_in_the_secret),
		cmocka_unit_test(undone_to_nothing),
		cmocka_unit_test(few_characters),
		cmocka_unit_test(again_and_again),
		cmocka_unit_test(bounded),
	};

	if (argc > 1)
		fast_limit((enum fast_level)atoi(argv[1]));
	among_many = argc > 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
