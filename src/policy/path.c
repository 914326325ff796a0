/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/path.h"
#include <strings.h>

struct bb_span path_split(struct bb_span target, struct bb_span *ret_query)
{
	const uint8_t *mark = target.len ? memchr(target.p, '?', target.len) : NULL;
	size_t len = mark ? (size_t)(mark - target.p) : target.len;

	*ret_query =
		mark ? (struct bb_span){ mark + 1, target.len - len - 1 } : (struct bb_span){ 0 };
	return (struct bb_span){ target.p, len };
}

/* One escape at @p. Return: its octet, -1 when it is none */
static int escape_value(const uint8_t *p, size_t len)
{
	int high, low;

	if (len < 3 || p[0] != '%')
		return -1;
	high = bb_hex_value(p[1]);
	low = bb_hex_value(p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Decode everything, separators too. An escape that is broken stays as it is: this is only for
 * looking at what some server may make of it. Return: length */
static size_t decode(const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int v = escape_value(in + i, len - i);

		out[n++] = v < 0 ? in[i] : (uint8_t)v;
		i += v < 0 ? 0 : 2;
	}
	return n;
}

static bool is_dots(const uint8_t *p, size_t len)
{
	return (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.');
}

/* A ';' begins parameters, which some servers cut off before they look at the segment */
static bool has_dot_segment(const uint8_t *p, size_t len)
{
	size_t from = 0;

	for (size_t i = 0; i <= len; i++) {
		size_t n;

		if (i < len && p[i] != '/')
			continue;
		n = i - from;
		for (size_t j = 0; j < n; j++) {
			if (p[from + j] == ';')
				n = j;
		}
		if (is_dots(p + from, n))
			return true;
		from = i + 1;
	}
	return false;
}

static bool is_unsafe(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '\\')
			return true;
	}
	return has_dot_segment(p, len);
}

static bool escapes_are_whole(struct bb_span path)
{
	for (size_t i = 0; i < path.len; i++) {
		if (path.p[i] == '%' && escape_value(path.p + i, path.len - i) < 0)
			return false;
	}
	return true;
}

/* Decoded but for separators, which keep their escape. Return: length */
static size_t decode_but_slash(struct bb_span path, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < path.len; i++) {
		int v = escape_value(path.p + i, path.len - i);

		if (v == '/') {
			memcpy(out + n, "%2F", 3);
			n += 3;
		} else {
			out[n++] = v < 0 ? (char)path.p[i] : (char)v;
		}
		i += v < 0 ? 0 : 2;
	}
	return n;
}

static bool is_slash(uint8_t c)
{
	return c == '/' || c == '\\';
}

/* Octets of a segment that count */
static size_t bare_segment(const uint8_t *p, size_t len)
{
	size_t n = 0;

	while (n < len && !strchr(";?#", p[n]) && p[n] > 0x20 && p[n] != 0x7f)
		n++;
	return n;
}

/* Put @p behind the @n octets of @ret. Return: how many there are now; SIZE_MAX without room */
static size_t add_segment(char ret[static PATH_TEXT_MAX], size_t n, const uint8_t *p, size_t len)
{
	if (len == 0 || (is_dots(p, len) && len == 1))
		return n;
	if (n + 1 + len > PATH_TEXT_MAX)
		return SIZE_MAX; /* it begins without a slash */
	if (!is_dots(p, len)) {
		ret[n++] = '/';
		memcpy(ret + n, p, len);
		return n + len;
	}
	while (n && ret[--n] != '/')
		;
	return n;
}

static void look_at_end(const char *bare, size_t n, struct path_end *ends, size_t n_ends)
{
	for (size_t i = 0; i < n_ends; i++) {
		size_t len = strlen(ends[i].tail);

		ends[i].hit |= n >= len && strncasecmp(bare + n - len, ends[i].tail, len) == 0;
	}
}

size_t path_bare(struct bb_span path, char ret[static PATH_TEXT_MAX], struct path_end *ends,
		 size_t n_ends)
{
	uint8_t text[PATH_TEXT_MAX] = { 0 };
	size_t len, n = 0, to;

	if (path.len > PATH_TEXT_MAX)
		return 0;
	len = decode(path.p, path.len, text);
	len = decode(text, len, text); /* never ahead of what it reads */
	for (size_t at = 0; at < len; at = to + 1) {
		size_t used, more;

		for (to = at; to < len && !is_slash(text[to]);)
			to++;
		used = bare_segment(text + at, to - at);
		more = add_segment(ret, n, text + at, used);
		if (more == SIZE_MAX)
			break;
		n = more;
		if (used < to - at)
			look_at_end(ret, n, ends, n_ends);
	}
	look_at_end(ret, n, ends, n_ends);
	return n;
}

bool path_normalise(struct bb_span path, char ret[static PATH_TEXT_MAX], size_t *ret_len)
{
	uint8_t once[PATH_TEXT_MAX] = { 0 }, twice[PATH_TEXT_MAX] = { 0 };
	size_t n;

	*ret_len = 0;
	if (path.len > PATH_TEXT_MAX)
		return false;
	*ret_len = decode_but_slash(path, ret);
	if (!escapes_are_whole(path) || is_unsafe(path.p, path.len))
		return false;
	n = decode(path.p, path.len, once);
	if (is_unsafe(once, n))
		return false;
	n = decode(once, n, twice);
	return !is_unsafe(twice, n);
}
