/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/exec.h"
#include "tests/unit/unit.h"

static enum exec_result read_copy(const uint8_t *p, size_t len, enum exec_side from, size_t *used)
{
	uint8_t *copy = malloc(len + !len);
	struct exec_frame f;
	struct bb_span in;
	enum exec_result r;

	assert_non_null(copy);
	memcpy(copy, p, len);
	in = (struct bb_span){ copy, len };
	r = exec_frame_read(&in, from, &f);
	*used = len - in.len;
	free(copy);
	return r;
}

static void frames(void **state)
{
	static const struct {
		uint8_t in[16];
		size_t len;
		enum exec_side from;
		enum exec_result want;
		size_t used;
	} rows[] = {
		{ { 0, 0, 0, 2, 2, 'h', 'i', 9 }, 8, EXEC_SIDE_HOST, EXEC_RESULT_OK, 7 },
		{ { 0, 0, 0, 0, 3 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_OK, 5 },
		{ { 0, 0, 0, 0, 9 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_OK, 5 },
		{ { 0, 0, 0, 0, 3 }, 4, EXEC_SIDE_HOST, EXEC_RESULT_SHORT, 0 },
		{ { 0 }, 0, EXEC_SIDE_HOST, EXEC_RESULT_SHORT, 0 },
		{ { 0, 0, 0, 2, 2, 'h' }, 6, EXEC_SIDE_HOST, EXEC_RESULT_SHORT, 0 },
		{ { 0, 0, 0, 0, 0 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_BAD_TYPE, 0 },
		{ { 0, 0, 0, 0, 13 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_BAD_TYPE, 0 },
		{ { 0, 0, 0, 1, 4, 'x' }, 6, EXEC_SIDE_HOST, EXEC_RESULT_BAD_SIDE, 0 },
		{ { 0, 0, 0, 1, 4, 'x' }, 6, EXEC_SIDE_GUEST, EXEC_RESULT_OK, 6 },
		{ { 0, 0, 0, 1, 2, 'x' }, 6, EXEC_SIDE_GUEST, EXEC_RESULT_BAD_SIDE, 0 },
		{ { 0, 0, 0, 0, 2 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_BAD_LENGTH, 0 },
		{ { 0, 0, 0, 1, 3, 0 }, 6, EXEC_SIDE_HOST, EXEC_RESULT_BAD_LENGTH, 0 },
		{ { 0, 1, 0, 1, 2 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_BAD_LENGTH, 0 },
		{ { 0xff, 0xff, 0xff, 0xff, 1 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_BAD_LENGTH, 0 },
		{ { 0, 0x10, 0, 0, 1 }, 5, EXEC_SIDE_HOST, EXEC_RESULT_SHORT, 0 },
		{ { 0, 0, 0, 8, 11, 0, 0, 0, 0, 0, 0, 0, 1 },
		  13,
		  EXEC_SIDE_GUEST,
		  EXEC_RESULT_OK,
		  13 },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		size_t used;

		assert_int_equal(read_copy(rows[i].in, rows[i].len, rows[i].from, &used),
				 rows[i].want);
		assert_int_equal(used, rows[i].used);
	}
}

static void payloads(void **state)
{
	struct exec_exit e = { .code = 3, .signal = 9, .oom = true }, e2 = { 0 };
	struct exec_winsize w = { 24, 80 }, w2 = { 0, 0 };
	uint8_t out[EXEC_PING_BYTES], signal = 0;
	uint64_t us = 0;

	(void)state;
	exec_exit_write(out, &e);
	assert_int_equal(exec_exit_read((struct bb_span){ out, 3 }, &e2), EXEC_RESULT_OK);
	assert_true(e2.code == 3 && e2.signal == 9 && e2.oom);
	out[2] = 2;
	assert_int_equal(exec_exit_read((struct bb_span){ out, 3 }, &e2), EXEC_RESULT_BAD_VALUE);
	exec_resize_write(out, w);
	assert_int_equal(exec_resize_read((struct bb_span){ out, 4 }, &w2), EXEC_RESULT_OK);
	assert_true(w2.rows == 24 && w2.cols == 80);
	assert_int_equal(exec_resize_read((struct bb_span){ out, 3 }, &w2), EXEC_RESULT_BAD_VALUE);
	exec_ping_write(out, 0x0123456789abcdefu);
	assert_int_equal(exec_ping_read((struct bb_span){ out, 8 }, &us), EXEC_RESULT_OK);
	assert_true(us == 0x0123456789abcdefu);
	assert_int_equal(exec_ping_read((struct bb_span){ out, 7 }, &us), EXEC_RESULT_BAD_VALUE);
	for (unsigned int i = 0; i < 256; i++) {
		out[0] = (uint8_t)i;
		assert_int_equal(exec_signal_read((struct bb_span){ out, 1 }, &signal),
				 i >= 1 && i <= 64 ? EXEC_RESULT_OK : EXEC_RESULT_BAD_VALUE);
	}
}

static void header_writes_what_is_read(void **state)
{
	uint8_t out[EXEC_HEADER_BYTES];
	enum exec_type type;
	uint32_t len;

	(void)state;
	exec_header_write(out, EXEC_TYPE_STDOUT, EXEC_DATA_MAX);
	assert_int_equal(exec_header_read((struct bb_span){ out, 5 }, EXEC_SIDE_GUEST, &type, &len),
			 EXEC_RESULT_OK);
	assert_int_equal(type, EXEC_TYPE_STDOUT);
	assert_int_equal(len, EXEC_DATA_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(payloads),
		cmocka_unit_test(header_writes_what_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
