/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_ENTROPY_H
#define BB_SCAN_ENTROPY_H
#include "base/base.h"

/**
 * DOC: entropy - runs of characters that look random
 *
 * For who wants it: a run of ENTROPY_MIN characters that a key may have (view_runs_feed() leaves
 * such runs), in which small letters, capitals and digits all stand and the first ENTROPY_SAMPLE
 * have at most ENTROPY_LACK thousandths of a bit each less than as many different ones would have.
 * Hexadecimal is not looked at: digests look the same.
 *
 * Layer:     scan (pure)
 * Trust:     hostile input
 * Source:    Shannon's entropy of the characters' frequencies
 */
#define ENTROPY_MIN    24
#define ENTROPY_SAMPLE 32
#define ENTROPY_LACK   700u

/** struct entropy - Start with zeroes; @told: this run has been found already */
struct entropy {
	uint8_t run[ENTROPY_SAMPLE];
	size_t n;
	bool told;
};

/** entropy_feed() - Runs with a space behind each; @end: these are the last. Return: runs found */
size_t entropy_feed(struct entropy *e, struct bb_span runs, bool end);
#endif
