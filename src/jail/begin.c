/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int close_but(const int *keep, size_t n_keep, struct bb_err *err)
{
	unsigned int from = STDERR_FILENO + 1;

	for (size_t i = 0; i < n_keep; i++) {
		unsigned int fd = (unsigned int)keep[i];

		BB_BUG_ON(keep[i] < 0 || fd < from);
		if (fd > from && close_range(from, fd - 1, 0) < 0)
			return bb_err_set(err, -errno, "close_range: %s", strerror(errno));
		from = fd + 1;
	}
	if (close_range(from, ~0U, 0) < 0)
		return bb_err_set(err, -errno, "close_range: %s", strerror(errno));
	return 0;
}

int jail_begin(const int *keep, size_t n_keep, struct bb_err *err)
{
	struct rlimit files, none = { 0, 0 };
	int r = close_but(keep, n_keep, err);

	if (r < 0)
		return r;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return bb_err_set(err, -errno, "getrlimit: %s", strerror(errno));
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return bb_err_set(err, -errno, "setrlimit: %s", strerror(errno));
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return bb_err_set(err, -errno, "prctl: %s", strerror(errno));
	return 0;
}

int jail_die_with_parent(pid_t parent, struct bb_err *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return bb_err_set(err, -errno, "PR_SET_PDEATHSIG: %s", strerror(errno));
	/* It may have died before the signal was armed */
	if (getppid() != parent)
		return bb_err_set(err, -ESRCH, "the parent process is gone");
	return 0;
}
