/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/known.h"
#include "scan/fast.h"
#include "scan/shape.h"
#include <errno.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512dq,avx512vbmi")))
#define LANES  8
/* Of 128 octets, in steps of QUAD_STRIDE: as many as have all of theirs there */
#define QUADS 14
#endif

/*
 * Of few secrets, a bit for each four octets of a spelling tells enough: most text has none of
 * them. Of any twelve characters in the text, one of each nine positions begins four of them.
 */
#define QUAD        4
#define QUAD_STRIDE (KNOWN_WINDOW - QUAD + 1)
#define QUAD_BITS   17 /* of 2 to the power of that, one in thirty may be set */
#define QUAD_TEXT   4096
#define QUAD_BYTES  ((size_t)1 << QUAD_BITS >> 3)
#define QUAD_MIX    0x9e3779b1u

#define BLOOM_WORDS     (1u << 14) /* at most: 128 KiB */
#define BLOOM_LEAST     (1u << 9)
#define GRAMS_PER_WORD  4
#define SAME_GRAM_MAX   8
#define TEXT_MAX_OCTETS (64u << 20)
#define MIX             (-0x61c8864680b583ebll) /* 2^64 over the golden ratio */

struct spelling {
	uint32_t at; /* in the arena */
	uint32_t len;
	uint32_t secret;
};

struct known_db {
	uint64_t *bloom; /* two bits of one word for each gram */
	size_t n_bloom;  /* words: a power of two, as few as will do */
	uint32_t *quads; /* NULL: too many for that */
	uint32_t
		*slots; /* where in @text a gram or window stands, + 1; 0 = free; probed linearly */
	size_t n_slots; /* a power of two */
	struct spelling *spellings;
	size_t n_spellings;
	size_t max_spellings;
	uint8_t *text;
	size_t text_len;
	size_t text_size;
};

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

size_t known_project(const uint8_t *in, size_t len, uint8_t *out)
{
	/* the fast loop writes past what it keeps: small pieces have no room for that */
	return len < 64 ? fast_project_plain(in, len, out) : fast_project(in, len, out);
}

static uint64_t load_gram(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t mix(uint64_t v)
{
	v *= (uint64_t)MIX;
	return v ^ (v >> 32);
}

/* Of a whole window */
static uint64_t mix_window(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p + KNOWN_GRAM, sizeof(v));
	return mix(mix(load_gram(p)) + v);
}

static size_t first_slot(const struct known_db *db, uint64_t h)
{
	return (size_t)(h >> 20) & (db->n_slots - 1);
}

static uint64_t bloom_bits(uint64_t h)
{
	return 1ull << (h & 63) | 1ull << (h >> 6 & 63);
}

static bool bloom_has(const struct known_db *db, uint64_t h)
{
	uint64_t bits = bloom_bits(h);

	return (db->bloom[(h >> 12) & (db->n_bloom - 1)] & bits) == bits;
}

static uint32_t quad_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v * QUAD_MIX >> (32 - QUAD_BITS);
}

static bool quads_have(const struct known_db *db, const uint8_t *p)
{
	uint32_t h = quad_at(p);

	return db->quads[h / 32] >> h % 32 & 1;
}

/* The spelling that the octet at @at belongs to: they stand in order */
static const struct spelling *spelling_at(const struct known_db *db, uint32_t at)
{
	size_t low = 0, high = db->n_spellings;

	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (db->spellings[mid].at <= at)
			low = mid;
		else
			high = mid;
	}
	return &db->spellings[low];
}

static void add_window(struct known_db *db, const struct spelling *spelling, uint32_t at)
{
	size_t i = first_slot(db, mix_window(db->text + at));

	for (; db->slots[i]; i = (i + 1) & (db->n_slots - 1)) {
		uint32_t other = db->slots[i] - 1;
		const struct spelling *its = spelling_at(db, other);

		/* (where a gram ends its spelling, the next one follows) */
		if (memcmp(db->text + other, db->text + at, KNOWN_WINDOW) == 0 &&
		    its->secret == spelling->secret && other + KNOWN_WINDOW <= its->at + its->len)
			return;
	}
	db->slots[i] = at + 1;
}

/*
 * So that a secret that repeats itself, or has few different characters, does not make each look-up
 * a long one, there is an end to the places of a gram; of those beyond it each window that the gram
 * is in stands in the table, once. Both are fewer than half of the slots.
 */
