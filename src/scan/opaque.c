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
		size_t room = OPAQUE_BLOCK - o->n, left = in.len - i;
		size_t most = left < room ? left : room;
		size_t text = fast_span(FAST_TEXT, in.p + i, most);

		if (text < most)
			text -= text % FAST_ODD_STEP; /* what is looked at by steps stays in step */
		if (text) {
			o->n = (uint16_t)(o->n + text);
			o->more = 0;
			i += text;
		} else if (most >= FAST_ODD_STEP) {
			for (; most >= FAST_ODD_STEP; most -= FAST_ODD_STEP) {
				o->odd = (uint16_t)(o->odd + fast_odd(in.p + i, &o->more));
				o->n += FAST_ODD_STEP;
				i += FAST_ODD_STEP;
			}
		} else {
			o->odd = (uint16_t)(o->odd + fast_is_odd(in.p[i++], &o->more));
			o->n++;
		}
		if (o->n == OPAQUE_BLOCK)
			counted += settle(o);
	}
	return end ? counted + settle(o) : counted;
}
