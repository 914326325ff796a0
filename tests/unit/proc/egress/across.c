/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/across.h"
#include "tests/unit/unit.h"
#include <stdio.h>

#define SECRET "kX9vQ2mB7rT4pL8wZ5hN3jC6dF1gS0aVyU2eR7tK"
#define PIECES 11

static struct known_db *db;
static struct across *texts;

static int set_up(void **state)
{
	struct known_secret secret = { BB_SPAN_STR(SECRET) };
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(known_db_new(&secret, 1, &db, &err), 0);
	texts = across_new();
	assert_non_null(texts);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	known_db_free(db);
	across_free(texts);
	return 0;
}

static bool on_hit(void *arg, const struct known_hit *hit)
{
	(void)hit;
	*(bool *)arg = true;
	return true;
}

static struct across_at at_name(size_t route, const char *name)
{
	return (struct across_at){ route, 'q', BB_SPAN_STR(name) };
}

static bool whole(struct across_at at, struct bb_span value)
{
	bool found = false, r = across_feed(texts, db, &at, value, on_hit, &found);

	assert_int_equal(r, found);
	return found;
}

static bool some(struct across_piece *piece, struct bb_span data, bool end)
{
	struct across_at at = at_name(0, "");
	bool found = false, r = across_go_on(texts, db, &at, piece, data, ACROSS_PIECE_MAX / 2, end,
					     on_hit, &found);

	assert_int_equal(r, found);
	return found;
}

/* ---- ways to write a letter ---- */

static void full_width(char *out, size_t cap, char c)
{
	unsigned int code = 0xff01u + (unsigned char)c - 0x21;

	(void)snprintf(out, cap, "%c%c%c", (char)(0xe0 | code >> 12),
		       (char)(0x80 | (code >> 6 & 63)), (char)(0x80 | (code & 63)));
}

/* Not "%XX": that is hexadecimal, found by itself. Return: octets */
static size_t write_letter(char *out, size_t cap, unsigned int way, char c)
{
	static const char *const before[] = { "\\u00", "\\U000000", "%u00", "&#x",
					      "\\x",   NULL,        "%25" };

	if (way == BB_ARRAY_LEN(before))
		full_width(out, cap, c);
	else if (before[way])
		(void)snprintf(out, cap, "%s%02x%s", before[way], (unsigned int)c,
			       before[way][0] == '&' ? ";" : "");
	else
		(void)snprintf(out, cap, "%c", c);
	return strlen(out);
}
#define WAYS 8

static size_t write_letters(char *out, size_t cap, unsigned int way, const char *letters, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += write_letter(out + len, cap - len, way, letters[i]);
	return len;
}

/* ---- tests ---- */

static void no_cut_of_an_escape_loses_it(void **state)
{
	char text[256];

	(void)state;
	for (unsigned int way = 0; way < WAYS; way++) {
		for (size_t step = 1; step < 40; step++) {
			bool found = false;

			across_clear(texts);
			for (size_t i = 0; i < 2; i++) {
				size_t len = write_letters(text, sizeof(text), way,
							   &SECRET[i * PIECES], PIECES);
				struct across_piece piece = { 0 }, other = { 0 };

				/* another body goes on at the same time */
				for (size_t k = 0; k < len; k += step) {
					size_t n = len - k < step ? len - k : step;
					struct bb_span s = { (const uint8_t *)text + k, n };

					found |= some(&piece, s, k + n == len);
					assert_false(some(&other, BB_SPAN_STR("-"), false));
					assert_true(i || !found);
				}
			}
			if (!found)
				fail_msg("way %u, cut at each %zu", way, step);
		}
	}
}

static void what_is_left_open_ends_with_its_request(void **state)
{
	static const size_t begin[] = { 0, 3, 9,
					15 }; /* "\\v" and "\\r" would be none of its letters */

	(void)state;
	for (unsigned int how = 0; how < 2; how++) {
		bool found = false;

		across_clear(texts);
		for (size_t i = 0; i < 3; i++) {
			const char *letters = &SECRET[begin[i]];
			struct across_piece piece = { 0 };
			char text[64];
			size_t len = write_letter(text, sizeof(text), i ? 5 : 0, letters[0]);
			struct bb_span s = { (uint8_t *)text, 0 };

			len += write_letters(text + len, sizeof(text) - len, 0, letters + 1,
					     begin[i + 1] - begin[i] - 1);
			text[len++] = '\\';
			s.len = len;
			assert_false(found);
			found = how ? some(&piece, s, true) : whole(at_name(0, "q"), s);
		}
		assert_true(found);
	}
}

/* One letter in each body of @len octets, at @offset */
static bool counted_out(size_t len, size_t offset, unsigned int way, bool streamed)
{
	static uint8_t body[3 * ACROSS_PIECE_MAX];
	char letter[16];
	bool found = false;

	across_clear(texts);
	for (size_t i = 0; i < KNOWN_WINDOW && !found; i++) {
		size_t n = write_letter(letter, sizeof(letter), way, SECRET[i]);
		struct across_piece piece = { 0 };

		memset(body, ' ', len);
		memcpy(body + offset, letter, n < len - offset ? n : len - offset);
		if (streamed)
			found = some(&piece, (struct bb_span){ body, offset + 2 }, false) ||
				some(&piece,
				     (struct bb_span){ body + offset + 2, len - offset - 2 }, true);
		else
			found = whole(at_name(0, "body"), (struct bb_span){ body, len });
	}
	return found;
}

