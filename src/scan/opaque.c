/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/opaque.h"
#include "scan/fast.h"

static size_t settle(struct opaque *o)
{
	size_t counted = o->odd > o->n / 8 ? o->n : 0;

	o->n = o->odd = 0;
	return counted;
}

/* RFC 3629 section 4, without the limits inside a plane: who is no text misses more than those */
static bool is_odd(struct opaque *o, uint8_t c)
{
	if ((c & 0xc0) == 0x80 && o->more) {
		o->more--;
		return false;
	}
	o->more = c >= 0xc2 && c <= 0xf4 ? (uint8_t)(c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1) : 0;
	return !o->more && c != 0 && !fast_is(FAST_TEXT, c);
}

size_t opaque_feed(struct opaque *o, struct bb_span in, bool end)
{
	size_t counted = 0, i = 0;

	while (i < in.len) {
		size_t room = OPAQUE_BLOCK - o->n, left = in.len - i;
		size_t n = fast_span(FAST_TEXT, in.p + i, left < room ? left : room);

		if (n)
			o->more = 0;
		i += n;
		o->n = (uint16_t)(o->n + n);
		if (n < room && i < in.len) {
			o->odd = (uint16_t)(o->odd + is_odd(o, in.p[i++]));
			o->n++;
		}
		if (o->n == OPAQUE_BLOCK)
			counted += settle(o);
	}
	return end ? counted + settle(o) : counted;
}
