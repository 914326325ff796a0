/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/fast.h"
#include "scan/view.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,ssse3,popcnt")))
#endif

static enum fast_level level; /* set once, before main() */

__attribute__((constructor)) static void find_level(void)
{
#if defined(__x86_64__)
	if (!__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("popcnt"))
		return;
	level = FAST_LEVEL_SSSE3;
	if (!__builtin_cpu_supports("avx2"))
		return;
	level = FAST_LEVEL_AVX2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") &&
	    __builtin_cpu_supports("avx512vbmi2"))
		level = FAST_LEVEL_AVX512;
#endif
}

enum fast_level fast_level(void)
{
	return level;
}

void fast_limit(enum fast_level max)
{
	level = level < max ? level : max;
}

static bool is_alnum(uint8_t c)
{
	return (uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 26;
}

size_t fast_project_plain(const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		out[n] = in[i];
		n += is_alnum(in[i]);
	}
	return n;
}

static bool is_special(uint8_t c)
{
	static const uint8_t ascii[128] = {
		['\0'] = 1, ['%'] = 1, ['='] = 1, ['\\'] = 1, ['&'] = 1,
	};

	return c < 0x80 ? ascii[c] : c >= 0xc2 && c <= 0xf4;
}

static bool is_hex(uint8_t c)
{
	return (uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 6;
}

/* Behind '%'. There, and behind the others, a NUL, which UTF-16 has and no reader of it sees */
static bool is_percent(uint8_t c)
{
	return c == '\0' || c == 'u' || is_hex(c);
}

/* Behind '=' */
static bool is_quoted(uint8_t c)
{
	return c == '\0' || c == '\n' || c == '\r' || (c <= 'F' && is_hex(c));
}

/* Behind '&' */
static bool is_entity(uint8_t c)
{
	return c == '\0' || c == '#' || (uint8_t)(c - 'a') < 26;
}

static bool is_sign(uint8_t c)
{
	return c > ' ' && c < 0x7f && !is_alnum(c);
}

/* Behind a backslash */
static bool is_escaped(uint8_t c)
{
	return is_sign(c) || (c < 0x80 && memchr("\0\n\rnrtbfavexuU01234567", c, 22));
}

/* May a special octet with this one behind it begin an escape? Most of what looks special does not
 */
static bool may_begin(uint8_t c, uint8_t next)
{
	switch (c) {
	case '\0':
		return true;
	case '%':
		return is_percent(next);
	case '=':
		return is_quoted(next);
	case '&':
		return is_entity(next);
	case '\\':
		return is_escaped(next);
	default:
		return (next & 0xc0) == 0x80 && view_may_fold(c, next);
	}
}

size_t fast_special_plain(const uint8_t *in, size_t len)
{
	size_t i = 0;

	while (i < len && !(is_special(in[i]) && (i + 1 == len || may_begin(in[i], in[i + 1]))))
		i++;
	return i;
}

/* ---- sets ---- */

static bool is_base64(uint8_t c)
{
	return is_alnum(c) || c == '+' || c == '-' || c == '/' || c == '_';
}

static bool is_base32(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26 || (c >= '2' && c <= '7');
}

static bool is_text(uint8_t c)
{
	return (c >= ' ' && c < 0x7f) || (c >= '\t' && c <= '\r');
}

/* ... in UTF-16 as well */
static bool is_wide(uint8_t c)
{
	return c == '\0' || is_text(c);
}

static bool is_word(uint8_t c)
{
	return is_base64(c) && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z');
}

/* All sets are ASCII. @rows: for the low half of an octet, which of the eight high halves go with
 * it
 */
struct set {
	bool has[256];
	uint8_t rows[16];
};

/* Filled once, constant from then on */
static struct set sets[FAST_NUM_CLASSES];
/* What may stand behind '%', '=', '&' and a backslash */
enum behind { BEHIND_PERCENT = 0, BEHIND_EQUALS, BEHIND_AND, BEHIND_BACKSLASH, NUM_BEHIND };
static struct set behind[NUM_BEHIND];
/* A bit for each of these four: what it stands behind, what may stand there */
static uint8_t leads[128], follows[128];

static void fill(struct set *s, bool (*is)(uint8_t))
{
	for (unsigned int c = 0; c < 128; c++) {
		s->has[c] = is((uint8_t)c);
		if (s->has[c])
			s->rows[c & 15] |= (uint8_t)(1u << (c >> 4));
	}
}

__attribute__((constructor)) static void fill_sets(void)
{
	static bool (*const is[])(uint8_t) = { is_base64, is_hex,  is_base32,
					       is_text,   is_wide, is_word };
	static bool (*const is_behind[])(uint8_t) = { is_percent, is_quoted, is_entity,
						      is_escaped };
	static const uint8_t what[] = { '%', '=', '&', '\\' };

	for (size_t i = 0; i < FAST_NUM_CLASSES; i++)
		fill(&sets[i], is[i]);
	for (size_t i = 0; i < NUM_BEHIND; i++) {
		fill(&behind[i], is_behind[i]);
		leads[what[i]] = (uint8_t)(1u << i);
		for (size_t c = 0; c < 128; c++)
			follows[c] |= (uint8_t)(behind[i].has[c] << i);
	}
}

bool fast_is(enum fast_class set, uint8_t c)
{
	return sets[set].has[c];
}

const uint8_t *fast_rows(enum fast_class set)
{
	return sets[set].rows;
}

static size_t span_in(const struct set *s, const uint8_t *in, size_t len)
{
	size_t i = 0;

	while (i < len && s->has[in[i]])
		i++;
	return i;
}

size_t fast_span_plain(enum fast_class set, const uint8_t *in, size_t len)
{
	return span_in(&sets[set], in, len);
}

size_t fast_seek_plain(enum fast_class set, size_t run, const uint8_t *in, size_t len)
{
	const struct set *s = &sets[set];
	size_t i = 0;

	while (i + 16 <= len) {
		size_t n = span_in(s, in + i, run);

		if (n == run)
			break;
		i += n + 1;
	}
	return i;
}

bool fast_is_odd(uint8_t c, uint8_t *more)
{
	if ((c & 0xc0) == 0x80 && *more) {
		--*more;
		return false;
	}
	*more = c >= 0xc2 && c <= 0xf4 ? (uint8_t)(c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1) : 0;
	return !*more && c != 0 && !is_text(c);
}

#if defined(__x86_64__)
/* 0xff where low <= c <= high, unsigned */
static __m128i in_range(__m128i c, uint8_t low, uint8_t high)
{
	__m128i above = _mm_subs_epu8(_mm_set1_epi8((char)low), c);
	__m128i below = _mm_subs_epu8(c, _mm_set1_epi8((char)high));

	return _mm_cmpeq_epi8(_mm_or_si128(above, below), _mm_setzero_si128());
}

static __m128i is(__m128i v, uint8_t c)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8((char)c));
}

