/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ip.h"
#include "tests/unit/unit.h"

static void cidr_parse_cases(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "192.0.2.0/24", true },  { "192.0.2.1", true },       { "192.0.2.1/24", false },
		{ "192.0.2.0/33", false }, { "192.0.2.0/", false },     { "192.0.2.0/024", false },
		{ "0.0.0.0/0", true },     { "2001:db8::/32", true },   { "2001:db8::1/32", false },
		{ "::/129", false },       { "192.0.2.0/+4", false },   { "0300.0.2.0/24", false },
		{ "192.0.2/24", false },   { "fe80::1%lo/128", false }, { "", false },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct cidr c;

		if (cidr_parse(cases[i].text, &c) != cases[i].ok)
			fail_msg("%s", cases[i].text);
	}
}

static void cidr_contains_cases(void **state)
{
	struct cidr c;
	struct ip_addr in, out;

	(void)state;
	assert_true(cidr_parse("198.18.0.0/15", &c));
	assert_true(ip_addr_parse("198.19.255.255", &in));
	assert_true(ip_addr_parse("198.20.0.0", &out));
	assert_true(cidr_contains(&c, &in));
	assert_false(cidr_contains(&c, &out));
	assert_true(ip_addr_parse("::ffff:198.19.0.1", &out));
	assert_false(cidr_contains(&c, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cidr_parse_cases),
		cmocka_unit_test(cidr_contains_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
