/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_NEAR_H
#define BB_BASE_NEAR_H
#include "base/base.h"

/**
 * DOC: near - which word was probably meant
 *
 * Layer:     base
 * Used by:   manifest, cli
 */

/** struct bb_near - The nearest so far; begin with BB_NEAR */
struct bb_near {
	const char *word;
	const char *best; /* NULL: nothing is near enough; borrowed from the candidates */
	size_t least;
};
#define BB_NEAR(text) ((struct bb_near){ .word = (text), .least = 3 })

/** bb_near_try() - One more candidate: Levenshtein distance of at most two, of short words */
void bb_near_try(struct bb_near *n, const char *candidate);
#endif
