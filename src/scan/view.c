/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/view.h"
#include "scan/fast.h"

/*
 * The plain view keeps what may be the beginning of an escape in @pending and tries again with each
 * octet. An escape that is whole is replaced by what it stands for, which is looked at again: it
 * may be a part of the next escape.
 */

enum parse { PARSE_NONE, PARSE_MORE, PARSE_DONE };

/* Of a code point by number: digits at most, and what counts of them */
#define CODE_DIGITS 8
#define UTF8_MAX    4 /* octets of a character */
#define CODE_MASK   0x1fffffu

/* What one escape at the start of @p stands for: up to four octets, none = nothing */
struct meaning {
	size_t used;
	uint8_t out[4];
	size_t n;
};

static void mean_octet(struct meaning *m, size_t used, uint8_t c)
{
	m->used = used;
	m->out[0] = c;
	m->n = c ? 1 : 0; /* NULs are left out everywhere */
}

/* A code point: folded where it looks like ASCII, else its UTF-8 */
static void mean_code(struct meaning *m, size_t used, uint32_t code)
{
	int folded = view_fold(code);

	m->used = used;
	m->n = 0;
	if (folded < 0 || code == 0)
		return;
	if (folded > 0 || code < 0x80) {
		m->out[m->n++] = (uint8_t)(folded > 0 ? (uint32_t)folded : code);
	} else if (code < 0x800) {
		m->out[m->n++] = (uint8_t)(0xc0 | code >> 6);
		m->out[m->n++] = (uint8_t)(0x80 | (code & 63));
	} else if (code < 0x10000) {
		m->out[m->n++] = (uint8_t)(0xe0 | code >> 12);
		m->out[m->n++] = (uint8_t)(0x80 | (code >> 6 & 63));
		m->out[m->n++] = (uint8_t)(0x80 | (code & 63));
	} else {
		m->out[m->n++] = (uint8_t)(0xf0 | (code >> 18 & 7));
		m->out[m->n++] = (uint8_t)(0x80 | (code >> 12 & 63));
		m->out[m->n++] = (uint8_t)(0x80 | (code >> 6 & 63));
		m->out[m->n++] = (uint8_t)(0x80 | (code & 63));
	}
}

/* @digits hexadecimal digits from @p[at] on */
static enum parse hex_digits(const uint8_t *p, size_t len, size_t at, size_t digits, uint32_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < digits; i++) {
		int h;

		if (at + i == len)
			return PARSE_MORE;
		h = bb_hex_value(p[at + i]);
		if (h < 0)
			return PARSE_NONE;
		v = v << 4 | (uint32_t)h;
	}
	*ret = v;
	return PARSE_DONE;
}

/* "%XX"; an octet of 0x80 and more is looked at again as UTF-8. "%uXXXX", as JavaScript's escape()
 * has it */
static enum parse percent(const uint8_t *p, size_t len, struct meaning *m)
{
	uint32_t v = 0;
	enum parse r;

	if (len > 1 && p[1] == 'u') {
		r = hex_digits(p, len, 2, 4, &v);
		if (r == PARSE_DONE)
			mean_code(m, 6, v);
		return r;
	}
	r = hex_digits(p, len, 1, 2, &v);
	if (r == PARSE_DONE)
		mean_octet(m, 3, (uint8_t)v);
	return r;
}

/*
 * "=XX" in capitals, and a soft line break. "KEY=97A5" is far more often a name and a value, so one
 * counts only next to another, or where it is "=3D", which every such text has for '='.
 */
static enum parse quoted_printable(const uint8_t *p, size_t len, bool quoted, struct meaning *m)
{
	uint32_t v = 0;
	enum parse r;

