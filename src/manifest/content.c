/* SPDX-License-Identifier: Apache-2.0 */
/* What a route says about requests: matches, git, auth, credentials, dlp, limits */
#include "manifest/bottle.h"
#include "policy/credential.h"
#include <stdio.h>

static bool is_false(const struct tree *n)
{
	return n->kind == TREE_SCALAR && n->plain && strcmp(n->text, "false") == 0;
}

static char *copy_text(const struct tree *n, const char *what, struct diag *diag)
{
	const char *s = schema_text(n, what, diag);

	return s ? strdup(s) : NULL;
}

/* A name that may be written as a header field: a token (RFC 9110 section 5.1) */
static bool is_field_name(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       "!#$%&'*+-.^_`|~") == strlen(s);
}

static void check_auth_header(const struct tree *n, struct content_auth *a, struct diag *diag)
{
	static const char *const ours[] = { "host", "content-length", "transfer-encoding",
					    "connection", NULL };

	a->header = copy_text(n, "header", diag);
	if (!a->header)
		return;
	if (!is_field_name(a->header))
		diag_add(diag, n->at, "auth: '%.60s' is not a header name", a->header);
	for (size_t i = 0; ours[i]; i++) {
		if (strcasecmp(a->header, ours[i]) == 0)
			diag_add(diag, n->at, "auth: %s is not for credentials", a->header);
	}
}

static void parse_auth(const struct tree *n, struct content *c, struct diag *diag)
{
	static const char *const keys[] = { "scheme", "token_ref", "header", NULL };
	static const char *const schemes[] = { "Bearer", "token", "Basic", "header", NULL };
	const struct tree *scheme, *token, *header;
	const char *name;
	int i;

	if (!schema_is_map(n, "auth", diag))
		return;
	schema_keys(n, "auth", keys, diag);
	scheme = tree_get(n, "scheme");
	token = tree_get(n, "token_ref");
	header = tree_get(n, "header");
	if (!scheme || !token) {
		diag_add(diag, n->at, "auth needs both scheme and token_ref");
		return;
	}
	name = schema_variable(token, "token_ref", diag);
	c->auth.token_ref = name ? strdup(name) : NULL;
	i = schema_one_of(scheme, "scheme", schemes, diag);
	if (i >= 0)
		c->auth.scheme = (enum content_scheme)(i + 1);
	if (i == 3 && !header)
		diag_add(diag, n->at, "auth: scheme header needs `header: NAME`");
	else if (i >= 0 && i < 3 && header)
		diag_add(diag, header->at, "auth: `header` goes with scheme header only");
	else if (header)
		check_auth_header(header, &c->auth, diag);
	c->credentials = CONTENT_PIN;
}

static void *grow(void *array, size_t *n, size_t size, size_t max, const struct tree *at,
		  struct diag *diag)
{
	void *p = content_add(array, n, size, max);

	if (!p)
		diag_add(diag, at->at, "more than %zu here", max);
	return p;
}

/* Return: index of the type given, @standard without one, -1 after a complaint */
static int pattern_type(const struct tree *n, const char *const *words, int standard,
			struct diag *diag)
{
	const struct tree *k = tree_get(n, "type");

	return k ? schema_one_of(k, "type", words, diag) : standard;
}

static void set_pattern(const struct tree *n, struct content_pattern *p,
			enum content_pattern_type type, struct diag *diag)
{
	const struct tree *k = tree_get(n, "value");
	const char *text = k ? schema_text(k, "value", diag) : NULL;
	struct bb_err err = { 0 };

	if (!k)
		diag_add(diag, n->at, "value is missing");
	else if (text && content_pattern_set(p, type, text, &err) < 0)
		diag_add(diag, k->at, "value: %s", err.msg);
}

/* What can never match is what somebody meant otherwise */
static void check_path(const struct tree *k, struct diag *diag)
{
	if (!k || k->kind != TREE_SCALAR)
		return;
	if (k->text[0] != '/')
		diag_add(diag, k->at, "paths: '%.60s' does not begin with /", k->text);
	else if (strpbrk(k->text, "?#"))
		diag_add(diag, k->at,
			 "paths: '%.60s' would match nothing: the query is no part of a path",
			 k->text);
	else if (strchr(k->text, '*'))
		diag_add(diag, k->at,
			 "paths: '%.60s': `*` is no wildcard here; a prefix such as /v1/ matches "
			 "all "
			 "that is below it, `type: regex` the rest",
			 k->text);
}

static void parse_paths(const struct tree *n, struct content_match *m, struct diag *diag)
{
	static const char *const keys[] = { "type", "value", NULL };
	static const char *const types[] = { "exact", "prefix", "regex", NULL };

	if (!schema_is_seq(n, "paths", diag))
		return;
	if (!n->first)
		diag_add(diag, n->at, "paths is empty: it would match nothing; remove it");
	for (const struct tree *c = n->first; c; c = c->next) {
		int type;
		void *p;

		if (!schema_is_map(c, "a path", diag))
			continue;
		schema_keys(c, "paths", keys, diag);
		type = pattern_type(c, types, CONTENT_PREFIX, diag);
		p = grow(m->paths, &m->n_paths, sizeof(*m->paths), CONTENT_VALUES_MAX, c, diag);
		if (!p)
			return;
		m->paths = p;
		if (type < 0)
			continue;
		if (type != CONTENT_REGEX)
			check_path(tree_get(c, "value"), diag);
		set_pattern(c, &m->paths[m->n_paths - 1], (enum content_pattern_type)type, diag);
	}
}

