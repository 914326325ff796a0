/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vsock.h"
#include "tests/unit/unit.h"

/* struct virtio_vsock_hdr of a SHUTDOWN from the guest's port 1024 to the host's 6003 */
static const uint8_t golden[VSOCK_HEADER_BYTES] = { 3, 0, 0, 0, 0, 0, 0, 0, 2, 0,    0,
						    0, 0, 0, 0, 0, 0, 4, 0, 0, 0x73, 0x17,
						    0, 0, 0, 0, 0, 0, 1, 0, 4, 0,    3,
						    0, 0, 0, 0, 0, 1, 0, 7, 0, 0,    0 };

static enum vsock_result read_copy(const uint8_t *p, size_t len, struct vsock_header *h)
{
	uint8_t *copy = malloc(len + !len);
	enum vsock_result r;

	assert_non_null(copy);
	memcpy(copy, p, len);
	r = vsock_header_read((struct bb_span){ copy, len }, h);
	free(copy);
	return r;
}

static void round_trip(void **state)
{
	struct vsock_header h = { 0 };
	uint8_t out[VSOCK_HEADER_BYTES];

	(void)state;
	assert_int_equal(read_copy(golden, sizeof(golden), &h), VSOCK_RESULT_OK);
	assert_int_equal(h.src_cid, VSOCK_CID_GUEST);
	assert_int_equal(h.dst_cid, VSOCK_CID_HOST);
	assert_int_equal(h.src_port, 1024);
	assert_int_equal(h.dst_port, 6003);
	assert_int_equal(h.type, VSOCK_TYPE_STREAM);
	assert_int_equal(h.op, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_BOTH);
	assert_int_equal(h.buf_alloc, 65536);
	assert_int_equal(h.fwd_cnt, 7);
	vsock_header_write(out, &h);
	assert_memory_equal(out, golden, sizeof(out));
	for (size_t n = 0; n < sizeof(golden); n++)
		assert_int_equal(read_copy(golden, n, &h), VSOCK_RESULT_SHORT);
}

static void refuses(void **state)
{
	static const struct {
		uint16_t op;
		uint32_t len;
		uint32_t flags;
		enum vsock_result want;
	} rows[] = {
		{ VSOCK_OP_INVALID, 0, 0, VSOCK_RESULT_BAD_OP },
		{ VSOCK_NUM_OPS, 0, 0, VSOCK_RESULT_BAD_OP },
		{ VSOCK_OP_RW, 0, 0, VSOCK_RESULT_OK },
		{ VSOCK_OP_RW, VSOCK_PAYLOAD_MAX, 0, VSOCK_RESULT_OK },
		{ VSOCK_OP_RW, VSOCK_PAYLOAD_MAX + 1, 0, VSOCK_RESULT_BAD_LENGTH },
		{ VSOCK_OP_REQUEST, 1, 0, VSOCK_RESULT_BAD_LENGTH },
		{ VSOCK_OP_SHUTDOWN, 0, 4, VSOCK_RESULT_BAD_FLAGS },
		{ VSOCK_OP_SHUTDOWN, 0, 2, VSOCK_RESULT_OK },
		{ VSOCK_OP_RW, 1, 1, VSOCK_RESULT_BAD_FLAGS },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct vsock_header h = { .op = rows[i].op,
					  .len = rows[i].len,
					  .flags = rows[i].flags,
					  .type = VSOCK_TYPE_STREAM };
		struct vsock_header got = { 0 };
		uint8_t in[VSOCK_HEADER_BYTES];

		vsock_header_write(in, &h);
		assert_int_equal(read_copy(in, sizeof(in), &got), rows[i].want);
		assert_int_equal(got.op, rows[i].op);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
