/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vsock.h"

/* Invariants: what decodes, refused or not, encodes to the same octets; only SHORT writes nothing
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vsock_header h = { .op = 9999 };
	uint8_t out[VSOCK_HEADER_BYTES];
	enum vsock_result r = vsock_header_read((struct bb_span){ data, size }, &h);

	BB_BUG_ON((r == VSOCK_RESULT_SHORT) != (size < VSOCK_HEADER_BYTES));
	if (r == VSOCK_RESULT_SHORT) {
		BB_BUG_ON(h.op != 9999);
		return 0;
	}
	vsock_header_write(out, &h);
	BB_BUG_ON(memcmp(out, data, sizeof(out)) != 0);
	if (r == VSOCK_RESULT_OK) {
		BB_BUG_ON(h.op == VSOCK_OP_INVALID || h.op >= VSOCK_NUM_OPS);
		BB_BUG_ON(h.len > VSOCK_PAYLOAD_MAX || (h.len > 0 && h.op != VSOCK_OP_RW));
	}
	return 0;
}
