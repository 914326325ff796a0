/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_CODEX_LOGIN_H
#define BB_PROC_CLI_CODEX_LOGIN_H
#include "base/base.h"

/**
 * DOC: codex_login - the login that Codex has on this host, for the egress guard
 *
 * Layer:     proc/cli
 * Used by:   provider.c (agent_provider.forward_host_credentials);
 *            tests/unit/proc/cli/codex_login.c
 * Trust:     the operator's own file; read with bounds, because its form is the vendor's
 * Ownership: struct codex_login owns its strings; codex_login_release() wipes the token
 * Limits:    a file of 1 MiB, a token of CODEX_TOKEN_MAX
 *
 * Only the access token (or the API key) is taken, and the account that it belongs to. The refresh
 * token stays where it is: a bottle cannot renew, Codex on the host does that.
 */
#define CODEX_TOKEN_MAX 12288u

/**
 * struct codex_login - What was found
 * @token:	access token, or API key
 * @account:	letters, digits, '-' and '_'; "" where there is none
 * @is_key:	@token is an API key, as `codex login --with-api-key` writes it
 * @expires_ms:	since 1970; 0: unknown
 */
struct codex_login {
	char *token;
	char *account;
	bool is_key;
	uint64_t expires_ms;
};

void codex_login_release(struct codex_login *l);

/**
 * codex_login_parse() - The text of an auth.json
 * @now_ms:	wall clock
 *
 * Return: 0 with @ret owned; -EBADMSG (not such a file), -ENOENT (no login in it), -EKEYEXPIRED,
 * each with @err, which names the way out and never the token
 */
BB_MUST_USE int codex_login_parse(struct bb_span text, uint64_t now_ms, struct codex_login *ret,
				  struct bb_err *err);

/** codex_login_read() - That of $CODEX_HOME, else ~/.codex. Return: as above, or -errno with @err
 */
BB_MUST_USE int codex_login_read(struct codex_login *ret, struct bb_err *err);
#endif
