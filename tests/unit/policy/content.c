/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/judge_content.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>

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
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack;a=b", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack//;b/", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack/x/..", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack%252f.%5C", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git%252Dreceive-pack%00.html", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack.html", REASON_OK },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack/x", REASON_OK },
		{ CONTENT_GIT_UNSAID, "GET", "/p/info;a//refs/?x;service=git-receive-pack",
		  REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack;/x", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack%3F/x", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack/%2523x/y", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "POST", "/p/git-receive-pack%00/../x", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "PUT", "/p/info/lfs/objects/0a/1", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "post", "/p/info/LFS;/objects", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "PUT", "/p/gitlab-lfs/objects/0a/1", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "GET", "/p/gitlab-lfs/objects/0a", REASON_OK },
		{ CONTENT_GIT_UNSAID, "PUT", "/api/lfs/p/objects/0a/1b", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "PUT", "/rest/git-lfs/storage/p/0a", REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID, "PUT", "/objects/lfs/x", REASON_OK },
		{ CONTENT_GIT_UNSAID, "PUT", "/p/shelfs/objects/0a", REASON_OK },
		{ CONTENT_GIT_UNSAID, "PUT", "/p/lfs/objectsx", REASON_OK },
		{ CONTENT_GIT_UNSAID, "POST", "/p/info/lfs/objects/batch", REASON_OK },
		{ CONTENT_GIT_UNSAID, "POST", "/p/info/lfs/locks/verify", REASON_OK },
		{ CONTENT_GIT_FETCH, "GET", "/p/info/refs?service=git-upload-pack", REASON_OK },
		{ CONTENT_GIT_FETCH, "POST", "/p/git-upload-pack", REASON_OK },
		{ CONTENT_GIT_FETCH, "GET", "/p/git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_FETCH, "POST", "/a%20p/git-upload-pack", REASON_OK },
		{ CONTENT_GIT_FETCH, "POST", "/api;/git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_FETCH, "POST", "/api%3F/git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_FETCH, "POST", "/api%2523/git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_FETCH, "GET", "/api;/info/refs?service=git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_FETCH, "GET", "/p", REASON_GIT },
		{ CONTENT_GIT_FETCH, "GET", "/a/../p", REASON_BAD_PATH },
		{ CONTENT_GIT_NONE, "POST", "/p/git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_NONE, "POST", "/p/git-upload%2Dpack;a/x", REASON_GIT },
		{ CONTENT_GIT_NONE, "PUT", "/p/git-upload-pack/", REASON_GIT },
		{ CONTENT_GIT_NONE, "GET", "/p/info//refs/?service=git-upload-pack", REASON_GIT },
		{ CONTENT_GIT_NONE, "GET", "/p/info/refs", REASON_OK },
		{ CONTENT_GIT_NONE, "GET", "/p/git-upload-pack", REASON_OK },
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
	assert_true(
		content_is_lfs_batch(BB_SPAN_STR("POST"), BB_SPAN_STR("/objects;a/batch/;b?c")));
	assert_true(content_is_lfs_batch(BB_SPAN_STR("post"), BB_SPAN_STR("/objects/batch%3f/x")));
	assert_false(content_is_lfs_batch(BB_SPAN_STR("GET"), BB_SPAN_STR("/objects/batch")));
	assert_false(content_is_lfs_batch(BB_SPAN_STR("POST"), BB_SPAN_STR("/objects/batches")));
}

/* A head with these fields */
static bool some_fields(const void *arg, size_t i, struct bb_span *name, struct bb_span *value)
{
	const char *const *fields = arg;

	if (!fields[2 * i])
		return false;
	*name = BB_SPAN_STR(fields[2 * i]);
	*value = BB_SPAN_STR(fields[2 * i + 1]);
	return true;
}

/* Whatever path leads there, a server of git asks for its type */
static void git_types(void **state)
{
	static const struct {
		enum content_git git;
		const char *fields[3];
		enum policy_reason want;
	} cases[] = {
		{ CONTENT_GIT_UNSAID,
		  { "content-type", "Application/x-git-receive-pack-request;a=b" },
		  REASON_GIT_PUSH },
		{ CONTENT_GIT_FETCH,
		  { "Content-Type", "application/x-git-receive-pack-request" },
		  REASON_GIT_PUSH },
		{ CONTENT_GIT_UNSAID,
		  { "Content-Type", "application/x-git-receive-pack-requests" },
		  REASON_OK },
		{ CONTENT_GIT_UNSAID,
		  { "Content-Type", "application/x-git-upload-pack-request" },
		  REASON_OK },
		{ CONTENT_GIT_NONE,
		  { "Content-Type", "application/x-git-upload-pack-request" },
		  REASON_GIT },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct content c = { .git = cases[i].git };
		struct content_request rq = { .method = BB_SPAN_STR("POST"),
					      .path = BB_SPAN_STR(cases[i].git == CONTENT_GIT_FETCH
									  ? "/git-upload-pack"
									  : "/any"),
					      .field = some_fields,
					      .arg = cases[i].fields };

		assert_int_equal(content_judge(&c, &rq, NULL, NULL), cases[i].want);
	}
}

static void on_line(void *arg, const char *line)
{
	char *said = arg;
	size_t n = strlen(said);

	(void)snprintf(said + n, 2000 - n, "%s\n", line);
}

/* One of the matches has to hold whole: path (raw and normal), method, and every header it names */
static void matches(void **state)
{
	static char get[] = "GET", head[] = "HEAD", post[] = "POST", name[] = "X-Team";
	static const struct {
		const char *method, *path;
		const char *fields[7];
		enum policy_reason want;
		const char *said;
	} cases[] = {
		{ "GET", "/v1/x", { NULL }, REASON_OK, "matches[0]: yes" },
		{ "HEAD", "/v1/", { NULL }, REASON_OK, "matches[0]: yes" },
		{ "GET", "/v10", { NULL }, REASON_NO_MATCH, "matches[0]: no, the path" },
		{ "GET", "/v1/../v2", { NULL }, REASON_BAD_PATH, "dot segment" },
		{ "GET", "/v1/a%2Fb", { NULL }, REASON_OK, "%2F is not a separator" },
		{ "POST", "/v1/x", { NULL }, REASON_NO_MATCH, "matches[0]: no, the method" },
		{ "POST", "/any", { "X-Team", "red" }, REASON_OK, "matches[1]: yes" },
		{ "POST", "/any", { "x-team", "red" }, REASON_OK, "matches[1]: yes" },
		{ "POST", "/any", { "X-Tea", "red" }, REASON_NO_MATCH, "the header X-Team" },
		{ "POST", "/any", { "X-Team", "blue" }, REASON_NO_MATCH, "the header X-Team" },
		/* every one of them has to be right: a server may take either */
		{ "POST",
		  "/any",
		  { "X-Team", "red", "A", "b", "X-Team", "blue" },
		  REASON_NO_MATCH,
		  "the header X-Team" },
		{ "POST",
		  "/any",
		  { "X-Team", "red", "X_Team", "blue" },
		  REASON_NO_MATCH,
		  "the header X-Team" },
		{ "POST", "/any", { "X_Team", "red" }, REASON_NO_MATCH, "the header X-Team" },
		/* as another method, or at another place */
		{ "GET", "/v1", { "X-Method-Override", "head" }, REASON_OK, "matches[0]: yes" },
		{ "GET", "/v1", { "X-HTTP_Method", "PUT" }, REASON_NO_MATCH, "the method" },
		{ "GET", "/v1?_method=head", { NULL }, REASON_OK, "matches[0]: yes" },
		{ "GET", "/v1?a;%5Fmethod=PU%54", { NULL }, REASON_NO_MATCH, "the method" },
		{ "GET", "/v1?_method", { NULL }, REASON_NO_MATCH, "the method" },
		{ "GET", "/v1", { "X-Original-Url", "/v2" }, REASON_NO_MATCH, "the path" },
		{ "GET", "/v1", { "PATH_INFO", "/v2" }, REASON_NO_MATCH, "the path" },
	};
	struct content_pattern path = { 0 };
	struct content_header header = { .name = name };
	char *reads[] = { get, head }, *writes[] = { post };
	struct content_match two[] = {
		{ .n_paths = 1, .paths = &path, .n_methods = 2, .methods = reads },
		{ .n_methods = 1, .methods = writes, .n_headers = 1, .headers = &header },
	};
	struct content c = { .n_matches = 2, .matches = two };
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(content_pattern_set(&path, CONTENT_PREFIX, "/v1", &err), 0);
	assert_int_equal(content_pattern_set(&header.value, CONTENT_EXACT, "red", &err), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		char said[2000] = "";
		struct content_request rq = { .method = BB_SPAN_STR(cases[i].method),
					      .path = BB_SPAN_STR(cases[i].path),
					      .field = some_fields,
					      .arg = cases[i].fields };
		enum policy_reason r = content_judge(&c, &rq, on_line, said);

		if (r != cases[i].want || !strstr(said, cases[i].said))
			fail_msg("case %zu, %s: %s\n%s", i, cases[i].path, policy_reason_str[r],
				 said);
	}
	free(path.text);
	free(header.value.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns), cmocka_unit_test(bad_pattern),
		cmocka_unit_test(git),      cmocka_unit_test(matches),
		cmocka_unit_test(lfs),      cmocka_unit_test(git_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
