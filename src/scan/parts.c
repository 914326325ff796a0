/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/parts.h"
#include "scan/known.h"
#include "scan/vendor.h"

/* What keys of a kind begin with: version and algorithm; much of the key of a short one */
#define KEY_LONG      600
#define KEY_HEAD_LONG 64
#define KEY_HEAD      12
#define SCHEME_MAX    16
#define TOKEN_TURNS   4 /* of so many letters and digits, one of another kind than the last */

struct parts {
	struct bb_span *v;
	size_t n;
};

static struct bb_span from(struct bb_span s, size_t at)
{
	return (struct bb_span){ s.p + at, s.len - at };
}

/* More than there is room for: the last one reaches on, over what lies between */
static void add_piece(struct parts *p, struct bb_span part)
{
	struct bb_span *last = p->v + PARTS_MAX - 1;

	if (part.len && p->n < PARTS_MAX)
		p->v[p->n++] = part;
	else if (part.len)
		last->len = (size_t)(part.p + part.len - last->p);
}

/* ---- what is in every alphabet ---- */

/**
 * struct row - Letters and digits that follow each other by one rule
 * @step:	From one to the next: 0, 1 or -1
 * @at:		Where the last KNOWN_WINDOW - 1 of the @n stand, by their number
 * @full:	Where the one before the last of the first KNOWN_WINDOW stands
 */
struct row {
	int step;
	size_t n;
	size_t at[KNOWN_WINDOW - 1];
	size_t full;
};

static int place_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? 10 + c - 'a' : -1;
}

/* '9' and 'z' go on with what any alphabet may go on with */
static bool is_next(int from, int to, int step)
{
	if (step < 0)
		return is_next(to, from, 1);
	return to == from + step ||
	       (step == 1 && ((from == 9 && to == 0) || (from == 35 && (to == 0 || to == 10))));
}

/* The row ends: of a long one only what is less than a window at either end is left. @from: where
 * the piece begins. Return: where the next does */
static size_t end_row(struct parts *p, struct bb_span s, size_t start, const struct row *row)
{
	if (row->n < KNOWN_WINDOW)
		return start;
	add_piece(p, (struct bb_span){ s.p + start, row->full + 1 - start });
	return row->at[row->n % BB_ARRAY_LEN(row->at)];
}

static void row_add(struct row *row, int last, int place, size_t at)
{
	if (row->n == 1)
		row->step = is_next(last, place, 0) ? 0 : is_next(last, place, 1) ? 1 : -1;
	if (row->n && !is_next(last, place, row->step))
		row->n = 0;
	row->at[row->n++ % BB_ARRAY_LEN(row->at)] = at;
	if (row->n == KNOWN_WINDOW - 1)
		row->full = at;
}

static void add(struct parts *p, struct bb_span s)
{
	struct row row = { 0 };
	size_t start = 0, last_at = 0;
	int last = -1;

	for (size_t i = 0; i < s.len; i++) {
		int place = place_of(s.p[i]);

		if (place < 0)
			continue;
		if (row.n > 1 && !is_next(last, place, row.step)) {
			start = end_row(p, s, start, &row);
			row.n = 0;
			row_add(&row, -1, last, last_at); /* it may begin the next */
		}
		row_add(&row, last, place, i);
		last = place;
		last_at = i;
	}
	start = end_row(p, s, start, &row);
	add_piece(p, from(s, start));
}

/* Where @what stands in @s, or s.len */
static size_t find(struct bb_span s, const char *what)
{
	const uint8_t *at = NULL;

	if (s.p && s.len)
		at = memmem(s.p, s.len, what, strlen(what));
	return at ? (size_t)(at - s.p) : s.len;
}

static void add_key(struct parts *p, struct bb_span body)
{
	size_t head = body.len >= KEY_LONG ? KEY_HEAD_LONG : KEY_HEAD;

	if (body.len > head)
		add(p, from(body, head));
}

/* Each "-----BEGIN X-----" or "-----END X-----" parts what stands before from what stands behind */
static void add_pem(struct parts *p, struct bb_span s)
{
	bool key = false;

	while (s.len) {
		size_t begin = find(s, "-----BEGIN "), end = find(s, "-----END ");
		size_t at = begin < end ? begin : end, close;
		struct bb_span piece = { s.p, at };

		if (key && at == end)
			add_key(p, piece);
		else
			add(p, piece);
		if (at == s.len)
			return;
		key = at == begin;
		s = from(s, at + 5);
		close = find(s, "-----");
		s = from(s, close == s.len ? close : close + 5);
	}
}

