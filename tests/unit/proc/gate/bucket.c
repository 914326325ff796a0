/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/bucket.h"
#include "tests/unit/unit.h"

static void as_many_as_the_rate_says(void **state)
{
	struct bucket b;
	unsigned int n = 0;

	(void)state;
	bucket_init(&b, 100, 10, 5000);
	for (uint64_t ms = 5000; ms < 15000; ms++) {
		for (unsigned int i = 0; i < 5; i++)
			n += bucket_take(&b, ms);
	}
	assert_int_equal(n, 10 + 100 * 10 - 1); /* the last tenth of a second is not full yet */
}

static void no_more_than_the_burst_after_a_pause(void **state)
{
	struct bucket b;
	unsigned int n = 0;

	(void)state;
	bucket_init(&b, 100, 10, 0);
	assert_true(bucket_take(&b, 0));
	for (unsigned int i = 0; i < 100; i++)
		n += bucket_take(&b, UINT64_MAX / 2); /* nor does a long one overflow */
	assert_int_equal(n, 10);
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
	struct bucket b;

	(void)state;
	bucket_init(&b, 1000, 1, 5000);
	assert_true(bucket_take(&b, 5000));
	assert_false(bucket_take(&b, 5000));
	assert_false(bucket_take(&b, 1));
	assert_false(bucket_take(&b, 5000));
	assert_true(bucket_take(&b, 5001));
}

static void debt_is_paid_in_time(void **state)
{
	struct bucket b;

	(void)state;
	bucket_init(&b, 1000, 50, 0);
	assert_int_equal(bucket_wait_ms(&b, 50), 0);
	assert_true(bucket_spend(&b, 49, 0));
	assert_false(bucket_spend(&b, 1, 0));
	assert_false(bucket_spend(&b, 200, 0)); /* done already */
	assert_int_equal(bucket_wait_ms(&b, 5), 205);
	assert_int_equal(bucket_wait_ms(&b, 1000), 250); /* never more than the burst */
	assert_false(bucket_spend(&b, 0, 200));
	assert_false(bucket_take(&b, 200));
	assert_int_equal(bucket_wait_ms(&b, 5), 5);
	assert_true(bucket_spend(&b, 0, 205));
	assert_int_equal(bucket_wait_ms(&b, 5), 0);
	/* the largest that can be said at a time */
	assert_false(bucket_spend(&b, UINT32_MAX, 205));
	assert_int_equal(bucket_wait_ms(&b, 1), (uint64_t)UINT32_MAX - 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_the_rate_says),
		cmocka_unit_test(no_more_than_the_burst_after_a_pause),
		cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
		cmocka_unit_test(debt_is_paid_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