static void no_place_of_a_long_piece_loses_an_escape(void **state)
{
	const size_t half = ACROSS_PIECE_MAX / 2;

	(void)state;
	for (unsigned int way = 0; way < WAYS; way++) {
		for (size_t at = half - 20; at < half; at++) {
			for (size_t len = 2 * half - 20; len < 2 * half + 40; len += 7)
				assert_true(counted_out(len, at, way, false));
			assert_true(counted_out(5 * half, at, way, false));
			assert_true(counted_out(5 * half, at, way, true));
		}
		/* what ends in the last half */
		for (size_t at = 4 * half - 2; at < 4 * half + 10; at++)
			assert_true(counted_out(5 * half, at, way, false) ||
				    (at < 4 * half && way == 5));
		for (size_t len = 2 * half; len < 2 * half + 40; len++) {
			for (size_t at = len - half; at < len - half + 20; at++)
				assert_true(counted_out(len, at, way, false));
		}
	}
}

static void escapes_in_the_middle_leave_nothing(void **state)
{
	static char body[5 * ACROSS_PIECE_MAX / 2];
	const size_t half = ACROSS_PIECE_MAX / 2;

	(void)state;
	/* Escaped blanks across every edge of what is read are no letters */
	for (size_t shift = 0; shift < 6; shift++) {
		for (unsigned int streamed = 0; streamed < 2; streamed++) {
			bool found = false;

			across_clear(texts);
			for (size_t i = 0; i < 2; i++) {
				struct across_piece piece = { 0 };
				struct bb_span s = { (uint8_t *)body, sizeof(body) };
				size_t n = write_letters(body, sizeof(body), 0, &SECRET[i * PIECES],
							 PIECES);

				memset(body + n, ' ', sizeof(body) - n);
				for (size_t k = half - 60 + shift; k < sizeof(body) - 60; k += 6)
					memcpy(body + k, "\\u0020", 6);
				assert_false(found);
				found = streamed ? some(&piece, s, true)
						 : whole(at_name(0, "body"), s);
			}
			assert_true(found);
		}
	}
}

static void the_least_recently_used_goes_first(void **state)
{
	char name[32];

	(void)state;
	for (size_t others = ACROSS_PLACES - 1; others <= ACROSS_PLACES; others++) {
		across_clear(texts);
		assert_false(whole(at_name(0, "first"), BB_SPAN_STR("zz")));
		assert_false(whole(at_name(0, "q"), (struct bb_span){ (uint8_t *)SECRET, 11 }));
		for (size_t i = 0; i < others; i++) {
			(void)snprintf(name, sizeof(name), "n%zu", i);
			assert_false(whole(at_name(0, name), BB_SPAN_STR("1")));
		}
		assert_int_equal(
			whole(at_name(0, "q"), (struct bb_span){ (uint8_t *)&SECRET[11], 1 }),
			others < ACROSS_PLACES);
	}
	/* what is used stays */
	across_clear(texts);
	for (size_t i = 0; i < 3 * ACROSS_PLACES; i++) {
		(void)snprintf(name, sizeof(name), "n%zu", i);
		assert_false(whole(at_name(0, name), BB_SPAN_STR("1")));
		if (i % (ACROSS_PLACES / 4) == 0)
			assert_int_equal(
				whole(at_name(0, "q"),
				      (struct bb_span){ (uint8_t *)SECRET + i / (ACROSS_PLACES / 4),
							1 }),
				i / (ACROSS_PLACES / 4) == 11);
		if (i / (ACROSS_PLACES / 4) == 11)
			break;
	}
}

static void places_are_told_apart(void **state)
{
	static const struct {
		size_t route;
		const char *name;
		bool same;
	} rows[] = { { 1, "tok", true },       { 1, "TOK", true },   { 1, "t%6fk", true },
		     { 1, "\\u0074ok", true }, { 2, "tok", false },  { 1, "to", false },
		     { 1, "tokk", false },     { 257, "tok", false } };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		across_clear(texts);
		assert_false(whole(at_name(1, "tok"), (struct bb_span){ (uint8_t *)SECRET, 11 }));
		assert_int_equal(whole(at_name(rows[i].route, rows[i].name),
				       (struct bb_span){ (uint8_t *)&SECRET[11], 1 }),
				 rows[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_cut_of_an_escape_loses_it),
		cmocka_unit_test(what_is_left_open_ends_with_its_request),
		cmocka_unit_test(no_place_of_a_long_piece_loses_an_escape),
		cmocka_unit_test(escapes_in_the_middle_leave_nothing),
		cmocka_unit_test(the_least_recently_used_goes_first),
		cmocka_unit_test(places_are_told_apart),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
