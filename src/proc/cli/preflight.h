/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_PREFLIGHT_H
#define BB_PROC_CLI_PREFLIGHT_H
#include "proc/cli/plan.h"

/** DOC: preflight - manifests into a plan, and what the user is shown before anything starts */

/** plan_from_manifests() - --bottle, config.yaml, backend. Return: 0 or -errno with @err */
BB_MUST_USE int plan_from_manifests(const struct cli_args *args, struct plan *p,
				    struct bb_err *err);

/**
 * preflight_backend() - Can the chosen backend run here?
 *
 * Return: true; false after saying on stderr what is missing and how to get it
 */
bool preflight_backend(const struct backend *backend);
#endif
