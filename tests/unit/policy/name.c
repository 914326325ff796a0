/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/name.h"
#include "tests/unit/unit.h"

static void below(void **state)
{
	(void)state;
	assert_true(name_is_below("a.example.test", "example.test"));
	assert_true(name_is_below("a.b.example.test", "example.test"));
	assert_false(name_is_below("example.test", "example.test"));
	assert_false(name_is_below(".example.test", "example.test"));
	assert_false(name_is_below("aexample.test", "example.test"));
	assert_false(name_is_below("a.example.test.evil", "example.test"));
	assert_false(name_is_below("test", "example.test"));
	assert_false(name_is_below("a.b", ""));
	assert_false(name_is_below("", ""));
}

static void reverse(void **state)
{
	static const char *const bad[] = {
		"",
		"in-addr.arpa",
		"3.2.1.in-addr.arpa",
		"5.4.3.2.1.in-addr.arpa",
		"256.2.3.4.in-addr.arpa",
		"01.2.3.4.in-addr.arpa",
		"1.2.3.4.in-addr.arpa.x",
		"1.2.3.4.ip6.arpa",
		"1..3.4.in-addr.arpa",
		"a.2.3.4.in-addr.arpa",
		"1111.2.3.4.in-addr.arpa",
		"1.2.3.4",
		"1.2.3.4.",
	};
	struct ip_addr a = { .family = 99 }, want;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(bad); i++) {
		assert_false(name_reverse_parse(bad[i], &a));
		assert_int_equal(a.family, 99);
	}
	assert_true(name_reverse_parse("1.0.18.198.in-addr.arpa", &a));
	assert_true(ip_addr_parse("198.18.0.1", &want));
	assert_true(ip_addr_eq(&a, &want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below),
		cmocka_unit_test(reverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
