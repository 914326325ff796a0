/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/path.h"
#include "tests/unit/unit.h"

static void normalises(void **state)
{
	static const struct {
		const char *path, *want; /* want NULL: refused */
	} cases[] = {
		{ "/", "/" },
		{ "/a/b", "/a/b" },
		{ "/%61", "/a" },
		{ "/a%20b", "/a b" },
		{ "/a%2fb", "/a%2Fb" },
		{ "/@scope%2fname", "/@scope%2Fname" },
		{ "/caf%C3%A9", "/caf\xc3\xa9" },
		{ "/a..b/...", "/a..b/..." },
		{ "/.well-known/x", "/.well-known/x" },
		{ "/%25", "/%" },
		{ "//a", "//a" },
		{ "", "" },
		{ "/.", NULL },
		{ "/..", NULL },
		{ "/a/./b", NULL },
		{ "/%2e/x", NULL },
		{ "/%2E%2e", NULL },
		{ "/.%2e/x", NULL },
		{ "/%252e%252e/x", NULL },
		{ "/a%2f..%2fb", NULL },
		{ "/a%252f..%252fb", NULL },
		{ "/..;x/b", NULL },
		{ "/.;/b", NULL },
		{ "/a\\b", NULL },
		{ "/a%5cb", NULL },
		{ "/a%255cb", NULL },
		{ "/%00", NULL },
		{ "/%0d%0a", NULL },
		{ "/%7f", NULL },
		{ "/%2500", NULL },
		{ "/%", NULL },
		{ "/%4", NULL },
		{ "/%g0", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		char out[PATH_TEXT_MAX];
		size_t len = 0;
		bool ok = path_normalise(BB_SPAN_STR(cases[i].path), out, &len);

		if (ok != (cases[i].want != NULL))
			fail_msg("%s: %d", cases[i].path, ok);
		if (ok && (len != strlen(cases[i].want) || memcmp(out, cases[i].want, len) != 0))
			fail_msg("%s: %.*s", cases[i].path, (int)len, out);
	}
}

static void too_long(void **state)
{
	static uint8_t path[PATH_TEXT_MAX + 1];
	char out[PATH_TEXT_MAX];
	size_t len = 1;

	(void)state;
	memset(path, 'a', sizeof(path));
	assert_false(path_normalise((struct bb_span){ path, sizeof(path) }, out, &len));
	assert_int_equal(len, 0);
	assert_true(path_normalise((struct bb_span){ path, sizeof(path) - 1 }, out, &len));
	assert_int_equal(len, PATH_TEXT_MAX);
}

static void splits(void **state)
{
	struct bb_span query, path = path_split(BB_SPAN_STR("/a?b?c"), &query);

	(void)state;
	assert_true(bb_span_eq(path, BB_SPAN_STR("/a")) && bb_span_eq(query, BB_SPAN_STR("b?c")));
	path = path_split(BB_SPAN_STR("/a"), &query);
	assert_true(path.len == 2 && query.len == 0);
}

/* As the most lenient server reads it, and wherever one may end it */
static void bare(void **state)
{
	static const struct {
		const char *path, *want;
		bool ends; /* with "/x/y" */
	} cases[] = {
		{ "/x/y", "/x/y", true },
		{ "/a/X//Y/", "/a/X/Y", true },
		{ "/x/y/z", "/x/y/z", false },
		{ "/x/y;a/z", "/x/y/z", true },
		{ "/x/y%3Fa/z", "/x/y/z", true },
		{ "/x/y%2523/z", "/x/y/z", true },
		{ "/x%20/y", "/x/y", true },
		{ "/x/y/;/z", "/x/y/z", true },
		{ "/x/z/../y%00/z", "/x/y/z", true },
		{ "/x/yy;/z", "/x/yy/z", false },
		{ "/x;/z/../..", "", false },
		{ "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct path_end end = { .tail = "/x/y" };
		char out[PATH_TEXT_MAX];
		size_t len = path_bare(BB_SPAN_STR(cases[i].path), out, &end, 1);

		if (len != strlen(cases[i].want) || memcmp(out, cases[i].want, len) != 0 ||
		    end.hit != cases[i].ends)
			fail_msg("%s: %.*s, %d", cases[i].path, (int)len, out, end.hit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalises),
		cmocka_unit_test(too_long),
		cmocka_unit_test(splits),
		cmocka_unit_test(bare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
