/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/unpacker/rules.h"

static const struct jail_rule files[] = {
	JAIL_ALLOW(pread64),
	JAIL_ALLOW(pwrite64),
	JAIL_ALLOW(lseek),
	JAIL_ALLOW(ftruncate),
};
const struct jail_table unpacker_rules = { files, BB_ARRAY_LEN(files) };

static const struct jail_rule names[] = {
	JAIL_ALLOW(openat2),
};
const struct jail_table unpacker_dir_rules = { names, BB_ARRAY_LEN(names) };
