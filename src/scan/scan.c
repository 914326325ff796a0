/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/scan.h"
#include "coding/unpack.h"
#include "scan/entropy.h"
#include "scan/fast.h"
#include "scan/view.h"
#include <assert.h>
#include <errno.h>

#define BLOCK       16384
#define N_SOURCES   (1 + VIEW_NUM_CODINGS)
#define PENDING_MAX 160
/* Of a block, the most that any view makes */
#define VIEWED_MAX(len) VIEW_OUT_MAX(VIEW_OUT_MAX(VIEW_OUT_MAX(len)))
#define PIECE_MAX       VIEWED_MAX(BLOCK)
/*
 * While something is to be settled, the history moves on by so many octets at a time: however the
 * stream is cut, what a rule has matched is judged with what led to it, and with what follows.
 */
#define SETTLE_STEP 512
static_assert(VENDOR_HISTORY_MAX - SETTLE_STEP > VENDOR_REACH, "SETTLE_STEP is too large");

const char *const scan_view_str[] = {
	[SCAN_RAW] = "raw", [SCAN_PLAIN] = "plain",   [SCAN_BASE64] = "base64",
	[SCAN_HEX] = "hex", [SCAN_BASE32] = "base32", [SCAN_UNPACKED] = "unpacked",
};
static_assert(VIEW_TEXT_MIN <= VENDOR_WIDTH_MIN, "shorter runs of text have no token");
static_assert(BB_ARRAY_LEN(scan_view_str) == SCAN_NUM_VIEWS, "scan_view_str[]");

/* An early match of a vendor rule that is not settled; @end in octets of its view */
struct pending {
	unsigned int rule;
	uint64_t end;
};

/** struct early - Of a view in which vendors' tokens are looked for: its last octets, and what has
 * matched early */
struct early {
	uint8_t history[VENDOR_HISTORY_MAX];
	struct pending pending[PENDING_MAX];
};

/**
 * struct reading - One view of the stream, and what is looked for in it
 * @early:	@n octets of history, of @total; @n_pending matches
 */
struct reading {
	enum scan_view view;
	struct scan_stream *owner;
	struct vendor_stream *vendor;
	struct known_stream known;
	struct early *early;
	size_t n;
	uint64_t total;
	size_t n_pending;
	bool overflow;
};

/* What is looked for in a view */
enum by { BY_KNOWN = 0, BY_VENDOR, NUM_BY };

/**
 * struct step - Most text has nothing to undo: there the plain view is the raw one
 * @in_step:	Both have been the same for longer than anything that is looked for: searching one
 *		of them will do. Where they part, the plain reading goes on from a copy of the raw
 *		one's state
 * @same, @same_alnum: While they are not: octets, and letters and digits, since they last differed
 */
struct step {
	bool in_step;
	uint64_t same;
	uint64_t same_alnum;
};

struct scan_stream {
	struct vendor_db *vendors;
	const struct known_db *known;
	bool want_vendors;
	bool want_entropy;
	struct entropy entropy;
	struct reading readings[SCAN_NUM_VIEWS];
	struct view_plain plain;
	struct view_runs runs;
	struct view_coded coded[VIEW_NUM_CODINGS];
	struct view_text text[VIEW_NUM_CODINGS];
	struct step steps[NUM_BY];
	/* what is compressed in the raw and the decoded views, and the search in each that is open
	 */
	struct unpack_budget own_budget;
	struct unpack unpack[N_SOURCES];
	struct scan_stream *inner[N_SOURCES][UNPACK_SLOTS];
	unsigned int depth;
	uint64_t fed;
	/* of the block in hand */
	const uint8_t *raw;
	size_t raw_len;
	scan_fn *fn;
	void *arg;
	bool stop;
	bool error;
	bool too_much;
	bool hold;
};