static __m128i is_plain(const uint8_t *in)
{
	__m128i c = _mm_loadu_si128((const __m128i *)(const void *)in);
	__m128i plain = _mm_or_si128(in_range(c, ' ', 0x7e), in_range(c, '\t', '\r'));

	return _mm_or_si128(plain, _mm_cmpeq_epi8(c, _mm_setzero_si128()));
}

/* Most are, all of them */
static bool are_plain(const uint8_t *in)
{
	__m128i all = is_plain(in);

	for (unsigned int at = 16; at < FAST_ODD_STEP; at += 16)
		all = _mm_and_si128(all, is_plain(in + at));
	return _mm_movemask_epi8(all) == 0xffff;
}

/* A bit for each of FAST_ODD_STEP octets that is of a kind */
struct kinds {
	uint64_t plain; /* text, NUL */
	uint64_t follows;
	uint64_t leads;
	uint64_t leads_two; /* at least so many */
	uint64_t leads_three;
};

static void add_kinds(struct kinds *k, const uint8_t *in, unsigned int at)
{
	__m128i c = _mm_loadu_si128((const __m128i *)(const void *)in);

	k->plain |= (uint64_t)(unsigned int)_mm_movemask_epi8(is_plain(in)) << at;
	k->follows |= (uint64_t)(unsigned int)_mm_movemask_epi8(in_range(c, 0x80, 0xbf)) << at;
	k->leads |= (uint64_t)(unsigned int)_mm_movemask_epi8(in_range(c, 0xc2, 0xf4)) << at;
	k->leads_two |= (uint64_t)(unsigned int)_mm_movemask_epi8(in_range(c, 0xe0, 0xf4)) << at;
	k->leads_three |= (uint64_t)(unsigned int)_mm_movemask_epi8(in_range(c, 0xf0, 0xf4)) << at;
}

