/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vhost_user.h"

/*
 * Input: one octet that says how many fds came, then a message. Invariants: a decoded message is
 * in range and, but for slack in a memory table, encodes to the same octets.
 */
static void check(const struct vhost_user_msg *msg, const uint8_t *data)
{
	uint8_t out[VHOST_USER_HEADER_BYTES + VHOST_USER_PAYLOAD_MAX];
	size_t n = vhost_user_request_write(out, msg);

	if (msg->request == VHOST_USER_SET_MEM_TABLE) {
		BB_BUG_ON(msg->u.memory.n == 0 || msg->u.memory.n > VHOST_USER_REGIONS_MAX);
		BB_BUG_ON(memcmp(out + 20, data + 20, n - 20) != 0);
		return;
	}
	BB_BUG_ON(memcmp(out, data, n) != 0);
	if (msg->request == VHOST_USER_GET_CONFIG)
		BB_BUG_ON(msg->u.config.offset + msg->u.config.size > VHOST_USER_CONFIG_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vhost_user_msg msg = { .u.u64 = 0 };
	struct vhost_user_header h = { .size = 9999 };
	struct bb_span in;
	enum vhost_user_result r;

	if (size < 1)
		return 0;
	in = (struct bb_span){ data + 1, size - 1 };
	r = vhost_user_header_read(in, &h);
	BB_BUG_ON((r == VHOST_USER_SHORT) != (in.len < VHOST_USER_HEADER_BYTES));
	BB_BUG_ON(r != VHOST_USER_OK && h.size != 9999);
	if (r != VHOST_USER_OK || in.len - VHOST_USER_HEADER_BYTES < h.size)
		return 0;
	BB_BUG_ON(h.size > VHOST_USER_PAYLOAD_MAX);
	r = vhost_user_payload_read(&h, (struct bb_span){ in.p + VHOST_USER_HEADER_BYTES, h.size },
				    data[0], &msg);
	if (r == VHOST_USER_OK)
		check(&msg, in.p);
	return 0;
}
