/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_MANIFEST_DIAG_H
#define BB_MANIFEST_DIAG_H
#include "base/buf.h"

/**
 * DOC: diag - all that is wrong with a file, "file:line:column: what; what is allowed"
 *
 * Layer:     manifest
 * Used by:   manifest, cli (check, run)
 * Limits:    100 entries; the rest is counted
 *
 * Those of one file that are added one after another stand in its order.
 */
struct diag {
	struct bb_buf text; /* lines with '\n' */
	unsigned int n;
};

/** struct diag_place - Where something stands; line 0 = the file as a whole */
struct diag_place {
	const char *file; /* borrowed; lives as long as its struct manifest_file */
	unsigned int line, column;
};

void diag_init(struct diag *d);
void diag_release(struct diag *d);

/** diag_add() - One more error; control octets of the text are shown as '?' */
BB_PRINTF(3, 4) void diag_add(struct diag *d, struct diag_place at, const char *fmt, ...);

/** diag_near() - The word of @words (NULL-ended) that @word was probably meant to be, or NULL */
const char *diag_near(const char *word, const char *const *words);
#endif
