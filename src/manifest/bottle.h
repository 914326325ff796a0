/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_MANIFEST_BOTTLE_H
#define BB_MANIFEST_BOTTLE_H
#include "manifest/tree.h"
#include "policy/policy.h"
#include <jansson.h>

/**
 * DOC: bottle - a bottle as its manifests describe it
 *
 * Layer:     manifest
 * Used by:   cli
 * Trust:     files below ~/.bot-bottle only; parsed strictly, because every slip widens or narrows
 *            what a hostile guest may do. An empty, null or mistyped value never means "allow all"
 * Ownership: bottle_release(); strings are the bottle's own
 * Limits:    those of policy.h; 256 environment variables; 16 levels of extends
 */
#define BOTTLE_NAME_MAX 41 /* 40 + NUL */
#define BOTTLE_ENV_MAX  256

enum bottle_env_kind {
	BOTTLE_ENV_LITERAL = 0, /* value is the value */
	BOTTLE_ENV_HOST,        /* value names a host variable */
	BOTTLE_ENV_ASK,         /* value is the question */
};

/** struct bottle_env - One variable of the guest */
struct bottle_env {
	char *name;
	char *value;
	enum bottle_env_kind kind;
	bool secret;
	bool open;    /* `secret: false`: not one, whatever it looks like */
	json_t *to;   /* array of hosts it may leave to, or NULL */
	char *source; /* "file:line" */
};

/** struct bottle_route - A route, and where it stands */
struct bottle_route {
	struct policy_route route;
	char *source;
};

struct bottle_tcp {
	struct policy_tcp rule;
	char *source;
};

/**
 * struct bottle - Effective bottle
 * @not_built:	JSON array of "file:line:column: KEY: …" for keys that are valid but that this
 *		build cannot honour: such a bottle does not start
 * @notes:	JSON array of "file:line:column: …" for what is valid and probably meant otherwise
 * @sources:	JSON object key → "file:line" for scalars
 * @texts:	the same keys → what is written there
 * @has_*:	given by some file (for extends)
 */
struct bottle {
	char name[BOTTLE_NAME_MAX];
	struct bottle_env *env;
	size_t n_env;
	struct bottle_route *routes;
	size_t n_routes;
	struct bottle_tcp *tcp;
	size_t n_tcp;
	char *image;
	char *provider;                    /* agent_provider.template */
	char *auth_token;                  /* agent_provider.auth_token: a host variable */
	int host_login;                    /* .forward_host_credentials; -1 = not given */
	uint64_t memory_bytes, disk_bytes; /* 0 = not given */
	uint32_t cpus, pids;
	int log_level;                       /* -1 = not given */
	int transparent, forward, supervise; /* -1 = not given */
	bool routes_cleared, tcp_cleared;    /* `[]` was written: drops what the parents have */
	json_t *not_built;
	json_t *notes;
	json_t *sources;
	json_t *texts;
};

void bottle_init(struct bottle *b);
/** bottle_add_route() - Return: 0, then what @r owns is @b's; -E2BIG past POLICY_ROUTES_MAX or
 * without memory */
BB_MUST_USE int bottle_add_route(struct bottle *b, const struct bottle_route *r);
void bottle_release(struct bottle *b);
/** bottle_note() - What a scalar says, and where */
void bottle_note(struct bottle *b, const char *key, const struct tree *n);

/**
 * bottle_parse() - One file's frontmatter, without its parents
 * @root:	may be NULL (an empty frontmatter)
 * @extends:	JSON array that receives the parents: {name, line, column}
 *
 * Errors go to @diag; @ret is complete only when none were added
 */
void bottle_parse(const struct tree *root, struct bottle *ret, json_t *extends, struct diag *diag);

/**
 * bottle_fold() - @child over @parent, into @parent
 *
 * env: later wins. routes: the child's replace by (host, port) and add; `[]` clears. Scalars: last
 * wins. @child is empty afterwards.
 */
void bottle_fold(struct bottle *parent, struct bottle *child);

/** bottle_to_policy() - Fill routes, tcp, transparent and log level. Return: 0 or -errno with @err
 */
BB_MUST_USE int bottle_to_policy(const struct bottle *b, struct policy *policy, struct bb_err *err);

/* egress.c */
void bottle_parse_egress(const struct tree *map, struct bottle *b, struct diag *diag);

/* schema.c: what every section uses */
/** schema_is_map() - Complains and returns false when it is not */
bool schema_is_map(const struct tree *n, const char *what, struct diag *diag);
bool schema_is_seq(const struct tree *n, const char *what, struct diag *diag);
/** schema_text() - Non-empty scalar, or NULL after a complaint */
const char *schema_text(const struct tree *n, const char *what, struct diag *diag);
/** schema_bool() - true or false: 1, 0, or -1 after a complaint */
int schema_bool(const struct tree *n, const char *what, struct diag *diag);
/** schema_number() - Decimal between @min and @max; false after a complaint */
bool schema_number(const struct tree *n, const char *what, uint64_t min, uint64_t max,
		   uint64_t *ret, struct diag *diag);
/** schema_bytes() - "64MiB", "4GiB", "512KiB" or octets */
bool schema_bytes(const struct tree *n, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
		  struct diag *diag);
/** schema_one_of() - Index in @words (NULL-ended), -1 after a complaint */
int schema_one_of(const struct tree *n, const char *what, const char *const *words,
		  struct diag *diag);
/** schema_keys() - Complain about every key of @map that is not in @words */
void schema_keys(const struct tree *map, const char *what, const char *const *words,
		 struct diag *diag);
/**
 * schema_path() - A name, or a file: "/…", "./…", "../…", the last two beside the file they stand
 * in
 * @is_file:	it is a file, however it is written
 *
 * Return: owned; NULL after a complaint about ~ or $NAME, which nobody expands, or without memory
 */
char *schema_path(const struct tree *n, const char *what, bool is_file, struct diag *diag);
/** schema_is_variable() - Could it be the name of a variable? */
BB_MUST_USE bool schema_is_variable(const char *s);
/** schema_variable() - Name of a host variable */
const char *schema_variable(const struct tree *n, const char *what, struct diag *diag);
/** schema_host() - Host name, maybe "*.", into @ret; false after a complaint */
bool schema_host(const struct tree *n, bool wildcard_ok, char ret[static POLICY_NAME_MAX],
		 bool *ret_wildcard, struct diag *diag);
/** bottle_parse_content() - A route's keys about requests, into @c */
void bottle_parse_content(const struct tree *n, struct content *c, struct diag *diag);
/** schema_server() - "http://HOST:PORT", with @tls_ok also https; false after a complaint */
bool schema_server(const struct tree *n, const char *what, bool tls_ok, struct policy_upstream *ret,
		   struct diag *diag);
/** schema_not_built() - Note a key that this build cannot honour */
void schema_not_built(struct bottle *b, const struct tree *n, const char *key);
#endif
