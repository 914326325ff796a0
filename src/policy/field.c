/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/field.h"

/* In lower case; 0 for a sign */
static uint8_t fold(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c | 0x20;
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 ? c : 0;
}

bool field_is(struct bb_span name, const char *want)
{
	if (strlen(want) != name.len)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (fold(name.p[i]) != fold((uint8_t)want[i]))
			return false;
	}
	return true;
}

size_t field_unescape(struct bb_span text, uint8_t *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len && n < cap; i++) {
		int high = -1, low = -1;

		if (text.p[i] == '%' && i + 2 < text.len) {
			high = bb_hex_value(text.p[i + 1]);
			low = bb_hex_value(text.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			out[n++] = (uint8_t)((unsigned int)high * 16 + (unsigned int)low);
			i += 2;
		} else {
			out[n++] = text.p[i];
		}
	}
	return n;
}
