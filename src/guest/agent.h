/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_AGENT_H
#define BB_GUEST_AGENT_H
#include "guest/host.h"
#include "guest/launch.h"

/**
 * DOC: agent - accepts the host's sessions on port 5000
 *
 * Layer:     guest
 * Used by:   init, which forks it and starts it again when it dies
 */

/** agent_run_dialling() - As agent_run() where only the guest can connect: one stream waits for the
 * host to speak, then the next. Ends when the host is gone */
_Noreturn void agent_run_dialling(const struct host_link *link, const struct launch_env *env);
/** agent_run() - Accept and fork a session per stream, for ever. @listener: from host_listen() */
_Noreturn void agent_run(int listener, const struct host_link *link, const struct launch_env *env);
#endif