	m->n = 0;
	if (len > 1 && p[1] == '\n') {
		m->used = 2;
		return PARSE_DONE;
	}
	if (len > 1 && p[1] == '\r') {
		m->used = 3;
		return len == 2 ? PARSE_MORE : p[2] == '\n' ? PARSE_DONE : PARSE_NONE;
	}
	for (size_t i = 1; i < len && i < 3; i++) {
		if (p[i] >= 'a')
			return PARSE_NONE;
	}
	r = hex_digits(p, len, 1, 2, &v);
	if (r != PARSE_DONE)
		return r;
	if (!quoted && v != '=' && len == 3)
		return PARSE_MORE;
	if (!quoted && v != '=' && p[3] != '=')
		return PARSE_NONE;
	mean_octet(m, 3, (uint8_t)v);
	return PARSE_DONE;
}

/* "\uXXXX", and the second half of a pair */
static enum parse json_unicode(const uint8_t *p, size_t len, struct meaning *m)
{
	uint32_t high = 0, low = 0;
	enum parse r = hex_digits(p, len, 2, 4, &high);

	if (r != PARSE_DONE)
		return r;
	if (high < 0xd800 || high > 0xdbff) {
		mean_code(m, 6, high);
		return PARSE_DONE;
	}
	if (len == 6 || (len == 7 && p[6] == '\\'))
		return PARSE_MORE;
	if (p[6] != '\\' || p[7] != 'u') {
		mean_code(m, 6, 0xfffd);
		return PARSE_DONE;
	}
	r = hex_digits(p, len, 8, 4, &low);
	if (r == PARSE_DONE && low >= 0xdc00 && low <= 0xdfff)
		mean_code(m, 12, 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff));
	else if (r != PARSE_MORE)
		mean_code(m, 6, 0xfffd);
	return r == PARSE_MORE ? r : PARSE_DONE;
}

/* "\u{H…}" and "\x{H…}", eight digits at most */
static enum parse braced(const uint8_t *p, size_t len, struct meaning *m)
{
	uint32_t v = 0;
	size_t i = 3;

	for (; i < len && i < 3 + CODE_DIGITS && bb_hex_value(p[i]) >= 0; i++)
		v = v << 4 | (uint32_t)bb_hex_value(p[i]);
	if (i == len)
		return PARSE_MORE;
	if (i == 3 || p[i] != '}')
		return PARSE_NONE;
	mean_code(m, i + 1, v & CODE_MASK);
	return PARSE_DONE;
}

/* C: "\", and up to three octal digits */
static enum parse octal(const uint8_t *p, size_t len, struct meaning *m)
{
	uint32_t v = 0;
	size_t i = 1;

	for (; i < len && i < 4 && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint32_t)(p[i] - '0');
	if (i == len && i < 4)
		return PARSE_MORE;
	mean_octet(m, i, (uint8_t)v);
	return PARSE_DONE;
}

/* "\xXX" and "\UXXXXXXXX", by the number of digits */
static enum parse backslash_hex(const uint8_t *p, size_t len, size_t digits, struct meaning *m)
{
	uint32_t v = 0;
	enum parse r = hex_digits(p, len, 2, digits, &v);

	if (r == PARSE_DONE && digits == 2)
		mean_octet(m, 4, (uint8_t)v);
	else if (r == PARSE_DONE)
		mean_code(m, 2 + digits, v & CODE_MASK);
	return r;
}

static enum parse backslash(const uint8_t *p, size_t len, struct meaning *m)
{
	static const char from[] = "nrtbfave/\"'\\", to[] = "\n\r\t\b\f\a\v\033/\"'\\";
	const char *at;

	if (len == 1)
		return PARSE_MORE;
	if ((p[1] == 'u' || p[1] == 'x') && len > 2 && p[2] == '{')
		return braced(p, len, m);
	if (p[1] == 'u')
		return json_unicode(p, len, m);
	if (p[1] == 'x' || p[1] == 'U')
		return backslash_hex(p, len, p[1] == 'x' ? 2 : CODE_DIGITS, m);
	if (p[1] >= '0' && p[1] <= '7')
		return octal(p, len, m);
	at = p[1] ? strchr(from, p[1]) : NULL;
	if (!at)
		return PARSE_NONE;
	mean_octet(m, 2, (uint8_t)to[at - from]);
	return PARSE_DONE;
}

