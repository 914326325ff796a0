/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/unpack.h"
#define ZSTD_STATIC_LINKING_ONLY /* custom allocators */
#include "coding/step.h"
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw")))
#endif

#define PIECE     4096
#define ZIP_HEAD  30
#define ZIP_NAME  26
#define ZIP_EXTRA 28
#define DEFLATED  8

#define GZIP_FLAGS 0x1f /* RFC 1952 section 2.3.1: those that say something */

#define BLOCK_HEADER  3            /* RFC 8878 section 3.1.1.2 */
#define ZSTD_STEP_MAX (128u << 10) /* the largest block */

/**
 * struct unpack_slot - One that is open
 * @head, @n_head:	Of a zip entry: its header, as far as it has come
 * @skip:		Of a zip entry: octets of its name and extra field still to come
 * @zstd:		Of a Zstandard frame, else NULL; its @n_head counts what has been fed of the
 * header
 * @flags_due:	Of gzip: the next octet is that of the flags
 * @told:		The sink has been told that it begins
 */
struct unpack_slot {
	z_stream z;
	ZSTD_DStream *zstd;
	uint8_t *step;
	size_t n_step, want;
	uint8_t head[ZIP_HEAD];
	size_t n_head;
	size_t skip;
	bool zip;
	bool flags_due;
	bool told;
};

/* The sink of one call */
struct sink {
	struct unpack *u;
	unpack_sink *fn;
	void *arg;
};

/* Of all streams of the process: each has a window, and its reader what a stream takes */
static unsigned int open_in_all;

static void close_slot(struct unpack *u, unsigned int i)
{
	struct unpack_slot *s = u->slots[i];

	if (s->zstd)
		u->budget->zstd_open--;
	else
		(void)inflateEnd(&s->z);
	(void)ZSTD_freeDStream(s->zstd);
	free(s->step);
	free(s);
	u->slots[i] = NULL;
	u->budget->open--;
	open_in_all--;
}

bool unpack_is_idle(const struct unpack *u)
{
	for (unsigned int i = 0; i < UNPACK_SLOTS; i++) {
		if (u->slots[i])
			return false;
	}
	return true;
}

void unpack_clear(struct unpack *u)
{
	struct unpack_budget *budget = u->budget;

	for (unsigned int i = 0; i < UNPACK_SLOTS; i++) {
		if (u->slots[i])
			close_slot(u, i);
	}
	*u = (struct unpack){ .budget = budget };
}

/* Return: false when the sink wants no more */
static bool end_slot(const struct sink *k, unsigned int i)
{
	bool told = k->u->slots[i]->told;

	close_slot(k->u, i);
	return !told || k->fn(k->arg, i, UNPACK_END, (struct bb_span){ 0 });
}

static bool pass(const struct sink *k, unsigned int i, struct bb_span out)
{
	struct unpack_slot *s = k->u->slots[i];

	if (!s->told && !k->fn(k->arg, i, UNPACK_BEGIN, (struct bb_span){ 0 }))
		return false;
	s->told = true;
	return k->fn(k->arg, i, UNPACK_DATA, out);
}

/* @n octets have come out. Return: false when that is more than allowed */
static bool spend(struct unpack_budget *budget, size_t n)
{
	budget->out += n;
	return budget->out <= UNPACK_FREE + UNPACK_RATIO * budget->in;
}

/* One step of the frame, whose input is there in full. @ret_end: the frame has ended, or is none */
static enum unpack_result zstd_step(const struct sink *k, unsigned int i, struct bb_span in,
				    bool *ret_end)
{
	struct unpack_slot *s = k->u->slots[i];
	ZSTD_inBuffer from = { in.p, in.len, 0 };
	ZSTD_outBuffer to = { .size = PIECE };
	uint8_t out[PIECE];
	size_t r;

	to.dst = out;
	do {
		to.pos = 0;
		r = ZSTD_decompressStream(s->zstd, &to, &from);
		if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
			return UNPACK_MEMORY;
		*ret_end = ZSTD_isError(r) || r == 0;
		if (ZSTD_isError(r))
			return UNPACK_OK;
		if (!spend(k->u->budget, to.pos))
			return UNPACK_TOO_MUCH;
		if (to.pos && !pass(k, i, (struct bb_span){ out, to.pos }))
			return UNPACK_STOPPED;
	} while (!*ret_end && (from.pos < from.size || to.pos == PIECE));
	/* The next block's header is asked for with a block, and one that is wrong takes along what
	 * the block gave: each by itself */
	s->want = r > BLOCK_HEADER ? r - BLOCK_HEADER : r;
	s->want = s->want < ZSTD_STEP_MAX ? s->want : ZSTD_STEP_MAX;
	return UNPACK_OK;
}

