/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/diag.h"
#include "base/near.h"
#include <stdarg.h>
#include <stdio.h>

#define DIAG_MAX 100
#define TEXT_MAX (256u << 10)

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

const char *diag_near(const char *word, const char *const *words)
{
	struct bb_near near = BB_NEAR(word);

	for (; *words; words++)
		bb_near_try(&near, *words);
	return near.best;
}