static void add_windows(struct known_db *db, const struct spelling *spelling, uint32_t at)
{
	uint32_t end = spelling->at + spelling->len;

	for (uint32_t before = 0; before < KNOWN_STRIDE && before <= at - spelling->at; before++) {
		if (at - before + KNOWN_WINDOW <= end)
			add_window(db, spelling, at - before);
	}
}

static void add_gram(struct known_db *db, const struct spelling *spelling, uint32_t at)
{
	uint64_t gram = load_gram(db->text + at), h = mix(gram);
	size_t i = first_slot(db, h);
	unsigned int same = 0;

	for (; db->slots[i]; i = (i + 1) & (db->n_slots - 1)) {
		uint32_t other = db->slots[i] - 1;

		if (load_gram(db->text + other) == gram &&
		    spelling_at(db, other)->secret == spelling->secret && ++same == SAME_GRAM_MAX) {
			add_windows(db, spelling, at);
			return;
		}
	}
	db->slots[i] = at + 1;
	db->bloom[(h >> 12) & (db->n_bloom - 1)] |= bloom_bits(h);
}

static int add_spelling(struct known_db *db, size_t secret, struct bb_span text, struct bb_err *err)
{
	struct spelling *s;

	if (text.len < KNOWN_WINDOW)
		return 0;
	if (text.len > db->text_size - db->text_len || db->n_spellings == db->max_spellings)
		return bb_err_set(err, -E2BIG, "secrets: more than can be searched for");
	s = &db->spellings[db->n_spellings++];
	*s = (struct spelling){ (uint32_t)db->text_len, (uint32_t)text.len, (uint32_t)secret };
	memcpy(db->text + db->text_len, text.p, text.len);
	db->text_len += text.len;
	return 0;
}

bool known_is_searchable(const struct known_secret *secret)
{
	size_t n = 0;

	for (size_t i = 0; i < secret->value.len; i++)
		n += is_alnum(secret->value.p[i]);
	return n >= KNOWN_WINDOW;
}

struct spelling_ctx {
	struct known_db *db;
	size_t secret;
	struct bb_err *err;
	int r;
};

static void on_shape(void *arg, struct bb_span text)
{
	struct spelling_ctx *c = arg;
	bb_auto_free uint8_t *projected = malloc(text.len + KNOWN_ROOM);
	size_t n;

	if (c->r < 0)
		return;
	if (!projected) {
		c->r = bb_err_set(c->err, -ENOMEM, "secrets: no memory");
		return;
	}
	n = known_project(text.p, text.len, projected);
	c->r = add_spelling(c->db, c->secret, (struct bb_span){ projected, n }, c->err);
	explicit_bzero(projected, text.len);
}

static void on_form(void *arg, struct bb_span form)
{
	struct spelling_ctx *c = arg;

	if (c->r == 0 && shape_all(form, on_shape, c) < 0)
		c->r = bb_err_set(c->err, -ENOMEM, "secrets: no memory");
}

/* Room for one more */
static void count_form(void *arg, struct bb_span form)
{
	struct known_db *db = arg;

	db->text_size += SHAPE_OCTETS(form.len);
	db->max_spellings += SHAPE_NUM;
}

static void *locked(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)mlock(p, size);
	(void)madvise(p, size, MADV_DONTDUMP);
	return p;
}

static int allocate(struct known_db *db, const struct known_secret *secrets, size_t n,
		    struct bb_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (shape_forms(secrets[i].value, count_form, db) < 0)
			return bb_err_set(err, -ENOMEM, "secrets: no memory");
	}
	if (db->text_size > TEXT_MAX_OCTETS)
		return bb_err_set(err, -E2BIG, "secrets: more than can be searched for");
	db->n_slots = 1024;
	while (db->n_slots < db->text_size * 2)
		db->n_slots *= 2;
	db->n_bloom = BLOOM_LEAST;
	while (db->n_bloom < BLOOM_WORDS && db->n_bloom * GRAMS_PER_WORD < db->text_size)
		db->n_bloom *= 2;
	db->bloom = calloc(db->n_bloom, sizeof(*db->bloom));
	db->text = locked(db->text_size + KNOWN_WINDOW);
	db->slots = locked(db->n_slots * sizeof(*db->slots));
	db->spellings = calloc(db->max_spellings + 1, sizeof(*db->spellings));
	if (!db->bloom || !db->text || !db->slots || !db->spellings)
		return bb_err_set(err, -ENOMEM, "secrets: no memory");
	return 0;
}

