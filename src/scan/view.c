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
	m->n = 1;
}

/* A code point: folded where it looks like ASCII, else its UTF-8 */
static void mean_code(struct meaning *m, size_t used, uint32_t code)
{
	int folded = view_fold(code);

	m->used = used;
	m->n = 0;
	if (folded < 0)
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

/* A line that goes on in the next: nothing */
static enum parse continued(const uint8_t *p, size_t len, struct meaning *m)
{
	m->n = 0;
	m->used = p[1] == '\n' ? 2 : 3;
	if (p[1] == '\r' && len == 2)
		return PARSE_MORE;
	return p[m->used - 1] == '\n' ? PARSE_DONE : PARSE_NONE;
}

/*
 * "=XX" in capitals, and a soft line break. "KEY=97A5" is far more often a name and a value, so one
 * counts only next to another, or where it is "=3D", which every such text has for '='.
 */
static enum parse quoted_printable(const uint8_t *p, size_t len, bool quoted, struct meaning *m)
{
	uint32_t v = 0;
	enum parse r;

	if (len > 1 && (p[1] == '\n' || p[1] == '\r'))
		return continued(p, len, m);
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
static enum parse json_unicode(const uint8_t *p, size_t len, bool last, struct meaning *m)
{
	uint32_t high = 0, low = 0;
	enum parse r = hex_digits(p, len, 2, 4, &high);

	if (r != PARSE_DONE)
		return r;
	if (high < 0xd800 || high > 0xdfff) {
		mean_code(m, 6, high);
		return PARSE_DONE;
	}
	if (high <= 0xdbff && (len == 6 || (len == 7 && p[6] == '\\')))
		return PARSE_MORE;
	if (high <= 0xdbff && p[6] == '\\' && p[7] == 'u')
		r = hex_digits(p, len, 8, 4, &low);
	if (r == PARSE_MORE)
		return r;
	if (low >= 0xdc00 && low <= 0xdfff)
		mean_code(m, 12, 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff));
	else if (last)
		mean_code(m, 6, 0xfffd);
	else
		return PARSE_NONE; /* its other half may be escaped once more */
	return PARSE_DONE;
}

/* "\u{H…}" and "\x{H…}", eight digits at most, behind any number of zeroes: those are taken out one
 * by one */
static enum parse braced(const uint8_t *p, size_t len, struct meaning *m)
{
	uint32_t v = 0;
	size_t i = 3;

	if (len > 4 && p[3] == '0' && bb_hex_value(p[4]) >= 0) {
		memcpy(m->out, p, 3);
		m->n = 3;
		m->used = 4;
		return PARSE_DONE;
	}
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

static bool is_sign(uint8_t c)
{
	return c > ' ' && c < 0x7f &&
	       !((uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 26);
}

static enum parse backslash(const uint8_t *p, size_t len, bool last, struct meaning *m)
{
	static const char from[] = "nrtbfave", to[] = "\n\r\t\b\f\a\v\033";
	const char *at;

	if (len == 1)
		return PARSE_MORE;
	if ((p[1] == 'u' || p[1] == 'x') && len > 2 && p[2] == '{')
		return braced(p, len, m);
	if (p[1] == 'u')
		return json_unicode(p, len, last, m);
	if (p[1] == 'x' || p[1] == 'U')
		return backslash_hex(p, len, p[1] == 'x' ? 2 : CODE_DIGITS, m);
	if (p[1] >= '0' && p[1] <= '7')
		return octal(p, len, m);
	if (p[1] == '\n' || p[1] == '\r')
		return continued(p, len, m);
	at = p[1] ? strchr(from, p[1]) : NULL;
	if (!at && !is_sign(p[1]))
		return PARSE_NONE;
	mean_octet(m, 2, (uint8_t)(at ? to[at - from] : p[1]));
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
		{ "&percnt;", '%' }, { "&bsol;", '\\' },  { "&num;", '#' },    { "&semi;", ';' },
		{ "&colon;", ':' },  { "&comma;", ',' },
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

/* Half of a pair, which only the last layer takes for a whole */
static bool is_half(const uint8_t *p, size_t len)
{
	return len >= 6 && p[0] == '\\' && p[1] == 'u' && (p[2] | 0x20) == 'd' &&
	       bb_hex_value(p[3]) >= 8;
}

/* @quoted, @last: of the layer */
static enum parse escape_at(const uint8_t *p, size_t len, bool quoted, bool last, struct meaning *m)
{
	switch (p[0]) {
	case '%':
		return percent(p, len, m);
	case '=':
		return quoted_printable(p, len, quoted, m);
	case '\\':
		return backslash(p, len, last, m);
	case '&':
		return entity(p, len, m);
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
	r = escape_at(p, len, false, true, &m);
	if (r == PARSE_MORE)
		return -1;
	if (r != PARSE_DONE || m.n != 1 || m.out[0] == '\0')
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

/* A character that looks special and is not: decided on the spot, @p has VIEW_ESCAPE_MAX octets */
static bool is_nothing(const uint8_t *p, bool quoted, bool last)
{
	struct meaning m;

	if (p[0] >= 0xc2 && !view_may_fold(p[0], p[1]))
		return true;
	if (memchr(p, '\0', VIEW_ESCAPE_MAX) || (!last && is_half(p, VIEW_ESCAPE_MAX)))
		return false; /* what it is without them shows itself in @pending */
	return escape_at(p, VIEW_ESCAPE_MAX, quoted, last, &m) == PARSE_NONE;
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
static enum parse join(struct view_layer *v)
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
	r = escape_at(v->pending + i, v->n - i, false, v->last, &m);
	if (r != PARSE_DONE)
		return r;
	if (m.n != 1 || ((m.out[0] & 0xc0) != 0x80 && !is_joined(m.out[0])))
		return PARSE_NONE;
	v->pending[i] = m.out[0];
	memmove(v->pending + i + 1, v->pending + i + m.used, v->n - i - m.used);
	v->n -= m.used - 1;
	return PARSE_DONE;
}

/*
 * What a NUL is: of UTF-16 and UTF-32 nothing, which is why it is left out where other NULs stand
 * two or four octets away; between strings, and in a long row of them, white space.
 */
static enum parse nul(const struct view_layer *v, bool end, struct meaning *m)
{
	unsigned int before = 0, row;

	if (v->n < 5 && !end)
		return PARSE_MORE;
	while (before < 4 && v->nuls >> before & 1)
		before++;
	row = before + 1;
	while (row - before < v->n && v->pending[row - before] == '\0')
		row++;
	mean_octet(m, 1, ' ');
	if (row < 4 && ((v->nuls & (2 | 8)) || (v->n > 2 && v->pending[2] == '\0') ||
			(v->n > 4 && v->pending[4] == '\0')))
		m->n = 0;
	return PARSE_DONE;
}

static size_t put_octet(struct view_layer *v, uint8_t c, bool end, uint8_t *out);

/* A NUL is settled: what stands behind it had to be seen, and is looked at now */
static size_t behind_nul(struct view_layer *v, const struct meaning *m, bool end, uint8_t *out)
{
	uint8_t rest[VIEW_ESCAPE_MAX];
	size_t n = m->n, n_rest = v->n - 1;

	memcpy(out, m->out, m->n);
	memcpy(rest, v->pending + 1, n_rest);
	v->nuls = (uint8_t)(v->nuls << 1 | 1);
	v->n = 0;
	for (size_t i = 0; i < n_rest; i++)
		n += put_octet(v, rest[i], end && i + 1 == n_rest, out + n);
	return n;
}

/* Replace an escape by what it stands for, which is never longer. Return: is that looked at again?
 */
static bool replace(struct view_layer *v, const struct meaning *m)
{
	uint8_t was = v->pending[0];

	memmove(v->pending + m->n, v->pending + m->used, v->n - m->used);
	memcpy(v->pending, m->out, m->n);
	v->n = v->n - m->used + m->n;
	v->quoted = was == '=';
	v->coded = m->used > 2 && m->n == 1;
	if (m->n == 0)
		return true;
	if (v->pending[0] == '\0')
		return v->last; /* else the next layer sees more of what stands around it */
	/* an '=' that was spelled out begins nothing */
	return is_special(v->pending[0]) && v->pending[0] != '=';
}

/* Does an octet that an escape has stood for begin one whose next octet is escaped as well? */
static bool is_for_next(const struct view_layer *v)
{
	return v->coded && !v->last && v->n > 1 &&
	       (v->pending[1] == '\\' || v->pending[1] == '%' || v->pending[1] == '&' ||
		v->pending[1] == '=');
}

/* Settle what is pending as far as it can be. @end: nothing follows. Return: octets written */
static size_t settle(struct view_layer *v, bool end, uint8_t *out)
{
	size_t n = 0;

	while (v->n) {
		struct meaning m = { 0 };
		bool is_nul = v->pending[0] == '\0';
		enum parse r = is_nul ? nul(v, end, &m) : is_for_next(v) ? PARSE_NONE : join(v);

		if (r == PARSE_DONE && !is_nul)
			continue;
		if (r == PARSE_NONE && !is_for_next(v))
			r = escape_at(v->pending, v->n, v->quoted, v->last, &m);
		if (r == PARSE_MORE && !end && v->n < VIEW_ESCAPE_MAX)
			break;
		v->changed |= r == PARSE_DONE;
		v->open |= r == PARSE_DONE;
		if (is_nul)
			return n + behind_nul(v, &m, end, out + n);
		if (r == PARSE_DONE && replace(v, &m))
			continue;
		v->left |= r == PARSE_NONE && is_half(v->pending, v->n);
		v->quoted &= r == PARSE_DONE;
		v->coded = false;
		out[n++] = v->pending[0];
		v->nuls = (uint8_t)(v->nuls << 1 | (v->pending[0] == '\0'));
		memmove(v->pending, v->pending + 1, --v->n);
	}
	return n;
}

static size_t put_octet(struct view_layer *v, uint8_t c, bool end, uint8_t *out)
{
	if (c == '\0' && v->n && v->pending[0] != '\0' && v->pending[0] < 0x80)
		v->changed = v->open = true; /* nobody sees it, inside an escape neither */
	else
		v->pending[v->n++] = c;
	return settle(v, end, out);
}

/* put_octet(), and mind how far what has come of it reaches. Return: octets in @out */
static size_t put_behind(struct view_layer *v, uint8_t c, uint8_t *out, size_t n)
{
	size_t before = n;

	n += put_octet(v, c, false, out + n);
	if (v->open && v->same_to == SIZE_MAX)
		v->same_to = before;
	if (v->open)
		v->same_from = n;
	v->open &= v->n > 0;
	return n;
}

static size_t layer_feed(struct view_layer *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0, i = 0;

	v->same_from = 0;
	v->same_to = SIZE_MAX;
	while (i < len) {
		size_t from = i;

		if (v->n) {
			n = put_behind(v, in[i++], out, n);
			continue;
		}
		for (;; i++) {
			i += fast_special(in + i, len - i);
			v->quoted &= i == from;
			if (i + VIEW_ESCAPE_MAX > len || !is_nothing(in + i, v->quoted, v->last))
				break;
		}
		memcpy(out + n, in + from, i - from);
		n += i - from;
		v->nuls = (uint8_t)(i - from < 8 ? v->nuls << (i - from) : 0);
		if (i < len)
			n = put_behind(v, in[i++], out, n);
	}
	return n;
}

/* ---- the layers, one behind the other ---- */

#define CHUNK 4096

/* Of what the first layer has written, @n octets: those from its @same_from on stand at the end of
 * what the second has in @out or keeps. Return: where they begin */
static size_t from_of(const struct view_plain *v, size_t n, size_t all)
{
	size_t same = n - v->layers[0].same_from, have = all + v->layers[1].n;
	size_t from = have > same ? have - same : 0;

	return from < all ? from : all;
}

/* Up to CHUNK octets. @base: octets written before, in the same call */
static size_t feed_chunk(struct view_plain *v, const uint8_t *in, size_t len, uint8_t *out,
			 size_t base)
{
	struct view_layer *first = &v->layers[0], *second = &v->layers[1];
	BB_UNINIT uint8_t text[CHUNK + VIEW_ESCAPE_MAX];
	size_t n, all, skip = 0, to = SIZE_MAX, from = 0;
	bool is_first, is_second;

	first->changed = second->changed = first->left = false;
	n = layer_feed(first, in, len, out);
	is_first = first->changed || first->same_from;
	/* Where the first has found nothing, nor does the second, but in what goes on behind it */
	if (!is_first && !first->left && second->n == 0 && n > 2 * VIEW_ESCAPE_MAX) {
		skip = n - 2 * VIEW_ESCAPE_MAX;
		second->quoted = false;
		second->nuls = 0;
	}
	memcpy(text, out + skip, n - skip);
	all = skip + layer_feed(second, text, n - skip, out + skip);
	is_second = second->changed || second->same_from;
	if (!is_first && !is_second)
		return all;
	v->changed |= first->changed || second->changed;
	if (is_first) {
		to = first->same_to;
		from = from_of(v, n, all);
	}
	if (is_second) {
		to = skip + second->same_to < to && second->same_to != SIZE_MAX
			     ? skip + second->same_to
			     : to;
		from = skip + second->same_from > from ? skip + second->same_from : from;
	}
	if (v->same_to == SIZE_MAX)
		v->same_to = base + (to < all ? to : all);
	v->same_from = base + from;
	return all;
}

size_t view_plain_feed(struct view_plain *v, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0;

	v->layers[1].last = true;
	v->same_from = 0;
	v->same_to = SIZE_MAX;
	for (size_t at = 0; at < len; at += CHUNK)
		n += feed_chunk(v, in + at, len - at < CHUNK ? len - at : CHUNK, out + n, n);
	v->n = v->layers[0].n + v->layers[1].n;
	return n;
}

size_t view_plain_end(struct view_plain *v, uint8_t *out)
{
	uint8_t text[VIEW_ESCAPE_MAX];
	size_t n = settle(&v->layers[0], true, text), all;

	v->layers[1].last = true;
	all = layer_feed(&v->layers[1], text, n, out);
	all += settle(&v->layers[1], true, out + all);
	v->n = 0;
	return all;
}