static char *header_name(const struct tree *n, struct diag *diag)
{
	char *name = copy_text(n, "name", diag);

	if (name && !is_field_name(name))
		diag_add(diag, n->at, "headers: '%.60s' is not a header name", name);
	return name;
}

static void parse_headers(const struct tree *n, struct content_match *m, struct diag *diag)
{
	static const char *const keys[] = { "name", "value", "type", NULL };
	static const char *const types[] = { "exact", "regex", NULL };

	if (!schema_is_seq(n, "headers", diag))
		return;
	for (const struct tree *c = n->first; c; c = c->next) {
		int type;
		void *p;

		if (!schema_is_map(c, "a header", diag))
			continue;
		schema_keys(c, "headers", keys, diag);
		type = pattern_type(c, types, 0, diag);
		p = grow(m->headers, &m->n_headers, sizeof(*m->headers), CONTENT_VALUES_MAX, c,
			 diag);
		if (!p)
			return;
		m->headers = p;
		if (type < 0)
			continue;
		if (tree_get(c, "name"))
			m->headers[m->n_headers - 1].name = header_name(tree_get(c, "name"), diag);
		else
			diag_add(diag, c->at, "headers: name is missing");
		set_pattern(c, &m->headers[m->n_headers - 1].value,
			    type ? CONTENT_REGEX : CONTENT_EXACT, diag);
	}
}

/* Methods are compared with their case, and what is sent is in capitals */
static void check_method(const struct tree *n, const char *method, struct diag *diag)
{
	if (!is_field_name(method))
		diag_add(diag, n->at, "methods: '%.40s' is no method; such as: GET", method);
	else if (strpbrk(method, "abcdefghijklmnopqrstuvwxyz"))
		diag_add(diag, n->at,
			 "methods: '%.40s' would match nothing; methods are in capitals: GET",
			 method);
}

static void parse_methods(const struct tree *n, struct content_match *m, struct diag *diag)
{
	if (!schema_is_seq(n, "methods", diag))
		return;
	if (!n->first)
		diag_add(diag, n->at, "methods is empty: it would match nothing; remove it");
	for (const struct tree *c = n->first; c; c = c->next) {
		void *p = grow(m->methods, &m->n_methods, sizeof(*m->methods), CONTENT_VALUES_MAX,
			       c, diag);

		if (!p)
			return;
		m->methods = p;
		m->methods[m->n_methods - 1] = copy_text(c, "methods", diag);
		if (m->methods[m->n_methods - 1])
			check_method(c, m->methods[m->n_methods - 1], diag);
	}
}

static void parse_matches(const struct tree *n, struct content *ret, struct diag *diag)
{
	static const char *const keys[] = { "paths", "methods", "headers", NULL };

	if (!schema_is_seq(n, "matches", diag))
		return;
	if (!n->first)
		diag_add(diag, n->at, "matches is empty: it would match nothing; remove it");
	for (const struct tree *c = n->first; c; c = c->next) {
		struct content_match *m;
		void *p;

		if (!schema_is_map(c, "a match", diag))
			continue;
		schema_keys(c, "matches", keys, diag);
		if (!c->first)
			diag_add(diag, c->at, "matches: an empty entry would match everything");
		p = grow(ret->matches, &ret->n_matches, sizeof(*ret->matches), CONTENT_MATCHES_MAX,
			 c, diag);
		if (!p)
			return;
		ret->matches = p;
		m = &ret->matches[ret->n_matches - 1];
		if (tree_get(c, "paths"))
			parse_paths(tree_get(c, "paths"), m, diag);
		if (tree_get(c, "headers"))
			parse_headers(tree_get(c, "headers"), m, diag);
		if (tree_get(c, "methods"))
			parse_methods(tree_get(c, "methods"), m, diag);
	}
}

/* A list of detectors as bits, one for each of @words; `false` is none */
static unsigned int parse_detectors(const struct tree *n, const char *what,
				    const char *const *words, struct diag *diag)
{
	unsigned int set = 0;

	if (is_false(n) || !schema_is_seq(n, what, diag))
		return 0;
	for (const struct tree *c = n->first; c; c = c->next) {
		int i = schema_one_of(c, what, words, diag);

		if (i >= 0)
			set |= 1u << i;
	}
	return set;
}

