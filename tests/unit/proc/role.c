/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/proc/role.h"
#include "ipc/policy_json.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static void pair(int fds[2])
{
	const struct timeval limit = { .tv_sec = 5 };
	struct bb_err err = { 0 };

	assert_int_equal(ipc_pair(fds, &err), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
}

void role_spawn(struct role *r, const char *exe)
{
	int fds[2];

	pair(fds);
	for (size_t i = 0; i < IPC_NUM_ROLES; i++)
		r->peers[i] = -1;
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		int fd = fcntl(fds[1], F_DUPFD, 10);

		if (dup2(fd, IPC_BOOT_FD) != IPC_BOOT_FD)
			_exit(98);
		(void)execl(exe, exe, (char *)NULL);
		_exit(99);
	}
	(void)close(fds[1]);
	r->bottled = fds[0];
}

void role_send(int fd, const struct ipc_msg *msg)
{
	struct bb_err err = { 0 };

	assert_int_equal(ipc_send(fd, msg, &err), 0);
}

void role_give_peer(struct role *r, enum ipc_role who)
{
	int fds[2];

	pair(fds);
	r->peers[who] = fds[0];
	role_send(r->bottled,
		  &(struct ipc_msg){ .type = IPC_PEER, .fd = fds[1], .u.peer.role = (uint8_t)who });
	(void)close(fds[1]);
}

void role_give_fd(struct role *r, enum ipc_fd_kind kind, int fd)
{
	role_send(r->bottled,
		  &(struct ipc_msg){ .type = IPC_FD, .fd = fd, .u.kind.kind = (uint8_t)kind });
	(void)close(fd);
}

void role_give_policy(struct role *r, const struct policy *policy)
{
	struct bb_err err = { 0 };
	int fd = policy_to_memfd(policy, &err);

	assert_true(fd >= 0);
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_BLOB, .fd = fd });
	(void)close(fd);
}

enum ipc_type role_recv(struct role *r, int fd)
{
	struct bb_err err = { 0 };
	int got = ipc_recv(fd, r->buf, &r->msg, &err);

	if (got == -ENODATA)
		return IPC_NONE;
	if (got < 0)
		print_message("receive: %s\n", err.code ? err.msg : "nothing in five seconds");
	assert_int_equal(got, 0);
	return r->msg.type;
}

uint64_t role_cpu_us(const struct role *r)
{
	struct timespec ts;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(r->pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

int role_wait(struct role *r)
{
	int status;

	for (unsigned int i = 0; i < 500; i++) {
		if (waitpid(r->pid, &status, WNOHANG) == r->pid)
			return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
		(void)usleep(10000);
	}
	(void)kill(r->pid, SIGKILL);
	(void)waitpid(r->pid, &status, 0);
	fail_msg("the role did not end");
	return -1;
}

void role_close(struct role *r)
{
	bb_closep(&r->bottled);
	r->bottled = -1;
	for (size_t i = 0; i < IPC_NUM_ROLES; i++) {
		bb_closep(&r->peers[i]);
		r->peers[i] = -1;
	}
}

int role_end(struct role *r)
{
	int code;

	bb_closep(&r->bottled);
	r->bottled = -1;
	code = role_wait(r);
	role_close(r);
	return code;
}
