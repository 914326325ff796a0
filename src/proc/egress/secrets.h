/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_SECRETS_H
#define BB_EGRESS_SECRETS_H
#include "base/base.h"

/**
 * DOC: secrets - what the guard knows and nobody else in the bottle: IPC_BLOB_SECRETS
 *
 * Route tokens, which requests get on their way out; the placeholders that stand for them in the
 * guest; values of the guest's environment that must not leave; the canary.
 *
 * Layer:     proc/egress
 * Trust:     from the operator's CLI by way of bottled
 * Ownership: one secrets_load(); the memory is locked and never dumped (the process is not
 *            dumpable), and stays until the process ends
 * Limits:    SECRETS_MAX of each kind, SECRETS_VALUE_MAX octets each
 * Source:    docs/protocol/secrets.md
 */
#define SECRETS_MAX       512
#define SECRETS_VALUE_MAX 16384

/** struct secret_token - @value "": the host variable is not set */
struct secret_token {
	const char *name;
	const char *value;
	const char *placeholder;
};

/** struct secret_known - @n_to 0: to nobody */
struct secret_known {
	const char *name;
	const char *value;
	const char **to;
	size_t n_to;
	bool canary;
};

struct secrets {
	struct secret_token *tokens;
	size_t n_tokens;
	struct secret_known *known;
	size_t n_known;
	char *arena; /* every text above */
	size_t arena_size;
};

/** secrets_load() - From the sealed memfd, borrowed. Return: 0 or -errno with @err */
BB_MUST_USE int secrets_load(int fd, struct secrets *ret, struct bb_err *err);

/**
 * secrets_merge() - What has been known, and what the operator says now
 * @ret:	everything of @old under the placeholders that the guest has; tokens that are new;
 *for a token with another value that value, and the former one as a secret to look for
 *
 * Return: 1 with @ret, which borrows texts of both and owns its two lists; 0 when @more says
 *nothing new; -E2BIG or -ENOMEM with @err
 */
BB_MUST_USE int secrets_merge(const struct secrets *old, const struct secrets *more,
			      struct secrets *ret, struct bb_err *err);

/** secrets_release() - Wipe the texts, free the lists; nothing may borrow from it */
void secrets_release(struct secrets *s);

/** secret_may_go_to() - Does the manifest let it go to @host? */
bool secret_may_go_to(const struct secret_known *k, const char *host);
/** secrets_token() - By the name of its variable, or NULL */
const struct secret_token *secrets_token(const struct secrets *s, const char *name);

/** secrets_placeholder_in() - The token whose placeholder stands somewhere in @text, or NULL */
const struct secret_token *secrets_placeholder_in(const struct secrets *s, struct bb_span text);
#endif
