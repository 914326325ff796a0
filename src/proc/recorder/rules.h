/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_RECORDER_RULES_H
#define BB_PROC_RECORDER_RULES_H
#include "jail/jail.h"

/**
 * DOC: rules - the system calls that recorder keeps beyond jail_common
 *
 * Layer:     proc/recorder
 * Used by:   main.c; tests/unit/jail/roles.c, which pins them in tests/unit/jail/roles.golden
 */
extern const struct jail_table recorder_rules;
#endif