int scan_open(struct vendor_db *vendors, const struct known_db *known, struct scan_stream **ret)
{
	struct scan_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->vendors = vendors;
	s->known = known;
	for (size_t i = 0; i < N_SOURCES; i++)
		s->unpack[i].budget = &s->own_budget;
	scan_reset(s, true);
	*ret = s;
	return 0;
}

static void clear_unpacked(struct scan_stream *s)
{
	for (size_t i = 0; i < N_SOURCES; i++) {
		for (size_t k = 0; k < UNPACK_SLOTS; k++) {
			scan_close(s->inner[i][k]);
			s->inner[i][k] = NULL;
		}
		unpack_clear(&s->unpack[i]);
	}
	if (s->depth == 0)
		s->own_budget = (struct unpack_budget){ 0 };
}

void scan_close(struct scan_stream *s)
{
	if (!s)
		return;
	clear_unpacked(s);
	for (size_t i = 0; i < SCAN_NUM_VIEWS; i++) {
		vendor_stream_close(s->readings[i].vendor);
		free(s->readings[i].early);
	}
	free(s);
}

void scan_reset(struct scan_stream *s, bool vendors)
{
	for (size_t i = 0; i < SCAN_NUM_VIEWS; i++) {
		struct reading *r = &s->readings[i];

		if (r->vendor && r->total)
			vendor_stream_reset(r->vendor);
		*r = (struct reading){ .view = (enum scan_view)i,
				       .owner = s,
				       .vendor = r->vendor,
				       .early = r->early };
	}
	for (size_t i = 0; i < VIEW_NUM_CODINGS; i++) {
		s->coded[i] = (struct view_coded){ .coding = (enum view_coding)i };
		s->text[i] = (struct view_text){ 0 };
	}
	clear_unpacked(s);
	for (size_t i = 0; i < NUM_BY; i++)
		s->steps[i] = (struct step){ .in_step = true };
	s->plain = (struct view_plain){ 0 };
	s->runs = (struct view_runs){ 0 };
	s->want_vendors = vendors && s->vendors;
	s->want_entropy = false;
	s->entropy = (struct entropy){ 0 };
	s->fed = 0;
	s->stop = s->error = s->too_much = s->hold = false;
}

void scan_want_entropy(struct scan_stream *s)
{
	s->want_entropy = true;
}

static void report(struct scan_stream *s, const struct scan_finding *f)
{
	if (s->fn(s->arg, f))
		s->stop = true;
}

/* Offset behind the @count-th letter or digit of the raw block */
static uint64_t raw_end(const struct scan_stream *s, ptrdiff_t count)
{
	uint8_t one[1];
	size_t i = 0;

	for (; i < s->raw_len && count > 0; i++)
		count -= (ptrdiff_t)known_project(s->raw + i, 1, one);
	return s->fed + i;
}

static bool on_known(void *arg, const struct known_hit *hit)
{
	struct reading *r = arg;
	struct scan_stream *s = r->owner;
	struct scan_finding f = { .kind = SCAN_KNOWN,
				  .view = r->view,
				  .index = (unsigned int)hit->secret,
				  .end = s->fed + s->raw_len };

	if (r->view == SCAN_RAW) {
		f.end = raw_end(s, hit->end);
		f.len = (size_t)(hit->end - hit->start);
	}
	report(s, &f);
	return s->stop;
}

static void on_vendor(void *arg, unsigned int rule, uint64_t end)
{
	struct reading *r = arg;

	/* More early matches than can wait: none of them may be forgotten */
	if (r->n_pending == PENDING_MAX)
		r->overflow = true;
	else
		r->early->pending[r->n_pending++] = (struct pending){ rule, end };
}

static void vendor_finding(struct reading *r, const struct pending *p, const struct vendor_match *m)
{
	struct scan_stream *s = r->owner;
	struct scan_finding f = {
		.kind = SCAN_VENDOR, .view = r->view, .index = p->rule, .end = s->fed + s->raw_len
	};

	if (r->view == SCAN_RAW) {
		f.end = r->total - r->n + m->start + m->len;
		f.len = m->len;
	}
	report(s, &f);
}

