/* SPDX-License-Identifier: Apache-2.0 */
#include "content/content.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <errno.h>
#include <pcre2.h>

const char *const content_pattern_type_str[] = {
	[CONTENT_EXACT] = "exact",
	[CONTENT_PREFIX] = "prefix",
	[CONTENT_REGEX] = "regex",
};
static_assert(BB_ARRAY_LEN(content_pattern_type_str) == CONTENT_NUM_PATTERN_TYPES, "types");
const char *const content_scheme_str[] = {
	[CONTENT_AUTH_NONE] = "none",     [CONTENT_AUTH_BEARER] = "Bearer",
	[CONTENT_AUTH_TOKEN] = "token",   [CONTENT_AUTH_BASIC] = "Basic",
	[CONTENT_AUTH_HEADER] = "header",
};
static_assert(BB_ARRAY_LEN(content_scheme_str) == CONTENT_NUM_SCHEMES, "schemes");
const char *const content_credentials_str[] = {
	[CONTENT_MINTED] = "minted",
	[CONTENT_PIN] = "pin",
	[CONTENT_PASS] = "pass",
};
static_assert(BB_ARRAY_LEN(content_credentials_str) == CONTENT_NUM_CREDENTIALS, "modes");
const char *const content_on_match_str[] = {
	[CONTENT_BLOCK] = "block",
	[CONTENT_REDACT] = "redact",
	[CONTENT_SUPERVISE] = "supervise",
};
static_assert(BB_ARRAY_LEN(content_on_match_str) == CONTENT_NUM_ON_MATCH, "on_match");

struct content *content_new(void)
{
	struct content *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	c->dlp = (struct content_dlp){ .token_patterns = true,
				       .known_secrets = true,
				       .injection = true,
				       .on_match = CONTENT_SUPERVISE };
	c->limits = (struct content_limits){ .request_bytes = CONTENT_REQUEST_BYTES,
					     .upload_per_session = CONTENT_UPLOAD_PER_SESSION,
					     .opaque_per_session = CONTENT_OPAQUE_PER_SESSION,
					     .requests_per_minute = CONTENT_REQUESTS_PER_MINUTE };
	return c;
}

struct content *content_ref(struct content *c)
{
	if (c)
		c->refs++;
	return c;
}

static void pattern_release(struct content_pattern *p)
{
	free(p->text);
	pcre2_code_free(p->code);
}

static void match_release(struct content_match *m)
{
	for (size_t i = 0; i < m->n_paths; i++)
		pattern_release(&m->paths[i]);
	for (size_t i = 0; i < m->n_methods; i++)
		free(m->methods[i]);
	for (size_t i = 0; i < m->n_headers; i++) {
		free(m->headers[i].name);
		pattern_release(&m->headers[i].value);
	}
	free(m->paths);
	free(m->methods);
	free(m->headers);
}

void content_unref(struct content *c)
{
	if (!c || --c->refs)
		return;
	for (size_t i = 0; i < c->n_matches; i++)
		match_release(&c->matches[i]);
	free(c->matches);
	free(c->minted_by);
	free(c->auth.token_ref);
	free(c->auth.header);
	free(c);
}

void *content_add(void *array, size_t *n, size_t size, size_t max)
{
	char *grown = *n < max ? realloc(array, (*n + 1) * size) : NULL;

	if (!grown)
		return NULL;
	memset(grown + *n * size, 0, size);
	(*n)++;
	return grown;
}

static int compile(struct content_pattern *p, struct bb_err *err)
{
	PCRE2_SIZE at = 0;
	int code = 0;

	p->code = pcre2_compile((PCRE2_SPTR)p->text, PCRE2_ZERO_TERMINATED,
				PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY, &code,
				&at, NULL);
	if (!p->code) {
		PCRE2_UCHAR text[120] = "";

		(void)pcre2_get_error_message(code, text, sizeof(text));
		return bb_err_set(err, -EINVAL, "'%.80s': %s (at character %zu)", p->text, text,
				  (size_t)at + 1);
	}
	return 0;
}

int content_pattern_set(struct content_pattern *p, enum content_pattern_type type, const char *text,
			struct bb_err *err)
{
	if (strlen(text) > CONTENT_TEXT_MAX)
		return bb_err_set(err, -EINVAL, "'%.40s…' is longer than %d", text,
				  CONTENT_TEXT_MAX);
	*p = (struct content_pattern){ .type = type, .text = strdup(text) };
	if (!p->text)
		return bb_err_set(err, -ENOMEM, "no memory");
	return type == CONTENT_REGEX ? compile(p, err) : 0;
}

static bool regex_matches(const struct content_pattern *p, struct bb_span value)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	int r = -1;

	if (data && context) {
		(void)pcre2_set_match_limit(context, CONTENT_REGEX_STEPS);
		(void)pcre2_set_depth_limit(context, 1000);
		(void)pcre2_set_heap_limit(context, 1024);
		r = pcre2_match(p->code, value.len ? value.p : (PCRE2_SPTR) "", value.len, 0, 0,
				data, context);
	}
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	return r >= 0;
}

/* "/api" is a prefix of "/api" and "/api/x", never of "/apix"; "/api/" wants the slash */
static bool prefix_matches(struct bb_span value, struct bb_span prefix)
{
	if (value.len < prefix.len || memcmp(value.p, prefix.p, prefix.len) != 0)
		return false;
	return value.len == prefix.len || prefix.p[prefix.len - 1] == '/' ||
	       value.p[prefix.len] == '/';
}

bool content_pattern_matches(const struct content_pattern *p, struct bb_span value)
{
	struct bb_span text = BB_SPAN_STR(p->text);

	switch (p->type) {
	case CONTENT_EXACT:
		return bb_span_eq(value, text);
	case CONTENT_PREFIX:
		return text.len > 0 && prefix_matches(value, text);
	case CONTENT_REGEX:
		return regex_matches(p, value);
	case CONTENT_NUM_PATTERN_TYPES:
		break;
	}
	return false;
}
