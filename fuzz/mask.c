/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/mask.h"

/*
 * Invariants: after the mask no whole credential is left, its signs escaped or not, in whatever
 * pieces the text came; nothing changes length; text without the credential comes out as it went
 * in.
 */
#define PLAIN "abacabad"

static const char *const texts[] = { PLAIN, "ab/a+=c\\d", "abacab%2F&aba", "/\\/a" };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static size_t in_pieces(const struct mask *m, const uint8_t *data, size_t size, size_t step,
			uint8_t *out)
{
	static uint8_t held[8192];
	size_t n_held = 0, n_out = 0;

	for (size_t at = 0; at < size; at += step) {
		size_t piece = size - at < step ? size - at : step, keep;

		memcpy(held + n_held, data + at, piece);
		n_held += piece;
		keep = mask_apply(m, held, n_held, at + step >= size);
		check(keep <= n_held && keep < MASK_REACH_MAX(strlen(texts[2])));
		memcpy(out + n_out, held, n_held - keep);
		n_out += n_held - keep;
		memmove(held, held + n_held - keep, keep);
		n_held = keep;
	}
	check(n_held == 0);
	return n_out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[8192], again[8192];
	const char *text;
	struct mask m = { 0 };
	size_t n;

	if (size < 2 || size > 4096)
		return 0;
	text = texts[data[0] >> 4 & 3];
	mask_add(&m, BB_SPAN_STR(text));
	if (data[0] & 128)
		mask_add(&m, BB_SPAN_STR("caba"));
	n = in_pieces(&m, data + 1, size - 1, data[0] % 13 + 1u, out);
	check(n == size - 1 && !memmem(out, n, text, strlen(text)));
	memcpy(again, out, n);
	check(mask_apply(&m, again, n, true) == 0 && memcmp(again, out, n) == 0);
	if (text == texts[0] && m.n == 1 && !memmem(data + 1, n, PLAIN, strlen(PLAIN)))
		check(memcmp(out, data + 1, n) == 0);
	return 0;
}
