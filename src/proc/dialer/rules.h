/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_RULES_H
#define BB_PROC_DIALER_RULES_H
#include "jail/jail.h"

/**
 * DOC: rules - the system calls that dialer keeps beyond jail_common
 *
 * Layer:     proc/dialer
 * Used by:   main.c; tests/unit/jail/roles.c, which pins them in tests/unit/jail/roles.golden
 */
extern const struct jail_table dialer_rules;
#endif
