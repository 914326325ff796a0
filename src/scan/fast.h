/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_FAST_H
#define BB_SCAN_FAST_H
#include "base/base.h"

/**
 * DOC: fast - the inner loops of every search, sixteen octets at a time where the processor can
 *
 * Layer:     scan (pure)
 * Source:    each has a plain form, which tests/unit/scan/fast.c compares them with
 */

/** enum fast_level - What the processor can; each can what those before it can */
enum fast_level {
	FAST_LEVEL_PLAIN = 0,
	FAST_LEVEL_SSSE3, /* and POPCNT */
	FAST_LEVEL_AVX2,
	FAST_LEVEL_AVX512, /* F, BW, DQ, VBMI, VBMI2 */

	FAST_NUM_LEVELS,
};
/** fast_level() - Which forms are used */
enum fast_level fast_level(void);
/** fast_limit() - No more than that, for tests of what other processors do */
void fast_limit(enum fast_level max);

/** fast_project() - Copy letters and digits only. @out: @len + 16 octets. Return: how many */
size_t fast_project(const uint8_t *in, size_t len, uint8_t *out);
size_t fast_project_plain(const uint8_t *in, size_t len, uint8_t *out);

/**
 * fast_special() - First octet that may begin an escape, or @len
 *
 * NUL; '%', '&', '=' or '\\' with what may stand behind it there, or a NUL; the first two octets of
 * a character that may fold (view.h). Of the last octet nobody knows what stands behind it: it
 * counts.
 */
size_t fast_special(const uint8_t *in, size_t len);
size_t fast_special_plain(const uint8_t *in, size_t len);

/** enum fast_class - Sets of octets */
enum fast_class {
	FAST_BASE64 = 0, /* of both alphabets, which is what any coding may use */
	FAST_HEX,
	FAST_BASE32,
	FAST_TEXT, /* what patterns of tokens are made of: printable ASCII and white space */
	FAST_WIDE, /* ... and NUL, which UTF-16 has between them */
	FAST_WORD, /* FAST_BASE64 without digits and capitals */

	FAST_NUM_CLASSES,
};

/** fast_is() - Is @c in the set? */
bool fast_is(enum fast_class set, uint8_t c);
/** fast_span() - How many octets of the set stand at the start */
size_t fast_span(enum fast_class set, const uint8_t *in, size_t len);
size_t fast_span_plain(enum fast_class set, const uint8_t *in, size_t len);
/**
 * fast_seek() - First place where @run octets of the set may begin
 * @run:	8 or 16
 *
 * Return: such a place, or one with fewer than sixteen octets behind it that no run stands before
 */
size_t fast_seek(enum fast_class set, size_t run, const uint8_t *in, size_t len);
size_t fast_seek_plain(enum fast_class set, size_t run, const uint8_t *in, size_t len);

#define FAST_ODD_STEP 64
/**
 * fast_odd() - How many of FAST_ODD_STEP octets are neither text, NUL nor UTF-8
 * @more:	octets that the sequence before them still wants, and that the last of them does
 *
 * UTF-8: RFC 3629 section 4, without the limits inside a plane.
 */
size_t fast_odd(const uint8_t *in, uint8_t *more);
/** fast_is_odd() - The same of one octet */
bool fast_is_odd(uint8_t c, uint8_t *more);

/** fast_rows() - Sixteen octets: for the low half of an octet, a bit for each of the eight high
 * halves that make it one of the set */
const uint8_t *fast_rows(enum fast_class set);
/**
 * fast_decode() - Undo a coding, as many characters at a time as the processor can
 * @set:	FAST_BASE64, FAST_HEX or FAST_BASE32
 * @out:	@len + 32 octets, of which @ret_n count
 *
 * Return: characters used, all of the set: whole groups, or all up to one that is not of the set; 0
 * where there are too few, or it cannot
 */
size_t fast_decode(enum fast_class set, const uint8_t *in, size_t len, uint8_t *out, size_t *ret_n);
#endif
