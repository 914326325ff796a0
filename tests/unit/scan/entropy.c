/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/entropy.h"
#include "scan/opaque.h"
#include "tests/unit/unit.h"

static size_t runs_in(const char *text, size_t step)
{
	struct entropy e = { 0 };
	size_t found = 0, len = strlen(text);

	for (size_t at = 0; at < len; at += step)
		found += entropy_feed(&e,
				      (struct bb_span){ (const uint8_t *)text + at,
							len - at < step ? len - at : step },
				      false);
	return found + entropy_feed(&e, (struct bb_span){ 0 }, true);
}

static void runs_that_look_random(void **state)
{
	static const struct {
		const char *text;
		size_t found;
	} cases[] = {
		{ "q7RtX2mKp9LwZ4vBn8YcJ5dF", 1 },
		{ "q7RtX2mKp9LwZ4vBn8YcJ5dF ", 1 },
		{ "q7RtX2mKp9LwZ4vBn8YcJ5d ", 0 },
		{ "q7RtX2mKp9LwZ4vBn8YcJ5dFq7RtX2mKp9LwZ4vBn8YcJ5dF ", 1 },
		{ "q7RtX2mKp9LwZ4vBn8YcJ5dF q7RtX2mKp9LwZ4vBn8YcJ5dF ", 2 },
		{ "0123456789abcdef0123456789abcdef ", 0 },
		{ "SomeVeryLongIdentifierName2ThatIsWords ", 0 },
		{ "aA1aA1aA1aA1aA1aA1aA1aA1aA1aA1aA1aA1 ", 0 },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		for (size_t step = 1; step <= strlen(cases[i].text); step++)
			assert_int_equal(runs_in(cases[i].text, step), cases[i].found);
	}
}

static size_t opaque_in(const uint8_t *p, size_t len, size_t step)
{
	struct opaque o = { 0 };
	size_t n = 0;

	for (size_t at = 0; at < len; at += step)
		n += opaque_feed(&o, (struct bb_span){ p + at, len - at < step ? len - at : step },
				 false);
	return n + opaque_feed(&o, (struct bb_span){ 0 }, true);
}

static void what_is_no_text(void **state)
{
	static uint8_t noise[3000], text[3000], utf8[3000], wide[3000], bad[3000];
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1664525u + 1013904223u;
		noise[i] = (uint8_t)(seed >> 24);
		text[i] = (uint8_t) "text of words\n\t{}"[i % 17];
		utf8[i] = (uint8_t) "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"[i % 9];
		wide[i] = i % 2 ? 0 : 'w';
		bad[i] = (uint8_t) "\xc3\xe2\x82\xff"[i % 4];
	}
	for (size_t step = 1; step < 1500; step += 7) {
		assert_int_equal(opaque_in(noise, sizeof(noise), step), sizeof(noise));
		assert_int_equal(opaque_in(text, sizeof(text), step), 0);
		assert_int_equal(opaque_in(utf8, sizeof(utf8), step), 0);
		assert_int_equal(opaque_in(wide, sizeof(wide), step), 0);
		assert_int_equal(opaque_in(bad, sizeof(bad), step), sizeof(bad));
		assert_int_equal(opaque_in(noise, 100, step), 100);
	}
	memcpy(text + OPAQUE_BLOCK, noise, OPAQUE_BLOCK);
	assert_int_equal(opaque_in(text, sizeof(text), 100), OPAQUE_BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(runs_that_look_random),
					    cmocka_unit_test(what_is_no_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