static enum parse named_entity(const uint8_t *p, size_t len, struct meaning *m)
{
	static const struct {
		char name[9];
		char c;
	} names[] = {
		{ "&amp;", '&' },    { "&lt;", '<' },     { "&gt;", '>' },     { "&quot;", '"' },
		{ "&apos;", '\'' },  { "&nbsp;", ' ' },   { "&sol;", '/' },    { "&plus;", '+' },
		{ "&equals;", '=' }, { "&lowbar;", '_' }, { "&hyphen;", '-' }, { "&period;", '.' },
	};
	enum parse r = PARSE_NONE;

	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		size_t n, same;

		if (p[1] != (uint8_t)names[i].name[1]) /* "&name" is common in what is none */
			continue;
		n = strlen(names[i].name);
		same = len < n ? len : n;
		if (memcmp(p, names[i].name, same) != 0)
			continue;
		if (len >= n) {
			mean_octet(m, n, (uint8_t)names[i].c);
			return PARSE_DONE;
		}
		r = PARSE_MORE;
	}
	return r;
}

static bool is_digit(uint8_t c, bool hex)
{
	return hex ? bb_hex_value(c) >= 0 : c >= '0' && c <= '9';
}

/* "&#NNN;" and "&#xHHH;": eight digits at most, behind any number of zeroes: those are taken out
 * one by one */
static enum parse entity(const uint8_t *p, size_t len, struct meaning *m)
{
	bool hex = len > 2 && (p[2] | 0x20) == 'x';
	size_t from = hex ? 3 : 2, i;
	uint32_t v = 0;

	if (len == 1)
		return PARSE_MORE;
	if (p[1] != '#')
		return named_entity(p, len, m);
	if (len > from + 1 && p[from] == '0' && is_digit(p[from + 1], hex)) {
		memcpy(m->out, p, from);
		m->n = from;
		m->used = from + 1;
		return PARSE_DONE;
	}
	for (i = from; i < len && i < from + CODE_DIGITS; i++) {
		if (!is_digit(p[i], hex))
			break;
		v = v * (hex ? 16 : 10) + (uint32_t)bb_hex_value(p[i]);
	}
	if (i == len)
		return i < from + CODE_DIGITS ? PARSE_MORE : PARSE_NONE;
	if (i == from || p[i] != ';')
		return PARSE_NONE;
	mean_code(m, i + 1, v & CODE_MASK);
	return PARSE_DONE;
}

/* One character of UTF-8; one that folds to nothing special stays as it is */
static enum parse utf8(const uint8_t *p, size_t len, struct meaning *m)
{
	size_t want = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
	uint32_t code = want ? p[0] & (0x7fu >> want) : 0;

	if (want == 0 || p[0] > 0xf4)
		return PARSE_NONE;
	for (size_t i = 1; i < want; i++) {
		if (i == len)
			return PARSE_MORE;
		if ((p[i] & 0xc0) != 0x80)
			return PARSE_NONE;
		code = code << 6 | (p[i] & 63);
	}
	if (view_fold(code) == 0)
		return PARSE_NONE; /* the octets go out one by one */
	mean_code(m, want, code);
	return PARSE_DONE;
}

static enum parse escape_at(const uint8_t *p, size_t len, bool quoted, struct meaning *m)
{
	switch (p[0]) {
	case '%':
		return percent(p, len, m);
	case '=':
		return quoted_printable(p, len, quoted, m);
	case '\\':
		return backslash(p, len, m);
	case '&':
		return entity(p, len, m);
	case '\0':
		mean_octet(m, 1, 0);
		return PARSE_DONE;
	default:
		return p[0] >= 0xc2 ? utf8(p, len, m) : PARSE_NONE;
	}
}

