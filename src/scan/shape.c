/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/shape.h"

static const char base64_letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base32_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/*
 * @bits of each character, @in starting @skew octets into a group: only characters whose bits all
 * come from @in. Return: characters written.
 */
static size_t encode_whole(struct bb_span in, unsigned int bits, const char *letters, size_t skew,
			   uint8_t *out)
{
	size_t total = in.len * 8, n = 0;
	size_t at = (bits - skew * 8 % bits) % bits; /* first bit of a character inside @in */

	for (; at + bits <= total; at += bits) {
		unsigned int v = 0;

		for (unsigned int b = 0; b < bits; b++)
			v = v << 1 | (in.p[(at + b) / 8] >> (7 - (at + b) % 8) & 1u);
		out[n++] = (uint8_t)letters[v];
	}
	return n;
}

static uint8_t rot13(uint8_t c)
{
	uint8_t lower = c | 0x20;

	if (lower < 'a' || lower > 'z')
		return c;
	return (uint8_t)(lower < 'n' ? c + 13 : c - 13);
}

static void plain_shapes(struct bb_span s, uint8_t *buf, void (*fn)(void *, struct bb_span),
			 void *arg)
{
	fn(arg, s);
	for (size_t i = 0; i < s.len; i++)
		buf[i] = s.p[s.len - 1 - i];
	fn(arg, (struct bb_span){ buf, s.len });
	for (size_t i = 0; i < s.len; i++)
		buf[i] = rot13(s.p[i]);
	fn(arg, (struct bb_span){ buf, s.len });
}

static void hex_shapes(struct bb_span s, uint8_t *buf, void (*fn)(void *, struct bb_span),
		       void *arg)
{
	static const char *const digits[] = { "0123456789abcdef", "0123456789ABCDEF" };

	for (size_t d = 0; d < BB_ARRAY_LEN(digits); d++) {
		for (size_t i = 0; i < s.len; i++) {
			buf[2 * i] = (uint8_t)digits[d][s.p[i] >> 4];
			buf[2 * i + 1] = (uint8_t)digits[d][s.p[i] & 15];
		}
		fn(arg, (struct bb_span){ buf, 2 * s.len });
	}
}

static void base64_shapes(struct bb_span s, uint8_t *buf, uint8_t *again,
			  void (*fn)(void *, struct bb_span), void *arg)
{
	for (size_t skew = 0; skew < 3; skew++) {
		struct bb_span once = { buf, encode_whole(s, 6, base64_letters, skew, buf) };

		fn(arg, once);
		for (size_t outer = 0; outer < 3; outer++) {
			size_t n = encode_whole(once, 6, base64_letters, outer, again);

			fn(arg, (struct bb_span){ again, n });
		}
	}
}

static void base32_shapes(struct bb_span s, uint8_t *buf, void (*fn)(void *, struct bb_span),
			  void *arg)
{
	for (size_t skew = 0; skew < 5; skew++) {
		size_t n = encode_whole(s, 5, base32_letters, skew, buf);

		fn(arg, (struct bb_span){ buf, n });
		for (size_t i = 0; i < n; i++)
			buf[i] |= buf[i] >= 'A' ? 0x20 : 0;
		fn(arg, (struct bb_span){ buf, n });
	}
}

void shape_all(struct bb_span secret, void (*fn)(void *arg, struct bb_span text), void *arg)
{
	size_t size = secret.len * 2 + 16;
	bb_auto_free uint8_t *buf = calloc(2, size);

	if (!buf)
		return;
	plain_shapes(secret, buf, fn, arg);
	hex_shapes(secret, buf, fn, arg);
	base64_shapes(secret, buf, buf + size, fn, arg);
	base32_shapes(secret, buf, fn, arg);
	explicit_bzero(buf, 2 * size);
}
