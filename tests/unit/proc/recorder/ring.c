/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/ring.h"
#include "base/io.h"
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <stdio.h>

static char tmp[] = "/tmp/bb-ring-XXXXXX";

static int make_tmp(void **state)
{
	(void)state;
	return mkdtemp(tmp) ? 0 : -1;
}

static int drop_tmp(void **state)
{
	char cmd[64];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	return system(cmd);
}

static void keeps_the_newest_lines(void **state)
{
	bb_auto_close int dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bb_err err = { 0 };
	struct ring ring;
	struct bb_buf buf;
	char path[64], line[64];
	unsigned int first, last = 0, n = 0;

	(void)state;
	assert_int_equal(ring_open(dir, "log", &ring, &err), 0);
	for (unsigned int i = 0; i < 100000; i++) {
		int len = snprintf(line, sizeof(line), "line %u of a long log\n", i);

		assert_int_equal(
			ring_add(&ring, (struct bb_span){ (uint8_t *)line, (size_t)len }, &err), 0);
		if (i == 50000) { /* and over a restart */
			ring_release(&ring);
			assert_int_equal(ring_open(dir, "log", &ring, &err), 0);
		}
	}
	ring_release(&ring);
	bb_buf_init(&buf, RING_MAX);
	(void)snprintf(path, sizeof(path), "%s/log", tmp);
	assert_int_equal(bb_read_file(path, &buf, &err), 0);
	assert_true(buf.len > RING_MAX / 4);
	assert_int_equal(bb_buf_add(&buf, "", 0), 0);
	assert_int_equal(sscanf((char *)buf.p, "line %u of", &first), 1);
	for (size_t at = 0; at < buf.len; n++) {
		const uint8_t *end = memchr(buf.p + at, '\n', buf.len - at);

		assert_non_null(end);
		assert_int_equal(sscanf((char *)buf.p + at, "line %u of", &last), 1);
		assert_int_equal(last, first + n);
		at = (size_t)(end + 1 - buf.p);
	}
	assert_int_equal(last, 99999);
	bb_buf_release(&buf);
}

static void one_huge_text(void **state)
{
	bb_auto_close int dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bb_auto_free uint8_t *big = malloc(3 * RING_MAX);
	struct bb_err err = { 0 };
	struct ring ring;

	(void)state;
	memset(big, 'x', 3 * RING_MAX);
	assert_int_equal(ring_open(dir, "big", &ring, &err), 0);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(ring_add(&ring, (struct bb_span){ big, 3 * RING_MAX }, &err), 0);
		assert_true(ring.len <= RING_MAX);
	}
	ring_release(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_newest_lines),
		cmocka_unit_test(one_huge_text),
	};

	return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