static size_t find_last(struct bb_span s, char what)
{
	const uint8_t *at = s.len ? memrchr(s.p, what, s.len) : NULL;

	return at ? (size_t)(at - s.p) : s.len;
}

static bool is_str(struct bb_span s, const char *what)
{
	return s.len == strlen(what) && memcmp(s.p, what, s.len) == 0;
}

/* Where the path, or what may stand in its place, begins from @at on, or s.len */
static size_t path_at(struct bb_span s, size_t at)
{
	while (at < s.len && s.p[at] != '/' && s.p[at] != '?' && s.p[at] != '#')
		at++;
	return at;
}

/* Up to the path. Where what stands behind a ':' is no port, and an '@' is still to come, a sign in
 * a password looks like the beginning of one */
static size_t authority_len(struct bb_span s)
{
	struct bb_span front = { s.p, path_at(s, 0) };
	size_t colon = find(front, ":"), last = find_last(s, '@');
	bool port = true;

	for (size_t i = colon + 1; i < front.len; i++)
		port &= s.p[i] >= '0' && s.p[i] <= '9';
	if (colon == front.len || port || last == s.len || s.p[0] == '[' ||
	    find(front, "@") < front.len)
		return front.len;
	return path_at(s, last);
}

enum letter_kind { KIND_NONE, KIND_SMALL, KIND_CAPITAL, KIND_DIGIT };

static enum letter_kind kind_of(uint8_t c)
{
	if (place_of(c) < 0)
		return KIND_NONE;
	return c <= '9' ? KIND_DIGIT : c <= 'Z' ? KIND_CAPITAL : KIND_SMALL;
}

/* Names are words and numbers, and a capital begins a word; in a token something of another kind
 * follows one in four letters and digits, and more */
static bool is_token(struct bb_span s)
{
	enum letter_kind last = KIND_NONE;
	size_t n = 0, turns = 0, digits = 0;

	for (size_t i = 0; i < s.len; i++) {
		enum letter_kind kind = kind_of(s.p[i]);

		turns += kind && last && kind != last &&
			 !(last == KIND_CAPITAL && kind == KIND_SMALL);
		digits += kind == KIND_DIGIT;
		n += kind != KIND_NONE;
		last = kind;
	}
	return n >= KNOWN_WINDOW && digits && turns >= n / TOKEN_TURNS;
}

/* "user:password", or a token alone */
static void add_user(struct parts *p, struct bb_span s)
{
	size_t colon = find(s, ":");
	struct bb_span user = { s.p, colon };
	struct bb_span password = colon < s.len ? from(s, colon + 1) : user;
	bool no_password = password.len == 0 || is_str(password, "x-oauth-basic");

	if (colon < s.len && (no_password || is_token(user)))
		add(p, user);
	add(p, password);
}

/* "scheme://user:password@host/rest": password and rest */
static void add_url(struct parts *p, struct bb_span s, size_t scheme)
{
	struct bb_span rest = from(s, scheme + 3), authority = { rest.p, authority_len(rest) };
	size_t at = find_last(authority, '@');

	if (at < authority.len)
		add_user(p, (struct bb_span){ authority.p, at });
	add(p, from(rest, authority.len));
}

size_t parts_of_text(struct bb_span value, struct bb_span *ret)
{
	struct parts p = { ret, 0 };

	add(&p, value);
	return p.n;
}

size_t parts_of(struct bb_span value, struct bb_span *ret)
{
	struct parts p = { ret, 0 };
	size_t scheme = find(value, "://");

	if (find(value, "-----BEGIN ") < value.len)
		add_pem(&p, value);
	else if (scheme > 0 && scheme <= SCHEME_MAX && scheme < value.len)
		add_url(&p, value, scheme);
	else if (value.len > 3 && memcmp(value.p, "eyJ", 3) == 0 && find(value, ".") < value.len)
		add(&p, from(value, find(value, ".")));
	else
		add(&p, from(value, vendor_public_len(value)));
	return p.n;
}
