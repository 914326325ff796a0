/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/shape.h"
#include "scan/known.h"
#include "scan/parts.h"
#include "scan/view.h"
#include <errno.h>

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
	shape_fn *fn;
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

int shape_all(struct bb_span form, shape_fn *fn, void *arg)
{
	size_t size = form.len * 2 + 16; /* of one spelling; of two it is twice as much */
	bb_auto_free uint8_t *room = calloc(3, size);
	struct shaping g = { fn, arg, room, room ? room + size : NULL };

	if (!room)
		return -ENOMEM;
	fn(arg, form);
	with_base64(&g, reversed(form, g.first));
	all_hex(&g, reversed(form, g.first));
	with_base64(&g, rotated(form, g.first));
	with_base64(&g, hexadecimal(form, false, g.first));
	with_base64(&g, hexadecimal(form, true, g.first));
	base64_shapes(&g, form);
	base32_shapes(&g, form);
	explicit_bzero(room, 3 * size);
	return 0;
}

/* ---- forms ---- */

static size_t undo_percent(struct bb_span in, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; n++) {
		int high = i + 2 < in.len && in.p[i] == '%' ? bb_hex_value(in.p[i + 1]) : -1;
		int low = high < 0 ? -1 : bb_hex_value(in.p[i + 2]);

		out[n] = (uint8_t)(low < 0 ? in.p[i] : high << 4 | low);
		i += low < 0 ? 1 : 3;
	}
	return n;
}

static size_t plain_view(struct bb_span in, uint8_t *out)
{
	struct view_plain v = { 0 };
	size_t n = view_plain_feed(&v, in.p, in.len, out);

	return n + view_plain_end(&v, out + n);
}

static bool is_same(struct bb_span a, struct bb_span b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

/* Undone it may be too little, or turn out to be the alphabet */
static void give_form(struct bb_span form, shape_fn *fn, void *arg)
{
	struct bb_span parts[PARTS_MAX];
	size_t n = parts_of_text(form, parts);

	for (size_t i = 0; i < n; i++) {
		if (known_is_searchable(&(struct known_secret){ parts[i] }))
			fn(arg, parts[i]);
	}
}

int shape_forms(struct bb_span secret, shape_fn *fn, void *arg)
{
	size_t size = VIEW_OUT_MAX(secret.len) + VIEW_PENDING_MAX;
	bb_auto_free uint8_t *room = malloc(2 * size);
	struct bb_span once, plain;

	if (!room)
		return -ENOMEM;
	fn(arg, secret);
	once = (struct bb_span){ room, undo_percent(secret, room) };
	plain = (struct bb_span){ room + size, plain_view(secret, room + size) };
	if (!is_same(once, secret))
		give_form(once, fn, arg);
	if (!is_same(plain, secret) && !is_same(plain, once))
		give_form(plain, fn, arg);
	explicit_bzero(room, 2 * size);
	return 0;
}
