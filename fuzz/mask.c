/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/mask.h"

/*
 * Invariants: after the mask no whole credential is left, in whatever pieces the text came; nothing
 * changes length; text without the credential comes out as it went in.
 */
#define TOKEN "abacabad"

static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mask m = { .text = { BB_SPAN_STR(TOKEN), BB_SPAN_STR("caba") }, .n = 1 };
	static uint8_t held[8192], out[8192];
	size_t n_held = 0, n_out = 0, step;

	if (size < 2 || size > 4096)
		return 0;
	step = data[0] % 13 + 1u;
	m.n = data[0] & 128 ? 2 : 1;
	for (size_t at = 1; at < size; at += step) {
		size_t piece = size - at < step ? size - at : step, keep;

		memcpy(held + n_held, data + at, piece);
		n_held += piece;
		keep = mask_apply(&m, held, n_held, at + step >= size);
		check(keep < strlen(TOKEN) && keep <= n_held);
		memcpy(out + n_out, held, n_held - keep);
		n_out += n_held - keep;
		memmove(held, held + n_held - keep, keep);
		n_held = keep;
	}
	check(n_held == 0 && n_out == size - 1);
	check(!memmem(out, n_out, TOKEN, strlen(TOKEN)));
	if (!memmem(data + 1, size - 1, TOKEN, strlen(TOKEN)) && m.n == 1)
		check(memcmp(out, data + 1, n_out) == 0);
	return 0;
}
