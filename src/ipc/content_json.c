/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/content_json.h"
#include <errno.h>

#define BYTES_MAX (1ll << 62)

static json_t *pattern_to_json(const struct content_pattern *p)
{
	return json_pack("{s:s, s:s}", "type", content_pattern_type_str[p->type], "value", p->text);
}

static json_t *match_to_json(const struct content_match *m)
{
	json_t *paths = json_array(), *methods = json_array(), *headers = json_array();

	for (size_t i = 0; i < m->n_paths; i++)
		(void)json_array_append_new(paths, pattern_to_json(&m->paths[i]));
	for (size_t i = 0; i < m->n_methods; i++)
		(void)json_array_append_new(methods, json_string(m->methods[i]));
	for (size_t i = 0; i < m->n_headers; i++)
		(void)json_array_append_new(
			headers, json_pack("{s:s, s:s, s:s}", "name", m->headers[i].name, "type",
					   content_pattern_type_str[m->headers[i].value.type],
					   "value", m->headers[i].value.text));
	return json_pack("{s:o, s:o, s:o}", "paths", paths, "methods", methods, "headers", headers);
}

static json_t *auth_to_json(const struct content_auth *a)
{
	if (a->scheme == CONTENT_AUTH_NONE)
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "scheme", content_scheme_str[a->scheme], "token_ref",
			 a->token_ref, "header", a->header ? a->header : "");
}

static json_t *defaults_to_json(void)
{
	struct content *c = content_new();
	json_t *json = c ? content_to_json(c) : NULL;

	content_unref(c);
	return json;
}

json_t *content_to_json(const struct content *c)
{
	json_t *matches, *minted_by;

	if (!c)
		return defaults_to_json();
	matches = json_array();
	minted_by = json_array();
	for (size_t i = 0; i < c->n_matches; i++)
		(void)json_array_append_new(matches, match_to_json(&c->matches[i]));
	for (size_t i = 0; i < c->n_minted_by; i++)
		(void)json_array_append_new(minted_by, json_string(c->minted_by[i]));
	return json_pack("{s:o, s:i, s:o, s:s, s:o, s:b, s:{s:b, s:b, s:b, s:b, s:s},"
			 " s:{s:I, s:I, s:I, s:I}}",
			 "matches", matches, "git", (int)c->git, "auth", auth_to_json(&c->auth),
			 "credentials", content_credentials_str[c->credentials], "minted_by",
			 minted_by, "cookies", c->cookies, "dlp", "token_patterns",
			 c->dlp.token_patterns, "known_secrets", c->dlp.known_secrets, "entropy",
			 c->dlp.entropy, "injection", c->dlp.injection, "on_match",
			 content_on_match_str[c->dlp.on_match], "limits", "request_bytes",
			 (json_int_t)c->limits.request_bytes, "upload_per_session",
			 (json_int_t)c->limits.upload_per_session, "opaque_per_session",
			 (json_int_t)c->limits.opaque_per_session, "requests_per_minute",
			 (json_int_t)c->limits.requests_per_minute);
}

static int word_index(const json_t *j, const char *const *words, size_t n)
{
	const char *s = json_string_value(j);

	for (size_t i = 0; s && i < n; i++) {
		if (strcmp(s, words[i]) == 0)
			return (int)i;
	}
	return -1;
}

static int bad(struct bb_err *err, const char *what)
{
	return bb_err_set(err, -EINVAL, "policy: bad content: %s", what);
}

static int get_pattern(const json_t *j, struct content_pattern *ret, struct bb_err *err)
{
	int type = word_index(json_object_get(j, "type"), content_pattern_type_str,
			      CONTENT_NUM_PATTERN_TYPES);
	const char *text = json_string_value(json_object_get(j, "value"));

	if (type < 0 || !text)
		return bad(err, "pattern");
	return content_pattern_set(ret, (enum content_pattern_type)type, text, err);
}

