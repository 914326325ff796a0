/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/porter/rules.h"

/*
 * Names beneath the copy's directory. No kernel argument can be compared there (openat2 takes a
 * structure): what the names may reach is decided in copy.c, and after a takeover by Landlock.
 */
static const struct jail_rule copies[] = {
	JAIL_ALLOW(openat2),  JAIL_ALLOW(newfstatat), JAIL_ALLOW(readlinkat), JAIL_ALLOW(mkdirat),
	JAIL_ALLOW(unlinkat), JAIL_ALLOW(getdents64), JAIL_ALLOW(symlinkat),
};
const struct jail_table porter_copy_rules = { copies, BB_ARRAY_LEN(copies) };
