/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BACKEND_SMOLMACHINES_H
#define BB_BACKEND_SMOLMACHINES_H
#include "backend/backend.h"

/**
 * DOC: smolmachines - micro-VM backend: QEMU microvm, own kernel, no network device
 *
 * start() forks bottled, which owns the bottle from then on; connect() reaches its control socket.
 */
extern const struct backend backend_smolmachines;
#endif
