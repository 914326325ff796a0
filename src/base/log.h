/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_LOG_H
#define BB_BASE_LOG_H
#include "base/base.h"

/**
 * DOC: log - one line to stderr, "role: text"
 *
 * Layer:     base
 * Used by:   processes; what a guest or server sent goes to the recorder, not here
 * Trust:     whatever is not printable ASCII is shown as \xNN, so nothing reaches a terminal raw
 */

/** bb_log_init() - Name this process (borrows @role for ever) */
void bb_log_init(const char *role);

/** bb_log() - One line */
BB_PRINTF(1, 2) void bb_log(const char *fmt, ...);
#endif
