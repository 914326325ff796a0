/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_CLI_RESIDENT_H
#define BB_CLI_RESIDENT_H
#include "backend/backend.h"

/**
 * DOC: resident - the memory that a running bottle's processes have
 *
 * Layer:     cli
 * Used by:   list
 * Trust:     reads /proc; what runs in a container may name and fork itself as it likes
 * Limits:    RESIDENT_PROCESSES_MAX processes of the host are looked at
 *
 * A machine's memory is that of its monitor. What runs in a container are processes of this host:
 * its process 1, whose pid the engine tells, and all that come from it; who loses its parent in
 * there gets process 1 for one. Pages that processes share count for each.
 */
#define RESIDENT_PROCESSES_MAX 65536u

/**
 * resident_add() - Add "resident_bytes" to what `list` says of a running bottle
 * @backend:	its backend, or NULL
 * @note:	what backend->note() had said, or NULL
 * @inout:	has "pids" (by role). Gets also "container_pid", or "resident_all": false where the
 *		container's processes are missing in the sum
 */
void resident_add(const struct backend *backend, const json_t *note, const char *identity,
		  json_t *inout);

/** resident_tree() - Memory of @pid and of all that come from it; 0 when it has gone */
uint64_t resident_tree(pid_t pid);
#endif
