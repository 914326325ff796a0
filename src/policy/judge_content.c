/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/judge_content.h"
#include "policy/credential.h"
#include "policy/field.h"
#include "policy/path.h"
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/* What a path may end with for some server, and is then git's or git-lfs's */
enum end {
	END_REFS = 0,
	END_UPLOAD, /* a fetch: the names are the server's */
	END_RECEIVE,
	END_BATCH,

	NUM_ENDS,
};
static const struct path_end git_ends[NUM_ENDS] = {
	[END_REFS] = { .tail = "/info/refs" },
	[END_UPLOAD] = { .tail = "/git-upload-pack" },
	[END_RECEIVE] = { .tail = "/git-receive-pack" },
	[END_BATCH] = { .tail = "/objects/batch" },
};

/* The path in its forms, and who wants to hear about it */
struct judging {
	const struct content_request *rq;
	struct bb_span raw;
	struct bb_span query;
	struct bb_span normal;
	struct bb_span bare;
	struct path_end ends[NUM_ENDS];
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

/* The service of ".../info/refs?service=NAME"; the first one counts for some servers, the last for
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

static bool is_method(struct bb_span method, const char *const *names)
{
	for (; *names; names++) {
		if (bb_span_eq(method, BB_SPAN_STR(*names)))
			return true;
	}
	return false;
}

/* Without an effect wherever it goes. Others may be written in another case */
static bool only_reads(struct bb_span method)
{
	return is_method(method, (const char *const[]){ "GET", "HEAD", "OPTIONS", NULL });
}

/* Servers of git go by this as well, wherever a path may lead */
static bool has_type(const struct judging *j, const char *type)
{
	struct bb_span name, value;
	size_t len = strlen(type);

	for (size_t i = 0; j->rq->field(j->rq->arg, i, &name, &value); i++) {
		if (field_is(name, "content-type") && value.len >= len &&
		    strncasecmp((const char *)value.p, type, len) == 0 &&
		    (value.len == len || strchr(";, \t", value.p[len])))
			return true;
	}
	return false;
}

/* A query that writes the service's name in escapes asks for it until it is shown otherwise */
static bool may_ask_service(const struct judging *j, const char *name)
{
	return j->ends[END_REFS].hit && (mentions(j->query, name) || mentions(j->query, "%"));
}

/* Is one of the segments of @path called @name? */
static bool has_segment(struct bb_span path, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 1; i + len <= path.len; i++) {
		if (path.p[i - 1] == '/' && strncasecmp((const char *)path.p + i, name, len) == 0 &&
		    (i + len == path.len || path.p[i + len] == '/'))
			return true;
	}
	return false;
}

/* From who has a credential servers take a file without a batch before it: Gitea and Azure at
 * ".../info/lfs/objects/ID", GitLab at ".../gitlab-lfs/objects/ID", Artifactory at
 * "/api/lfs/REPO/objects/ID", Bitbucket at "/rest/git-lfs/storage/REPO/ID" */
static bool is_lfs_store(const struct judging *j)
{
	static const char lfs[] = "lfs/";
	const size_t len = sizeof(lfs) - 1;
	struct bb_span bare = j->bare;

	if (only_reads(j->rq->method) || j->ends[END_BATCH].hit)
		return false;
	for (size_t i = 1; i + len <= bare.len; i++) {
		struct bb_span rest = { bare.p + i + len - 1, bare.len - i - len + 1 };

		if ((bare.p[i - 1] == '/' || bare.p[i - 1] == '-') &&
		    strncasecmp((const char *)bare.p + i, lfs, len) == 0)
			return has_segment(rest, "objects") || has_segment(rest, "storage");
	}
	return false;
}

static bool is_push(const struct judging *j)
{
	return j->ends[END_RECEIVE].hit || may_ask_service(j, "git-receive-pack") ||
	       has_type(j, "application/x-git-receive-pack-request") || is_lfs_store(j);
}

/* For some server, and so not on a route without fetches */
static bool may_be_fetch(const struct judging *j)
{
	return (j->ends[END_UPLOAD].hit && !only_reads(j->rq->method)) ||
	       may_ask_service(j, "git-upload-pack") ||
	       has_type(j, "application/x-git-upload-pack-request");
}

/* Does it end where it ends for every server? None of those that path_bare() thinks of cuts it */
static bool is_plain(struct bb_span normal)
{
	for (size_t i = 0; i < normal.len; i++) {
		if (strchr(";?#%", normal.p[i]))
			return false;
	}
	return true;
}

