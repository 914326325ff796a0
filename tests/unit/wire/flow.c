/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/flow.h"
#include "tests/unit/unit.h"

static const uint8_t good4[FLOW_HEADER_BYTES] = {
	0x42, 0x46, 1, 4, 6, 0, 0x01, 0xbb, 127, 83, 7, 1
};
static const uint8_t good6[FLOW_HEADER_BYTES] = { 0x42, 0x46, 1,    6,    6, 0, 0, 80,
						  0x20, 1,    0xd,  0xb8, 0, 0, 0, 0,
						  0xff, 0xff, 0xff, 0,    0, 0, 0, 1 };

/* Decode from an exact-size heap copy, so that a sanitizer sees any read past the end */
static enum flow_result read_copy(const uint8_t *p, size_t len, struct flow_header *h)
{
	uint8_t *copy = malloc(len + !len);
	enum flow_result r;

	assert_non_null(copy);
	memcpy(copy, p, len);
	r = flow_header_read((struct bb_span){ copy, len }, h);
	free(copy);
	return r;
}

static void header_round_trip(void **state)
{
	static const uint8_t *const goods[] = { good4, good6 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(goods); i++) {
		struct flow_header h = { 0 };
		uint8_t out[FLOW_HEADER_BYTES];

		assert_int_equal(read_copy(goods[i], FLOW_HEADER_BYTES, &h), FLOW_RESULT_OK);
		flow_header_write(out, &h);
		assert_memory_equal(out, goods[i], FLOW_HEADER_BYTES);
		for (size_t n = 0; n < FLOW_HEADER_BYTES; n++)
			assert_int_equal(read_copy(goods[i], n, &h), FLOW_RESULT_SHORT);
	}
}

static void header_refuses(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum flow_result want;
	} rows[] = {
		{ 0, 0x43, FLOW_RESULT_BAD_MAGIC },  { 1, 0, FLOW_RESULT_BAD_MAGIC },
		{ 2, 0, FLOW_RESULT_BAD_VERSION },   { 2, 2, FLOW_RESULT_BAD_VERSION },
		{ 3, 0, FLOW_RESULT_BAD_FAMILY },    { 3, 5, FLOW_RESULT_BAD_FAMILY },
		{ 4, 17, FLOW_RESULT_BAD_PROTO },    { 5, 1, FLOW_RESULT_BAD_RESERVED },
		{ 12, 1, FLOW_RESULT_BAD_RESERVED }, { 23, 1, FLOW_RESULT_BAD_RESERVED },
	};
	struct flow_header h = { .family = 99 };
	uint8_t in[FLOW_HEADER_BYTES];

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		memcpy(in, good4, sizeof(in));
		in[rows[i].at] = rows[i].value;
		assert_int_equal(read_copy(in, sizeof(in), &h), rows[i].want);
		assert_int_equal(h.family, 99);
	}
	memcpy(in, good6, sizeof(in));
	in[6] = in[7] = 0;
	assert_int_equal(read_copy(in, sizeof(in), &h), FLOW_RESULT_BAD_PORT);
	assert_int_equal(h.family, 99);
}

static void reply_round_trip(void **state)
{
	struct flow_reply r = { .status = FLOW_STATUS_REFUSED, .err = 111 }, got = { 0 };
	uint8_t out[FLOW_REPLY_BYTES];

	(void)state;
	flow_reply_write(out, r);
	assert_int_equal(flow_reply_read((struct bb_span){ out, 4 }, &got), FLOW_RESULT_OK);
	assert_int_equal(got.status, FLOW_STATUS_REFUSED);
	assert_int_equal(got.err, 111);
	for (size_t n = 0; n < FLOW_REPLY_BYTES; n++)
		assert_int_equal(flow_reply_read((struct bb_span){ out, n }, &got),
				 FLOW_RESULT_SHORT);
	out[1] = 1;
	assert_int_equal(flow_reply_read((struct bb_span){ out, 4 }, &got),
			 FLOW_RESULT_BAD_RESERVED);
	out[0] = FLOW_NUM_STATUSES;
	assert_int_equal(flow_reply_read((struct bb_span){ out, 1 }, &got), FLOW_RESULT_BAD_STATUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_round_trip),
		cmocka_unit_test(header_refuses),
		cmocka_unit_test(reply_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
