/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/across.h"
#include "base/hash.h"
#include "scan/fast.h"
#include <openssl/rand.h>
#include <sys/queue.h>

#define HALF    (ACROSS_PIECE_MAX / 2)
#define BUCKETS ACROSS_PLACES

/** struct across_place - @plain: @text with escapes undone, where the two are @apart */
struct across_place {
	LIST_ENTRY(across_place) same;
	TAILQ_ENTRY(across_place) used;
	uint64_t key;
	struct known_stream text;
	struct known_stream plain;
	bool apart;
};

/**
 * struct across - The texts
 * @secret:	Nobody can choose names that meet in a bucket, or are taken for one another
 * @used:	Least recently used first
 */
struct across {
	uint64_t secret[2];
	LIST_HEAD(, across_place) buckets[BUCKETS];
	TAILQ_HEAD(, across_place) used;
	size_t n;
	struct across_place places[ACROSS_PLACES];
};

void across_clear(struct across *a)
{
	memset(a->buckets, 0, sizeof(a->buckets));
	TAILQ_INIT(&a->used);
	a->n = 0;
}

struct across *across_new(void)
{
	struct across *a = calloc(1, sizeof(*a));

	if (a && RAND_bytes((unsigned char *)a->secret, sizeof(a->secret)) != 1) {
		free(a);
		return NULL;
	}
	if (a)
		across_clear(a);
	return a;
}

void across_free(struct across *a)
{
	free(a);
}

static uint64_t key_of(const struct across *a, const struct across_at *at)
{
	struct bb_sip s;

	bb_sip_begin(&s, a->secret);
	for (size_t i = 0; i < sizeof(at->route); i++)
		bb_sip_octet(&s, (uint8_t)(at->route >> i * 8));
	bb_sip_octet(&s, (uint8_t)at->kind);
	for (size_t i = 0; i < at->name.len; i++) {
		uint8_t c = at->name.p[i];
		int used = view_escape(at->name.p + i, at->name.len - i, &c);

		i += used > 0 ? (size_t)used - 1 : 0;
		bb_sip_octet(&s, c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	return bb_sip_end(&s);
}

static struct across_place *place_of(struct across *a, const struct across_at *at)
{
	uint64_t key = key_of(a, at);
	struct across_place *p;

	LIST_FOREACH(p, &a->buckets[key % BUCKETS], same)
	{
		if (p->key == key) {
			TAILQ_REMOVE(&a->used, p, used);
			TAILQ_INSERT_TAIL(&a->used, p, used);
			return p;
		}
	}
	if (a->n < ACROSS_PLACES) {
		p = &a->places[a->n++];
	} else {
		p = TAILQ_FIRST(&a->used);
		TAILQ_REMOVE(&a->used, p, used);
		LIST_REMOVE(p, same);
	}
	*p = (struct across_place){ .key = key };
	LIST_INSERT_HEAD(&a->buckets[key % BUCKETS], p, same);
	TAILQ_INSERT_TAIL(&a->used, p, used);
	return p;
}

/** struct reader - Of one call: where it reads, and whom it tells */
struct reader {
	const struct known_db *db;
	struct across_place *place;
	struct view_plain *view;
	known_hit_fn *hit;
	void *arg;
};

static bool feed_text(const struct reader *r, struct known_stream *text, struct bb_span piece)
{
	uint8_t buf[KNOWN_HISTORY + VIEW_OUT_MAX(HALF) + KNOWN_ROOM];
	size_t n = known_project(piece.p, piece.len, buf + KNOWN_HISTORY);

	return known_feed(r->db, text, buf + KNOWN_HISTORY, n, r->hit, r->arg);
}

/* Both texts are the same until one has an escape, and again when it is far enough behind */
static void compare(struct across_place *p, const struct view_plain *view)
{
	p->apart = view->n || p->plain.n_history < KNOWN_HISTORY ||
		   memcmp(p->plain.history, p->text.history, KNOWN_HISTORY) != 0;
}

/* HALF octets at most, as they stand there and with their escapes undone */
static bool read_some(const struct reader *r, struct bb_span in)
{
	uint8_t plain[VIEW_OUT_MAX(HALF)];
	struct across_place *p = r->place;
	bool found;
	size_t n;

	if (!p->apart && r->view->n == 0 && fast_special(in.p, in.len) == in.len) {
		view_plain_skip(r->view);
		return feed_text(r, &p->text, in);
	}
	if (!p->apart)
		p->plain = p->text;
	n = view_plain_feed(r->view, in.p, in.len, plain);
	found = feed_text(r, &p->text, in);
	found |= feed_text(r, &p->plain, (struct bb_span){ plain, n });
	compare(p, r->view);
	return found;
}

static bool read_all(const struct reader *r, struct bb_span in)
{
	bool found = false;

	while (in.len && !found) {
		size_t n = in.len < HALF ? in.len : HALF;

		found = read_some(r, (struct bb_span){ in.p, n });
		in = (struct bb_span){ in.p + n, in.len - n };
	}
	return found;
}

/* What is pending begins no escape */
static bool read_end(const struct reader *r)
{
	uint8_t plain[VIEW_PENDING_MAX];
	bool found = false;
	size_t n = view_plain_end(r->view, plain);

	*r->view = (struct view_plain){ 0 };
	if (n == 0)
		return false;
	if (!r->place->apart)
		r->place->plain = r->place->text;
	found = feed_text(r, &r->place->plain, (struct bb_span){ plain, n });
	compare(r->place, r->view);
	return found;
}

/* Its last octets; of an escape that they begin inside of, what it stands for */
static bool read_tail(const struct reader *r, struct bb_span in)
{
	uint8_t before[VIEW_OUT_MAX(VIEW_PENDING_MAX)];
	const uint8_t *from = in.p + in.len - HALF;

	*r->view = (struct view_plain){ 0 };
	(void)view_plain_feed(r->view, from - VIEW_PENDING_MAX, VIEW_PENDING_MAX, before);
	return read_some(r, (struct bb_span){ from, HALF }) || read_end(r);
}

bool across_feed(struct across *a, const struct known_db *db, const struct across_at *at,
		 struct bb_span value, known_hit_fn *hit, void *arg)
{
	const size_t head = HALF + VIEW_PENDING_MAX; /* what begins in its half ends there */
	struct view_plain view = { 0 };
	struct reader r = { .db = db, .view = &view, .hit = hit, .arg = arg };

	if (value.len == 0)
		return false;
	r.place = place_of(a, at);
	if (value.len <= head + HALF)
		return read_all(&r, value) || read_end(&r);
	/* The middle of a long piece has been searched by itself; only its ends meet other pieces
	 */
	return read_all(&r, (struct bb_span){ value.p, head }) || read_tail(&r, value);
}

bool across_go_on(struct across *a, const struct known_db *db, const struct across_at *at,
		  struct across_piece *piece, struct bb_span data, size_t max, bool end,
		  known_hit_fn *hit, void *arg)
{
	struct reader r = { .db = db, .view = &piece->view, .hit = hit, .arg = arg };
	size_t all = max + VIEW_PENDING_MAX, room = piece->fed < all ? all - piece->fed : 0;
	bool cut = data.len > room;

	data.len = cut ? room : data.len;
	piece->fed += data.len;
	if (data.len == 0 && piece->view.n == 0)
		return false;
	r.place = place_of(a, at);
	if (read_all(&r, data))
		return true;
	if (cut) /* begun behind what is read */
		piece->view = (struct view_plain){ 0 };
	return end && read_end(&r);
}
