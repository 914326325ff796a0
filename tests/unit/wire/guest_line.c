/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/guest_line.h"
#include "tests/unit/unit.h"

static void what_lines_mean(void **state)
{
	static const struct {
		const char *line;
		struct guest_line want;
	} rows[] = {
		{ "hello 1", { GUEST_LINE_HELLO, 1, false } },
		{ "hello 999999", { GUEST_LINE_HELLO, 999999, false } },
		{ "hello 1234567", { GUEST_LINE_TEXT, 0, false } },
		{ "hello ", { GUEST_LINE_TEXT, 0, false } },
		{ "hello", { GUEST_LINE_TEXT, 0, false } },
		{ "hello 1 ", { GUEST_LINE_TEXT, 0, false } },
		{ "hello -1", { GUEST_LINE_TEXT, 0, false } },
		{ " hello 1", { GUEST_LINE_TEXT, 0, false } },
		{ "probe ok", { GUEST_LINE_PROBE, 0, true } },
		{ "probe ok ", { GUEST_LINE_PROBE, 0, false } },
		{ "probe name: an answer", { GUEST_LINE_PROBE, 0, false } },
		{ "probe ", { GUEST_LINE_PROBE, 0, false } },
		{ "probe", { GUEST_LINE_TEXT, 0, false } },
		{ "", { GUEST_LINE_TEXT, 0, false } },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].line);
		uint8_t *copy = malloc(len + !len); /* exact size, for the sanitizer */
		struct guest_line got;

		assert_non_null(copy);
		memcpy(copy, rows[i].line, len);
		got = guest_line_decode((struct bb_span){ copy, len });
		assert_int_equal(got.kind, rows[i].want.kind);
		assert_int_equal(got.version, rows[i].want.version);
		assert_int_equal(got.ok, rows[i].want.ok);
		free(copy);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lines_mean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
