/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/codex_login.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>

/* {"exp":1700000000} */
#define JWT                 "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"
#define ENDS_MS             1700000000000
#define TOKENS(token, rest) "{\"tokens\":{\"access_token\":\"" token "\"" rest "}}"

struct row {
	const char *text;
	uint64_t now_ms;
	int want;
	uint64_t expires_ms;
	const char *token;
	const char *account;
	bool is_key;
};

static const struct row rows[] = {
	/* a login */
	{ TOKENS(JWT, ",\"account_id\":\"a-1\""), ENDS_MS - 1, 0, ENDS_MS, JWT, "a-1", false },
	{ TOKENS(JWT, ""), ENDS_MS - 1, 0, ENDS_MS, JWT, "", false },
	{ TOKENS(JWT, ",\"account_id\":null"), 1, 0, ENDS_MS, JWT, "", false },
	{ "{\"auth_mode\":\"chatgpt\",\"OPENAI_API_KEY\":\"sk-1\",\"tokens\":{\"access_token\":"
	  "\"" JWT "\"}}",
	  1, 0, ENDS_MS, JWT, "", false },
	{ TOKENS(JWT, ""), ENDS_MS, -EKEYEXPIRED, 0, NULL, NULL, false },
	/* a key */
	{ "{\"OPENAI_API_KEY\":\"sk-1\"}", ENDS_MS, 0, 0, "sk-1", "", true },
	{ "{\"auth_mode\":\"apikey\",\"OPENAI_API_KEY\":\"sk-1\",\"tokens\":null}", 1, 0, 0, "sk-1",
	  "", true },
	{ "{\"auth_mode\":\"apikey\",\"tokens\":{\"access_token\":\"" JWT "\"}}", 1, -ENOENT, 0,
	  NULL, NULL, false },
	/* tokens that say nothing of their end */
	{ TOKENS("opaque", ""), 1, 0, 0, "opaque", "", false },
	{ TOKENS("a.!!!!.b", ""), 1, 0, 0, "a.!!!!.b", "", false },
	{ TOKENS("a..b", ""), 1, 0, 0, "a..b", "", false },
	{ TOKENS("a.e.b", ""), 1, 0, 0, "a.e.b", "", false },
	{ TOKENS("a.W10.b", ""), 1, 0, 0, "a.W10.b", "", false },                       /* [] */
	{ TOKENS("a.eyJleHAiOi0xfQ.b", ""), 1, 0, 0, "a.eyJleHAiOi0xfQ.b", "", false }, /* -1 */
	{ TOKENS("a.eyJleHAiOjFlMzAwfQ.b", ""), 1, 0, 0, "a.eyJleHAiOjFlMzAwfQ.b", "", false },
	/* none */
	{ TOKENS("", ""), 1, -ENOENT, 0, NULL, NULL, false },
	{ "{}", 1, -ENOENT, 0, NULL, NULL, false },
	{ "{\"tokens\":[1]}", 1, -ENOENT, 0, NULL, NULL, false },
	{ "{\"tokens\":{\"access_token\":{}}}", 1, -ENOENT, 0, NULL, NULL, false },
	/* no such file */
	{ TOKENS(JWT, ",\"account_id\":\"a\\r\\nX: y\""), 1, -EBADMSG, 0, NULL, NULL, false },
	{ TOKENS(JWT, ",\"account_id\":\"a\\\"\""), 1, -EBADMSG, 0, NULL, NULL, false },
	{ TOKENS(JWT, ",\"account_id\":7"), 1, -EBADMSG, 0, NULL, NULL, false },
	{ TOKENS(JWT "\\u0000", ""), 1, -EBADMSG, 0, NULL, NULL, false },
	{ TOKENS(JWT, ",\"access_token\":\"two\""), 1, -EBADMSG, 0, NULL, NULL, false },
	{ "[]", 1, -EBADMSG, 0, NULL, NULL, false },
	{ "tokens", 1, -EBADMSG, 0, NULL, NULL, false },
	{ "", 1, -EBADMSG, 0, NULL, NULL, false },
	{ TOKENS(JWT, "") " and more", 1, -EBADMSG, 0, NULL, NULL, false },
	{ "{\"tokens\":\"\xff\"}", 1, -EBADMSG, 0, NULL, NULL, false },
};

static void logins(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct codex_login l = { 0 };
		struct bb_err err = { 0 };
		int r = codex_login_parse(BB_SPAN_STR(rows[i].text), rows[i].now_ms, &l, &err);

		if (r != rows[i].want)
			fail_msg("row %zu: %d, %s", i, r, err.msg);
		if (r == 0) {
			assert_string_equal(l.token, rows[i].token);
			assert_string_equal(l.account, rows[i].account);
			assert_true(l.expires_ms == rows[i].expires_ms);
			assert_true(l.is_key == rows[i].is_key);
		} else {
			assert_null(l.token);
			assert_null(strstr(err.msg, JWT)); /* never the token */
			assert_non_null(strstr(err.msg, "codex login"));
		}
		codex_login_release(&l);
	}
}

static void longest(void **state)
{
	static char text[CODEX_TOKEN_MAX + 100], token[CODEX_TOKEN_MAX + 2];

	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		struct codex_login l = { 0 };
		struct bb_err err = { 0 };
		size_t n = CODEX_TOKEN_MAX + extra;

		memset(token, 'e', n);
		token[0] = '.';
		(void)snprintf(text, sizeof(text), TOKENS("%s", ""), token);
		assert_int_equal(codex_login_parse(BB_SPAN_STR(text), 1, &l, &err),
				 extra ? -EBADMSG : 0);
		codex_login_release(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logins),
		cmocka_unit_test(longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
