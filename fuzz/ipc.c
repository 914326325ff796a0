/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/msg.h"

/* Whatever decodes encodes again to the very same octets: nothing is read that is not kept. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[IPC_MSG_MAX];
	struct ipc_msg msg = { .type = IPC_NONE };
	size_t len = 0;
	int fd = size && data[0] & 0x80 ? 0 : -1;
	struct bb_span in = { data + (size > 0), size - (size > 0) };

	if (ipc_decode(in, fd, &msg) != IPC_OK) {
		if (msg.type != IPC_NONE)
			abort();
		return 0;
	}
	if (ipc_encode(&msg, again, &len) != IPC_OK || len != in.len ||
	    memcmp(again, in.p, len) != 0)
		abort();
	return 0;
}
