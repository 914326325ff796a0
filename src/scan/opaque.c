/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/opaque.h"
#include "scan/fast.h"

static size_t settle(struct opaque *o)
{
	size_t counted = o->odd > o->n / 8 ? o->n : 0;

	o->n = o->odd = 0;
	return counted;
}

size_t opaque_feed(struct opaque *o, struct bb_span in, bool end)
{
	size_t counted = 0, i = 0;

	while (i < in.len) {
		if (o->n + FAST_ODD_STEP <= OPAQUE_BLOCK && in.len - i >= FAST_ODD_STEP) {
			o->odd = (uint16_t)(o->odd + fast_odd(in.p + i, &o->more));
			o->n += FAST_ODD_STEP;
			i += FAST_ODD_STEP;
		} else {
			o->odd = (uint16_t)(o->odd + fast_is_odd(in.p[i++], &o->more));
			o->n++;
		}
		if (o->n == OPAQUE_BLOCK)
			counted += settle(o);
	}
	return end ? counted + settle(o) : counted;
}
