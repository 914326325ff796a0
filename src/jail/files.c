/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

long jail_landlock(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

#ifdef BB_JAIL_LOG_ONLY
	abi = 0; /* sanitizers look into /proc at exit */
#endif
	return abi < 1 ? 0 : abi; /* not built in (ENOSYS) or not enabled (EOPNOTSUPP) */
}

static int restrict_self(int set, struct bb_err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return fail(err, "restriction");
	return 1;
}

static int make_set(long abi, struct bb_err *err)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = handled(abi) };
	int set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	return set < 0 ? fail(err, "ruleset") : set;
}

static int add_rule(int set, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };

	return (int)syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

int jail_files(int dir, enum jail_access access, struct bb_err *err)
{
	long abi = jail_landlock();
	bb_auto_close int set = -1;

	if (abi < 1)
		return 0;
	set = make_set(abi, err);
	if (set < 0)
		return set;
	if (dir >= 0 && add_rule(set, dir,
				 access == JAIL_CHANGE ? LANDLOCK_ACCESS_FS_READ_DIR | ACCESS_CHANGE
						       : ACCESS_READ))
		return fail(err, "rule");
	return restrict_self(set, err);
}

/* What is not there needs no rule */
static void add_path(int set, const char *path, uint64_t access)
{
	bb_auto_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode))
		access &= ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;
	(void)add_rule(set, fd, access);
}

/* The directory above the one that the program is in: its libraries and firmware */
static void add_prefix(int set, const char *program, uint64_t access)
{
	char path[4096];
	char *slash;

	(void)snprintf(path, sizeof(path), "%s", program);
	for (int i = 0; i < 2 && (slash = strrchr(path, '/')) && slash != path; i++)
		*slash = '\0';
	if (strrchr(path, '/') != path || strlen(path) > 1)
		add_path(set, path, access);
}

int jail_vmm_files(const char *program, const int *fds, size_t n_fds, struct bb_err *err)
{
	static const char *const programs[] = { "/usr", "/lib", "/lib64", "/nix/store",
						"/gnu/store" };
	static const char *const files[] = { "/etc/ld.so.cache", "/etc/qemu", "/proc/self",
					     "/dev/urandom", "/dev/random" };
	const uint64_t run = ACCESS_READ | LANDLOCK_ACCESS_FS_EXECUTE;
	const uint64_t change = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
	long abi = jail_landlock();
	bb_auto_close int set = -1;

	if (abi < 1)
		return 0;
	set = make_set(abi, err);
	if (set < 0)
		return set;
	for (size_t i = 0; i < BB_ARRAY_LEN(programs); i++)
		add_path(set, programs[i], run);
	for (size_t i = 0; i < BB_ARRAY_LEN(files); i++)
		add_path(set, files[i], ACCESS_READ);
	add_prefix(set, program, run);
	add_path(set, "/dev/kvm", change | (abi >= 5 ? ACCESS_IOCTL_DEV : 0));
	add_path(set, "/dev/null", change);
	for (size_t i = 0; i < n_fds; i++) {
		int flags = fcntl(fds[i], F_GETFL);

		/* Sockets and memfds are no part of a file system, and need no rule */
		(void)add_rule(set, fds[i],
			       (flags & O_ACCMODE) == O_RDWR
				       ? change
				       : (uint64_t)LANDLOCK_ACCESS_FS_READ_FILE);
	}
	return restrict_self(set, err);
}