static unsigned int bit(uint64_t mask, unsigned int i)
{
	return mask >> i & 1;
}

/* What a sequence that begins in the last three octets wants behind them */
static inline uint8_t still_wanted(const struct kinds *k)
{
	unsigned int last = FAST_ODD_STEP - 1, more = bit(k->leads_three, last - 2);

	more = bit(k->follows, last - 1) ? more : 0;
	more += bit(k->leads_two, last - 1) + bit(k->leads_three, last - 1);
	more = bit(k->follows, last) ? more : 0;
	more += bit(k->leads, last) + bit(k->leads_two, last) + bit(k->leads_three, last);
	return (uint8_t)more;
}

/* Those that nothing explains. Inline: behind a call to what uses no vectors, GCC 12 forgets that
 * the upper halves are in use, and every SSE instruction from there on costs some 70 cycles */
static inline __attribute__((always_inline)) uint64_t odd_of(const struct kinds *k, uint8_t *more)
{
	uint64_t wanted;

	/* the first, second and third behind what leads, each behind those before it */
	wanted = k->leads << 1 | (*more >= 1);
	wanted |= (k->leads_two << 2 | (uint64_t)(*more >= 2) << 1) & k->follows << 1;
	wanted |= (k->leads_three << 3 | (uint64_t)(*more >= 3) << 2) & k->follows << 2 &
		  k->follows << 1;
	*more = still_wanted(k);
	return ~(k->plain | k->leads | (k->follows & wanted));
}

AVX512 static __mmask64 between(__m512i c, uint8_t low, uint8_t high)
{
	__m512i from = _mm512_sub_epi8(c, _mm512_set1_epi8((char)low));

	return _mm512_cmple_epu8_mask(from, _mm512_set1_epi8((char)(high - low)));
}

AVX512 static size_t odd_avx512(const uint8_t *in, uint8_t *more)
{
	__m512i c = _mm512_loadu_si512(in);
	struct kinds k = { .plain = between(c, ' ', 0x7e) | between(c, '\t', '\r') |
				    _mm512_testn_epi8_mask(c, c) };

	if (~k.plain == 0) {
		*more = 0;
		return 0;
	}
	k.follows = between(c, 0x80, 0xbf);
	k.leads = between(c, 0xc2, 0xf4);
	k.leads_two = between(c, 0xe0, 0xf4);
	k.leads_three = between(c, 0xf0, 0xf4);
	return (size_t)__builtin_popcountll(odd_of(&k, more));
}

size_t fast_odd(const uint8_t *in, uint8_t *more)
{
	struct kinds k = { 0 };

	if (level >= FAST_LEVEL_AVX512)
		return odd_avx512(in, more);
	if (are_plain(in)) {
		*more = 0;
		return 0;
	}
	for (unsigned int at = 0; at < FAST_ODD_STEP; at += 16)
		add_kinds(&k, in + at, at);
	return (size_t)__builtin_popcountll(odd_of(&k, more));
}

static size_t special_sse2(const uint8_t *in, size_t len)
{
	size_t i = 0;

	for (; i + 16 <= len; i += 16) {
		__m128i c = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
		__m128i m = in_range(c, 0xc2, 0xf4);
		unsigned int bits;

		m = _mm_or_si128(m, in_range(c, '%', '&'));
		m = _mm_or_si128(m, _mm_or_si128(is(c, '='), is(c, '\\')));
		m = _mm_or_si128(m, _mm_cmpeq_epi8(c, _mm_setzero_si128()));
		bits = (unsigned int)_mm_movemask_epi8(m);
		for (; bits; bits &= bits - 1) {
			size_t at = i + (size_t)__builtin_ctz(bits);

			if (at + 1 == len || may_begin(in[at], in[at + 1]))
				return at;
		}
	}
	return i + fast_special_plain(in + i, len - i);
}

AVX2 static __m256i both(const uint8_t *p)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
}

AVX2 static __m256i is_32(__m256i v, uint8_t c)
{
	return _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)c));
}

/* 0xff where @c is @what, and one of a set stands behind it. @low, @row: halves of what does */
AVX2 static __m256i is_before(__m256i c, uint8_t what, __m256i rows, __m256i low, __m256i row)
{
	__m256i out = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(rows, low), row),
					_mm256_setzero_si256());

	return _mm256_andnot_si256(out, is_32(c, what));
}

