/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/fast.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))
/* Characters of one step */
#define STEP 32

AVX2 static __m256i both(__m128i v)
{
	return _mm256_broadcastsi128_si256(v);
}

/* By the high half of a character, what makes its value of it; the marks are apart */
AVX2 static __m256i values64(__m256i c)
{
	const __m256i offsets =
		both(_mm_setr_epi8(0, 0, 0, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
	/* '+' and '-', '/' by their low half */
	const __m256i marks =
		both(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 62, 0, 62, 0, 63));
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(c, 4), _mm256_set1_epi8(15));
	__m256i v = _mm256_add_epi8(c, _mm256_shuffle_epi8(offsets, high));
	__m256i is_mark = _mm256_cmpeq_epi8(high, _mm256_set1_epi8(2));
	__m256i is_line = _mm256_cmpeq_epi8(c, _mm256_set1_epi8('_'));

	v = _mm256_blendv_epi8(v, _mm256_shuffle_epi8(marks, c), is_mark);
	return _mm256_blendv_epi8(v, _mm256_set1_epi8(63), is_line);
}

/* 32 values of six bits: 24 octets, and junk behind them */
AVX2 static size_t pack64(__m256i v, uint8_t *out)
{
	const __m256i order =
		both(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));

	v = _mm256_maddubs_epi16(v, _mm256_set1_epi32(0x01400140));
	v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00011000));
	v = _mm256_shuffle_epi8(v, order);
	v = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
	_mm256_storeu_si256((__m256i *)(void *)out, v);
	return 24;
}

AVX2 static __m256i values32(__m256i c)
{
	__m256i lower = _mm256_or_si256(c, _mm256_set1_epi8(0x20));
	__m256i digit = _mm256_cmpgt_epi8(_mm256_set1_epi8('8'), c);

	return _mm256_sub_epi8(lower, _mm256_blendv_epi8(_mm256_set1_epi8('a'),
							 _mm256_set1_epi8('2' - 26), digit));
}

/* 32 values of five bits: 20 octets, and junk behind them */
AVX2 static size_t pack32(__m256i v, uint8_t *out)
{
	const __m256i order =
		both(_mm_setr_epi8(4, 3, 2, 1, 0, 12, 11, 10, 9, 8, -1, -1, -1, -1, -1, -1));
	__m256i low;

	v = _mm256_maddubs_epi16(v, _mm256_set1_epi16(0x0120));  /* two: * 32, + */
	v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00010400)); /* four */
	low = _mm256_srli_epi64(_mm256_slli_epi64(v, 32),
				12); /* the first four, above the others */
	v = _mm256_or_si256(low, _mm256_srli_epi64(v, 32));
	v = _mm256_shuffle_epi8(v, order);
	_mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(v));
	_mm_storeu_si128((__m128i *)(void *)(out + 10), _mm256_extracti128_si256(v, 1));
	return 20;
}

AVX2 static __m256i values16(__m256i c)
{
	__m256i lower = _mm256_or_si256(c, _mm256_set1_epi8(0x20));
	__m256i digit = _mm256_cmpgt_epi8(_mm256_set1_epi8(':'), c);

	return _mm256_sub_epi8(lower, _mm256_blendv_epi8(_mm256_set1_epi8('a' - 10),
							 _mm256_set1_epi8('0'), digit));
}

/* 32 values of four bits: 16 octets */
AVX2 static size_t pack16(__m256i v, uint8_t *out)
{
	v = _mm256_maddubs_epi16(v, _mm256_set1_epi16(0x0110));
	v = _mm256_packus_epi16(v, v);
	v = _mm256_permute4x64_epi64(v, 0x08);
	_mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(v));
	return 16;
}

/* Are all of them in the set? */
AVX2 static bool all_in(__m256i rows, __m256i c)
{
	const __m256i highs =
		both(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0));
	__m256i half = _mm256_set1_epi8(15);
	__m256i low = _mm256_shuffle_epi8(rows, _mm256_and_si256(c, half));
	__m256i row = _mm256_shuffle_epi8(highs, _mm256_and_si256(_mm256_srli_epi16(c, 4), half));

	return _mm256_movemask_epi8(
		       _mm256_cmpeq_epi8(_mm256_and_si256(low, row), _mm256_setzero_si256())) == 0;
}

AVX2 static size_t decode_avx2(enum fast_class set, const uint8_t *in, size_t len, uint8_t *out,
			       size_t *ret_n)
{
	__m256i rows = both(_mm_loadu_si128((const __m128i *)(const void *)fast_rows(set)));
	size_t i = 0, n = 0;

	for (; i + STEP <= len; i += STEP) {
		__m256i c = _mm256_loadu_si256((const __m256i *)(const void *)(in + i));

		if (!all_in(rows, c))
			break;
		if (set == FAST_BASE64)
			n += pack64(values64(c), out + n);
		else if (set == FAST_BASE32)
			n += pack32(values32(c), out + n);
		else
			n += pack16(values16(c), out + n);
	}
	*ret_n = n;
	return i;
}

