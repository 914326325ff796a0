/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_FUZZ_HTTP2_SPLIT_H
#define BB_FUZZ_HTTP2_SPLIT_H
#include "wire/http2.h"

/* Lines "name\x1fvalue\n" as a field section */
static void http2_split(const uint8_t *p, size_t len, struct http2_section *s)
{
	s->n = 0;
	while (len && s->n < HTTP2_FIELDS_MAX) {
		const uint8_t *lf = memchr(p, '\n', len);
		size_t n = lf ? (size_t)(lf - p) : len;
		const uint8_t *mid = n ? memchr(p, 0x1f, n) : NULL;
		size_t name = mid ? (size_t)(mid - p) : n;

		s->v[s->n++] =
			(struct http1_field){ { p, name }, { p + name + !!mid, n - name - !!mid } };
		p += n + !!lf;
		len -= n + !!lf;
	}
}
#endif
