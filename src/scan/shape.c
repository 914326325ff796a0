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
			v = v << 1 | ((unsigned int)in.p[(at + b) / 8] >> (7 - (at + b) % 8) & 1u);
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

/* Where the spellings go, and room for one of each depth */
struct shaping {
	void (*fn)(void *arg, struct bb_span text);
	void *arg;
	uint8_t *first;
	uint8_t *second;
};

static struct bb_span reversed(struct bb_span s, uint8_t *out)
{
	for (size_t i = 0; i < s.len; i++)
		out[i] = s.p[s.len - 1 - i];
	return (struct bb_span){ out, s.len };
}

static struct bb_span rotated(struct bb_span s, uint8_t *out)
{
	for (size_t i = 0; i < s.len; i++)
		out[i] = rot13(s.p[i]);
	return (struct bb_span){ out, s.len };
}

static struct bb_span hexadecimal(struct bb_span s, bool capitals, uint8_t *out)
{
	const char *digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";

	for (size_t i = 0; i < s.len; i++) {
		out[2 * i] = (uint8_t)digits[s.p[i] >> 4];
		out[2 * i + 1] = (uint8_t)digits[s.p[i] & 15];
	}
	return (struct bb_span){ out, 2 * s.len };
}

static void all_base64(const struct shaping *g, struct bb_span s)
{
	for (size_t skew = 0; skew < 3; skew++) {
		size_t n = encode_whole(s, 6, base64_letters, skew, g->second);

		g->fn(g->arg, (struct bb_span){ g->second, n });
	}
}

static void all_hex(const struct shaping *g, struct bb_span s)
{
	g->fn(g->arg, hexadecimal(s, false, g->second));
	g->fn(g->arg, hexadecimal(s, true, g->second));
}

/* @s is in g->first or the secret itself */
static void with_base64(const struct shaping *g, struct bb_span s)
{
	g->fn(g->arg, s);
	all_base64(g, s);
}

static void base64_shapes(const struct shaping *g, struct bb_span s)
{
	for (size_t skew = 0; skew < 3; skew++) {
		size_t n = encode_whole(s, 6, base64_letters, skew, g->first);

		with_base64(g, (struct bb_span){ g->first, n });
		all_hex(g, (struct bb_span){ g->first, n });
	}
}

static void base32_shapes(const struct shaping *g, struct bb_span s)
{
	for (size_t skew = 0; skew < 5; skew++) {
		size_t n = encode_whole(s, 5, base32_letters, skew, g->first);

		if (skew == 0)
			all_base64(g, (struct bb_span){ g->first, n });
		g->fn(g->arg, (struct bb_span){ g->first, n });
		for (size_t i = 0; i < n; i++)
			g->first[i] |= g->first[i] >= 'A' ? 0x20 : 0;
		g->fn(g->arg, (struct bb_span){ g->first, n });
	}
}

void shape_all(struct bb_span secret, void (*fn)(void *arg, struct bb_span text), void *arg)
{
	size_t size = secret.len * 2 + 16; /* of one spelling; of two it is twice as much */
	bb_auto_free uint8_t *room = calloc(3, size);
	struct shaping g = { fn, arg, room, room ? room + size : NULL };

	if (!room)
		return;
	fn(arg, secret);
	with_base64(&g, reversed(secret, g.first));
	all_hex(&g, reversed(secret, g.first));
	with_base64(&g, rotated(secret, g.first));
	with_base64(&g, hexadecimal(secret, false, g.first));
	with_base64(&g, hexadecimal(secret, true, g.first));
	base64_shapes(&g, secret);
	base32_shapes(&g, secret);
	explicit_bzero(room, 3 * size);
}