static int add_quads(struct known_db *db, struct bb_err *err)
{
	if (db->text_len > QUAD_TEXT)
		return 0;
	db->quads = locked(QUAD_BYTES);
	if (!db->quads)
		return bb_err_set(err, -ENOMEM, "secrets: no memory");
	for (size_t i = 0; i < db->n_spellings; i++) {
		const struct spelling *one = &db->spellings[i];

		for (uint32_t at = 0; at + QUAD <= one->len; at++) {
			uint32_t h = quad_at(db->text + one->at + at);

			db->quads[h / 32] |= 1u << h % 32;
		}
	}
	return 0;
}

int known_db_new(const struct known_secret *secrets, size_t n, struct known_db **ret,
		 struct bb_err *err)
{
	struct known_db *db = n <= KNOWN_SECRETS_MAX ? calloc(1, sizeof(*db)) : NULL;
	int r;

	if (!db)
		return bb_err_set(err, -ENOMEM, "secrets: too many, or no memory");
	r = allocate(db, secrets, n, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct spelling_ctx c = { db, i, err, 0 };

		if (shape_forms(secrets[i].value, on_form, &c) < 0)
			c.r = bb_err_set(err, -ENOMEM, "secrets: no memory");
		r = c.r;
	}
	if (r == 0)
		r = add_quads(db, err);
	if (r < 0) {
		known_db_free(db);
		return r;
	}
	for (uint32_t i = 0; i < db->n_spellings; i++) {
		const struct spelling *one = &db->spellings[i];

		for (uint32_t at = 0; at + KNOWN_GRAM <= one->len; at++)
			add_gram(db, one, one->at + at);
	}
	*ret = db;
	return 0;
}

void known_db_free(struct known_db *db)
{
	if (!db)
		return;
	if (db->text) {
		explicit_bzero(db->text, db->text_len);
		(void)munmap(db->text, db->text_size + KNOWN_WINDOW);
	}
	if (db->slots) {
		explicit_bzero(db->slots, db->n_slots * sizeof(*db->slots));
		(void)munmap(db->slots, db->n_slots * sizeof(*db->slots));
	}
	free(db->spellings);
	free(db->bloom);
	if (db->quads)
		(void)munmap(db->quads, QUAD_BYTES);
	free(db);
}

/* How far the text around position @at is the spelling around @place */
static bool extend(const struct known_db *db, const struct spelling *s, uint32_t place,
		   const uint8_t *text, size_t len, size_t at, size_t *ret_from, size_t *ret_to)
{
	const uint8_t *want = db->text + s->at;
	size_t offset = place - s->at, before = 0, after = KNOWN_GRAM;

	while (before < at && before < offset && text[at - before - 1] == want[offset - before - 1])
		before++;
	while (at + after < len && offset + after < s->len &&
	       text[at + after] == want[offset + after])
		after++;
	*ret_from = at - before;
	*ret_to = at + after;
	return before + after >= KNOWN_WINDOW;
}

/* Candidate at one position. @base: where the new block begins in @text */
static bool try_place(const struct known_db *db, uint32_t place, const uint8_t *text, size_t len,
		      size_t at, size_t base, known_hit_fn *hit, void *arg)
{
	const struct spelling *s = spelling_at(db, place);
	struct known_hit found;
	size_t from, to;

	if (!extend(db, s, place, text, len, at, &from, &to) ||
	    to <= base) /* that was reported when it came */
		return false;
	found = (struct known_hit){ s->secret, (ptrdiff_t)from - (ptrdiff_t)base,
				    (ptrdiff_t)to - (ptrdiff_t)base };
	return hit(arg, &found);
}

/* Where the gram at @at has more places than stand in the table: the windows that it is in */
static bool look_at_windows(const struct known_db *db, const uint8_t *text, size_t len, size_t at,
			    size_t base, known_hit_fn *hit, void *arg)
{
	for (size_t before = 0; before < KNOWN_STRIDE && before <= at; before++) {
		const uint8_t *window = text + at - before;
		size_t i;

		if (at - before + KNOWN_WINDOW > len)
			continue;
		i = first_slot(db, mix_window(window));
		for (; db->slots[i]; i = (i + 1) & (db->n_slots - 1)) {
			uint32_t place = db->slots[i] - 1;

			if (memcmp(db->text + place, window, KNOWN_WINDOW) == 0 &&
			    try_place(db, place, text, len, at - before, base, hit, arg))
				return true;
		}
	}
	return false;
}