/*
 * The library gives what it is given time for: of an error it says nothing but that, and what the
 * same call had decoded is lost. It gets what it asks for, no more and no less, so that the result
 * is the same however the input is cut.
 */
static enum unpack_result zstd_slot(const struct sink *k, unsigned int i, struct bb_span in)
{
	struct unpack_slot *s = k->u->slots[i];
	enum unpack_result r = UNPACK_OK;
	bool end = false;

	while (in.len && r == UNPACK_OK && !end) {
		size_t n = s->want - s->n_step < in.len ? s->want - s->n_step : in.len;
		struct bb_span step = { in.p, n };

		if (n < s->want) {
			memcpy(s->step + s->n_step, in.p, n);
			s->n_step += n;
			step = (struct bb_span){ s->step, s->n_step };
		}
		in = (struct bb_span){ in.p + n, in.len - n };
		if (step.len < s->want)
			break;
		s->n_step = 0;
		r = zstd_step(k, i, step, &end);
	}
	if (r == UNPACK_OK && end && !end_slot(k, i))
		return UNPACK_STOPPED;
	return r;
}

static enum unpack_result inflate_slot(const struct sink *k, unsigned int i, struct bb_span in)
{
	z_stream *z = &k->u->slots[i]->z;
	uint8_t out[PIECE];
	int r = Z_OK;

	z->next_in = (Bytef *)(uintptr_t)in.p; /* zlib does not write there */
	z->avail_in = (uInt)in.len;
	do {
		size_t n;

		z->next_out = out;
		z->avail_out = sizeof(out);
		r = inflate(z, Z_NO_FLUSH);
		n = sizeof(out) - z->avail_out;
		if (!spend(k->u->budget, n))
			return UNPACK_TOO_MUCH;
		if (r == Z_MEM_ERROR)
			return UNPACK_MEMORY;
		if (n && !pass(k, i, (struct bb_span){ out, n }))
			return UNPACK_STOPPED;
	} while (r == Z_OK && z->avail_out == 0);
	/* Z_BUF_ERROR: all that has come was used up */
	if (r != Z_OK && r != Z_BUF_ERROR && !end_slot(k, i))
		return UNPACK_STOPPED;
	return UNPACK_OK;
}

/* The header, name and extra field of a zip entry. How it is compressed readers take from the
 * directory at the end: what is no deflate stream will show itself */
static void take_head(struct unpack_slot *s, struct bb_span *in)
{
	size_t n = ZIP_HEAD - s->n_head < in->len ? ZIP_HEAD - s->n_head : in->len;

	if (n) {
		memcpy(s->head + s->n_head, in->p, n);
		s->n_head += n;
		*in = (struct bb_span){ in->p + n, in->len - n };
		if (s->n_head < ZIP_HEAD)
			return;
		s->skip = (size_t)s->head[ZIP_NAME] + ((size_t)s->head[ZIP_NAME + 1] << 8) +
			  s->head[ZIP_EXTRA] + ((size_t)s->head[ZIP_EXTRA + 1] << 8);
	}
	n = s->skip < in->len ? s->skip : in->len;
	s->skip -= n;
	*in = (struct bb_span){ in->p + n, in->len - n };
}

/* Flags without a meaning, of which zlib wants none, are passed over by other readers */
static enum unpack_result take_flags(const struct sink *k, unsigned int i, struct bb_span *in)
{
	uint8_t flags = in->p[0] & GZIP_FLAGS;

	k->u->slots[i]->flags_due = false;
	*in = (struct bb_span){ in->p + 1, in->len - 1 };
	return inflate_slot(k, i, (struct bb_span){ &flags, 1 }); /* too little to end it */
}

static enum unpack_result feed_slot(const struct sink *k, unsigned int i, struct bb_span in)
{
	struct unpack_slot *s = k->u->slots[i];
	enum unpack_result r;

	if (s->zstd)
		return in.len ? zstd_slot(k, i, in) : UNPACK_OK;
	if (s->flags_due && in.len) {
		r = take_flags(k, i, &in);
		if (r != UNPACK_OK)
			return r;
	}
	if (s->zip && (s->n_head < ZIP_HEAD || s->skip))
		take_head(s, &in);
	return in.len ? inflate_slot(k, i, in) : UNPACK_OK;
}

enum kind { NONE, GZIP, ZLIB, ZIP, ZSTD };

