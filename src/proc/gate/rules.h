/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_RULES_H
#define BB_PROC_GATE_RULES_H
#include "jail/jail.h"

/**
 * DOC: rules - the system calls that gate keeps beyond jail_common
 *
 * Layer:     proc/gate
 * Used by:   main.c; tests/unit/jail/roles.c, which pins them in tests/unit/jail/roles.golden
 */
extern const struct jail_table gate_rules;
/** gate_listen_rules - Also these, where the guest's ports are UNIX sockets */
extern const struct jail_table gate_listen_rules;
#endif
