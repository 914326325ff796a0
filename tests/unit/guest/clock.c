/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/clock.h"
#include "base/io.h"
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE "devices/system/clockevents/clockevent0"

static void write_device(int sys, const char *text)
{
	bb_auto_close int fd =
		openat(sys, DEVICE "/current_device", O_CREAT | O_TRUNC | O_WRONLY, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void only_an_empty_name_is_no_timer(void **state)
{
	static const char *const dirs[] = { "devices", "devices/system",
					    "devices/system/clockevents", DEVICE };
	char dir[] = "/tmp/bb-clock-XXXXXX";
	bb_auto_close int sys = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	sys = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(sys >= 0);
	assert_true(clock_has_timer(sys));
	for (size_t i = 0; i < BB_ARRAY_LEN(dirs); i++)
		assert_int_equal(mkdirat(sys, dirs[i], 0755), 0);
	assert_true(clock_has_timer(sys));
	write_device(sys, "lapic\n");
	assert_true(clock_has_timer(sys));
	write_device(sys, "");
	assert_false(clock_has_timer(sys));
	assert_int_equal(unlinkat(sys, DEVICE "/current_device", 0), 0);
	for (size_t i = BB_ARRAY_LEN(dirs); i-- > 0;)
		assert_int_equal(unlinkat(sys, dirs[i], AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_empty_name_is_no_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
