/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent.h"
#include "guest/session.h"
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

_Noreturn void agent_run(int listener, const struct host_link *link, const struct launch_env *env)
{
	(void)signal(SIGCHLD, SIG_IGN); /* sessions are reaped by the kernel */
	for (;;) {
		int stream = host_accept(link, listener);
		pid_t pid;

		if (stream == -EPERM || stream == -EINTR || stream == -ECONNABORTED)
			continue;
		if (stream < 0) {
			(void)usleep(100000); /* out of fds or memory: it passes */
			continue;
		}
		pid = fork();
		if (pid == 0) {
			(void)close(listener);
			(void)signal(SIGCHLD, SIG_DFL);
			(void)prctl(PR_SET_NAME, "bb-session");
			session_run(stream, env);
			_exit(0);
		}
		(void)close(stream);
	}
}
