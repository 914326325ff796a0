/* SPDX-License-Identifier: Apache-2.0 */
#include "base/printable.h"
#include <stdio.h>

/* One character of UTF-8, shortest form only. Return: its octets, 0 when it is none */
static size_t decode(const uint8_t *p, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
	uint32_t v = n == 1 ? p[0] : n ? p[0] & (0x7fu >> n) : 0;

	if (n == 0 || p[0] >= 0xf8)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) /* a NUL is none either: nothing behind it is read */
			return 0;
		v = v << 6 | (p[i] & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 0;
	*ret = v;
	return n;
}

static bool is_shown(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0, 0x1f },        { 0x7f, 0x9f },       { 0xad, 0xad },       { 0x34f, 0x34f },
		{ 0x61c, 0x61c },   { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
		{ '\\', '\\' },     { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < BB_ARRAY_LEN(hidden); i++) {
		if (c >= hidden[i].first && c <= hidden[i].last)
			return false;
	}
	return true;
}

/* Octets of @p that can be shown as they are: 0, or those of one character */
static size_t shown(const uint8_t *p)
{
	uint32_t c;
	size_t n = decode(p, &c);

	return n && is_shown(c) ? n : 0;
}

bool bb_printable_is(const char *text)
{
	const uint8_t *p = (const uint8_t *)text;

	while (*p) {
		size_t n = shown(p);

		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

int bb_printable_add(struct bb_buf *b, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	int r = 0;

	while (r == 0 && *p) {
		size_t n = shown(p);

		r = n ? bb_buf_add(b, p, n) : bb_buf_addf(b, "\\x%02x", *p);
		p += n ? n : 1;
	}
	return r;
}

int bb_printable_lines(struct bb_buf *b, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	int r = 0;

	while (r == 0 && *p) {
		size_t n = *p == '\n' || *p == '\\' ? 1 : shown(p);

		r = n ? bb_buf_add(b, p, n) : bb_buf_addf(b, "\\x%02x", *p);
		p += n ? n : 1;
	}
	return r;
}

const char *bb_printable(const char *text, char *ret, size_t size)
{
	bb_auto_buf struct bb_buf b;

	bb_buf_init(&b, size - 1);
	(void)!bb_printable_add(&b, text); /* whole characters, as far as there is room */
	if (b.len)
		memcpy(ret, b.p, b.len);
	ret[b.len] = '\0';
	return ret;
}

const char *bb_printable_span(struct bb_span text, char *ret, size_t size)
{
	char part[1024];
	size_t n = text.len < sizeof(part) ? text.len : sizeof(part) - 1;

	if (n)
		memcpy(part, text.p, n);
	part[n] = '\0';
	return bb_printable(part, ret, size);
}
