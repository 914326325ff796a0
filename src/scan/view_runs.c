/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/fast.h"
#include "scan/view.h"

/* ---- what runs of a coding stand for ---- */

/* A run of small letters alone is words: no coding of sixteen characters and more looks like that
 * but by a chance of one in a million, or by intent, which is why a long one counts */
static bool is_telling(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

static bool is_sign(uint8_t c)
{
	return c == '+' || c == '-' || c == '/';
}

/* As just begun; what stood in @start does not matter */
static void runs_reset(struct view_runs *v)
{
	memset(v, 0, offsetof(struct view_runs, start));
}

/* May stand at the end of a line of a run, before the next, or around both */
static bool is_gap(uint8_t c)
{
	static const bool is[256] = {
		[' '] = true, ['\t'] = true, ['"'] = true, ['\''] = true,
		[','] = true, ['\\'] = true, [';'] = true, ['.'] = true,
		['>'] = true, ['#'] = true,  ['*'] = true, ['|'] = true,
	};

	return is[c];
}

static void runs_sign(struct view_runs *v, uint8_t c)
{
	if (v->sign != c)
		v->signs = 0;
	v->sign = c;
	v->signs = (uint8_t)(v->signs < UINT8_MAX ? v->signs + 1 : v->signs);
}

static void runs_count(struct view_runs *v, const uint8_t *in, size_t len)
{
	v->mixed = v->mixed || fast_span(FAST_HEX, in, len) < len;
	v->phase = (uint8_t)((v->phase + len) & 3);
	v->line = (uint8_t)(len < UINT8_MAX - (size_t)v->line ? v->line + len : UINT8_MAX);
}

/* No text, nor anything compressed, has a sign at its start in base64, but for text in UTF-16 whose
 * byte order mark is "//4" to "//7". The signs of that are taken back */
static void runs_mark(struct view_runs *v, uint8_t c)
{
	if (v->sign != '/' || v->signs < 2 || c < '4' || c > '7')
		return;
	memset(v->start, '/', 2);
	v->n = 2;
}

/* Not inside a run yet */
static size_t runs_begin(struct view_runs *v, uint8_t c, uint8_t *out)
{
	if (v->n == 0 && is_sign(c)) {
		runs_sign(v, c);
		return 0;
	}
	if (v->n == 0)
		runs_mark(v, c);
	v->start[v->n++] = c;
	v->telling |= is_telling(c);
	if (v->n < VIEW_RUN_MIN || (!v->telling && v->n < VIEW_WORDS_MAX))
		return 0;
	v->on = true;
	runs_count(v, v->start, v->n);
	memcpy(out, v->start, v->n);
	return v->n;
}

static size_t runs_end(struct view_runs *v, uint8_t *out)
{
	size_t n = v->n_held;

	memset(out, v->held, n);
	out[n++] = ' ';
	runs_reset(v);
	return n;
}

/* What may be the next line of a run is one */
static size_t runs_join(struct view_runs *v, uint8_t *out)
{
	size_t n = v->piece;

	out[0] = VIEW_JOINED;
	memcpy(out + 1, v->start, n);
	v->line = v->gap = v->piece = 0;
	v->broken = v->blank = v->mixed = false;
	runs_count(v, v->start, n);
	return n + 1;
}

/* A checksum is in hexadecimal, and what follows it in base64 no part of that */
static bool is_other(const struct view_runs *v)
{
	return !v->mixed && fast_span(FAST_HEX, v->start, v->piece) < v->piece;
}

/* What may be the next line of a run has VIEW_RUN_MIN characters */
static size_t runs_piece(struct view_runs *v, uint8_t *out)
{
	bool is_telling = v->telling;

	if (!is_other(v))
		return runs_join(v, out);
	runs_reset(v);
	v->n = VIEW_RUN_MIN;
	v->telling = v->on = is_telling;
	out[0] = ' ';
	if (!v->on)
		return 1;
	runs_count(v, v->start, VIEW_RUN_MIN);
	memcpy(out + 1, v->start, VIEW_RUN_MIN);
	return 1 + VIEW_RUN_MIN;
}

/* Inside a run, a character that belongs to none */
static size_t runs_foreign(struct view_runs *v, uint8_t c, uint8_t *out)
{
	bool is_break = c == '\n' || c == '\r';
	size_t n = 0;

	if (v->piece) {
		if (!v->telling || is_other(v) ||
		    !(is_break || c == '=' || c == '"' || c == '\'' || c == '\\'))
			return runs_end(v, out);
		n = runs_join(v, out);
	}
	if (is_break) {
		v->broken = true;
		v->n_held = 0; /* a line of nothing else */
		return n;
	}
	if (v->phase || v->line < VIEW_LINE_MIN || v->gap == VIEW_GAP_MAX || !is_gap(c))
		return n + runs_end(v, out + n);
	v->n_held = 0;
	v->blank = (v->blank || !v->gap) && (c == ' ' || c == '\t');
	v->gap++;
	return n;
}

/* Another run, behind what is held */
static size_t runs_anew(struct view_runs *v, uint8_t c, uint8_t *out)
{
	uint8_t sign = v->held, signs = v->n_held;
	size_t n;

	v->n_held = 0;
	n = runs_end(v, out);
	v->sign = sign;
	v->signs = signs;
	return n + runs_begin(v, c, out + n);
}

/* The first character of a line that may go on with the run. @held: signs that belong to it */
static size_t runs_next(struct view_runs *v, uint8_t c, size_t held)
{
	memset(v->start, v->held, held);
	v->piece = (uint8_t)held;
	v->start[v->piece++] = c;
	v->telling = is_telling(c);
	v->n_held = 0;
	return 0;
}

/* ... that may belong to it, behind a line break or what may be a gap */
static size_t runs_resume(struct view_runs *v, uint8_t c, uint8_t *out)
{
	bool is_held = v->n_held;
	bool is_same = is_held && v->signs && v->held == v->sign && v->n_held >= v->signs;
	size_t n = v->n_held;

	if (v->piece) {
		v->start[v->piece++] = c;
		v->telling |= is_telling(c);
		return v->piece == VIEW_RUN_MIN ? runs_piece(v, out) : 0;
	}
	if (!v->broken && c == '+' && v->gap < VIEW_GAP_MAX) {
		v->gap++; /* two strings are put together */
		v->blank = false;
		return 0;
	}
	if (v->broken && n < VIEW_SIGNS_MAX && is_sign(c) && (!is_held || v->held == c)) {
		v->held = c;
		v->n_held++;
		return 0;
	}
	if (v->gap || is_same) {
		bool is_line = !v->phase && (v->broken ? v->line >= VIEW_LINE_MIN
						       : v->blank && v->line == VIEW_LINE_WORDS);

		return is_line ? runs_next(v, c, v->gap ? n : n - v->signs) : runs_anew(v, c, out);
	}
	if (is_held && v->signs && v->held != '/') /* old lines of a diff, and new ones */
		return runs_anew(v, c, out);
	memset(out, v->held, n);
	out[n++] = c;
	v->line = v->n_held = 0;
	v->broken = v->mixed = false;
	runs_count(v, out, n);
	return n;
}

/* Are characters that follow its next? */
static bool is_inside(const struct view_runs *v)
{
	return v->on && !v->gap && !v->broken;
}

static size_t runs_octet(struct view_runs *v, uint8_t c, uint8_t *out)
{
	if (!fast_is(FAST_BASE64, c)) {
		if (v->on)
			return runs_foreign(v, c, out);
		runs_reset(v);
		return 0;
	}
	if (!v->on)
		return runs_begin(v, c, out);
	if (!is_inside(v))
		return runs_resume(v, c, out);
	runs_count(v, &c, 1);
	*out = c;
	return 1;
}

/* Do @len characters that stand alone make a run that is passed on? */
static bool is_run(const uint8_t *in, size_t len)
{
	return len >= VIEW_WORDS_MAX ||
	       (len >= VIEW_RUN_MIN && fast_span(FAST_WORD, in, len) < len);
}

/* Outside a run: to where one may begin. Return: octets passed over */
static size_t runs_seek(struct view_runs *v, const uint8_t *in, size_t len)
{
	size_t i = fast_seek(FAST_BASE64, VIEW_RUN_MIN, in, len);

	v->signs = i ? 0 : v->signs;
	for (; i < len && is_sign(in[i]); i++)
		runs_sign(v, in[i]);
	if (i < len)
		runs_mark(v, in[i]);
	return i;
}

size_t view_runs_feed(struct view_runs *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0, i = 0;

	while (i < len) {
		size_t span = 0;

		if (v->n == 0)
			i += runs_seek(v, in + i, len - i);
		if (v->n == 0 || is_inside(v))
			span = fast_span(FAST_BASE64, in + i, len - i);
		if (i + span < len && !v->on && is_run(in + i, span)) {
			v->n = VIEW_RUN_MIN;
			v->on = true;
		} else if (!v->on && i + span == len) {
			span = 0; /* who knows how it goes on */
		}
		if (v->on) {
			memcpy(out + n, in + i, span);
			n += span;
			runs_count(v, in + i, span);
		}
		i += span;
		if (i < len)
			n += runs_octet(v, in[i++], out + n);
	}
	return n;
}

static size_t text_put(struct view_text *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0;

	if (v->n + len < VIEW_TEXT_MIN) {
		memcpy(v->start + v->n, in, len);
		v->n += len;
		return 0;
	}
	if (v->n < VIEW_TEXT_MIN) {
		memcpy(out, v->start, v->n);
		n = v->n;
	}
	memcpy(out + n, in, len);
	v->n = VIEW_TEXT_MIN;
	return n + len;
}

static size_t text_end(struct view_text *v, uint8_t *out)
{
	size_t n = v->n == VIEW_TEXT_MIN;

	if (n)
		*out = '\n';
	v->n = 0;
	v->wide = v->nul = false;
	return n;
}

/* An octet that is no text, or any in UTF-16: there a NUL and a character take turns, and which of
 * them is first makes no difference */
static size_t text_octet(struct view_text *v, uint8_t c, uint8_t *out)
{
	size_t n;

	if (c == '\0' && v->n && !v->nul) {
		n = v->wide ? 0 : text_end(v, out);
		n += v->wide ? 0 : text_put(v, &v->last, 1, out + n);
		v->wide = v->nul = true;
		return n;
	}
	if (!v->wide || !fast_is(FAST_TEXT, c))
		return text_end(v, out);
	if (v->nul) {
		v->nul = false;
		v->last = c;
		return text_put(v, &c, 1, out);
	}
	n = text_end(v, out); /* it was none, or is over: the last character may begin another */
	n += text_put(v, &v->last, 1, out + n);
	v->last = c;
	return n + text_put(v, &c, 1, out + n);
}

size_t view_text_feed(struct view_text *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0, i = 0;

	while (i < len) {
		if (v->n == 0)
			i += fast_seek(FAST_WIDE, VIEW_TEXT_MIN, in + i, len - i);
		while (v->n == 0 && i < len && !in[i])
			i++;
		if (!v->wide && i < len) {
			size_t span = fast_span(FAST_TEXT, in + i, len - i);

			if (span) {
				n += text_put(v, in + i, span, out + n);
				i += span;
				v->last = in[i - 1];
			}
		}
		if (i < len)
			n += text_octet(v, in[i++], out + n);
	}
	return n;
}

static const enum fast_class sets[] = { FAST_BASE64, FAST_HEX, FAST_BASE32 };

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static int base32_value(uint8_t c)
{
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' : -1;
}

/* Values of all octets, -1 for those outside the alphabet; filled once, constant from then on */
static const int8_t *values_of(enum view_coding coding)
{
	static int8_t values[VIEW_NUM_CODINGS][256];
	static bool filled;

	for (unsigned int c = 0; c < 256 && !filled; c++) {
		values[VIEW_BASE64][c] = (int8_t)base64_value((uint8_t)c);
		values[VIEW_HEX][c] = (int8_t)bb_hex_value((uint8_t)c);
		values[VIEW_BASE32][c] = (int8_t)base32_value((uint8_t)c);
	}
	filled = true;
	return values[coding];
}

static size_t push(struct view_coded *v, unsigned int width, int value, uint8_t *out)
{
	v->bits = v->bits << width | (uint32_t)value;
	v->n_bits += width;
	if (v->n_bits < 8)
		return 0;
	v->n_bits -= 8;
	*out = (uint8_t)(v->bits >> v->n_bits);
	return 1;
}

static size_t end_run(struct view_coded *v, uint8_t *out)
{
	size_t n = v->n >= VIEW_RUN_MIN;

	if (n)
		*out = '\n';
	v->n = 0;
	v->bits = v->n_bits = 0;
	return n;
}

/*
 * Inside a run, with no bits left over: whole groups, as many characters as make up octets. Return:
 * characters used up; the group that is cut or has something foreign in it is left.
 */
static size_t decode_groups(const int8_t *values, enum view_coding coding, const uint8_t *in,
			    size_t len, uint8_t *out, size_t *ret_n)
{
	static const size_t groups[] = { 4, 2, 8 }, octets[] = { 3, 1, 5 };
	static const unsigned int widths[] = { 6, 4, 5 };
	const size_t group = groups[coding], bytes = octets[coding];
	const unsigned int width = widths[coding];
	size_t n, i = fast_decode(sets[coding], in, len, out, &n);

	for (; i + group <= len; i += group) {
		uint64_t bits = 0;
		int all = 0;

		for (size_t k = 0; k < group; k++) {
			int value = values[in[i + k]];

			all |= value;
			bits = bits << width | (uint8_t)value;
		}
		if (all < 0)
			break;
		for (size_t k = bytes; k-- > 0; bits >>= 8)
			out[n + k] = (uint8_t)bits;
		n += bytes;
	}
	*ret_n = n;
	return i;
}

static size_t begin_run(struct view_coded *v, unsigned int width, uint8_t *out)
{
	size_t n = 0;

	for (size_t j = 0; j < VIEW_RUN_MIN; j++)
		n += push(v, width, v->run[j], out + n);
	return n;
}

size_t view_coded_feed(struct view_coded *v, const uint8_t *in, size_t len, uint8_t *out)
{
	static const unsigned int widths[] = { 6, 4, 5 };
	const int8_t *values = values_of(v->coding);
	unsigned int width = widths[v->coding];
	size_t n = 0, i = 0, done;

	while (i < len) {
		int value;

		if (v->n == 0) {
			i += fast_seek(sets[v->coding], VIEW_RUN_MIN, in + i, len - i);
			if (len - i >= VIEW_RUN_MIN)
				v->n = VIEW_RUN_MIN; /* all of them are in it, and make whole octets
						      */
		}
		if (v->n >= VIEW_RUN_MIN && v->n_bits == 0) {
			i += decode_groups(values, v->coding, in + i, len - i, out + n, &done);
			n += done;
		}
		if (i == len)
			break;
		value = values[in[i++]];
		if (in[i - 1] == VIEW_JOINED && v->n >= VIEW_RUN_MIN) {
			v->bits = v->n_bits = 0; /* a group never goes on behind it */
			continue;
		}
		if (value < 0) {
			n += end_run(v, out + n);
		} else if (v->n >= VIEW_RUN_MIN) {
			n += push(v, width, value, out + n);
		} else {
			v->run[v->n++] = (uint8_t)value;
			if (v->n == VIEW_RUN_MIN)
				n += begin_run(v, width, out + n);
		}
	}
	return n;
}
