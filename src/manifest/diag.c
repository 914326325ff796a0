/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/diag.h"
#include <stdarg.h>
#include <stdio.h>

#define DIAG_MAX   100
#define TEXT_MAX   (256u << 10)
#define WORD_MAX   64
#define NEAR_LIMIT 3

void diag_init(struct diag *d)
{
	*d = (struct diag){ 0 };
	bb_buf_init(&d->text, TEXT_MAX);
}

void diag_release(struct diag *d)
{
	bb_buf_release(&d->text);
}

void diag_add(struct diag *d, struct diag_place at, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int r;

	if (++d->n > DIAG_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	if (at.line)
		r = bb_buf_addf(&d->text, "%s:%u:%u: %s\n", at.file, at.line, at.column, text);
	else
		r = bb_buf_addf(&d->text, "%s: %s\n", at.file, text);
	if (r < 0)
		d->n = DIAG_MAX + 1; /* said enough */
}

/* Levenshtein distance of two short words */
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

const char *diag_near(const char *word, const char *const *words)
{
	const char *best = NULL;
	size_t least = NEAR_LIMIT;

	for (; *words; words++) {
		size_t d = distance(word, *words);

		if (d < least) {
			least = d;
			best = *words;
		}
	}
	return best;
}
