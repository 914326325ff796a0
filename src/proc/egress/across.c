/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/across.h"
#include "scan/fast.h"
#include "scan/view.h"

#define HALF (ACROSS_PIECE_MAX / 2)

/* FNV-1a, names without case and escapes; who makes two places meet only has them read as one */
static uint64_t key_of(size_t route, char kind, struct bb_span name)
{
	uint64_t h = 0xcbf29ce484222325ull ^ (route << 8) ^ (uint8_t)kind;

	h *= 0x100000001b3ull;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.p[i];
		int used = view_escape(name.p + i, name.len - i, &c);

		i += used > 0 ? (size_t)used - 1 : 0;
		h = (h ^ (c >= 'A' && c <= 'Z' ? c | 0x20u : c)) * 0x100000001b3ull;
	}
	h ^= h >> 32;
	return h ? h : 1;
}

static struct across_place *place_of(struct across *a, uint64_t key)
{
	struct across_place *set = a->places[key % ACROSS_SETS], *oldest = set;

	for (size_t i = 0; i < ACROSS_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	*oldest = (struct across_place){ .key = key };
	return oldest;
}

static bool feed_text(struct known_stream *text, const struct known_db *db, struct bb_span piece,
		      known_hit_fn *hit, void *arg)
{
	uint8_t buf[KNOWN_HISTORY + VIEW_OUT_MAX(HALF) + VIEW_PENDING_MAX + KNOWN_ROOM];
	size_t n = known_project(piece.p, piece.len, buf + KNOWN_HISTORY);

	return known_feed(db, text, buf + KNOWN_HISTORY, n, hit, arg);
}

/* As it stands there, and with its escapes undone. Most pieces have none: until one has, both texts
 * are the same, and again when it is far enough behind */
static bool feed(struct across_place *place, const struct known_db *db, struct bb_span piece,
		 known_hit_fn *hit, void *arg)
{
	uint8_t plain[VIEW_OUT_MAX(HALF) + VIEW_PENDING_MAX];
	struct view_plain view = { 0 };
	bool found;
	size_t n;

	if (piece.len == 0)
		return false;
	if (!place->apart && fast_special(piece.p, piece.len) == piece.len)
		return feed_text(&place->text, db, piece, hit, arg);
	if (!place->apart)
		place->plain = place->text;
	n = view_plain_feed(&view, piece.p, piece.len, plain);
	n += view_plain_end(&view, plain + n);
	found = feed_text(&place->text, db, piece, hit, arg);
	found |= feed_text(&place->plain, db, (struct bb_span){ plain, n }, hit, arg);
	place->apart = place->plain.n_history < KNOWN_HISTORY ||
		       memcmp(place->plain.history, place->text.history, KNOWN_HISTORY) != 0;
	return found;
}

bool across_feed(struct across *a, const struct known_db *db, size_t route, char kind,
		 struct bb_span name, struct bb_span value, known_hit_fn *hit, void *arg)
{
	struct across_place *place = place_of(a, key_of(route, kind, name));
	struct bb_span head = { value.p, value.len < HALF ? value.len : HALF }, tail = { 0 };

	place->used = ++a->clock;
	if (value.len > HALF) {
		size_t n = value.len - HALF < HALF ? value.len - HALF : HALF;

		tail = (struct bb_span){ value.p + value.len - n, n };
	}
	/* The middle of a long piece has been searched by itself; only its ends meet other pieces
	 */
	return feed(place, db, head, hit, arg) || (tail.len && feed(place, db, tail, hit, arg));
}
