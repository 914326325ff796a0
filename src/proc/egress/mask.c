/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/mask.h"
#include "scan/view.h"

/* A run that is worth looking for by itself, and what one character takes at most when it is
 * escaped */
#define ANCHOR_MIN  4
#define ESCAPED_MAX VIEW_ESCAPE_MAX

/* Letters and digits stand for themselves in every text that a program writes */
static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

void mask_add(struct mask *m, struct bb_span text)
{
	struct mask_text t = { .text = text, .reach = 0 };
	size_t run = 0;

	if (text.len == 0)
		return;
	BB_BUG_ON(m->n == MASK_MAX); /* it would pass unmasked */
	for (size_t i = 0; i < text.len; i++) {
		run = is_alnum(text.p[i]) ? run + 1 : 0;
		t.reach += run ? 1 : ESCAPED_MAX;
		if (run > t.anchor_len) {
			t.anchor = i + 1 - run;
			t.anchor_len = run;
		}
	}
	m->v[m->n++] = t;
}

enum fit { FIT_NO, FIT_MORE, FIT_YES };

/* Does @p begin with the text, its signs escaped or not? @ret_used: how much of @p that is */
static enum fit fits(struct bb_span text, const uint8_t *p, size_t len, size_t *ret_used)
{
	size_t at = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = 0;
		int n = 0;

		if (at == len)
			return FIT_MORE;
		if (!is_alnum(text.p[i]))
			n = view_escape(p + at, len - at, &c);
		if (n > 0 && c == text.p[i])
			at += (size_t)n;
		else if (p[at] == text.p[i])
			at++;
		else
			return n < 0 ? FIT_MORE : FIT_NO;
	}
	*ret_used = at;
	return FIT_YES;
}

/* May it begin here? */
static bool may_begin(const struct mask_text *t, uint8_t c)
{
	return c == t->text.p[0] || c == '\\' || c == '%' || c == '&';
}

/* Where it begins whose anchor stands at @anchor, or @len; not before @from */
static size_t begin_of(const struct mask_text *t, const uint8_t *p, size_t len, size_t from,
		       size_t anchor, size_t *ret_used)
{
	size_t far = t->anchor * ESCAPED_MAX, at = anchor - from > far ? anchor - far : from;

	for (; at + t->anchor <= anchor; at++) {
		if (may_begin(t, p[at]) && fits(t->text, p + at, len - at, ret_used) == FIT_YES &&
		    at + *ret_used > anchor)
			return at;
	}
	return len;
}

/* The next one from @from on. Return: where, or @len */
static size_t next(const struct mask_text *t, const uint8_t *p, size_t len, size_t from,
		   size_t *ret_used)
{
	const uint8_t *anchor = t->text.p + t->anchor, *hit;
	size_t at = from;

	if (t->anchor_len >= ANCHOR_MIN) {
		while ((hit = memmem(p + at, len - at, anchor, t->anchor_len)) != NULL) {
			size_t begin = begin_of(t, p, len, from, (size_t)(hit - p), ret_used);

			if (begin < len)
				return begin;
			at = (size_t)(hit - p) + 1;
		}
		return len;
	}
	while (at < len &&
	       !(may_begin(t, p[at]) && fits(t->text, p + at, len - at, ret_used) == FIT_YES))
		at++;
	return at;
}

static void mask_one(const struct mask_text *t, uint8_t *p, size_t len)
{
	size_t at = 0, used = 0;

	while ((at = next(t, p, len, at, &used)) < len) {
		memset(p + at, '*', used);
		at += used;
	}
}

/* Octets at the end that may be the beginning of one */
static size_t begun_at_end(const struct mask_text *t, const uint8_t *p, size_t len)
{
	size_t at = len >= t->reach ? len - t->reach + 1 : 0, used;

	while (at < len &&
	       !(may_begin(t, p[at]) && fits(t->text, p + at, len - at, &used) == FIT_MORE))
		at++;
	return len - at;
}

size_t mask_apply(const struct mask *m, uint8_t *p, size_t len, bool last)
{
	size_t hold = 0;

	for (size_t i = 0; i < m->n; i++)
		mask_one(&m->v[i], p, len);
	for (size_t i = 0; i < m->n && !last; i++) {
		size_t n = begun_at_end(&m->v[i], p, len);

		if (n > hold)
			hold = n;
	}
	return hold;
}
