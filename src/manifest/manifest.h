/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_MANIFEST_MANIFEST_H
#define BB_MANIFEST_MANIFEST_H
#include "manifest/bottle.h"

/**
 * DOC: manifest - files: frontmatter and body, extends, agents, config.yaml
 *
 * Layer:     manifest
 * Used by:   cli; fuzz/manifest.c
 * Trust:     bottles and config.yaml come from the operator's directory only; agents may come from
 *            a repository and hold nothing that widens what a bottle may do
 *
 * Reading is lazy: a broken file is an error only when it is used.
 */

/** struct manifest_dirs - @home: ~/.bot-bottle; @cwd: where .bot-bottle/agents may be */
struct manifest_dirs {
	const char *home;
	const char *cwd;
};

/**
 * manifest_split() - Frontmatter and body of a file
 * @ret_line:	lines before the frontmatter's first (1)
 *
 * Return: false after a complaint (no "---", not closed)
 */
bool manifest_split(struct bb_span text, const char *file, struct bb_span *ret_front,
		    struct bb_span *ret_body, struct diag *diag);

/**
 * manifest_bottle() - Effective bottle: parents first, then itself
 *
 * Return: 0 with @ret to release; -ENOENT with @err (no such bottle, and which there are);
 * -EINVAL when @diag has errors
 */
BB_MUST_USE int manifest_bottle(const struct manifest_dirs *dirs, const char *name,
				struct bottle *ret, struct diag *diag, struct bb_err *err);

/** manifest_bottles() - Several, folded left to right. Returns as manifest_bottle() */
BB_MUST_USE int manifest_bottles(const struct manifest_dirs *dirs, const char *const *names,
				 size_t n, struct bottle *ret, struct diag *diag,
				 struct bb_err *err);

/** struct agent - One agent; @bottle, @prompt may be NULL */
struct agent {
	char *bottle;
	char *prompt;
	json_t *skills;
	char *file;
	bool shadowed; /* an agent of the same name in the working directory was passed over */
};

BB_MUST_USE int manifest_agent(const struct manifest_dirs *dirs, const char *name,
			       struct agent *ret, struct diag *diag, struct bb_err *err);
void agent_release(struct agent *a);

/** struct config - config.yaml; every field may be unset (NULL, 0) */
struct config {
	char *backend;
	char *accel;
	char *image;
	char *mirror;
	char *jail;
	uint64_t memory_bytes, disk_bytes;
	uint32_t cpus, pids, boot_seconds;
	json_t *upstream_ca_files; /* array of paths */
	struct ip_addr resolvers[POLICY_RESOLVERS_MAX];
	size_t n_resolvers;
	struct policy_proxy proxy;
	char *proxy_auth; /* host variable with user:password for it */
};

/** manifest_config() - A missing file is an empty one. Return: 0; -EINVAL with @diag; -errno */
BB_MUST_USE int manifest_config(const struct manifest_dirs *dirs, struct config *ret,
				struct diag *diag, struct bb_err *err);
void config_release(struct config *c);

/**
 * manifest_names() - Names of the bottles ("bottles") or agents ("agents") in @home
 *
 * Return: new JSON array, sorted
 */
json_t *manifest_names(const struct manifest_dirs *dirs, const char *kind);
/** manifest_strays() - Files beside them that somebody took for some: Docs.md, docs.yaml */
json_t *manifest_strays(const struct manifest_dirs *dirs, const char *kind);

/**
 * manifest_no_such() - Say that there is none of this name, and which was meant or which there are
 * @kind:	"bottles" or "agents"
 *
 * Return: -ENOENT
 */
int manifest_no_such(const struct manifest_dirs *dirs, const char *kind, const char *name,
		     struct bb_err *err);

/** manifest_has_repo_bottles() - Does the working directory ship bottles (which count for nothing)?
 */
bool manifest_has_repo_bottles(const struct manifest_dirs *dirs);
#endif
