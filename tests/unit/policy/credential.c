/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/credential.h"
#include "tests/unit/unit.h"

static void fields(void **state)
{
	static const struct {
		const char *name;
		enum credential_kind kind;
	} cases[] = {
		{ "Authorization", CREDENTIAL_AUTHORIZATION },
		{ "AUTHORIZATION", CREDENTIAL_AUTHORIZATION },
		{ "x-api-key", CREDENTIAL_FIELD },
		{ "X-Goog-Api-Key", CREDENTIAL_FIELD },
		{ "Private-Token", CREDENTIAL_FIELD },
		{ "X_Api_Key", CREDENTIAL_FIELD },
		{ "x.api.key", CREDENTIAL_FIELD },
		{ "xxapixkey", CREDENTIAL_NONE },
		{ "x-api", CREDENTIAL_NONE },
		{ "Cookie", CREDENTIAL_COOKIE },
		{ "Accept", CREDENTIAL_NONE },
		{ "Authorization2", CREDENTIAL_NONE },
		{ "", CREDENTIAL_NONE },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++)
		assert_int_equal(credential_field(BB_SPAN_STR(cases[i].name)), cases[i].kind);
}

static void values(void **state)
{
	static const struct {
		const char *field, *value;
		bool basic, signature;
	} cases[] = {
		{ "Bearer abc", "abc", false, false },
		{ "bearer  abc ", "abc", false, false },
		{ "token abc", "abc", false, false },
		{ "abc", "abc", false, false },
		{ "Basic YTpi", "YTpi", true, false },
		{ "BASIC YTpi", "YTpi", true, false },
		{ "Basic", "", true, false },
		{ "", "", false, false },
		{ "AWS4-HMAC-SHA256 Credential=x", "Credential=x", false, true },
		{ "Digest username=x", "username=x", false, true },
		{ "NTLM TlRM", "TlRM", false, true },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		bool basic;
		struct bb_span v = credential_value(BB_SPAN_STR(cases[i].field), &basic);

		assert_true(bb_span_eq(v, BB_SPAN_STR(cases[i].value)));
		assert_int_equal(basic, cases[i].basic);
		assert_int_equal(credential_is_signature(BB_SPAN_STR(cases[i].field)),
				 cases[i].signature);
	}
}

static void basic_pairs(void **state)
{
	static const struct {
		const char *pair, *secret;
	} cases[] = {
		{ "robot:pass:word", "pass:word" },
		{ "TOKEN:", "TOKEN" },
		{ "TOKEN:x-oauth-basic", "TOKEN" },
		{ "TOKEN", "TOKEN" },
		{ ":word", "word" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++)
		assert_true(bb_span_eq(credential_basic_secret(BB_SPAN_STR(cases[i].pair)),
				       BB_SPAN_STR(cases[i].secret)));
}

static void queries(void **state)
{
	static const struct {
		const char *query;
		const char *values; /* of credentials, each followed by ',' */
	} cases[] = {
		{ "", "" },
		{ "a=b&c=d", "" },
		{ "token=x", "x," },
		{ "a=b&TOKEN=x&key=y", "x,y," },
		{ "to%6ben=x", "x," },
		{ "token=&token", "" },
		{ "X-Amz-Signature=abc&X-Amz-Date=1", "abc," },
		{ "tokens=x&mytoken=y", "" },
		{ "&&token=x&&", "x," },
		{ "token=x=y", "x=y," },
		{ "a=b;token=x;c&key=y", "x,y," },
		{ "access-token=x&api_key=y", "x,y," },
		{ "tok%=1&token=x", "x," },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_span rest = BB_SPAN_STR(cases[i].query), name, value;
		char got[64] = "";
		size_t n = 0;

		while (credential_next_query(&rest, &name, &value)) {
			memcpy(got + n, value.p, value.len);
			n += value.len;
			got[n++] = ',';
		}
		if (strcmp(got, cases[i].values) != 0)
			fail_msg("%s: %s", cases[i].query, got);
	}
}

static void cookies(void **state)
{
	struct bb_span rest = BB_SPAN_STR("a=1;  b = 2 ;c; d=x=y"), name, value;
	static const char *const want[][2] = {
		{ "a", "1" }, { "b ", " 2" }, { "c", "" }, { "d", "x=y" }
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(want); i++) {
		assert_true(credential_next_pair(&rest, ';', &name, &value));
		assert_true(bb_span_eq(name, BB_SPAN_STR(want[i][0])));
		assert_true(bb_span_eq(value, BB_SPAN_STR(want[i][1])));
	}
	assert_false(credential_next_pair(&rest, ';', &name, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),  cmocka_unit_test(values),  cmocka_unit_test(basic_pairs),
		cmocka_unit_test(queries), cmocka_unit_test(cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