int view_escape(const uint8_t *p, size_t len, uint8_t *ret)
{
	struct meaning m = { 0 };
	enum parse r;

	if (len == 0 || p[0] == '=' || p[0] >= 0x80)
		return 0;
	r = escape_at(p, len, false, &m);
	if (r == PARSE_MORE)
		return -1;
	if (r != PARSE_DONE || m.n != 1)
		return 0;
	*ret = m.out[0];
	return (int)m.used;
}

/* May begin something: everything else goes straight through */
static bool is_special(uint8_t c)
{
	static const uint8_t ascii[128] = {
		['\0'] = 1, ['%'] = 1, ['='] = 1, ['\\'] = 1, ['&'] = 1,
	};

	return c < 0x80 ? ascii[c] : c >= 0xc2 && c <= 0xf4;
}

/* A character that looks special and is not: decided on the spot, @p has VIEW_PENDING_MAX octets */
static bool is_nothing(const uint8_t *p, bool quoted)
{
	struct meaning m;

	if (p[0] >= 0xc2 && !view_may_fold(p[0], p[1]))
		return true;
	if (memchr(p, '\0', VIEW_PENDING_MAX))
		return false; /* what it is without them shows itself in @pending */
	return escape_at(p, VIEW_PENDING_MAX, quoted, &m) == PARSE_NONE;
}

/* Begins an escape that may stand for an octet */
static bool is_joined(uint8_t c)
{
	return c == '%' || c == '\\';
}

/*
 * Behind an octet that an escape stands for, and that begins a character of UTF-8, the next octet
 * may be an escape as well: undone in its place. Return: what that came to; PARSE_NONE without one
 */
static enum parse join(struct view_plain *v)
{
	struct meaning m = { 0 };
	enum parse r;
	size_t i = 1;

	if (!v->open || v->pending[0] < 0xc2)
		return PARSE_NONE;
	while (i < v->n && i < UTF8_MAX && (v->pending[i] & 0xc0) == 0x80)
		i++;
	if (i == v->n || i == UTF8_MAX || !is_joined(v->pending[i]))
		return PARSE_NONE;
	r = escape_at(v->pending + i, v->n - i, false, &m);
	if (r != PARSE_DONE)
		return r;
	if (m.n != 1 || ((m.out[0] & 0xc0) != 0x80 && !is_joined(m.out[0])))
		return PARSE_NONE;
	v->pending[i] = m.out[0];
	memmove(v->pending + i + 1, v->pending + i + m.used, v->n - i - m.used);
	v->n -= m.used - 1;
	return PARSE_DONE;
}

/* Settle what is pending as far as it can be. @end: nothing follows. Return: octets written */
static size_t settle(struct view_plain *v, bool end, uint8_t *out)
{
	size_t n = 0;

	while (v->n) {
		struct meaning m = { 0 };
		enum parse r = join(v);

		if (r == PARSE_DONE)
			continue;
		if (r == PARSE_NONE)
			r = escape_at(v->pending, v->n, v->quoted, &m);
		if (r == PARSE_MORE && !end && v->n < VIEW_PENDING_MAX)
			break;
		v->quoted = r == PARSE_DONE && v->pending[0] == '=';
		v->changed |= r == PARSE_DONE;
		v->open |= r == PARSE_DONE;
		if (r == PARSE_DONE) {
			/* never longer than what it replaces */
			memmove(v->pending + m.n, v->pending + m.used, v->n - m.used);
			memcpy(v->pending, m.out, m.n);
			v->n = v->n - m.used + m.n;
			/* an '=' that was spelled out begins nothing */
			if (m.n == 0 || (is_special(v->pending[0]) && v->pending[0] != '='))
				continue;
		}
		if (v->n == 0)
			break;
		out[n++] = v->pending[0];
		memmove(v->pending, v->pending + 1, --v->n);
	}
	return n;
}

