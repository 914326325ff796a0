/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_FILES_H
#define BB_GUEST_FILES_H
#include "guest/config.h"

/**
 * DOC: files - what init writes into the root before anything of the image runs
 *
 * Layer:     guest
 * Used by:   init, once; tests with a directory of their own
 * Limits:    a file that cannot be written is said and passed over; the bottle still works
 */

/**
 * files_write() - hosts, hostname, resolv.conf, environment, profile, sudoers, apt
 * @root:	Directory fd of the root
 */
void files_write(int root, const struct guest_config *c);

/**
 * files_trust() - The CA bundle and the bottle's own root, where the image's programs look
 * @from:	Directory fd of /bottle/trust
 */
void files_trust(int root, int from, const struct guest_config *c);

/** files_sysctl() - Kernel settings and resource limits that all sessions inherit */
void files_sysctl(void);
#endif
