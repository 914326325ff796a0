/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_REACH_H
#define BB_PROC_CLI_REACH_H
#include "proc/cli/launch.h"

/**
 * DOC: reach - a bottle whose files are wanted, running or kept
 *
 * Layer:     proc/cli
 * Used by:   cmd_workspace.c
 *
 * The host never reads a file system that a guest made: for a kept bottle its machine is started
 * for the time, with its image, no policy (nothing may leave), and nothing of the guest's run.
 */
struct reach {
	struct state_bottle bottle;
	json_t *meta;
	int control;
	bool started; /* by us: it ends with reach_release() */
};

/**
 * reach_open() - Find it and connect
 * @id:		NULL = the newest
 *
 * Return: 0 with @ret owned; -errno with @err, which says what is possible
 */
BB_MUST_USE int reach_open(const struct cli_args *args, const char *id, struct reach *ret,
			   struct bb_err *err);

/** reach_let_go() - Its files are here: end what was started. May be called twice */
void reach_let_go(struct reach *r);
void reach_release(struct reach *r);
#define reach_auto BB_CLEANUP(reach_release)
#endif
