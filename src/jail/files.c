/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include <errno.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Rights of later ABIs, which the headers of Debian 12 do not name */
#define ACCESS_REFER     (1ull << 13) /* ABI 2 */
#define ACCESS_TRUNCATE  (1ull << 14) /* ABI 3 */
#define ACCESS_IOCTL_DEV (1ull << 15) /* ABI 5 */

#define ACCESS_ABI_1 ((1ull << 13) - 1)
#define ACCESS_READ  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_CHANGE                                                                              \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* Everything this kernel can take away */
static uint64_t handled(long abi)
{
	return ACCESS_ABI_1 | (abi >= 2 ? ACCESS_REFER : 0) | (abi >= 3 ? ACCESS_TRUNCATE : 0) |
	       (abi >= 5 ? ACCESS_IOCTL_DEV : 0);
}

static int fail(struct bb_err *err, const char *what)
{
	int r = -errno;

	return bb_err_set(err, r, "landlock %s: %s", what, strerror(-r));
}

int jail_files(int dir, enum jail_access access, struct bb_err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { .handled_access_fs = handled(abi) };
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access == JAIL_CHANGE ? ACCESS_READ | ACCESS_CHANGE : ACCESS_READ,
		.parent_fd = dir,
	};
	bb_auto_close int set = -1;

#ifdef BB_JAIL_LOG_ONLY
	abi = 0; /* sanitizers look into /proc at exit */
#endif
	if (abi < 1)
		return 0; /* not built in (ENOSYS) or not enabled (EOPNOTSUPP) */
	set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (set < 0)
		return fail(err, "ruleset");
	if (dir >= 0 && syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		return fail(err, "rule");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return fail(err, "restriction");
	return 1;
}
