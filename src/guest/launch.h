/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_LAUNCH_H
#define BB_GUEST_LAUNCH_H
#include "guest/config.h"
#include "guest/request.h"
#include "guest/user.h"

/**
 * DOC: launch - start the process of one session
 *
 * Layer:     guest
 * Used by:   session
 *
 * The child is a session leader in a cgroup of its own, so that everything it leaves behind can be
 * found: by process group for signals, by cgroup for the end and for the OOM killer's count.
 */
#define LAUNCH_PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define LAUNCH_NOT_FOUND    127
#define LAUNCH_NOT_EXEC     126
#define LAUNCH_FAILED       125

/**
 * struct launch_env - What all sessions share (all borrowed)
 * @etc:	Directory of passwd and group
 * @cgroup:	Directory under which each session gets its own, or NULL
 */
struct launch_env {
	const struct guest_config *config;
	const char *etc;
	const char *cgroup;
};

/**
 * struct child - A running session process; child_release() closes the fds
 * @in:		Its stdin, non-blocking; -1 = closed
 * @out:	Its stdout; with a tty the same terminal as @in
 * @err:	Its stderr; -1 with a tty
 * @cgroup:	Its cgroup directory, "" = none
 */
struct child {
	pid_t pid;
	int pidfd, in, out, err;
	bool tty;
	char cgroup[64];
};

/**
 * launch() - Fork and exec what @req asks for
 *
 * Return: 0, or the exit code to report (LAUNCH_*) with @err
 */
BB_MUST_USE int launch(const struct launch_env *env, const struct request *req, struct child *ret,
		       struct bb_err *err);

/** child_signal() - To the foreground group of its terminal, else to its own group */
void child_signal(const struct child *c, int signal);

/** child_kill_all() - SIGKILL to everything in its cgroup and group */
void child_kill_all(const struct child *c);

/** child_was_oom_killed() - Did the kernel's OOM killer strike in its cgroup? */
bool child_was_oom_killed(const struct child *c);

/** child_release() - Close the fds, remove the cgroup when it is empty */
void child_release(struct child *c);
#endif
