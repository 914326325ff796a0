/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vhost_user.h"
#include "tests/unit/unit.h"
#include "wire/le.h"

#define BUF (VHOST_USER_HEADER_BYTES + VHOST_USER_PAYLOAD_MAX)

/* Decode header and payload from exact-size copies */
static enum vhost_user_result read_copy(const uint8_t *p, size_t len, size_t n_fds,
					struct vhost_user_msg *ret)
{
	size_t payload = len > VHOST_USER_HEADER_BYTES ? len - VHOST_USER_HEADER_BYTES : 0;
	size_t head = len - payload;
	uint8_t *h = malloc(head + !head), *q = malloc(payload + !payload);
	struct vhost_user_header header;
	enum vhost_user_result r;

	assert_true(h && q);
	memcpy(h, p, head);
	memcpy(q, p + head, payload);
	r = vhost_user_header_read((struct bb_span){ h, head }, &header);
	if (r == VHOST_USER_OK)
		r = vhost_user_payload_read(&header, (struct bb_span){ q, payload }, n_fds, ret);
	free(h);
	free(q);
	return r;
}

static void round_trips(void **state)
{
	static const struct {
		struct vhost_user_msg msg;
		size_t n_fds;
		size_t len;
	} rows[] = {
		{ { .request = VHOST_USER_GET_FEATURES }, 0, 12 },
		{ { .request = VHOST_USER_SET_FEATURES, .need_reply = true, .u.u64 = 1ull << 32 },
		  0,
		  20 },
		{ { .request = VHOST_USER_SET_VRING_NUM, .u.state = { 1, 1024 } }, 0, 20 },
		{ { .request = VHOST_USER_SET_VRING_ADDR, .u.addr = { 1, 0, 2, 3, 4, 5 } }, 0, 52 },
		{ { .request = VHOST_USER_SET_VRING_KICK, .u.fd = { 1, true } }, 1, 20 },
		{ { .request = VHOST_USER_SET_VRING_CALL, .u.fd = { 0, false } }, 0, 20 },
		{ { .request = VHOST_USER_SET_MEM_TABLE,
		    .u.memory = { 2, { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } } } },
		  2,
		  84 },
		{ { .request = VHOST_USER_GET_CONFIG, .u.config = { 0, 8, 0, { 3 } } }, 0, 32 },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		uint8_t out[BUF], again[BUF];
		struct vhost_user_msg got;
		size_t n = vhost_user_request_write(out, &rows[i].msg);

		assert_int_equal(n, rows[i].len);
		assert_int_equal(read_copy(out, n, rows[i].n_fds, &got), VHOST_USER_OK);
		assert_int_equal(got.need_reply, rows[i].msg.need_reply);
		assert_int_equal(vhost_user_request_write(again, &got), n);
		assert_memory_equal(out, again, n);
		assert_int_equal(read_copy(out, n, rows[i].n_fds + 1, &got), VHOST_USER_BAD_FDS);
		for (size_t k = 0; k < VHOST_USER_HEADER_BYTES; k++)
			assert_int_equal(read_copy(out, k, 0, &got), VHOST_USER_SHORT);
		assert_string_not_equal(vhost_user_name(rows[i].msg.request), "?");
	}
}

/* One 32-bit word of a good message changed */
static void refuses(void **state)
{
	static const struct {
		struct vhost_user_msg msg;
		size_t n_fds;
		size_t at;
		uint32_t value;
		enum vhost_user_result want;
	} rows[] = {
		{ { .request = VHOST_USER_GET_FEATURES }, 0, 0, 17, VHOST_USER_BAD_REQUEST },
		{ { .request = VHOST_USER_GET_FEATURES }, 0, 4, 2, VHOST_USER_BAD_FLAGS },
		{ { .request = VHOST_USER_GET_FEATURES }, 0, 4, 5, VHOST_USER_BAD_FLAGS },
		{ { .request = VHOST_USER_GET_FEATURES }, 0, 8, 8, VHOST_USER_BAD_LENGTH },
		{ { .request = VHOST_USER_SET_VRING_NUM }, 0, 12, 2, VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_SET_VRING_ADDR }, 0, 12, 2, VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_SET_VRING_ADDR }, 0, 16, 1, VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_SET_VRING_KICK, .u.fd.has_fd = true },
		  1,
		  12,
		  2,
		  VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_SET_VRING_KICK, .u.fd.has_fd = true },
		  1,
		  12,
		  0x200,
		  VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_SET_MEM_TABLE, .u.memory.n = 1 },
		  1,
		  12,
		  0,
		  VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_SET_MEM_TABLE, .u.memory.n = 1 },
		  1,
		  12,
		  2,
		  VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_GET_CONFIG, .u.config.size = 8 },
		  0,
		  12,
		  249,
		  VHOST_USER_BAD_VALUE },
		{ { .request = VHOST_USER_GET_CONFIG, .u.config.size = 8 },
		  0,
		  16,
		  9,
		  VHOST_USER_BAD_VALUE },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct vhost_user_msg got = { .request = VHOST_USER_SET_OWNER };
		uint8_t out[BUF];
		size_t n = vhost_user_request_write(out, &rows[i].msg);

		le_put32(out + rows[i].at, rows[i].value);
		assert_int_equal(read_copy(out, n, rows[i].n_fds, &got), rows[i].want);
		assert_int_equal(got.request, VHOST_USER_SET_OWNER);
	}
}

static void replies(void **state)
{
	struct vhost_user_msg msg = { .request = VHOST_USER_GET_FEATURES, .u.u64 = 0x123456789 };
	uint8_t out[BUF];

	(void)state;
	assert_int_equal(vhost_user_reply_write(out, &msg, VHOST_USER_SHAPE_U64), 20);
	assert_int_equal(le_get32(out), VHOST_USER_GET_FEATURES);
	assert_int_equal(le_get32(out + 4), 5);
	assert_int_equal(le_get32(out + 8), 8);
	assert_int_equal(le_get64(out + 12), 0x123456789);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(refuses),
		cmocka_unit_test(replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