AVX2 static size_t special_avx2(const uint8_t *in, size_t len)
{
	static const uint8_t highs[16] = { 1, 2, 4, 8, 16, 32, 64, 128 };
	const __m256i percent = both(behind[BEHIND_PERCENT].rows), half = _mm256_set1_epi8(15);
	const __m256i equals = both(behind[BEHIND_EQUALS].rows), high = both(highs);
	const __m256i and = both(behind[BEHIND_AND].rows);
	const __m256i backslash = both(behind[BEHIND_BACKSLASH].rows);
	size_t i = 0;

	for (; i + 33 <= len; i += 32) {
		__m256i c = _mm256_loadu_si256((const __m256i *)(const void *)(in + i));
		__m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(in + i + 1));
		__m256i low = _mm256_and_si256(next, half);
		__m256i row = _mm256_shuffle_epi8(
			high, _mm256_and_si256(_mm256_srli_epi16(next, 4), half));
		/* signed: 0xc2 to 0xf4, before 0x80 to 0xbf */
		__m256i wide = _mm256_and_si256(_mm256_cmpgt_epi8(c, _mm256_set1_epi8(-63)),
						_mm256_cmpgt_epi8(_mm256_set1_epi8(-11), c));
		__m256i m = _mm256_and_si256(wide, _mm256_cmpgt_epi8(_mm256_set1_epi8(-64), next));
		unsigned int bits;

		m = _mm256_or_si256(m, is_before(c, '%', percent, low, row));
		m = _mm256_or_si256(m, is_before(c, '=', equals, low, row));
		m = _mm256_or_si256(m, is_before(c, '&', and, low, row));
		m = _mm256_or_si256(m, is_before(c, '\\', backslash, low, row));
		bits = (unsigned int)_mm256_movemask_epi8(_mm256_or_si256(m, is_32(c, 0)));
		for (; bits; bits &= bits - 1) {
			size_t at = i + (size_t)__builtin_ctz(bits);

			if (in[at] < 0x80 || view_may_fold(in[at], in[at + 1]))
				return at;
		}
	}
	return i + special_sse2(in + i, len - i);
}

/* Of these places the first two octets of a character that may fold stand at (inline for the reason
 * of odd_of()) */
#define INLINE inline __attribute__((always_inline))
static INLINE uint64_t fold_at(const uint8_t *in, uint64_t places)
{
	for (; places; places &= places - 1) {
		size_t at = (size_t)__builtin_ctzll(places);

		if (view_may_fold(in[at], in[at + 1]))
			break;
	}
	return places;
}

/* A bit for each of 64 octets that begins something with the one behind it; those by a table of
 * what is ASCII */
AVX512 static INLINE uint64_t special_64(const uint8_t *in, __m512i c, __m512i next)
{
	const __m512i lead = _mm512_permutex2var_epi8(_mm512_loadu_si512(leads), c,
						      _mm512_loadu_si512(leads + 64));
	const __m512i follow = _mm512_permutex2var_epi8(_mm512_loadu_si512(follows), next,
							_mm512_loadu_si512(follows + 64));
	uint64_t wide = _mm512_movepi8_mask(c), ascii = ~(wide | _mm512_movepi8_mask(next));
	uint64_t found = _mm512_test_epi8_mask(lead, follow) & ascii;

	if (wide)
		found |= fold_at(in, between(c, 0xc2, 0xf4) & between(next, 0x80, 0xbf));
	return found | _mm512_testn_epi8_mask(c, c);
}

AVX512 static size_t special_avx512(const uint8_t *in, size_t len)
{
	__mmask64 rest;
	uint64_t found;
	size_t i = 0;

	for (; i + 65 <= len; i += 64) {
		found = special_64(in + i, _mm512_loadu_si512(in + i),
				   _mm512_loadu_si512(in + i + 1));
		if (found)
			return i + (size_t)__builtin_ctzll(found);
	}
	if (i == len)
		return i;
	rest = ~0ull >> (64 - (len - i)) >> 1; /* what has one behind it */
	found = special_64(in + i, _mm512_maskz_loadu_epi8(rest, in + i),
			   _mm512_maskz_loadu_epi8(rest, in + i + 1)) &
		rest;
	if (found)
		return i + (size_t)__builtin_ctzll(found);
	return is_special(in[len - 1]) ? len - 1 : len;
}

