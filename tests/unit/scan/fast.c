/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/fast.h"
#include "tests/unit/unit.h"

/* The fast forms do what the plain ones do, at every length and alignment, on every octet */
static void same_as_plain(void **state)
{
	static uint8_t in[700], one[800], two[800];
	uint64_t seed = 88172645463325252ull;

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		size_t len = round % 600, from = round % 17, n, m;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			in[i] = (uint8_t)seed;
			if (round & 1)
				in[i] = (uint8_t) "aZ09-_ \n~`@[{/:x"[seed & 15];
		}
		n = fast_project(in + from, len, one);
		m = fast_project_plain(in + from, len, two);
		assert_int_equal(n, m);
		assert_memory_equal(one, two, n);
		assert_int_equal(fast_special(in + from, len), fast_special_plain(in + from, len));
	}
}

static void every_octet(void **state)
{
	uint8_t in[64], out[80];

	(void)state;
	for (unsigned int c = 0; c < 256; c++) {
		bool special = c == 0 || c == '%' || c == '&' || c == '=' || c == '\\' ||
			       (c >= 0xc2 && c <= 0xf4);
		bool alnum =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		memset(in, (int)c, sizeof(in));
		assert_int_equal(fast_special(in, sizeof(in)), special ? 0 : sizeof(in));
		assert_int_equal(fast_project(in, sizeof(in), out), alnum ? sizeof(in) : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(same_as_plain),
					    cmocka_unit_test(every_octet) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
