/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/parts.h"
#include "scan/vendor.h"

/* What keys of a kind begin with: version and algorithm; much of the key of a short one */
#define KEY_LONG      600
#define KEY_HEAD_LONG 64
#define KEY_HEAD      12
#define SCHEME_MAX    16

struct parts {
	struct bb_span *v;
	size_t n;
};

static struct bb_span from(struct bb_span s, size_t at)
{
	return (struct bb_span){ s.p + at, s.len - at };
}

static void add(struct parts *p, struct bb_span part)
{
	if (part.len && p->n < PARTS_MAX)
		p->v[p->n++] = part;
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

/* "scheme://user:password@host/rest": password and rest */
static void add_url(struct parts *p, struct bb_span s, size_t scheme)
{
	struct bb_span rest = from(s, scheme + 3), authority = rest, user;
	size_t at;

	for (size_t i = 0; i < rest.len && authority.len == rest.len; i++) {
		if (rest.p[i] == '/' || rest.p[i] == '?' || rest.p[i] == '#')
			authority.len = i;
	}
	rest = from(rest, authority.len);
	at = find(authority, "@");
	if (at < authority.len) {
		user = (struct bb_span){ authority.p, at };
		at = find(user, ":");
		add(p, from(user, at < user.len ? at + 1 : 0));
	}
	add(p, rest);
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
