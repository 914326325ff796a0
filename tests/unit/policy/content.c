/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/judge_content.h"
#include "tests/unit/unit.h"
#include <errno.h>

static void patterns(void **state)
{
	static const struct {
		enum content_pattern_type type;
		const char *text, *value;
		bool matches;
	} cases[] = {
		{ CONTENT_EXACT, "/a", "/a", true },
		{ CONTENT_EXACT, "/a", "/ab", false },
		{ CONTENT_EXACT, "", "", true },
		{ CONTENT_PREFIX, "/a", "/a", true },
		{ CONTENT_PREFIX, "/a", "/a/b", true },
		{ CONTENT_PREFIX, "/a", "/ab", false },
		{ CONTENT_PREFIX, "/a/", "/a", false },
		{ CONTENT_PREFIX, "/a/", "/a/", true },
		{ CONTENT_PREFIX, "/", "/anything", true },
		{ CONTENT_PREFIX, "", "/a", false },
		{ CONTENT_REGEX, "/v[0-9]+", "/v12", true },
		{ CONTENT_REGEX, "/v[0-9]+", "/v12/x", false },
		{ CONTENT_REGEX, "/v[0-9]+", "x/v12", false },
		{ CONTENT_REGEX, "a|ab", "ab", true },
		{ CONTENT_REGEX, "a", "a\n", false },
		{ CONTENT_REGEX, "", "", true },
		{ CONTENT_REGEX, "(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
		  false },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct content *c = content_new();
		struct content_match *m = NULL;
		struct bb_err err = { 0 };
		void *p = content_add(NULL, &c->n_matches, sizeof(*c->matches), 1);

		c->matches = p;
		m = c->matches;
		m->paths = content_add(NULL, &m->n_paths, sizeof(*m->paths), 1);
		assert_int_equal(content_pattern_set(m->paths, cases[i].type, cases[i].text, &err),
				 0);
		if (content_pattern_matches(m->paths, BB_SPAN_STR(cases[i].value)) !=
		    cases[i].matches)
			fail_msg("%s on %s", cases[i].text, cases[i].value);
		content_unref(c);
	}
}

static void bad_pattern(void **state)
{
	struct content_pattern p = { 0 };
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(content_pattern_set(&p, CONTENT_REGEX, "a(b", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "a(b"));
	free(p.text);
}

static bool no_fields(const void *arg, size_t i, struct bb_span *name, struct bb_span *value)
{
	(void)arg;
	(void)i;
	(void)name;
	(void)value;
	return false;
}

/* Without matches everything passes but pushes and paths that git rules cannot be told from */
static void git(void **state)
{
	static const struct {
		enum content_git git;
		const char *method, *path;
		enum policy_reason want;
	} cases[] = {
		{ CONTENT_GIT_UNSAID, "GET", "/x", REASON_OK },
		{ CONTENT_GIT_UNSAID, "GET", "/a/../b", REASON_OK },
		{ CONTENT_GIT_UNSAID, "GET", "/p/info/refs?service=git-upload-pack", REASON_OK },
		{ CONTENT_GIT_UNSAID, "GET", "/p/info/refs?service=git-receive-pack",
		  REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "GET", "/p/info/refs?service=x&service=git-receive-pack",
		  REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "GET", "/p/info/refs?service=git-receive%2Dpack",
		  REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git%2Dreceive%2dpack", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/../git%2Dreceive-pack", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack2", REASON_OK },
		{ CONTENT_GIT_FETCH, "GET", "/p/info/refs?service=git-upload-pack", REASON_OK },
		{ CONTENT_GIT_FETCH, "POST", "/p/git-upload-pack", REASON_OK },
		{ CONTENT_GIT_FETCH, "GET", "/p/git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_FETCH, "GET", "/p", REASON_GIT },
		{ CONTENT_GIT_FETCH, "GET", "/a/../p", REASON_BAD_PATH },
		{ CONTENT_GIT_NONE, "POST", "/p/git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_NONE, "GET", "/p", REASON_OK },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct content c = { .git = cases[i].git };
		struct content_request rq = { .method = BB_SPAN_STR(cases[i].method),
					      .path = BB_SPAN_STR(cases[i].path),
					      .field = no_fields };
		enum policy_reason r = content_judge(&c, &rq, NULL, NULL);

		if (r != cases[i].want)
			fail_msg("%s: %s", cases[i].path, policy_reason_str[r]);
	}
}

static void lfs(void **state)
{
	(void)state;
	assert_true(content_is_lfs_batch(BB_SPAN_STR("POST"),
					 BB_SPAN_STR("/p.git/info/lfs/objects/batch?x=1")));
	assert_true(content_is_lfs_batch(BB_SPAN_STR("POST"), BB_SPAN_STR("/objects/b%61tch")));
	assert_false(content_is_lfs_batch(BB_SPAN_STR("GET"), BB_SPAN_STR("/objects/batch")));
	assert_false(content_is_lfs_batch(BB_SPAN_STR("POST"), BB_SPAN_STR("/objects/batches")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(bad_pattern),
		cmocka_unit_test(git),
		cmocka_unit_test(lfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
