/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/exec.h"

/* Invariants: progress only on OK, payload inside the input, headers re-encode to themselves. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct bb_span in, enum exec_side from)
{
	const uint8_t *end = in.p + in.len;

	for (;;) {
		const struct bb_span before = in;
		uint8_t header[EXEC_HEADER_BYTES];
		struct exec_frame f;
		struct exec_winsize w;
		struct exec_exit e;
		uint64_t us;
		uint8_t signal;

		if (exec_frame_read(&in, from, &f) != EXEC_RESULT_OK) {
			BB_BUG_ON(in.p != before.p || in.len != before.len);
			return;
		}
		BB_BUG_ON(in.p <= before.p || in.p + in.len != end);
		BB_BUG_ON(f.payload.p + f.payload.len != in.p);
		exec_header_write(header, f.type, (uint32_t)f.payload.len);
		BB_BUG_ON(memcmp(header, before.p, sizeof(header)) != 0);
		if (exec_resize_read(f.payload, &w) == EXEC_RESULT_OK)
			BB_BUG_ON(f.payload.len != EXEC_RESIZE_BYTES);
		if (exec_exit_read(f.payload, &e) == EXEC_RESULT_OK)
			BB_BUG_ON(e.signal > 64);
		if (exec_signal_read(f.payload, &signal) == EXEC_RESULT_OK)
			BB_BUG_ON(signal == 0 || signal > 64);
		if (exec_ping_read(f.payload, &us) == EXEC_RESULT_OK)
			BB_BUG_ON(f.payload.len != EXEC_PING_BYTES);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	walk((struct bb_span){ data, size }, EXEC_SIDE_HOST);
	walk((struct bb_span){ data, size }, EXEC_SIDE_GUEST);
	return 0;
}
