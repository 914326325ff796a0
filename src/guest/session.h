/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_SESSION_H
#define BB_GUEST_SESSION_H
#include "guest/launch.h"

/**
 * DOC: session - one stream on port 5000: one command, one copy, or only PINGs
 *
 * Layer:     guest
 * Used by:   agent, which forks a process per stream, so that a session cannot harm another
 * Limits:    64 KiB each way in memory, 1 MiB for the EXEC frame; whoever does not read stops the
 *            other side
 * Source:    docs/protocol/exec.md
 */

/**
 * session_run() - Serve the stream until it is over
 * @stream:	Taken
 */
void session_run(int stream, const struct launch_env *env);
#endif
