/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

static int flags_of(unsigned int what)
{
	return CLONE_NEWIPC | CLONE_NEWUTS | (what & JAIL_KEEP_USER ? 0 : CLONE_NEWUSER) |
	       (what & JAIL_KEEP_NET ? 0 : CLONE_NEWNET);
}

bool jail_apart(unsigned int what)
{
	return unshare(flags_of(what)) == 0;
}

/* In a child, so that we stay where we are */
bool jail_namespaces(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(!jail_apart(0));
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* Ubuntu since 23.10, by default */
bool jail_apparmor(void)
{
	bb_auto_close int fd = open("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
				    O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 && c == '1';
}
