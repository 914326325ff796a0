/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent.h"
#include "guest/session.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define DIAL_TRIES 50

static void serve(int stream, int listener, const struct launch_env *env)
{
	if (fork() == 0) {
		if (listener >= 0)
			(void)close(listener);
		(void)signal(SIGCHLD, SIG_DFL);
		(void)prctl(PR_SET_NAME, "bb-session");
		session_run(stream, env);
		_exit(0);
	}
	(void)close(stream);
}

_Noreturn void agent_run_dialling(const struct host_link *link, const struct launch_env *env)
{
	unsigned int failed = 0;

	(void)signal(SIGCHLD, SIG_IGN);
	while (failed < DIAL_TRIES) {
		int stream = host_connect(link, HOST_PORT_EXEC, HOST_CONNECT_MS, false);
		struct pollfd p = { .fd = stream, .events = POLLIN };
		uint8_t octet;

		if (stream >= 0 && poll(&p, 1, -1) == 1 && recv(stream, &octet, 1, MSG_PEEK) == 1) {
			serve(stream, -1, env);
			failed = 0;
			continue;
		}
		if (stream >= 0)
			(void)close(stream);
		failed++;
		(void)usleep(20000);
	}
	_exit(1);
}

_Noreturn void agent_run(int listener, const struct host_link *link, const struct launch_env *env)
{
	(void)signal(SIGCHLD, SIG_IGN); /* sessions are reaped by the kernel */
	for (;;) {
		int stream = host_accept(link, listener);

		if (stream == -EPERM || stream == -EINTR || stream == -ECONNABORTED)
			continue;
		if (stream < 0) {
			(void)usleep(100000); /* out of fds or memory: it passes */
			continue;
		}
		serve(stream, listener, env);
	}
}