/* What the history shows, and what is to come */
enum ahead { AHEAD_NONE = 0, AHEAD_LATER, AHEAD_NOW };

/* Settle what the history now shows. Return: false once nothing more can come of it */
static bool settle_one(struct reading *r, const struct pending *p, enum ahead ahead)
{
	struct bb_span history = { r->early->history, r->n };
	uint64_t base = r->total - r->n;
	struct vendor_match m = { 0 };
	enum vendor_verdict v;
	bool far = p->end + VENDOR_HISTORY_MAX / 2 < r->total;

	if (p->end <= base)
		return false; /* decided before, or it has run out of the history */
	v = vendor_confirm(p->rule, history, (size_t)(p->end - base), &m);
	if (v == VENDOR_NO)
		return false;
	if (v == VENDOR_YES && m.open && ahead == AHEAD_NOW && !far)
		return true; /* told once it is all there */
	if (v == VENDOR_YES || (ahead == AHEAD_NONE && m.len))
		vendor_finding(r, p, &m);
	if (v == VENDOR_MORE && ahead != AHEAD_NONE && far) {
		vendor_finding(r, p, &m); /* as long as anything that a rule describes */
		return false;
	}
	return ahead != AHEAD_NONE && (v == VENDOR_MORE || m.open);
}

static void settle(struct reading *r, enum ahead ahead)
{
	size_t kept = 0;

	if (r->overflow) {
		vendor_finding(r, &r->early->pending[0], &(struct vendor_match){ 0, r->n, true });
		r->overflow = false;
	}
	for (size_t i = 0; i < r->n_pending && !r->owner->stop; i++) {
		struct pending p = r->early->pending[i];

		if (p.end > r->total || settle_one(r, &p, ahead))
			r->early->pending[kept++] = p;
	}
	r->n_pending = kept;
}

static void remember(struct reading *r, struct bb_span in)
{
	uint8_t *history = r->early->history;

	if (in.len > VENDOR_HISTORY_MAX) {
		r->total += in.len - VENDOR_HISTORY_MAX;
		in = (struct bb_span){ in.p + in.len - VENDOR_HISTORY_MAX, VENDOR_HISTORY_MAX };
	}
	if (r->n + in.len > VENDOR_HISTORY_MAX) {
		size_t drop = r->n + in.len - VENDOR_HISTORY_MAX;

		memmove(history, history + drop, r->n - drop);
		r->n -= drop;
	}
	memcpy(history + r->n, in.p, in.len);
	r->n += in.len;
	r->total += in.len;
}

static bool vendor_ready(struct reading *r)
{
	if (!r->early)
		r->early = malloc(sizeof(*r->early));
	return r->early && (r->vendor || vendor_stream_open(r->owner->vendors, &r->vendor) == 0);
}

static void read_vendor(struct reading *r, struct bb_span in)
{
	if (!vendor_ready(r) || vendor_stream_feed(r->vendor, in, on_vendor, r) < 0) {
		r->owner->error = true;
		return;
	}
	while (r->n_pending || r->overflow) {
		size_t n = in.len < SETTLE_STEP ? in.len : SETTLE_STEP;

		remember(r, (struct bb_span){ in.p, n });
		in = (struct bb_span){ in.p + n, in.len - n };
		settle(r, in.len ? AHEAD_NOW : AHEAD_LATER);
		if (in.len == 0)
			return;
	}
	remember(r, in);
}

static void read_known(struct reading *r, struct bb_span in)
{
	BB_UNINIT uint8_t buf[KNOWN_HISTORY + PIECE_MAX + KNOWN_ROOM];
	size_t n = known_project(in.p, in.len, buf + KNOWN_HISTORY);

	(void)known_feed(r->owner->known, &r->known, buf + KNOWN_HISTORY, n, on_known, r);
}

