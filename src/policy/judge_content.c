/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/judge_content.h"
#include "policy/path.h"
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/* The path in both forms, and who wants to hear about it */
struct judging {
	const struct content_request *rq;
	struct bb_span raw;
	struct bb_span query;
	struct bb_span normal;
	struct bb_span bare;
	void (*explain)(void *arg, const char *line);
	void *arg;
};

BB_PRINTF(2, 3) static void say(const struct judging *j, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (!j->explain)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	j->explain(j->arg, line);
}

static bool ends_with(struct bb_span s, const char *tail)
{
	size_t len = strlen(tail);

	return s.len >= len && strncasecmp((const char *)s.p + s.len - len, tail, len) == 0;
}

/* The service of "…/info/refs?service=NAME"; the first one counts for some servers, the last for
 * others, so each is looked at */
static bool asks_service(const struct judging *j, struct bb_span path, const char *name)
{
	struct bb_span rest = j->query;
	size_t len = strlen(name);

	if (!ends_with(path, "/info/refs"))
		return false;
	while (rest.len) {
		const uint8_t *amp = memchr(rest.p, '&', rest.len);
		size_t n = amp ? (size_t)(amp - rest.p) : rest.len;
		size_t skip = strlen("service=");

		if (n == skip + len && memcmp(rest.p, "service=", skip) == 0 &&
		    strncasecmp((const char *)rest.p + skip, name, len) == 0)
			return true;
		rest = (struct bb_span){ rest.p + n, rest.len - n };
		if (rest.len) {
			rest.p++;
			rest.len--;
		}
	}
	return false;
}

static bool mentions(struct bb_span s, const char *what)
{
	size_t len = strlen(what);

	for (size_t i = 0; i + len <= s.len; i++) {
		if (strncasecmp((const char *)s.p + i, what, len) == 0)
			return true;
	}
	return false;
}

/* A query that writes the service's name in escapes is for push until it is shown otherwise */
static bool is_push(const struct judging *j)
{
	if (ends_with(j->bare, "/git-receive-pack"))
		return true;
	return ends_with(j->bare, "/info/refs") &&
	       (mentions(j->query, "git-receive-pack") || mentions(j->query, "%"));
}

static bool is_fetch(const struct judging *j)
{
	if (bb_span_eq(j->rq->method, BB_SPAN_STR("GET")))
		return asks_service(j, j->raw, "git-upload-pack");
	return bb_span_eq(j->rq->method, BB_SPAN_STR("POST")) &&
	       ends_with(j->raw, "/git-upload-pack");
}

static enum policy_reason judge_git(const struct judging *j, const struct content *c)
{
	bool fetch = is_fetch(j);

	if (is_push(j)) {
		say(j, "git: a push over HTTPS never passes; it goes through the git gate");
		return REASON_GIT_PUSH;
	}
	if (c->git == CONTENT_GIT_NONE && fetch) {
		say(j, "git: fetch is false");
		return REASON_GIT;
	}
	if (c->git == CONTENT_GIT_FETCH && fetch) {
		say(j, "git: this is a fetch, which the route admits");
		return REASON_OK;
	}
	if (c->git == CONTENT_GIT_FETCH && c->n_matches == 0) {
		say(j, "git: the route admits fetches and nothing else");
		return REASON_GIT;
	}
	return REASON_ROUTE; /* not decided here */
}

static bool path_matches(const struct judging *j, const struct content_match *m)
{
	for (size_t i = 0; i < m->n_paths; i++) {
		if (content_pattern_matches(&m->paths[i], j->raw) &&
		    content_pattern_matches(&m->paths[i], j->normal))
			return true;
	}
	return m->n_paths == 0;
}

static bool method_matches(const struct judging *j, const struct content_match *m)
{
	for (size_t i = 0; i < m->n_methods; i++) {
		if (bb_span_eq(j->rq->method, BB_SPAN_STR(m->methods[i])))
			return true;
	}
	return m->n_methods == 0;
}

static bool header_matches(const struct judging *j, const struct content_header *h)
{
	struct bb_span name, value, want = BB_SPAN_STR(h->name);
	bool any = false;

	for (size_t i = 0; j->rq->field(j->rq->arg, i, &name, &value); i++) {
		if (name.len != want.len ||
		    strncasecmp((const char *)name.p, h->name, name.len) != 0)
			continue;
		if (!content_pattern_matches(&h->value, value))
			return false;
		any = true;
	}
	return any;
}

static bool matches(const struct judging *j, const struct content_match *m, size_t index)
{
	if (!path_matches(j, m)) {
		say(j, "matches[%zu]: no, the path", index);
		return false;
	}
	if (!method_matches(j, m)) {
		say(j, "matches[%zu]: no, the method", index);
		return false;
	}
	for (size_t i = 0; i < m->n_headers; i++) {
		if (header_matches(j, &m->headers[i]))
			continue;
		say(j, "matches[%zu]: no, the header %.60s", index, m->headers[i].name);
		return false;
	}
	say(j, "matches[%zu]: yes", index);
	return true;
}

static enum policy_reason judge_matches(const struct judging *j, const struct content *c)
{
	for (size_t i = 0; i < c->n_matches; i++) {
		if (matches(j, &c->matches[i], i))
			return REASON_OK;
	}
	return c->n_matches ? REASON_NO_MATCH : REASON_OK;
}

enum policy_reason content_judge(const struct content *c, const struct content_request *rq,
				 void (*explain)(void *arg, const char *line), void *arg)
{
	struct judging j = { .rq = rq, .explain = explain, .arg = arg };
	char normal[PATH_TEXT_MAX], bare[PATH_TEXT_MAX];
	enum policy_reason r;
	bool usable;
	size_t len = 0;

	j.raw = path_split(rq->path, &j.query);
	usable = path_normalise(j.raw, normal, &len);
	j.normal = (struct bb_span){ (const uint8_t *)normal, len };
	j.bare = (struct bb_span){ (const uint8_t *)bare, path_bare(j.raw, bare) };
	if (usable && memmem(normal, len, "%2F", 3))
		say(&j, "path: %%2F is not a separator: /a%%2Fb and /a/b are two values");
	if (!usable && (c->n_matches || c->git != CONTENT_GIT_UNSAID || len == 0)) {
		say(&j, "path: too long, or decoded it has a dot segment, backslash or control "
			"character");
		return REASON_BAD_PATH;
	}
	r = judge_git(&j, c);
	return r == REASON_ROUTE ? judge_matches(&j, c) : r;
}

bool content_is_lfs_batch(struct bb_span method, struct bb_span target)
{
	struct bb_span query, path = path_split(target, &query);
	char text[PATH_TEXT_MAX];

	/* (one that is too long has been refused) */
	return bb_span_eq(method, BB_SPAN_STR("POST")) &&
	       ends_with((struct bb_span){ (const uint8_t *)text, path_bare(path, text) },
			 "/objects/batch");
}
