/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_UNPACKER_RULES_H
#define BB_PROC_UNPACKER_RULES_H
#include "jail/jail.h"

/**
 * DOC: rules - the system calls that unpacker keeps beyond jail_common
 *
 * Layer:     proc/unpacker
 * Used by:   main.c; tests/unit/jail/roles.c, which pins them in tests/unit/jail/roles.golden
 */
/** unpacker_rules - Parts of the files it was given */
extern const struct jail_table unpacker_rules;
/** unpacker_dir_rules - For the directory of a layout: names beneath it, which Landlock bounds */
extern const struct jail_table unpacker_dir_rules;
#endif
