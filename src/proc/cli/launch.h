/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_LAUNCH_H
#define BB_PROC_CLI_LAUNCH_H
#include "proc/cli/plan.h"

/** DOC: launch - carry a plan out, and reach bottles that run */

/**
 * launch_start() - Make the identity, start the backend, wait until the bottle is up
 * @ret_identity: for messages
 *
 * Progress goes to stderr. Return: owned control socket; -errno with @err
 */
BB_MUST_USE int launch_start(struct plan *p, char ret_identity[static STATE_IDENTITY_MAX],
			     struct bb_err *err);

/**
 * launch_connect() - Control socket of a running bottle
 * @id:		NULL = the newest that runs
 *
 * Return: owned fd; -errno with @err
 */
BB_MUST_USE int launch_connect(const char *id, char ret_identity[static STATE_IDENTITY_MAX],
			       struct bb_err *err);

/** launch_status() - What a running bottle says of itself: new object, NULL when it says nothing */
json_t *launch_status(int control);

/**
 * launch_sync() - Have the guest write to its disk what it holds in memory, for at most 12 s
 *
 * A machine is killed, not shut down. Where the disk is kept, this comes before launch_stop(). A
 * guest that does not do it, or says nothing, only loses what is its own.
 */
void launch_sync(int control);

/** launch_stop() - Ask it to end and wait until it has (15 s). Return: 0 or -errno with @err */
BB_MUST_USE int launch_stop(int control, struct bb_err *err);

/**
 * launch_finish() - After the session of a bottle: sync it where its disk is @keep, end it
 * @control:	closed
 * @code:	of session_run(); with SESSION_GOES_ON the bottle is left as it is
 *
 * Return: exit code for the shell
 */
int launch_finish(int control, const char *identity, bool keep, int code);

/** launch_meta() - What a bottle was made with. Return: 0 with a new reference, or -errno with @err
 */
BB_MUST_USE int launch_meta(const char *identity, json_t **ret, struct bb_err *err);
#endif