size_t fast_special(const uint8_t *in, size_t len)
{
	if (level >= FAST_LEVEL_AVX512)
		return special_avx512(in, len);
	return level >= FAST_LEVEL_AVX2 ? special_avx2(in, len) : special_sse2(in, len);
}

/* For each mask of eight octets, the order that brings those to the front; filled once */
static uint8_t (*orders(void))[8]
{
	static uint8_t order[256][8];
	static bool filled;

	for (unsigned int mask = 0; mask < 256 && !filled; mask++) {
		unsigned int n = 0;

		for (unsigned int b = 0; b < 8; b++) {
			if (mask >> b & 1)
				order[mask][n++] = (uint8_t)b;
		}
	}
	filled = true;
	return order;
}

__attribute__((target("ssse3,popcnt"))) static size_t project_ssse3(const uint8_t *in, size_t len,
								    uint8_t *out)
{
	uint8_t(*order)[8] = orders();
	size_t i = 0, n = 0;

	for (; i + 16 <= len; i += 16) {
		__m128i c = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
		__m128i lower = _mm_or_si128(c, _mm_set1_epi8(0x20));
		__m128i m = _mm_or_si128(in_range(c, '0', '9'), in_range(lower, 'a', 'z'));
		unsigned int bits = (unsigned int)_mm_movemask_epi8(m);
		__m128i low, high;

		low = _mm_loadl_epi64((const __m128i *)(const void *)order[bits & 255]);
		high = _mm_loadl_epi64((const __m128i *)(const void *)order[bits >> 8]);
		_mm_storel_epi64((__m128i *)(void *)(out + n), _mm_shuffle_epi8(c, low));
		n += (size_t)__builtin_popcount(bits & 255);
		c = _mm_srli_si128(c, 8);
		_mm_storel_epi64((__m128i *)(void *)(out + n), _mm_shuffle_epi8(c, high));
		n += (size_t)__builtin_popcount(bits >> 8);
	}
	return n + fast_project_plain(in + i, len - i, out + n);
}

/* What is kept is put together by the processor itself */
AVX512 static size_t project_avx512(const uint8_t *in, size_t len, uint8_t *out)
{
	size_t i = 0, n = 0;

	for (; i + 64 <= len; i += 64) {
		__m512i c = _mm512_loadu_si512(in + i);
		__m512i digit = _mm512_sub_epi8(c, _mm512_set1_epi8('0'));
		__m512i letter = _mm512_or_si512(c, _mm512_set1_epi8(0x20));
		__mmask64 keep = _mm512_cmplt_epu8_mask(digit, _mm512_set1_epi8(10));

		letter = _mm512_sub_epi8(letter, _mm512_set1_epi8('a'));
		keep |= _mm512_cmplt_epu8_mask(letter, _mm512_set1_epi8(26));
		_mm512_storeu_si512(out + n, _mm512_maskz_compress_epi8(keep, c));
		n += (size_t)__builtin_popcountll(keep);
	}
	return n + project_ssse3(in + i, len - i, out + n);
}

size_t fast_project(const uint8_t *in, size_t len, uint8_t *out)
{
	if (level >= FAST_LEVEL_AVX512)
		return project_avx512(in, len, out);
	if (level >= FAST_LEVEL_SSSE3)
		return project_ssse3(in, len, out);
	return fast_project_plain(in, len, out);
}

/* A bit for each of sixteen octets that is in the set */
__attribute__((target("ssse3"))) static unsigned int members(__m128i rows, const uint8_t *in)
{
	const __m128i high = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	__m128i c = _mm_loadu_si128((const __m128i *)(const void *)in);
	__m128i half = _mm_set1_epi8(15);
	__m128i low = _mm_shuffle_epi8(rows, _mm_and_si128(c, half));
	__m128i row = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(c, 4), half));
	__m128i none = _mm_cmpeq_epi8(_mm_and_si128(low, row), _mm_setzero_si128());

	return ~(unsigned int)_mm_movemask_epi8(none) & 0xffffu;
}

