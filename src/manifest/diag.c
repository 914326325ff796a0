/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/diag.h"
#include "base/near.h"
#include <stdarg.h>
#include <stdio.h>

#define DIAG_MAX      100
#define TEXT_MAX      (256u << 10)
#define DIAG_LINE_MAX (1024 + 4096 + 32)

void diag_init(struct diag *d)
{
	*d = (struct diag){ 0 };
	bb_buf_init(&d->text, TEXT_MAX);
}

void diag_release(struct diag *d)
{
	bb_buf_release(&d->text);
}

/* Does this line speak of a place of the same file that comes later? */
static bool is_later(const uint8_t *line, const uint8_t *end, struct diag_place at)
{
	size_t len = strlen(at.file), n = (size_t)(end - line);
	unsigned int row, column;
	char text[32];
	int rest;

	if (n <= len + 1 || memcmp(line, at.file, len) != 0 || line[len] != ':')
		return false;
	rest = n - len - 1 < sizeof(text) ? (int)(n - len - 1) : (int)sizeof(text) - 1;
	(void)snprintf(text, sizeof(text), "%.*s", rest, (const char *)line + len + 1);
	if (sscanf(text, "%u:%u:", &row, &column) != 2)
		return false;
	return row > at.line || (row == at.line && column > at.column);
}

/* The line that was added at @from moves up, before those of later places: as in the file */
static void sort_in(struct bb_buf *text, size_t from, struct diag_place at)
{
	uint8_t *p = text->p, *to = p + from, line[DIAG_LINE_MAX];
	size_t len = text->len - from;

	while (to > p) {
		uint8_t *before = to - 1;

		while (before > p && before[-1] != '\n')
			before--;
		if (!is_later(before, to, at))
			break;
		to = before;
	}
	if (to == p + from || len > sizeof(line))
		return;
	memcpy(line, p + from, len);
	memmove(to + len, to, (size_t)(p + from - to));
	memcpy(to, line, len);
}

void diag_add(struct diag *d, struct diag_place at, const char *fmt, ...)
{
	size_t from = d->text.len;
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
	else if (at.line)
		sort_in(&d->text, from, at);
}

const char *diag_near(const char *word, const char *const *words)
{
	struct bb_near near = BB_NEAR(word);

	for (; *words; words++)
		bb_near_try(&near, *words);
	return near.best;
}