#define FOREIGN 0x80

/**
 * struct code - One coding; of a group of 2 to the power of @group characters come @octets
 * @value:	Of each ASCII character, or FOREIGN
 * @order:	Where the octets that come of 64 characters stand when those have been put together
 */
struct code {
	uint8_t value[128];
	uint8_t order[64];
	unsigned int group;
	unsigned int octets;
};

/* Filled once, constant from then on */
static struct code codes[] = {
	[FAST_BASE64] = { .group = 2, .octets = 3 },
	[FAST_HEX] = { .group = 1, .octets = 1 },
	[FAST_BASE32] = { .group = 3, .octets = 5 },
};

static void add_range(struct code *c, char from, char to, unsigned int value)
{
	for (int i = from; i <= to; i++)
		c->value[i] = (uint8_t)value++;
}

__attribute__((constructor)) static void fill_codes(void)
{
	struct code *c;

	for (size_t i = 0; i < BB_ARRAY_LEN(codes); i++) {
		c = &codes[i];
		memset(c->value, FOREIGN, sizeof(c->value));
		/* of each group the most significant octet first */
		for (unsigned int at = 0; at < (64u >> c->group) * c->octets; at++)
			c->order[at] = (uint8_t)((at / c->octets << c->group) + c->octets - 1 -
						 at % c->octets);
	}
	c = &codes[FAST_BASE64];
	add_range(c, 'A', 'Z', 0);
	add_range(c, 'a', 'z', 26);
	add_range(c, '0', '9', 52);
	c->value['+'] = c->value['-'] = 62;
	c->value['/'] = c->value['_'] = 63;
	c = &codes[FAST_HEX];
	add_range(c, '0', '9', 0);
	add_range(c, 'A', 'F', 10);
	add_range(c, 'a', 'f', 10);
	c = &codes[FAST_BASE32];
	add_range(c, 'A', 'Z', 0);
	add_range(c, 'a', 'z', 0);
	add_range(c, '2', '7', 26);
}

/* The values of each group as one number, at the lowest octets of where the group stood */
AVX512 static inline __m512i join(enum fast_class set, __m512i v)
{
	if (set == FAST_HEX)
		return _mm512_maddubs_epi16(v, _mm512_set1_epi16(0x0110));
	if (set == FAST_BASE64) {
		v = _mm512_maddubs_epi16(v, _mm512_set1_epi16(0x0140));
		return _mm512_madd_epi16(v, _mm512_set1_epi32(0x00011000));
	}
	v = _mm512_maddubs_epi16(v, _mm512_set1_epi16(0x0120));
	v = _mm512_madd_epi16(v, _mm512_set1_epi32(0x00010400));
	return _mm512_or_si512(_mm512_srli_epi64(_mm512_slli_epi64(v, 32), 12),
			       _mm512_srli_epi64(v, 32));
}

AVX512 static size_t decode_avx512(enum fast_class set, const uint8_t *in, size_t len, uint8_t *out,
				   size_t *ret_n)
{
	const struct code *code = &codes[set];
	const __m512i low = _mm512_loadu_si512(code->value);
	const __m512i high = _mm512_loadu_si512(code->value + 64);
	const __m512i order = _mm512_loadu_si512(code->order);
	size_t i = 0, n = 0, used = 64;

	for (; i < len && used == 64; i += used) {
		size_t left = len - i, octets;
		__m512i c = _mm512_maskz_loadu_epi8(left < 64 ? ~(~0ull << left) : ~0ull, in + i);
		__m512i v = _mm512_permutex2var_epi8(low, c, high);
		uint64_t foreign = _mm512_movepi8_mask(_mm512_or_si512(c, v));

		used = foreign ? (size_t)__builtin_ctzll(foreign) : 64;
		if (used >= left || used == 64)
			used = used >> code->group << code->group;
		else /* they end here: of the last group, whole octets */
			v = _mm512_maskz_mov_epi8(~(~0ull << used), v);
		octets = used * code->octets >> code->group;
		_mm512_mask_storeu_epi8(out + n, ~(~0ull << octets),
					_mm512_permutexvar_epi8(order, join(set, v)));
		n += octets;
	}
	*ret_n = n;
	return i;
}

size_t fast_decode(enum fast_class set, const uint8_t *in, size_t len, uint8_t *out, size_t *ret_n)
{
	*ret_n = 0;
	if (fast_level() >= FAST_LEVEL_AVX512)
		return decode_avx512(set, in, len, out, ret_n);
	if (len < STEP || fast_level() < FAST_LEVEL_AVX2)
		return 0;
	return decode_avx2(set, in, len, out, ret_n);
}
#else
size_t fast_decode(enum fast_class set, const uint8_t *in, size_t len, uint8_t *out, size_t *ret_n)
{
	(void)set;
	(void)in;
	(void)len;
	(void)out;
	*ret_n = 0;
	return 0;
}
#endif