/* What begins with the last of four octets; see are_last() */
static enum kind begins(const uint8_t m[4])
{
	if (m[1] == 0x1f && m[2] == 0x8b && m[3] == DEFLATED)
		return GZIP;
	if (m[0] == 'P' && m[1] == 'K' && m[2] == 3 && m[3] == 4)
		return ZIP;
	if (m[0] == 0x28 && m[1] == 0xb5 && m[2] == 0x2f && m[3] == 0xfd)
		return ZSTD;
	if (m[2] == 0x78 && (m[3] == 0x01 || m[3] == 0x5e || m[3] == 0x9c || m[3] == 0xda))
		return ZLIB;
	return NONE;
}

/* Of all streams of the process: each is small or its window is large, and both are the sender's
 * choice */
static struct coding_budget zstd_memory = { .max = UNPACK_ZSTD_MEMORY };

static void *zstd_alloc(void *budget, size_t size)
{
	return coding_alloc(budget, size);
}

static void zstd_release(void *budget, void *p)
{
	coding_free(budget, p);
}

/* Return: false without memory */
static bool begin_slot(struct unpack_slot *s, enum kind kind)
{
	static const int windows[] = {
		[GZIP] = MAX_WBITS + 16, [ZLIB] = MAX_WBITS, [ZIP] = -MAX_WBITS
	};

	s->zip = kind == ZIP;
	if (kind != ZSTD) /* who reads may not compare checksums, that of the header neither */
		return inflateInit2(&s->z, windows[kind]) == Z_OK &&
		       (kind == ZIP || inflateValidate(&s->z, 0) == Z_OK);
	s->zstd = ZSTD_createDCtx_advanced(
		(ZSTD_customMem){ zstd_alloc, zstd_release, &zstd_memory });
	s->step = malloc(ZSTD_STEP_MAX);
	s->want = 1;
	return s->zstd && s->step &&
	       !ZSTD_isError(
		       ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, CODING_ZSTD_WINDOW));
}

static enum unpack_result begin_gzip(const struct sink *k, unsigned int i, const uint8_t *magic)
{
	enum unpack_result r = inflate_slot(k, i, (struct bb_span){ magic + 1, 3 });

	k->u->slots[i]->flags_due = true; /* (nothing is wrong with the magic) */
	return r;
}

static enum unpack_result open_slot(const struct sink *k, enum kind kind, const uint8_t *magic)
{
	struct unpack *u = k->u;
	unsigned int i = 0;
	size_t n = kind == ZLIB ? 2 : kind == GZIP ? 3 : 4;

	while (i < UNPACK_SLOTS && u->slots[i])
		i++;
	if (i == UNPACK_SLOTS || u->budget->open == UNPACK_OPEN ||
	    (kind == ZSTD && u->budget->zstd_open == UNPACK_ZSTD_OPEN))
		return UNPACK_TOO_MUCH;
	if (open_in_all < UNPACK_OPEN_IN_ALL)
		u->slots[i] = calloc(1, sizeof(*u->slots[i]));
	if (!u->slots[i])
		return UNPACK_MEMORY;
	if (!begin_slot(u->slots[i], kind)) {
		(void)ZSTD_freeDStream(u->slots[i]->zstd);
		free(u->slots[i]->step);
		free(u->slots[i]);
		u->slots[i] = NULL;
		return UNPACK_MEMORY;
	}
	open_in_all++;
	u->budget->open++;
	u->budget->zstd_open += kind == ZSTD;
	if (kind == GZIP)
		return begin_gzip(k, i, magic);
	return feed_slot(k, i, (struct bb_span){ magic + 4 - n, n });
}

/* May be the last two octets of what something begins with */
static bool are_last(uint8_t before, uint8_t c)
{
	switch (before) {
	case 0x8b:
		return c == DEFLATED;
	case 3:
		return c == 4;
	case 0x2f:
		return c == 0xfd;
	case 0x78:
		return c == 0x01 || c == 0x5e || c == 0x9c || c == 0xda;
	default:
		return false;
	}
}

#if defined(__x86_64__)
static __m128i is(__m128i v, uint8_t c)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8((char)c));
}

/* are_last() of sixteen pairs: a bit for each */
static unsigned int last_of_16(const uint8_t *p)
{
	__m128i before = _mm_loadu_si128((const __m128i *)(const void *)(p - 1));
	__m128i c = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i zlib = _mm_or_si128(_mm_or_si128(is(c, 0x01), is(c, 0x5e)),
				    _mm_or_si128(is(c, 0x9c), is(c, 0xda)));
	__m128i any = _mm_and_si128(is(before, 0x78), zlib);

	any = _mm_or_si128(any, _mm_and_si128(is(before, 0x8b), is(c, DEFLATED)));
	any = _mm_or_si128(any, _mm_and_si128(is(before, 3), is(c, 4)));
	any = _mm_or_si128(any, _mm_and_si128(is(before, 0x2f), is(c, 0xfd)));
	return (unsigned int)_mm_movemask_epi8(any);
}