static int get_paths(const json_t *j, struct content_match *m, struct bb_err *err)
{
	json_t *e;
	size_t i;
	int r = json_is_array(j) ? 0 : bad(err, "paths");

	json_array_foreach(j, i, e)
	{
		void *p = content_add(m->paths, &m->n_paths, sizeof(*m->paths), CONTENT_VALUES_MAX);

		if (!p)
			return bad(err, "too many paths");
		m->paths = p;
		r = get_pattern(e, &m->paths[m->n_paths - 1], err);
		if (r < 0)
			return r;
	}
	return r;
}

static int get_methods(const json_t *j, struct content_match *m, struct bb_err *err)
{
	json_t *e;
	size_t i;

	if (!json_is_array(j))
		return bad(err, "methods");
	json_array_foreach(j, i, e)
	{
		void *p = content_add(m->methods, &m->n_methods, sizeof(*m->methods),
				      CONTENT_VALUES_MAX);

		if (!p || !json_is_string(e))
			return bad(err, "methods");
		m->methods = p;
		m->methods[m->n_methods - 1] = strdup(json_string_value(e));
		if (!m->methods[m->n_methods - 1])
			return bb_err_set(err, -ENOMEM, "policy: no memory");
	}
	return 0;
}

static int get_headers(const json_t *j, struct content_match *m, struct bb_err *err)
{
	json_t *e;
	size_t i;
	int r = json_is_array(j) ? 0 : bad(err, "headers");

	json_array_foreach(j, i, e)
	{
		void *p = content_add(m->headers, &m->n_headers, sizeof(*m->headers),
				      CONTENT_VALUES_MAX);
		const char *name = json_string_value(json_object_get(e, "name"));
		struct content_header *h;

		if (!p || !name)
			return bad(err, "headers");
		m->headers = p;
		h = &m->headers[m->n_headers - 1];
		h->name = strdup(name);
		r = h->name ? get_pattern(e, &h->value, err)
			    : bb_err_set(err, -ENOMEM, "policy: no memory");
		if (r < 0)
			return r;
	}
	return r;
}