/* Candidates at one position */
static bool look_at(const struct known_db *db, const uint8_t *text, size_t len, size_t at,
		    size_t base, known_hit_fn *hit, void *arg)
{
	uint64_t gram = load_gram(text + at), h = mix(gram);
	size_t i = first_slot(db, h), same = 0;

	for (; db->slots[i]; i = (i + 1) & (db->n_slots - 1)) {
		uint32_t place = db->slots[i] - 1;

		if (load_gram(db->text + place) != gram)
			continue;
		same++;
		if (try_place(db, place, text, len, at, base, hit, arg))
			return true;
	}
	return same >= SAME_GRAM_MAX && look_at_windows(db, text, len, at, base, hit, arg);
}

/* May eight octets of a spelling begin four before @at, or there? Inline for the reason that
 * odd_of() in fast.c is */
static inline __attribute__((always_inline)) bool
may_be_around(const struct known_db *db, const uint8_t *text, size_t len, size_t at)
{
	return (at >= QUAD && bloom_has(db, mix(load_gram(text + at - QUAD)))) ||
	       (at + KNOWN_GRAM <= len && bloom_has(db, mix(load_gram(text + at))));
}

/* As look_at(), where four octets of a spelling stand: those with four before them, and with four
 * behind them, are in all of the windows that these are in */
static bool look_around(const struct known_db *db, const uint8_t *text, size_t len, size_t at,
			size_t base, known_hit_fn *hit, void *arg)
{
	if (at >= QUAD && bloom_has(db, mix(load_gram(text + at - QUAD))) &&
	    look_at(db, text, len, at - QUAD, base, hit, arg))
		return true;
	return at + KNOWN_GRAM <= len && bloom_has(db, mix(load_gram(text + at))) &&
	       look_at(db, text, len, at, base, hit, arg);
}

/* First place from @at on, in steps, that four octets of a spelling may stand at, in eight of one;
 * or one that fewer than four stand at */
static size_t seek_quad_plain(const struct known_db *db, const uint8_t *text, size_t at, size_t len)
{
	while (at + QUAD <= len && !(quads_have(db, text + at) && may_be_around(db, text, len, at)))
		at += QUAD_STRIDE;
	return at;
}

/* First place from @at on, in steps, that may begin a gram of the table; or one behind @last */
static size_t seek_plain(const struct known_db *db, const uint8_t *text, size_t at, size_t last)
{
	while (at <= last && !bloom_has(db, mix(load_gram(text + at))))
		at += KNOWN_STRIDE;
	return at;
}

#if defined(__x86_64__)
/* As bloom_has(), of eight grams at a time. Return: a bit for each */
AVX512 static unsigned int bloom_have(const struct known_db *db, __m512i grams)
{
	const __m512i one = _mm512_set1_epi64(1), low = _mm512_set1_epi64(63);
	__m512i h = _mm512_mullo_epi64(grams, _mm512_set1_epi64(MIX)), at, bits, words;

	h = _mm512_xor_si512(h, _mm512_srli_epi64(h, 32));
	bits = _mm512_or_si512(
		_mm512_sllv_epi64(one, _mm512_and_si512(h, low)),
		_mm512_sllv_epi64(one, _mm512_and_si512(_mm512_srli_epi64(h, 6), low)));
	at = _mm512_and_si512(_mm512_srli_epi64(h, 12),
			      _mm512_set1_epi64((long long)db->n_bloom - 1));
	words = _mm512_i64gather_epi64(at, db->bloom, sizeof(*db->bloom));
	return _mm512_cmpeq_epi64_mask(_mm512_and_si512(words, bits), bits);
}

/* @len: octets in @text */
AVX512 static size_t seek_avx512(const struct known_db *db, const uint8_t *text, size_t at,
				 size_t len, size_t last)
{
	uint8_t place[sizeof(__m512i)];
	__m512i places;

	for (size_t i = 0; i < sizeof(place); i++)
		place[i] = (uint8_t)(i / KNOWN_GRAM * KNOWN_STRIDE + i % KNOWN_GRAM);
	places = _mm512_loadu_si512(place);
	for (; at + sizeof(__m512i) <= len; at += LANES * KNOWN_STRIDE) {
		__m512i grams = _mm512_permutexvar_epi8(places, _mm512_loadu_si512(text + at));
		unsigned int found = bloom_have(db, grams);

		if (found)
			return at + KNOWN_STRIDE * (size_t)__builtin_ctz(found);
	}
	return seek_plain(db, text, at, last);
}

