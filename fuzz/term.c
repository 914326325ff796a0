/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/term.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_one_of(const char *set, uint8_t c)
{
	return c && strchr(set, c);
}

/* Written apart from the decoder: what of a token a terminal could answer or keep */
static void check_token(const uint8_t *t, size_t n)
{
	check(n <= TERM_TOKEN_MAX);
	if (t[0] != 0x1b) {
		check(n == 1 || t[0] >= 0xc2);
		check(n > 1 || (t[0] != 0x05 && t[0] != 0x07 && t[0] < 0x7f));
		for (size_t i = 1; i < n; i++)
			check((t[i] & 0xc0) == 0x80);
		check(n != 2 || t[0] != 0xc2 || t[1] >= 0xa0);
		return;
	}
	check(n >= 2 && !is_one_of("]PX^_Z\\", t[1]));
	for (size_t i = 1; i < n; i++)
		check(t[i] >= 0x20 && t[i] < 0x7f);
	if (t[1] != '[')
		return;
	check(n >= 3 && !is_one_of("cnxtiywR|", t[n - 1]));
	check(!memchr(t, '$', n) && !memchr(t, '*', n) && !memchr(t, '&', n));
	check(t[2] != '?' || is_one_of("hlJK", t[n - 1]));
}

/* Written apart from the decoder: does one that is answered end at @at? */
static bool is_question(const uint8_t *data, size_t at)
{
	return at >= 2 && (data[at] == 'c' || data[at] == 'n') &&
	       (memmem(data + at - 2, 2, "\033[", 2) ||
		(at >= 3 && memmem(data + at - 3, 2, "\033[", 2) &&
		 is_one_of("056", data[at - 1])));
}

/*
 * Invariants: a token is of the kinds that no terminal answers; what was kept is kept in full when
 * it is read again; what is answered was asked in full, and is no token; what waits for its rest is
 * bounded, and the rest of a string is never shown.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct term t = { 0 }, again = { 0 };
	uint8_t token[TERM_TOKEN_MAX], same[TERM_TOKEN_MAX];

	for (size_t i = 0; i < size; i++) {
		size_t n = term_add(&t, data[i], token);

		check(t.ask < TERM_NUM_ASKS);
		check(t.ask == TERM_ASK_NONE ||
		      (n == 0 && t.state == TERM_GROUND && is_question(data, i)));
		check(t.state < TERM_NUM_STATES && t.n <= TERM_TOKEN_MAX);
		check(n == 0 || t.state == TERM_GROUND);
		if (n)
			check_token(token, n);
		for (size_t j = 0; j < n; j++) {
			size_t m = term_add(&again, token[j], same);

			check(m == (j + 1 == n ? n : 0) && memcmp(same, token, m) == 0);
		}
		n = term_rest(&t, token);
		check((n == 0) == (t.state == TERM_GROUND));
		check(n == 0 || token[0] == 0x1b || token[0] >= 0xc2);
	}
	return 0;
}
