/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/mask.h"

static void mask_one(struct bb_span text, uint8_t *p, size_t len)
{
	uint8_t *at = p;

	while (text.len && (at = memmem(at, len - (size_t)(at - p), text.p, text.len)) != NULL) {
		memset(at, '*', text.len);
		at += text.len;
	}
}

/* Longest proper prefix of @text that ends the piece */
static size_t prefix_at_end(struct bb_span text, const uint8_t *p, size_t len)
{
	size_t n = text.len ? text.len - 1 : 0;

	if (n > len)
		n = len;
	while (n && memcmp(p + len - n, text.p, n) != 0)
		n--;
	return n;
}

size_t mask_apply(const struct mask *m, uint8_t *p, size_t len, bool last)
{
	size_t hold = 0;

	for (size_t i = 0; i < m->n; i++)
		mask_one(m->text[i], p, len);
	for (size_t i = 0; i < m->n && !last; i++) {
		size_t n = prefix_at_end(m->text[i], p, len);

		if (n > hold)
			hold = n;
	}
	return hold;
}
