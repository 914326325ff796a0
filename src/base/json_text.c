/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

int bb_json_string(struct bb_buf *b, struct bb_span s)
{
	size_t mark = b->len;
	int r = bb_buf_add(b, "\"", 1);

	for (size_t i = 0; i < s.len && r == 0; i++) {
		size_t from = i;
		uint8_t c;

		while (i < s.len && is_plain(s.p[i]))
			i++;
		r = bb_buf_add(b, s.p + from, i - from);
		if (i == s.len || r < 0)
			break;
		c = s.p[i];
		r = c == '"' || c == '\\' ? bb_buf_addf(b, "\\%c", c)
					  : bb_buf_addf(b, "\\u%04x", c);
	}
	if (r == 0)
		r = bb_buf_add(b, "\"", 1);
	if (r < 0)
		b->len = mark;
	return r;
}
