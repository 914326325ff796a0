/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include <errno.h>
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
