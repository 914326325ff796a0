/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_PROBE_H
#define BB_GUEST_PROBE_H
#include "guest/config.h"
#include "guest/host.h"

/**
 * DOC: probe - the guest's own look at its way out, before anything of the image runs
 *
 * Layer:     guest
 * Used by:   init
 * Limits:    a minute in all
 * Source:    docs/protocol/guest-config.md
 */

/** probe_run() - Ask everything that is configured. Return: 0, or -errno with the reason in @err */
BB_MUST_USE int probe_run(const struct host_link *link, const struct guest_config *c,
			  struct bb_err *err);
#endif
