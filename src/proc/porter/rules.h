/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_PORTER_RULES_H
#define BB_PROC_PORTER_RULES_H
#include "jail/jail.h"

/**
 * DOC: rules - the system calls that porter keeps beyond jail_common
 *
 * Layer:     proc/porter
 * Used by:   main.c; tests/unit/jail/roles.c, which pins them in tests/unit/jail/roles.golden
 */
/** porter_copy_rules - For a copy; a command has jail_common alone */
extern const struct jail_table porter_copy_rules;
#endif
