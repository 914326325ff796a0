/* SPDX-License-Identifier: Apache-2.0 */
#include "image/cpio.h"
#include "tests/unit/image/newc.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static void octets_of_one_file(void **state)
{
	static const char want[] = "070701"
				   "00000000"
				   "000081a4" /* regular, 0644 */
				   "00000000"
				   "00000000"
				   "00000001"
				   "00000000"
				   "00000003" /* size */
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000005" /* name with NUL */
				   "00000000"
				   "a/bc\0" /* 110 + 5 octets, one of padding */
				   "\0"
				   "xyz\0";
	bb_auto_buf struct bb_buf b;

	(void)state;
	bb_buf_init(&b, 4096);
	assert_int_equal(cpio_file(&b, "a/bc", 0644, BB_SPAN_STR("xyz")), 0);
	assert_int_equal(b.len, sizeof(want) - 1);
	assert_memory_equal(b.p, want, b.len);
}

/* Names and contents of every length modulo four */
static void aligned_and_reproducible(void **state)
{
	bb_auto_buf struct bb_buf b, again;
	struct bb_buf *both[] = { &b, &again };
	struct newc_entry e;
	struct newc n;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bb_buf_init(both[i], 1u << 20);
		for (size_t len = 0; len < 9; len++) {
			char name[16];

			(void)snprintf(name, sizeof(name), "%.*s", (int)(1 + len % 5), "fghij");
			assert_int_equal(
				cpio_file(both[i], name, 0755,
					  (struct bb_span){ (const uint8_t *)"012345678", len }),
				0);
		}
		assert_int_equal(cpio_end(both[i]), 0);
	}
	assert_true(bb_span_eq(bb_buf_span(&b), bb_buf_span(&again)));
	assert_int_equal(b.len % 512, 0);
	n = (struct newc){ bb_buf_span(&b), 0 };
	for (size_t len = 0; len < 9; len++) {
		assert_true(newc_next(&n, &e));
		assert_int_equal(strlen(e.path), 1 + len % 5);
		assert_true(
			bb_span_eq(e.data, (struct bb_span){ (const uint8_t *)"012345678", len }));
	}
	assert_false(newc_next(&n, &e));
	assert_true(newc_at_end(&n));
}

static void kinds(void **state)
{
	bb_auto_buf struct bb_buf b;
	struct newc_entry e;
	struct newc n;

	(void)state;
	bb_buf_init(&b, 4096);
	assert_int_equal(cpio_dir(&b, "dev"), 0);
	assert_int_equal(cpio_chardev(&b, "dev/console", 5, 1), 0);
	assert_int_equal(cpio_end(&b), 0);
	n = (struct newc){ bb_buf_span(&b), 0 };
	assert_true(newc_next(&n, &e));
	assert_int_equal(e.mode, S_IFDIR | 0755);
	assert_int_equal(e.nlink, 2);
	assert_true(newc_next(&n, &e));
	assert_int_equal(e.mode, S_IFCHR | 0600);
	assert_int_equal(e.major, 5);
	assert_int_equal(e.minor, 1);
	assert_true(e.uid == 0 && e.gid == 0 && e.mtime == 0);
	assert_false(newc_next(&n, &e));
}

static void full_buffer_is_an_error(void **state)
{
	bb_auto_buf struct bb_buf b;

	(void)state;
	bb_buf_init(&b, 128);
	assert_int_equal(cpio_file(&b, "name", 0644, BB_SPAN_STR("more than fits")), -ENOBUFS);
	assert_true(b.len <= 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_of_one_file),
		cmocka_unit_test(aligned_and_reproducible),
		cmocka_unit_test(kinds),
		cmocka_unit_test(full_buffer_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