/* ---- what is compressed in it ---- */

/**
 * struct unpacking - Of one call of unpack_feed()
 * @source: Index in unpack[]
 */
struct unpacking {
	struct scan_stream *s;
	size_t source;
};

static bool on_inner(void *arg, const struct scan_finding *f)
{
	struct scan_stream *s = arg;
	struct scan_finding outer = *f;

	outer.view = SCAN_UNPACKED;
	outer.end = s->fed + s->raw_len;
	outer.len = 0;
	report(s, &outer);
	return s->stop;
}

static bool open_inner(struct scan_stream *s, struct scan_stream **ret)
{
	if (scan_open(s->vendors, s->known, ret) < 0)
		return false;
	(*ret)->depth = s->depth + 1;
	for (size_t i = 0; i < N_SOURCES; i++)
		(*ret)->unpack[i].budget = s->unpack[0].budget;
	(*ret)->want_vendors = s->want_vendors;
	(*ret)->want_entropy = s->want_entropy;
	return true;
}

static bool on_unpacked(void *arg, unsigned int slot, enum unpack_event event, struct bb_span out)
{
	const struct unpacking *u = arg;
	struct scan_stream *s = u->s, **inner = &s->inner[u->source][slot];
	enum scan_result r = SCAN_CLEAN;

	if (event == UNPACK_BEGIN)
		s->error |= !open_inner(s, inner);
	else
		r = scan_feed(*inner, out, event == UNPACK_END, on_inner, s);
	s->error |= r == SCAN_ERROR;
	s->too_much |= r == SCAN_TOO_MUCH;
	if (event == UNPACK_END) {
		scan_close(*inner);
		*inner = NULL;
	}
	return !s->error && !s->too_much && !s->stop;
}

static void unpack(struct scan_stream *s, size_t source, struct bb_span in, bool end)
{
	struct unpack *u = &s->unpack[source];
	struct unpacking to = { s, source };
	enum unpack_result r;

	if (s->depth >= SCAN_DEPTH || s->stop || s->error || s->too_much)
		return;
	r = unpack_feed(u, in, end, on_unpacked, &to);
	s->error |= r == UNPACK_MEMORY;
	s->too_much |= r == UNPACK_TOO_MUCH;
}

static void unpack_end(struct scan_stream *s)
{
	for (size_t i = 0; i < N_SOURCES; i++)
		unpack(s, i, (struct bb_span){ 0 }, true);
}

static bool inner_holds(const struct scan_stream *s)
{
	bool hold = false;

	for (size_t i = 0; i < N_SOURCES; i++) {
		for (size_t k = 0; k < UNPACK_SLOTS; k++)
			hold |= s->inner[i][k] && s->inner[i][k]->hold;
	}
	return hold;
}

/* ---- views ---- */

static void read_view(struct scan_stream *s, enum by by, enum scan_view view, struct bb_span in)
{
	struct reading *r = &s->readings[view];

	if (in.len == 0 || s->stop || s->error)
		return;
	if (by == BY_KNOWN && s->known)
		read_known(r, in);
	else if (by == BY_VENDOR && s->want_vendors)
		read_vendor(r, in);
}

/* Most of what runs decode to is noise: vendors' tokens are looked for in what is text */
static void read_coded(struct scan_stream *s, size_t i, struct bb_span in)
{
	struct reading *r = &s->readings[SCAN_BASE64 + i];
	BB_UNINIT uint8_t text[VIEW_OUT_MAX(PIECE_MAX)];
	size_t n;

	if (in.len == 0 || s->stop || s->error)
		return;
	unpack(s, 1 + i, in, false);
	if (s->known && !s->stop)
		read_known(r, in);
	if (!s->want_vendors || s->stop)
		return;
	n = view_text_feed(&s->text[i], in.p, in.len, text);
	if (n)
		read_vendor(r, (struct bb_span){ text, n });
}

