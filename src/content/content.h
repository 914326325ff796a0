/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_CONTENT_CONTENT_H
#define BB_CONTENT_CONTENT_H
#include "base/base.h"

/**
 * DOC: content - what a route says about a request beyond its host and port
 *
 * Layer:     content
 * Used by:   manifest (makes it), ipc (passes it on), egress and `check --url` (obey it)
 * Trust:     the operator's; what is judged by it is the guest's
 * Ownership: shared and counted: content_ref(), content_unref(). Constant once made
 * Limits:    CONTENT_*_MAX below; a regular expression gets CONTENT_REGEX_STEPS, past which the
 *            answer is "does not match"
 */
#define CONTENT_MATCHES_MAX 64
#define CONTENT_VALUES_MAX  64
#define CONTENT_TEXT_MAX    2048
#define CONTENT_MINTED_MAX  16
#define CONTENT_REGEX_STEPS 200000u
#define CONTENT_HOST_MAX    254

enum content_pattern_type {
	CONTENT_EXACT = 0,
	CONTENT_PREFIX, /* of a path: by segment */
	CONTENT_REGEX,  /* PCRE2, against the whole value */

	CONTENT_NUM_PATTERN_TYPES,
};
extern const char *const content_pattern_type_str[CONTENT_NUM_PATTERN_TYPES];

/** struct content_pattern - @code: compiled regular expression (pcre2_code) */
struct content_pattern {
	enum content_pattern_type type;
	char *text;
	void *code;
};

/** struct content_header - Every field called @name has to match @value, and one has to be there */
struct content_header {
	char *name;
	struct content_pattern value;
};

/** struct content_match - All that is given has to match; values of one list are alternatives */
struct content_match {
	size_t n_paths;
	struct content_pattern *paths;
	size_t n_methods;
	char **methods;
	size_t n_headers;
	struct content_header *headers;
};

enum content_scheme {
	CONTENT_AUTH_NONE = 0,
	CONTENT_AUTH_BEARER,
	CONTENT_AUTH_TOKEN,
	CONTENT_AUTH_BASIC,
	CONTENT_AUTH_HEADER,

	CONTENT_NUM_SCHEMES,
};
extern const char *const content_scheme_str[CONTENT_NUM_SCHEMES];

/** struct content_auth - @token_ref: host variable; @header: field name, for CONTENT_AUTH_HEADER */
struct content_auth {
	enum content_scheme scheme;
	char *token_ref;
	char *header;
};

enum content_credentials {
	CONTENT_MINTED = 0, /* what this route's responses gave */
	CONTENT_PIN,        /* only the credential that egress puts in */
	CONTENT_PASS,       /* whatever the guest has */

	CONTENT_NUM_CREDENTIALS,
};
extern const char *const content_credentials_str[CONTENT_NUM_CREDENTIALS];

enum content_on_match {
	CONTENT_BLOCK = 0,
	CONTENT_REDACT,
	CONTENT_SUPERVISE,

	CONTENT_NUM_ON_MATCH,
};
extern const char *const content_on_match_str[CONTENT_NUM_ON_MATCH];

/** struct content_dlp - Detectors; the canary is searched for whatever they say */
struct content_dlp {
	bool token_patterns;
	bool known_secrets;
	bool entropy;
	bool injection;
	enum content_on_match on_match;
};

/** struct content_limits - 0 = none; @opaque_per_session: of what cannot be searched */
struct content_limits {
	uint64_t request_bytes;
	uint64_t upload_per_session;
	uint64_t opaque_per_session;
	uint32_t requests_per_minute;
};
#define CONTENT_REQUEST_BYTES       (64ull << 20)
#define CONTENT_UPLOAD_PER_SESSION  (1ull << 30)
#define CONTENT_OPAQUE_PER_SESSION  (64ull << 20)
#define CONTENT_REQUESTS_PER_MINUTE 1200u

enum content_git {
	CONTENT_GIT_UNSAID = 0,
	CONTENT_GIT_NONE,  /* git: {fetch: false} */
	CONTENT_GIT_FETCH, /* git: {fetch: true}: with no matches, nothing else */

	CONTENT_NUM_GIT,
};

/** struct content - @n_matches 0: every path, method and header */
struct content {
	unsigned int refs;
	size_t n_matches;
	struct content_match *matches;
	enum content_git git;
	struct content_auth auth;
	enum content_credentials credentials;
	size_t n_minted_by;
	char (*minted_by)[CONTENT_HOST_MAX];
	bool cookies;
	struct content_dlp dlp;
	struct content_limits limits;
};

/** content_new() - One with the defaults and one reference, or NULL */
struct content *content_new(void);
struct content *content_ref(struct content *c);
void content_unref(struct content *c);

/**
 * content_pattern_set() - Fill in a pattern; a regular expression is compiled here
 *
 * Return: 0; -EINVAL or -ENOMEM with @err
 */
BB_MUST_USE int content_pattern_set(struct content_pattern *p, enum content_pattern_type type,
				    const char *text, struct bb_err *err);
/** content_pattern_matches() - @path: compare a prefix by segment */
bool content_pattern_matches(const struct content_pattern *p, struct bb_span value);

/** content_add() - Grow an array by one zeroed element; NULL without memory or past @max */
void *content_add(void *array, size_t *n, size_t size, size_t max);
#endif