static int get_matches(const json_t *j, struct content *c, struct bb_err *err)
{
	json_t *e;
	size_t i;
	int r = json_is_array(j) ? 0 : bad(err, "matches");

	json_array_foreach(j, i, e)
	{
		void *p = content_add(c->matches, &c->n_matches, sizeof(*c->matches),
				      CONTENT_MATCHES_MAX);
		struct content_match *m;

		if (!p || json_object_size(e) != 3)
			return bad(err, "matches");
		c->matches = p;
		m = &c->matches[c->n_matches - 1];
		r = get_paths(json_object_get(e, "paths"), m, err);
		if (r == 0)
			r = get_methods(json_object_get(e, "methods"), m, err);
		if (r == 0)
			r = get_headers(json_object_get(e, "headers"), m, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int get_auth(const json_t *j, struct content_auth *a, struct bb_err *err)
{
	const char *ref = json_string_value(json_object_get(j, "token_ref"));
	const char *header = json_string_value(json_object_get(j, "header"));
	int scheme =
		word_index(json_object_get(j, "scheme"), content_scheme_str, CONTENT_NUM_SCHEMES);

	if (json_is_null(j))
		return 0;
	if (json_object_size(j) != 3 || scheme <= 0 || !ref || !*ref || !header ||
	    !*header != (scheme != CONTENT_AUTH_HEADER))
		return bad(err, "auth");
	a->scheme = (enum content_scheme)scheme;
	a->token_ref = strdup(ref);
	a->header = *header ? strdup(header) : NULL;
	return a->token_ref && (!*header || a->header)
		       ? 0
		       : bb_err_set(err, -ENOMEM, "policy: no memory");
}

static int get_minted_by(const json_t *j, struct content *c, struct bb_err *err)
{
	json_t *e;
	size_t i;

	if (!json_is_array(j))
		return bad(err, "minted_by");
	json_array_foreach(j, i, e)
	{
		void *p = content_add(c->minted_by, &c->n_minted_by, sizeof(*c->minted_by),
				      CONTENT_MINTED_MAX);
		const char *s = json_string_value(e);

		if (!p || !s || !*s || strlen(s) >= CONTENT_HOST_MAX)
			return bad(err, "minted_by");
		c->minted_by = p;
		memcpy(c->minted_by[c->n_minted_by - 1], s, strlen(s) + 1);
	}
	return 0;
}

static int get_flag(const json_t *j, const char *key, bool *ret, struct bb_err *err)
{
	const json_t *v = json_object_get(j, key);

	*ret = json_is_true(v);
	return json_is_boolean(v) ? 0 : bad(err, key);
}

static int get_dlp(const json_t *j, struct content_dlp *d, struct bb_err *err)
{
	int on_match = word_index(json_object_get(j, "on_match"), content_on_match_str,
				  CONTENT_NUM_ON_MATCH);
	int r = json_object_size(j) == 5 && on_match >= 0 ? 0 : bad(err, "dlp");

	if (r == 0)
		r = get_flag(j, "token_patterns", &d->token_patterns, err);
	if (r == 0)
		r = get_flag(j, "known_secrets", &d->known_secrets, err);
	if (r == 0)
		r = get_flag(j, "entropy", &d->entropy, err);
	if (r == 0)
		r = get_flag(j, "injection", &d->injection, err);
	d->on_match = on_match < 0 ? CONTENT_BLOCK : (enum content_on_match)on_match;
	return r;
}

static int get_count(const json_t *j, const char *key, json_int_t max, uint64_t *ret,
		     struct bb_err *err)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
		return bad(err, key);
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int get_limits(const json_t *j, struct content_limits *l, struct bb_err *err)
{
	uint64_t per_minute = 0;
	int r = json_object_size(j) == 4 ? 0 : bad(err, "limits");

	if (r == 0)
		r = get_count(j, "request_bytes", BYTES_MAX, &l->request_bytes, err);
	if (r == 0)
		r = get_count(j, "upload_per_session", BYTES_MAX, &l->upload_per_session, err);
	if (r == 0)
		r = get_count(j, "opaque_per_session", BYTES_MAX, &l->opaque_per_session, err);
	if (r == 0)
		r = get_count(j, "requests_per_minute", UINT32_MAX, &per_minute, err);
	l->requests_per_minute = (uint32_t)per_minute;
	return r;
}

static int get_content(const json_t *json, struct content *c, struct bb_err *err)
{
	const json_t *git = json_object_get(json, "git");
	int mode = word_index(json_object_get(json, "credentials"), content_credentials_str,
			      CONTENT_NUM_CREDENTIALS);
	int r;

	if (json_object_size(json) != 8 || mode < 0 || !json_is_integer(git) ||
	    json_integer_value(git) < 0 || json_integer_value(git) >= CONTENT_NUM_GIT)
		return bad(err, "keys missing, unknown or out of range");
	c->git = (enum content_git)json_integer_value(git);
	c->credentials = (enum content_credentials)mode;
	r = get_matches(json_object_get(json, "matches"), c, err);
	if (r == 0)
		r = get_auth(json_object_get(json, "auth"), &c->auth, err);
	if (r == 0)
		r = get_minted_by(json_object_get(json, "minted_by"), c, err);
	if (r == 0)
		r = get_flag(json, "cookies", &c->cookies, err);
	if (r == 0)
		r = get_dlp(json_object_get(json, "dlp"), &c->dlp, err);
	if (r == 0)
		r = get_limits(json_object_get(json, "limits"), &c->limits, err);
	if (r == 0 && (c->credentials == CONTENT_PIN) != (c->auth.scheme != CONTENT_AUTH_NONE))
		r = bad(err, "pin goes with auth, and auth with pin");
	return r;
}

int content_from_json(const json_t *json, struct content **ret, struct bb_err *err)
{
	struct content *c = content_new();
	int r = c ? get_content(json, c, err) : bb_err_set(err, -ENOMEM, "policy: no memory");

	if (r < 0) {
		content_unref(c);
		return r;
	}
	*ret = c;
	return 0;
}
