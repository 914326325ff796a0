/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

#define WORD_MAX 80

static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[WORD_MAX + 1];

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

void bb_near_try(struct bb_near *n, const char *candidate)
{
	size_t d = distance(n->word, candidate);

	/* Two letters that are both wrong are no slip of the finger */
	if (d < n->least && d < strlen(candidate)) {
		n->least = d;
		n->best = candidate;
	}
}