/* A bit for each of the quads in 128 octets that is in the table; @places: where they stand */
AVX512 static unsigned int quads_have_128(const struct known_db *db, const uint8_t *text,
					  __m512i places)
{
	__m512i h = _mm512_permutex2var_epi8(_mm512_loadu_si512(text), places,
					     _mm512_loadu_si512(text + sizeof(h)));
	__m512i words, bits;

	h = _mm512_srli_epi32(_mm512_mullo_epi32(h, _mm512_set1_epi32((int)QUAD_MIX)),
			      32 - QUAD_BITS);
	words = _mm512_i32gather_epi32(_mm512_srli_epi32(h, 5), db->quads, sizeof(*db->quads));
	bits = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(h, _mm512_set1_epi32(31)));
	return _mm512_test_epi32_mask(words, bits) & ((1u << QUADS) - 1);
}

AVX512 static size_t seek_quad_avx512(const struct known_db *db, const uint8_t *text, size_t at,
				      size_t len)
{
	uint8_t place[sizeof(__m512i)];
	unsigned int found;
	__m512i places;

	for (size_t i = 0; i < sizeof(place); i++)
		place[i] = (uint8_t)(i / QUAD * QUAD_STRIDE + i % QUAD);
	places = _mm512_loadu_si512(place);
	for (; at + 2 * sizeof(__m512i) <= len; at += QUADS * QUAD_STRIDE) {
		found = quads_have_128(db, text + at, places);
		for (; found; found &= found - 1) {
			size_t here = at + QUAD_STRIDE * (size_t)__builtin_ctz(found);

			if (may_be_around(db, text, len, here))
				return here;
		}
	}
	_mm256_zeroupper(); /* which GCC 12 forgets before a jump */
	return seek_quad_plain(db, text, at, len);
}

static size_t seek_quad(const struct known_db *db, const uint8_t *text, size_t at, size_t len)
{
	if (at + 2 * sizeof(__m512i) <= len && fast_level() >= FAST_LEVEL_AVX512)
		return seek_quad_avx512(db, text, at, len);
	return seek_quad_plain(db, text, at, len);
}

static size_t seek(const struct known_db *db, const uint8_t *text, size_t at, size_t len)
{
	size_t last = len - KNOWN_GRAM;

	if (at + sizeof(__m512i) <= len && fast_level() >= FAST_LEVEL_AVX512)
		return seek_avx512(db, text, at, len, last);
	return seek_plain(db, text, at, last);
}
#else
static size_t seek_quad(const struct known_db *db, const uint8_t *text, size_t at, size_t len)
{
	return seek_quad_plain(db, text, at, len);
}

static size_t seek(const struct known_db *db, const uint8_t *text, size_t at, size_t len)
{
	return seek_plain(db, text, at, len - KNOWN_GRAM);
}
#endif

static void remember(struct known_stream *s, const uint8_t *text, size_t len)
{
	s->n_history = len < KNOWN_HISTORY ? len : KNOWN_HISTORY;
	memcpy(s->history, text + len - s->n_history, s->n_history);
}

bool known_feed(const struct known_db *db, struct known_stream *s, uint8_t *block, size_t len,
		known_hit_fn *hit, void *arg)
{
	uint8_t *text = block - s->n_history;
	size_t all = s->n_history + len, base = s->n_history, at;
	size_t stride = db->quads ? QUAD_STRIDE : KNOWN_STRIDE;
	size_t least = db->quads ? QUAD : KNOWN_GRAM;
	uint64_t first = s->total - s->n_history; /* number of text[0] */
	bool found = false;

	if (len == 0)
		return false;
	memcpy(text, s->history, s->n_history);
	/* A window that ends in the new block may begin eleven characters before it */
	at = base > KNOWN_WINDOW ? base - KNOWN_WINDOW : 0;
	at += (stride - (first + at) % stride) % stride;
	for (; at + least <= all && !found; at += stride) {
		at = db->quads ? seek_quad(db, text, at, all) : seek(db, text, at, all);
		if (at + least <= all)
			found = db->quads ? look_around(db, text, all, at, base, hit, arg)
					  : look_at(db, text, all, at, base, hit, arg);
	}
	s->total += len;
	remember(s, text, all);
	return found;
}
