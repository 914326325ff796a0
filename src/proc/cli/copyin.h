/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_COPYIN_H
#define BB_PROC_CLI_COPYIN_H
#include "proc/cli/plan.h"
#include "workspace/tree.h"

/**
 * DOC: copyin - the working directory into /workspace: what goes along, what stays behind
 *
 * Layer:     proc/cli
 * Used by:   cmd_run.c; what was copied is the start that cmd_workspace.c compares with
 */

/** struct copyin - @base: what is copied; @skip: names that are not, each ended by a NUL */
struct copyin {
	struct tree base;
	struct bb_buf skip;
};

void copyin_release(struct copyin *c);
#define copyin_auto BB_CLEANUP(copyin_release)

/**
 * copyin_plan() - Look at the working directory, and say in the preflight what stays behind
 * @args:	--gitignore, --include-secrets
 *
 * Return: 0 with @ret owned; -errno with @err
 */
BB_MUST_USE int copyin_plan(const struct cli_args *args, struct plan *p, struct copyin *ret,
			    struct bb_err *err);

/** copyin_run() - Note down the start, then copy. Return: 0 or -errno with @err */
BB_MUST_USE int copyin_run(const struct copyin *c, const struct plan *p, const char *identity,
			   int control, struct bb_err *err);

#define COPYIN_DIR  "/workspace"
#define COPYIN_FILE "workspace" /* in the bottle's state directory: tree_save() */
#define COPYIN_MAX  (512u << 20)
#endif