__attribute__((target("ssse3"))) static size_t span_ssse3(const struct set *s, const uint8_t *in,
							  size_t len)
{
	__m128i rows = _mm_loadu_si128((const __m128i *)(const void *)s->rows);
	size_t i = 0;

	for (; i + 16 <= len; i += 16) {
		unsigned int in_set = members(rows, in + i);

		if (in_set != 0xffffu)
			return i + (size_t)__builtin_ctz(~in_set);
	}
	return i < len ? i + span_in(s, in + i, len - i) : i;
}

__attribute__((target("ssse3"))) static uint64_t members_ssse3(const struct set *s,
							       const uint8_t *in)
{
	__m128i rows = _mm_loadu_si128((const __m128i *)(const void *)s->rows);

	return members(rows, in) | (uint64_t)members(rows, in + 16) << 16 |
	       (uint64_t)members(rows, in + 32) << 32 | (uint64_t)members(rows, in + 48) << 48;
}

AVX2 static uint32_t members_32(__m256i rows, const uint8_t *in)
{
	const __m256i high = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0));
	__m256i c = _mm256_loadu_si256((const __m256i *)(const void *)in);
	__m256i half = _mm256_set1_epi8(15);
	__m256i low = _mm256_shuffle_epi8(rows, _mm256_and_si256(c, half));
	__m256i row = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(c, 4), half));
	__m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(low, row), _mm256_setzero_si256());

	return ~(uint32_t)_mm256_movemask_epi8(none);
}

AVX2 static uint64_t members_avx2(const struct set *s, const uint8_t *in)
{
	__m256i rows = both(s->rows);

	return members_32(rows, in) | (uint64_t)members_32(rows, in + 32) << 32;
}

/* Of 64 octets, where @run of the set begin: from @open, which stand before them, on. Return: false
 * and how many stand at their end, where they do not */
static bool begins_in(uint64_t in_set, size_t run, size_t *open, size_t *ret)
{
	size_t first = ~in_set ? (size_t)__builtin_ctzll(~in_set) : 64;
	uint64_t begins = in_set;

	if (*open + first >= run) {
		*ret = 0;
		return true;
	}
	/* where as many stand in a row as have been looked at: 2, 4, 8, 16 */
	for (unsigned int k = 1; k < run; k *= 2)
		begins &= begins >> k;
	if (begins) {
		*ret = *open + (size_t)__builtin_ctzll(begins);
		return true;
	}
	*open = (size_t)__builtin_clzll(~in_set);
	return false;
}

/* As seek_ssse3(), 64 octets at a time */
static size_t seek_far(const struct set *s, size_t run, const uint8_t *in, size_t len)
{
	uint64_t (*of)(const struct set *, const uint8_t *) =
		level >= FAST_LEVEL_AVX2 ? members_avx2 : members_ssse3;
	size_t i = 0, open = 0, at;

	for (; i + 64 <= len; i += 64) {
		size_t before = open;

		if (begins_in(of(s, in + i), run, &open, &at))
			return i - before + at;
	}
	return i - open;
}

__attribute__((target("ssse3"))) static size_t seek_ssse3(const struct set *s, size_t run,
							  const uint8_t *in, size_t len)
{
	__m128i rows = _mm_loadu_si128((const __m128i *)(const void *)s->rows);
	size_t i = seek_far(s, run, in, len);

	while (i + 16 <= len) {
		unsigned int in_set = members(rows, in + i), begins = in_set;

		/* where as many stand in a row as have been looked at: 2, 4, 8, 16 */
		for (unsigned int k = 1; k < run; k *= 2)
			begins &= begins >> k;
		if (begins)
			return i + (size_t)__builtin_ctz(begins);
		/* what stands at the end may go on: fewer than @run */
		i += 32 - (size_t)__builtin_clz(~in_set & 0xffffu);
	}
	return i;
}

/* @low, @high: which of ASCII are in the set */
AVX512 static inline uint64_t members_avx512(__m512i low, __m512i high, __m512i c)
{
	__m512i has = _mm512_permutex2var_epi8(low, c, high);

	return _mm512_test_epi8_mask(has, has) & ~_mm512_movepi8_mask(c);
}

/* Of those behind the last 64: fewer */
AVX512 static inline uint64_t members_of_rest(__m512i low, __m512i high, const uint8_t *in,
					      size_t len)
{
	uint64_t all = ~(~0ull << len);

	return members_avx512(low, high, _mm512_maskz_loadu_epi8(all, in)) & all;
}