static void read_entropy(struct scan_stream *s, struct bb_span runs, bool end)
{
	struct scan_finding f = { .kind = SCAN_ENTROPY,
				  .view = SCAN_PLAIN,
				  .end = s->fed + s->raw_len };

	for (size_t i = s->want_entropy ? entropy_feed(&s->entropy, runs, end) : 0; i > 0; i--)
		report(s, &f);
}

static void read_plain(struct scan_stream *s, struct bb_span plain)
{
	BB_UNINIT uint8_t runs[VIEW_OUT_MAX(VIEW_OUT_MAX(BLOCK))], out[PIECE_MAX];
	size_t len;

	len = view_runs_feed(&s->runs, plain.p, plain.len, runs);
	for (size_t i = 0; i < VIEW_NUM_CODINGS && len; i++) {
		size_t n = view_coded_feed(&s->coded[i], runs, len, out);

		read_coded(s, i, (struct bb_span){ out, n });
	}
	if (!s->stop) /* what is known to be a secret is better to be told */
		read_entropy(s, (struct bb_span){ runs, len }, false);
}

/* The plain reading goes on by itself, from where the raw one is */
static void part(struct scan_stream *s, enum by by)
{
	struct reading *raw = &s->readings[SCAN_RAW], *plain = &s->readings[SCAN_PLAIN];

	s->steps[by].in_step = false;
	if (by == BY_KNOWN) {
		plain->known = raw->known;
		return;
	}
	if (raw->vendor && !vendor_ready(plain)) {
		s->error = true;
		return;
	}
	if (raw->vendor) {
		vendor_stream_copy(plain->vendor, raw->vendor);
		memcpy(plain->early->history, raw->early->history, raw->n);
		memcpy(plain->early->pending, raw->early->pending,
		       raw->n_pending * sizeof(*raw->early->pending));
	}
	plain->n = raw->n;
	plain->total = raw->total;
	plain->n_pending = raw->n_pending;
	plain->overflow = raw->overflow;
}

/* The next of the plain view. @same: is it what the raw view has there? */
static void read_piece(struct scan_stream *s, enum by by, struct bb_span in, bool same)
{
	BB_UNINIT uint8_t letters[VIEW_OUT_MAX(BLOCK) + KNOWN_ROOM];
	struct step *step = &s->steps[by];

	read_view(s, by, SCAN_PLAIN, in);
	step->same = same ? step->same + in.len : 0;
	if (!same)
		step->same_alnum = 0;
	else if (by == BY_KNOWN && step->same_alnum < KNOWN_HISTORY)
		step->same_alnum += known_project(in.p, in.len, letters);
}

/* Is what made the two views differ out of reach? */
static bool is_past(const struct scan_stream *s, enum by by)
{
	const struct step *step = &s->steps[by];

	if (by == BY_KNOWN)
		return step->same_alnum >= KNOWN_HISTORY;
	return step->same >= VENDOR_REACH && s->readings[SCAN_PLAIN].n_pending == 0;
}

/* Of the plain view of a block, as much as what makes it differ from the raw one reaches. @from:
 * behind that; both end at the same place, unless something is pending */
static void read_apart(struct scan_stream *s, enum by by, struct bb_span plain, size_t from)
{
	/* how far it reaches, most often */
	const size_t reach = by == BY_KNOWN ? 4 * KNOWN_HISTORY : VENDOR_REACH;
	struct step *step = &s->steps[by];
	size_t far, cut;

	if (from || s->plain.changed) /* what is left out leaves no octet behind */
		read_piece(s, by, (struct bb_span){ plain.p, from }, false);
	far = step->same < reach ? reach - (size_t)step->same : 0;
	cut = plain.len - from > far ? from + far : plain.len;
	read_piece(s, by, (struct bb_span){ plain.p + from, cut - from }, true);
	step->in_step = s->plain.n == 0 && is_past(s, by);
	if (!step->in_step && cut < plain.len)
		read_piece(s, by, (struct bb_span){ plain.p + cut, plain.len - cut }, true);
}

