/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_INJECTION_H
#define BB_SCAN_INJECTION_H
#include "base/base.h"

/**
 * DOC: injection - text that speaks to an agent instead of to its reader
 *
 * A naive detector, as its name in the manifest says: phrases that real prompt injections use, in
 * text with case, punctuation and white space levelled. It warns; who wants to get past it does.
 *
 * Layer:     scan (pure)
 * Trust:     hostile input
 * Limits:    INJECTION_PHRASE_MAX characters of state
 */
#define INJECTION_PHRASE_MAX 64
#define INJECTION_PIECE_MAX  4096

/** struct injection - Start with zeroes */
struct injection {
	char tail[INJECTION_PHRASE_MAX];
	size_t n;
	bool space;
};

/** injection_feed() - Read the next octets. Return: the phrase that ends in them, or NULL */
const char *injection_feed(struct injection *d, struct bb_span in);
#endif