/* A bit for each octet that is @c */
AVX512 static uint64_t are(__m512i v, uint8_t c)
{
	return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8((char)c));
}

/* are_last() of 64 pairs: a bit for each */
AVX512 static uint64_t last_of_64(const uint8_t *p)
{
	__m512i before = _mm512_loadu_si512(p - 1), c = _mm512_loadu_si512(p);
	uint64_t zlib = are(c, 0x01) | are(c, 0x5e) | are(c, 0x9c) | are(c, 0xda);

	return (are(before, 0x78) & zlib) | (are(before, 0x8b) & are(c, DEFLATED)) |
	       (are(before, 3) & are(c, 4)) | (are(before, 0x2f) & are(c, 0xfd));
}

/* From @i on, as long as 64 are there: the first pair, or where fewer are */
AVX512 static size_t seek_last(struct bb_span in, size_t i)
{
	uint64_t bits = 0;

	while (i + 64 <= in.len && !(bits = last_of_64(in.p + i)))
		i += 64;
	return bits ? i + (size_t)__builtin_ctzll(bits) : i;
}
#else
static unsigned int last_of_16(const uint8_t *p)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < 16; i++)
		bits |= (unsigned int)are_last(p[i - 1], p[i]) << i;
	return bits;
}
#endif

/* The first place from @i on that are_last() is true of, or the length. @tail: what came before */
static size_t next_last(const uint8_t *tail, struct bb_span in, size_t i)
{
	if (i == 0 && in.len && are_last(tail[2], in.p[0]))
		return 0;
	i += i == 0;
#if defined(__x86_64__)
	if (i + 64 <= in.len && __builtin_cpu_supports("avx512bw"))
		i = seek_last(in, i);
#endif
	for (; i + 16 <= in.len; i += 16) {
		unsigned int bits = last_of_16(in.p + i);

		if (bits)
			return i + (size_t)__builtin_ctz(bits);
	}
	while (i < in.len && !are_last(in.p[i - 1], in.p[i]))
		i++;
	return i < in.len ? i : in.len;
}

static enum unpack_result feed_open(const struct sink *k, struct bb_span in)
{
	enum unpack_result r = UNPACK_OK;

	for (unsigned int i = 0; i < UNPACK_SLOTS && r == UNPACK_OK && in.len; i++) {
		if (k->u->slots[i])
			r = feed_slot(k, i, in);
	}
	return r;
}

/* What is open has come as far as the octet behind which another opens, however the input is cut */
static enum unpack_result feed(const struct sink *k, struct bb_span in)
{
	const uint8_t *tail = k->u->tail;
	enum unpack_result r = UNPACK_OK;
	size_t from = 0, i = next_last(tail, in, 0);

	for (; i < in.len && r == UNPACK_OK; i = next_last(tail, in, i + 1)) {
		uint8_t m[4];
		enum kind kind;

		for (size_t j = 0; j < 4; j++)
			m[j] = i + j >= 3 ? in.p[i + j - 3] : tail[i + j];
		kind = begins(m);
		if (kind == NONE)
			continue;
		r = feed_open(k, (struct bb_span){ in.p + from, i + 1 - from });
		from = i + 1;
		if (r == UNPACK_OK)
			r = open_slot(k, kind, m);
	}
	return r == UNPACK_OK && in.len
		       ? feed_open(k, (struct bb_span){ in.p + from, in.len - from })
		       : r;
}

/* The last three octets, of however many calls */
static void keep_tail(struct unpack *u, struct bb_span in)
{
	for (size_t i = in.len > 3 ? in.len - 3 : 0; i < in.len; i++) {
		memmove(u->tail, u->tail + 1, 2);
		u->tail[2] = in.p[i];
	}
}

enum unpack_result unpack_feed(struct unpack *u, struct bb_span in, bool end, unpack_sink *sink,
			       void *arg)
{
	const struct sink k = { u, sink, arg };
	enum unpack_result r = feed(&k, in);

	keep_tail(u, in);
	for (unsigned int i = 0; i < UNPACK_SLOTS && r == UNPACK_OK && end; i++) {
		if (u->slots[i] && !end_slot(&k, i))
			r = UNPACK_STOPPED;
	}
	return r;
}
