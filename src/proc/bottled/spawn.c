/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/bottled/spawn.h"
#include "base/log.h"
#include "jail/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FIRST_FD 3
#define SCRATCH  200 /* above every number the child will use */

/* Put @fds at 3, 4, … without treading on one that is still to be moved */
static int place_fds(const struct spawn *s)
{
	int high[SPAWN_FDS_MAX];
	int log = fcntl(s->log_fd, F_DUPFD_CLOEXEC, SCRATCH);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (log < 0 || null < 0)
		return -errno;
	for (size_t i = 0; i < s->n_fds; i++) {
		high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, SCRATCH);
		if (high[i] < 0)
			return -errno;
	}
	if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		return -errno;
	for (size_t i = 0; i < s->n_fds; i++) {
		if (dup2(high[i], FIRST_FD + (int)i) < 0)
			return -errno;
	}
	if (syscall(SYS_close_range, FIRST_FD + s->n_fds, ~0u, 0u) < 0)
		return -errno;
	return 0;
}

/* The signal at the parent's death is gone with the credentials, and set again */
static int go_apart(const struct spawn *s, pid_t parent, struct bb_err *err)
{
	if (!s->apart)
		return 0;
	if (!jail_apart(s->keep) && s->strict)
		return bb_err_set(err, -EPERM, "jail: strict, and the host refuses namespaces: %s",
				  strerror(errno));
	return jail_die_with_parent(parent, err);
}

static int child_prepare(const struct spawn *s, pid_t parent, struct bb_err *err)
{
	sigset_t none;
	int r = jail_die_with_parent(parent, err);

	if (r < 0)
		return r;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	r = place_fds(s);
	if (r < 0)
		return bb_err_set(err, r, "descriptors: %s", strerror(-r));
	r = go_apart(s, parent, err);
	if (r < 0)
		return r;
	if (!s->operators && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return bb_err_set(err, -errno, "no_new_privs: %s", strerror(errno));
	return s->confine ? s->confine(s, err) : 0;
}

_Noreturn static void child_main(const struct spawn *s, pid_t parent)
{
	static char *const env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
				     (char *)(uintptr_t) "LANG=C", NULL };
	struct bb_err err = { 0 };

	if (child_prepare(s, parent, &err) == 0) {
		(void)execve(s->path, s->argv, s->operators ? environ : env);
		(void)bb_err_set(&err, -errno, "%s: %s", s->path, strerror(errno));
	}
	bb_log("%s", err.msg);
	_exit(127);
}

pid_t spawn_child(const struct spawn *s, int *ret_pidfd, struct bb_err *err)
{
	pid_t parent = getpid(), pid;
	int pidfd;

	BB_BUG_ON(s->n_fds > SPAWN_FDS_MAX);
	pid = fork();
	if (pid < 0)
		return bb_err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0)
		child_main(s, parent);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		int r = bb_err_set(err, -errno, "pidfd_open: %s", strerror(errno));

		(void)kill(pid, SIGKILL);
		return r;
	}
	(void)fcntl(pidfd, F_SETFD, FD_CLOEXEC);
	*ret_pidfd = pidfd;
	return pid;
}