/* For every server */
static bool is_fetch(const struct judging *j)
{
	if (!is_plain(j->normal))
		return false;
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
	if (c->git == CONTENT_GIT_NONE && (fetch || may_be_fetch(j))) {
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

/* By which some servers take another path than the one in the request */
static bool has_other_path(const struct judging *j)
{
	static const char *const names[] = { "x-original-url", "x-original-uri",
					     "x-rewrite-url",  "x-forwarded-prefix",
					     "x-script-name",  "script-name",
					     "path-info" };
	struct bb_span name, value;

	for (size_t i = 0; j->rq->field(j->rq->arg, i, &name, &value); i++) {
		for (size_t k = 0; k < BB_ARRAY_LEN(names); k++) {
			if (field_is(name, names[k]))
				return true;
		}
	}
	return false;
}

/* Without parameters, which servers of Java and others take out of each segment, or cut off with
 * all that follows (@all): by its end an expression would admit what they never look at. Return:
 * length */
static size_t cut_parameters(struct bb_span path, bool all, char *out)
{
	bool skip = false;
	size_t n = 0;

	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.p[i];

		if (c == '?' || c == '#' || (c == ';' && all))
			break;
		skip = c == ';' || (skip && c != '/');
		if (!skip)
			out[n++] = (char)c;
	}
	return n;
}

/* An expression that is about ';' knows what it admits, as an exact path does; a prefix is all that
 * matters to itself */
static bool matches_cut(const struct judging *j, const struct content_pattern *p)
{
	char cut[PATH_TEXT_MAX];

	if (p->type != CONTENT_REGEX || is_plain(j->normal) || strchr(p->text, ';'))
		return true;
	for (unsigned int all = 0; all < 2; all++) {
		size_t len = cut_parameters(j->normal, all, cut);

		if (!content_pattern_matches(p, (struct bb_span){ (uint8_t *)cut, len }))
			return false;
	}
	return true;
}

static bool path_matches(const struct judging *j, const struct content_match *m)
{
	if (m->n_paths && has_other_path(j))
		return false;
	for (size_t i = 0; i < m->n_paths; i++) {
		if (content_pattern_matches(&m->paths[i], j->raw) &&
		    content_pattern_matches(&m->paths[i], j->normal) &&
		    matches_cut(j, &m->paths[i]))
			return true;
	}
	return m->n_paths == 0;
}

/* Whoever takes another method from elsewhere may take it in any case */
static bool is_listed(const struct content_match *m, struct bb_span method)
{
	for (size_t i = 0; i < m->n_methods; i++) {
		if (strlen(m->methods[i]) == method.len &&
		    strncasecmp(m->methods[i], (const char *)method.p, method.len) == 0)
			return true;
	}
	return false;
}

/* A method that a server may take in the place of the request's, and that is not listed */
static bool has_other_method(const struct judging *j, const struct content_match *m)
{
	static const char *const names[] = { "x-http-method-override", "x-http-method",
					     "x-method-override" };
	struct bb_span name, value, rest = j->query;
	uint8_t text[32];

	for (size_t i = 0; j->rq->field(j->rq->arg, i, &name, &value); i++) {
		for (size_t k = 0; k < BB_ARRAY_LEN(names); k++) {
			if (field_is(name, names[k]) && !is_listed(m, value))
				return true;
		}
	}
	while (credential_next_parameter(&rest, &name, &value)) {
		size_t len = field_unescape(name, text, sizeof(text));

		if (!field_is((struct bb_span){ text, len }, "_method"))
			continue;
		len = field_unescape(value, text, sizeof(text));
		if (!is_listed(m, (struct bb_span){ text, len }))
			return true;
	}
	return false;
}

static bool method_matches(const struct judging *j, const struct content_match *m)
{
	for (size_t i = 0; i < m->n_methods; i++) {
		if (bb_span_eq(j->rq->method, BB_SPAN_STR(m->methods[i])))
			return !has_other_method(j, m);
	}
	return m->n_methods == 0;
}

static bool header_matches(const struct judging *j, const struct content_header *h)
{
	struct bb_span name, value;
	bool any = false;

	for (size_t i = 0; j->rq->field(j->rq->arg, i, &name, &value); i++) {
		if (!field_is(name, h->name))
			continue;
		if (!content_pattern_matches(&h->value, value))
			return false;
		/* "X_Team" has to match where it is taken for "X-Team", but need not be */
		any |= strncasecmp((const char *)name.p, h->name, name.len) == 0;
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
	memcpy(j.ends, git_ends, sizeof(j.ends));
	j.bare.len = path_bare(j.raw, bare, j.ends, NUM_ENDS);
	j.bare.p = (const uint8_t *)bare;
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
	struct path_end end = git_ends[END_BATCH];
	char text[PATH_TEXT_MAX];
	struct bb_span query;

	/* (one that is too long has been refused) */
	(void)path_bare(path_split(target, &query), text, &end, 1);
	return end.hit && !only_reads(method);
}