/* @in: of the block in hand, @at octets behind its beginning */
static void read_raw(struct scan_stream *s, enum by by, struct bb_span in, size_t at)
{
	struct bb_span block = { s->raw, s->raw_len };

	s->raw = in.p;
	s->raw_len = in.len;
	s->fed += at;
	read_view(s, by, SCAN_RAW, in);
	s->fed -= at;
	s->raw = block.p;
	s->raw_len = block.len;
}

static void read_block(struct scan_stream *s, const uint8_t *p, size_t len)
{
	bool differs = s->plain.n > 0; /* of the last block something is to come */
	BB_UNINIT uint8_t plain[VIEW_OUT_MAX(BLOCK)];
	size_t n, same;

	s->plain.changed = false;
	n = view_plain_feed(&s->plain, p, len, plain);
	differs |= s->plain.n || s->plain.changed;
	same = s->plain.same_to < n ? s->plain.same_to : n;
	s->raw = p;
	s->raw_len = len;
	for (enum by by = BY_KNOWN; by < NUM_BY; by++) {
		bool parts = differs && s->steps[by].in_step;
		size_t cut = parts ? same : 0; /* so far one search is enough */

		if (parts) {
			read_raw(s, by, (struct bb_span){ p, cut }, 0);
			part(s, by);
		}
		read_raw(s, by, (struct bb_span){ p + cut, len - cut }, cut);
		if (!s->steps[by].in_step)
			read_apart(s, by, (struct bb_span){ plain + cut, n - cut },
				   s->plain.same_from > cut ? s->plain.same_from - cut : 0);
	}
	read_plain(s, (struct bb_span){ plain, n });
	unpack(s, 0, (struct bb_span){ p, len }, false);
	s->fed += len;
}

static void read_end(struct scan_stream *s)
{
	uint8_t plain[VIEW_PENDING_MAX + 1];
	size_t n = view_plain_end(&s->plain, plain);

	s->raw_len = 0;
	for (enum by by = BY_KNOWN; by < NUM_BY; by++) {
		if (!s->steps[by].in_step) /* (nothing is pending while they are) */
			read_view(s, by, SCAN_PLAIN, (struct bb_span){ plain, n });
	}
	plain[n++] = '\n'; /* there all lines end */
	read_plain(s, (struct bb_span){ plain, n });
	for (size_t i = 0; i < SCAN_NUM_VIEWS && !s->stop; i++)
		settle(&s->readings[i], AHEAD_NONE);
	read_entropy(s, (struct bb_span){ 0 }, true);
	unpack_end(s);
}

static bool is_over(const struct scan_stream *s)
{
	return s->stop || s->error || s->too_much;
}

enum scan_result scan_feed(struct scan_stream *s, struct bb_span in, bool end, scan_fn *fn,
			   void *arg)
{
	s->fn = fn;
	s->arg = arg;
	s->hold = false;
	if (s->depth == 0)
		s->own_budget.in += in.len;
	for (size_t at = 0; at < in.len && !is_over(s); at += BLOCK) {
		size_t n = in.len - at < BLOCK ? in.len - at : BLOCK;

		s->hold = false; /* only what is open after the last block matters */
		read_block(s, in.p + at, n);
	}
	if (end && !is_over(s)) {
		s->hold = false;
		read_end(s);
	}
	if (is_over(s))
		return s->error ? SCAN_ERROR : s->stop ? SCAN_FOUND : SCAN_TOO_MUCH;
	for (size_t i = 0; i < SCAN_NUM_VIEWS && !end; i++)
		s->hold |= s->readings[i].n_pending > 0;
	s->hold = !end && (s->hold || inner_holds(s));
	return s->hold ? SCAN_HOLD : SCAN_CLEAN;
}
