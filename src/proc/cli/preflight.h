/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_PREFLIGHT_H
#define BB_PROC_CLI_PREFLIGHT_H
#include "proc/cli/plan.h"
#include <stdio.h>

/** DOC: preflight - manifests into a plan, and what the user is shown before anything starts */

/**
 * plan_from_manifests() - config.yaml, --bottle, an agent's bottle, the backend
 * @agent:	NULL: none
 *
 * Return: 0 or -errno with @err; errors with a place have been printed
 */
BB_MUST_USE int plan_from_manifests(const struct cli_args *args, const char *agent, struct plan *p,
				    struct bb_err *err);

/**
 * preflight_backend() - Can the chosen backend run here?
 *
 * Return: true; false after saying on stderr what is missing and how to get it
 */
bool preflight_backend(const struct backend *backend);

/** preflight_content() - What of a route is not as usual, as the end of its line */
void preflight_content(const struct content *c, FILE *to);
#endif
