/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

int bb_json_string(struct bb_buf *b, struct bb_span s)
{
	size_t mark = b->len;
	int r = bb_buf_add(b, "\"", 1);

	for (size_t i = 0; i < s.len && r == 0; i++) {
		uint8_t c = s.p[i];

		if (c == '"' || c == '\\')
			r = bb_buf_addf(b, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			r = bb_buf_addf(b, "\\u%04x", c);
		else
			r = bb_buf_add(b, &c, 1);
	}
	if (r == 0)
		r = bb_buf_add(b, "\"", 1);
	if (r < 0)
		b->len = mark;
	return r;
}
