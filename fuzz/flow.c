/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/flow.h"

/* Invariants: what decodes encodes to the same octets; nothing is written otherwise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bb_span in = { data, size };
	struct flow_header h = { .family = 99 };
	struct flow_reply r = { .err = 9999, .status = FLOW_NUM_STATUSES };
	uint8_t out[FLOW_HEADER_BYTES];
	enum flow_result res = flow_header_read(in, &h);

	if (res == FLOW_RESULT_OK) {
		flow_header_write(out, &h);
		BB_BUG_ON(size < sizeof(out) || memcmp(out, data, sizeof(out)) != 0);
	} else {
		BB_BUG_ON(h.family != 99 || (res == FLOW_RESULT_SHORT && size >= sizeof(out)));
	}
	res = flow_reply_read(in, &r);
	if (res == FLOW_RESULT_OK) {
		flow_reply_write(out, r);
		BB_BUG_ON(size < FLOW_REPLY_BYTES || memcmp(out, data, FLOW_REPLY_BYTES) != 0);
	} else {
		BB_BUG_ON(r.status != FLOW_NUM_STATUSES);
	}
	return 0;
}