static void parse_dlp(const struct tree *n, struct content_dlp *d, struct diag *diag)
{
	static const char *const keys[] = { "outbound_detectors", "inbound_detectors",
					    "outbound_on_match", NULL };
	static const char *const outbound[] = { "token_patterns", "known_secrets", "entropy",
						NULL };
	static const char *const inbound[] = { "naive_injection_detection", NULL };
	static const char *const on_match[] = { "block", "redact", "supervise", NULL };
	const struct tree *k;
	unsigned int set;
	int i;

	if (is_false(n)) {
		*d = (struct content_dlp){ .on_match = CONTENT_BLOCK };
		return;
	}
	if (!schema_is_map(n, "dlp", diag))
		return;
	schema_keys(n, "dlp", keys, diag);
	if ((k = tree_get(n, "outbound_detectors"))) {
		set = parse_detectors(k, "outbound_detectors", outbound, diag);
		d->token_patterns = set & 1;
		d->known_secrets = set & 2;
		d->entropy = set & 4;
	}
	if ((k = tree_get(n, "inbound_detectors")))
		d->injection = parse_detectors(k, "inbound_detectors", inbound, diag) != 0;
	if ((k = tree_get(n, "outbound_on_match")) &&
	    (i = schema_one_of(k, "outbound_on_match", on_match, diag)) >= 0)
		d->on_match = (enum content_on_match)i;
}

static void parse_limits(const struct tree *n, struct content_limits *l, struct diag *diag)
{
	static const char *const keys[] = { "request_bytes", "requests_per_minute",
					    "upload_per_session", "opaque_per_session", NULL };
	const struct tree *k;
	uint64_t v;

	if (!schema_is_map(n, "limits", diag))
		return;
	schema_keys(n, "limits", keys, diag);
	if ((k = tree_get(n, "request_bytes")))
		(void)schema_bytes(k, "request_bytes", 1, 1ull << 40, &l->request_bytes, diag);
	if ((k = tree_get(n, "upload_per_session")))
		(void)schema_bytes(k, "upload_per_session", 1, 1ull << 40, &l->upload_per_session,
				   diag);
	if ((k = tree_get(n, "opaque_per_session")))
		(void)schema_bytes(k, "opaque_per_session", 1, 1ull << 40, &l->opaque_per_session,
				   diag);
	if ((k = tree_get(n, "requests_per_minute")) &&
	    schema_number(k, "requests_per_minute", 1, 1000000, &v, diag))
		l->requests_per_minute = (uint32_t)v;
}

static void parse_git(const struct tree *n, struct content *c, struct diag *diag)
{
	static const char *const keys[] = { "fetch", NULL };
	int fetch;

	if (!schema_is_map(n, "git", diag))
		return;
	schema_keys(n, "git", keys, diag);
	if (!tree_get(n, "fetch")) {
		diag_add(diag, n->at, "git: `fetch: true` or `fetch: false`");
		return;
	}
	fetch = schema_bool(tree_get(n, "fetch"), "fetch", diag);
	c->git = fetch == 1 ? CONTENT_GIT_FETCH : CONTENT_GIT_NONE;
}

static void parse_minted_by(const struct tree *n, struct content *c, struct diag *diag)
{
	if (!schema_is_seq(n, "minted_by", diag))
		return;
	for (const struct tree *k = n->first; k; k = k->next) {
		void *p = grow(c->minted_by, &c->n_minted_by, sizeof(*c->minted_by),
			       CONTENT_MINTED_MAX, k, diag);
		bool wild;

		if (!p)
			return;
		c->minted_by = p;
		(void)schema_host(k, false, c->minted_by[c->n_minted_by - 1], &wild, diag);
	}
}

/* pin needs something to pin to, and with auth nothing else makes sense */
static void parse_credentials(const struct tree *n, struct content *c, struct diag *diag)
{
	static const char *const modes[] = { "minted", "pin", "pass", NULL };
	bool auth = c->auth.scheme != CONTENT_AUTH_NONE;
	int i = schema_one_of(n, "credentials", modes, diag);

	if (i < 0)
		return;
	if (auth && i != CONTENT_PIN)
		diag_add(diag, n->at,
			 "credentials: a route with auth is `pin`; remove one of them");
	else if (!auth && i == CONTENT_PIN)
		diag_add(diag, n->at, "credentials: pin needs `auth`");
	else
		c->credentials = (enum content_credentials)i;
}

void bottle_parse_content(const struct tree *n, struct content *c, struct diag *diag)
{
	const struct tree *k;

	if ((k = tree_get(n, "auth")))
		parse_auth(k, c, diag);
	if ((k = tree_get(n, "matches")))
		parse_matches(k, c, diag);
	if ((k = tree_get(n, "git")))
		parse_git(k, c, diag);
	if ((k = tree_get(n, "limits")))
		parse_limits(k, &c->limits, diag);
	if ((k = tree_get(n, "credentials")))
		parse_credentials(k, c, diag);
	if ((k = tree_get(n, "minted_by")))
		parse_minted_by(k, c, diag);
	if ((k = tree_get(n, "cookies")))
		c->cookies = schema_bool(k, "cookies", diag) == 1;
	if ((k = tree_get(n, "dlp")))
		parse_dlp(k, &c->dlp, diag);
	if (c->n_minted_by && c->credentials != CONTENT_MINTED)
		diag_add(diag, n->at, "minted_by: only for a route whose credentials are `minted`");
}