AVX512 static size_t span_avx512(const struct set *s, const uint8_t *in, size_t len)
{
	const __m512i low = _mm512_loadu_si512(s->has), high = _mm512_loadu_si512(s->has + 64);
	uint64_t in_set;
	size_t i = 0;

	for (; i + 64 <= len; i += 64) {
		in_set = members_avx512(low, high, _mm512_loadu_si512(in + i));
		if (~in_set)
			return i + (size_t)__builtin_ctzll(~in_set);
	}
	if (i == len)
		return i;
	in_set = members_of_rest(low, high, in + i, len - i);
	return i + (size_t)__builtin_ctzll(~in_set);
}

/* Of 64 octets and those before them: those that stand @n behind one of either */
static inline uint64_t behind_by(unsigned int n, uint64_t before, uint64_t x)
{
	return x << n | before >> (64 - n);
}

/** struct ends - A bit for each of the last 64 octets that ends so many of the set in a row */
struct ends {
	uint64_t one, two, four, eight;
};

/* A bit for each of the next 64 that ends @run in a row: 8 or 16 */
static inline uint64_t ends_in(struct ends *e, uint64_t in_set, size_t run)
{
	uint64_t two = in_set & behind_by(1, e->one, in_set);
	uint64_t four = two & behind_by(2, e->two, two);
	uint64_t eight = four & behind_by(4, e->four, four);
	uint64_t all = run == 8 ? eight : eight & behind_by(8, e->eight, eight);

	*e = (struct ends){ in_set, two, four, eight };
	return all;
}

static inline AVX512 size_t seek_run(const struct set *s, const size_t run, const uint8_t *in,
				     size_t len)
{
	const __m512i low = _mm512_loadu_si512(s->has), high = _mm512_loadu_si512(s->has + 64);
	struct ends e = { 0 };
	uint64_t in_set = 0, ends;
	size_t i = 0, rest;

	for (; i + 64 <= len; i += 64) {
		in_set = members_avx512(low, high, _mm512_loadu_si512(in + i));
		ends = ends_in(&e, in_set, run);
		if (ends)
			return i + (size_t)__builtin_ctzll(ends) + 1 - run;
	}
	rest = len - i;
	if (rest) {
		uint64_t last = members_of_rest(low, high, in + i, rest);

		ends = ends_in(&e, last, run);
		if (ends)
			return i + (size_t)__builtin_ctzll(ends) + 1 - run;
		in_set = in_set >> rest | last << (64 - rest);
	}
	return len - (size_t)__builtin_clzll(~in_set); /* fewer than @run, or they had ended */
}

AVX512 static size_t seek_avx512(const struct set *s, size_t run, const uint8_t *in, size_t len)
{
	return run == 16 ? seek_run(s, 16, in, len) : seek_run(s, 8, in, len);
}

size_t fast_span(enum fast_class set, const uint8_t *in, size_t len)
{
	if (level >= FAST_LEVEL_AVX512)
		return span_avx512(&sets[set], in, len);
	return level >= FAST_LEVEL_SSSE3 ? span_ssse3(&sets[set], in, len)
					 : fast_span_plain(set, in, len);
}

size_t fast_seek(enum fast_class set, size_t run, const uint8_t *in, size_t len)
{
	if (level >= FAST_LEVEL_AVX512)
		return seek_avx512(&sets[set], run, in, len);
	return level >= FAST_LEVEL_SSSE3 ? seek_ssse3(&sets[set], run, in, len)
					 : fast_seek_plain(set, run, in, len);
}
#else
size_t fast_odd(const uint8_t *in, uint8_t *more)
{
	size_t n = 0;

	for (size_t i = 0; i < FAST_ODD_STEP; i++)
		n += fast_is_odd(in[i], more);
	return n;
}

size_t fast_span(enum fast_class set, const uint8_t *in, size_t len)
{
	return fast_span_plain(set, in, len);
}

size_t fast_seek(enum fast_class set, size_t run, const uint8_t *in, size_t len)
{
	return fast_seek_plain(set, run, in, len);
}

size_t fast_special(const uint8_t *in, size_t len)
{
	return fast_special_plain(in, len);
}

size_t fast_project(const uint8_t *in, size_t len, uint8_t *out)
{
	return fast_project_plain(in, len, out);
}
#endif
