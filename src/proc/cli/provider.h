/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_CLI_PROVIDER_H
#define BB_CLI_PROVIDER_H
#include "proc/cli/plan.h"

/**
 * DOC: provider - what a kind of agent needs: image, command, credential, route, files
 *
 * A template is data (provider.c). Its API's credential is brokered as any route's: the guest has a
 * placeholder. The route masks what is found (`redact`), because an agent sends its transcript
 * again with each turn, and one secret in it must not end the session.
 *
 * Layer:     proc/cli
 * Used by:   plan.c, cmd_run.c, cmd_check.c
 */
struct bottle;
struct provider;

/** provider_find() - "claude" or "codex"; NULL for "command" and all else */
const struct provider *provider_find(const char *name);

/** provider_variable() - The host variable that its credential is usually in */
const char *provider_variable(const struct provider *v);

/**
 * provider_plan() - Before plan_secrets(): image, variables, route
 *
 * Takes the credential from p->auth_token's variable, else from the first of its usual ones that is
 * set; with forward_host_credentials from the login that the program has on this host
 * (codex_login.h). Return: 0; -ENOENT with an @err that names them, or what is wrong with the
 * login; -EEXIST when a route of the bottle is for the same host
 */
BB_MUST_USE int provider_plan(struct plan *p, struct bb_err *err);
/**
 * provider_show() - To who only looks at a bottle: the route that `start` adds
 * @b:		is given the route, its source says where it is from
 * @template:	name of a provider; what is none adds nothing
 *
 * The credential need not be there. Return: 0, or -E… with @err as provider_plan() for what is
 * wrong in the bottle
 */
BB_MUST_USE int provider_show(struct bottle *b, const char *template, struct bb_err *err);
/** provider_place() - After plan_secrets(): the placeholder under the name that the program reads
 */
BB_MUST_USE int provider_place(struct plan *p, struct bb_err *err);
/** provider_check_skills() - Are all skills there, on the host? Return: 0, or -ENOENT with @err */
BB_MUST_USE int provider_check_skills(const struct plan *p, struct bb_err *err);
/** provider_copy() - Settings, instructions and skills into the running bottle */
BB_MUST_USE int provider_copy(const struct plan *p, int control, struct bb_err *err);
/**
 * provider_argv() - Its command
 * @prompt:	what it is to do, or NULL
 * @headless:	without a terminal
 * @ret:	PROVIDER_ARGV_MAX pointers, borrowed of @p and the templates. Return: how many
 */
#define PROVIDER_ARGV_MAX 16
size_t provider_argv(const struct plan *p, const char *prompt, bool headless, char **ret);
#endif
