/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/rules.h"

/* Its files are open: written, cut and synced */
static const struct jail_rule rules[] = {
	JAIL_ALLOW(fdatasync),
	JAIL_ALLOW(pread64),
	JAIL_ALLOW(pwrite64),
	JAIL_ALLOW(ftruncate),
};
const struct jail_table recorder_rules = { rules, BB_ARRAY_LEN(rules) };