/* settle(), and mind how far what has come of it reaches. Return: octets in @out */
static size_t settle_behind(struct view_plain *v, uint8_t *out, size_t n)
{
	size_t before = n;

	n += settle(v, false, out + n);
	if (v->open && v->same_to == SIZE_MAX)
		v->same_to = before;
	if (v->open)
		v->same_from = n;
	v->open &= v->n > 0;
	return n;
}

size_t view_plain_feed(struct view_plain *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0, i = 0;

	v->same_from = 0;
	v->same_to = SIZE_MAX;
	while (i < len) {
		size_t from = i;

		if (v->n && v->pending[0] < 0x80 && in[i] == '\0') {
			v->changed = v->open = true;
			i++; /* nobody sees it, inside an escape neither */
			continue;
		}
		if (v->n) {
			v->pending[v->n++] = in[i++];
			n = settle_behind(v, out, n);
			continue;
		}
		for (;; i++) {
			i += fast_special(in + i, len - i);
			v->quoted &= i == from;
			if (i + VIEW_PENDING_MAX > len || !is_nothing(in + i, v->quoted))
				break;
		}
		memcpy(out + n, in + from, i - from);
		n += i - from;
		if (i < len && i == from)
			v->pending[v->n++] = in[i++];
		if (v->n)
			n = settle_behind(v, out, n);
	}
	return n;
}

size_t view_plain_end(struct view_plain *v, uint8_t *out)
{
	return settle(v, true, out);
}

/* ---- decoded views ---- */

/* A run of small letters alone is words: no coding of sixteen characters and more looks like that
 * but by a chance of one in a million, or by intent, which is why a long one counts */
static bool is_telling(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

static size_t runs_octet(struct view_runs *v, uint8_t c, uint8_t *out)
{
	size_t n = 0;

	if (fast_is(FAST_BASE64, c)) {
		if (v->on) {
			*out = c;
			return 1;
		}
		v->start[v->n++] = c;
		v->telling |= is_telling(c);
		if (v->n < VIEW_RUN_MIN || (!v->telling && v->n < VIEW_WORDS_MAX))
			return 0;
		v->on = true;
		memcpy(out, v->start, v->n);
		return v->n;
	}
	if (v->on && (c == '\n' || c == '\r'))
		return 0; /* a line break inside a run */
	if (v->on) {
		*out = ' ';
		n = 1;
	}
	*v = (struct view_runs){ 0 };
	return n;
}

/* Do @len characters that stand alone make a run that is passed on? */
static bool is_run(const uint8_t *in, size_t len)
{
	return len >= VIEW_WORDS_MAX ||
	       (len >= VIEW_RUN_MIN && fast_span(FAST_WORD, in, len) < len);
}

size_t view_runs_feed(struct view_runs *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0, i = 0;

	while (i < len) {
		size_t span = 0;

		if (v->n == 0)
			i += fast_seek(FAST_BASE64, VIEW_RUN_MIN, in + i, len - i);
		if (v->n == 0 || v->on)
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
		}
		i += span;
		if (i < len)
			n += runs_octet(v, in[i++], out + n);
	}
	return n;
}

size_t view_text_feed(struct view_text *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0, i = 0;

	while (i < len) {
		size_t span;

		if (v->n == 0)
			i += fast_seek(FAST_TEXT, VIEW_TEXT_MIN, in + i, len - i);
		span = fast_span(FAST_TEXT, in + i, len - i);
		if (v->n < VIEW_TEXT_MIN && v->n + span < VIEW_TEXT_MIN) {
			memcpy(v->start + v->n, in + i, span);
			v->n += span;
		} else if (span) {
			memcpy(out + n, v->start, v->n < VIEW_TEXT_MIN ? v->n : 0);
			n += v->n < VIEW_TEXT_MIN ? v->n : 0;
			memcpy(out + n, in + i, span);
			n += span;
			v->n = VIEW_TEXT_MIN;
		}
		i += span;
		if (i == len)
			break;
		if (v->n >= VIEW_TEXT_MIN)
			out[n++] = '\n';
		v->n = 0;
		i++;
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
