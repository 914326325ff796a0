/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One porter per command or copy: a process that reads the guest's exec frames, so that neither the
 * CLI nor bottled does. It gets a stream to the guest's exec agent (through gate) and a socket to
 * the CLI. The standing one has no CLI and keeps the guest's clock right.
 */
#include "base/log.h"
#include "ipc/sock.h"
#include "jail/jail.h"
#include "proc/bottled/bottle.h"
#include "proc/bottled/spawn.h"
#include "state/paths.h"
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define EXEC_PORT 5000

static void porter_free(struct porter *p)
{
	if (p->exit_event)
		event_free(p->exit_event);
	ipc_peer_free(p->peer);
	bb_closep(&p->pidfd);
	*p = (struct porter){ .pidfd = -1 };
}

static void on_porter_exit(evutil_socket_t fd, short what, void *arg)
{
	struct porter *p = arg;
	struct bottle *b = p->bottle;
	siginfo_t info = { 0 };

	(void)fd;
	(void)what;
	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	if (info.si_code != CLD_EXITED && b->phase != BOTTLE_ENDING)
		bottle_record(b, "porter_died", "a porter was killed by a signal");
	lasting_porter_gone(p);
	porter_free(p); /* costs only its own use: the CLI sees end of file */
}

static void on_porter_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct porter *p = arg;

	(void)peer;
	if (msg->type == IPC_FAILED)
		bb_log("porter: %.*s", (int)msg->u.text.text.len, (const char *)msg->u.text.text.p);
	if (msg->type == IPC_EXIT)
		lasting_exit(p, &msg->u.exit);
}

static void on_porter_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct porter *p = arg;

	(void)text;
	ipc_peer_free(peer);
	p->peer = NULL;
	if (why != -ENODATA && p->pid > 0)
		(void)kill(p->pid, SIGKILL); /* undecodable: only this use ends */
}

static struct porter *porter_slot(struct bottle *b)
{
	for (size_t i = 0; i < BOTTLE_PORTERS_MAX; i++) {
		if (b->porters[i].pid == 0)
			return &b->porters[i];
	}
	return NULL;
}

static int porter_spawn(struct bottle *b, struct porter *p, struct bb_err *err)
{
	char path[PATHS_MAX];
	char *argv[] = { path, NULL };
	int fds[2], r = paths_libexec("porter", path, err);
	struct spawn s = { .path = path,
			   .argv = argv,
			   .n_fds = 1,
			   .log_fd = b->log_fd,
			   .apart = true,
			   .strict = b->spec.jail_strict,
			   .keep = getuid() == 0 ? JAIL_KEEP_USER : 0 };

	if (r == 0)
		r = ipc_pair(fds, err);
	if (r < 0)
		return r;
	s.fds[0] = fds[1];
	p->bottle = b;
	p->pid = spawn_child(&s, &p->pidfd, err);
	(void)close(fds[1]);
	if (p->pid < 0) {
		p->pid = 0;
		(void)close(fds[0]);
		return err->code;
	}
	p->peer = ipc_peer_new(b->base, IPC_ROLE_BOTTLED, IPC_ROLE_PORTER, fds[0], on_porter_msg,
			       on_porter_dead, p);
	p->exit_event = event_new(b->base, p->pidfd, EV_READ | EV_PERSIST, on_porter_exit, p);
	if (!p->peer || !p->exit_event || event_add(p->exit_event, NULL) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	return 0;
}

/* The stream to the guest: one end for the porter, the other gate connects to port 5000 */
static int porter_give_stream(struct bottle *b, struct porter *p, struct bb_err *err)
{
	struct ipc_msg to_porter = { .type = IPC_FD, .u.kind.kind = IPC_FD_STREAM };
	struct ipc_msg to_gate = { .type = IPC_STREAM_OPEN, .u.stream_open.port = EXEC_PORT };
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return bb_err_set(err, -errno, "socketpair: %s", strerror(errno));
	to_porter.fd = fds[0];
	to_gate.fd = fds[1];
	to_gate.flow = ++b->next_use;
	r = ipc_peer_send(p->peer, &to_porter);
	if (r == 0)
		r = ipc_peer_send(b->children[IPC_ROLE_GATE].peer, &to_gate);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return r < 0 ? bb_err_set(err, r, "porter: %s", strerror(-r)) : 0;
}

int porters_give_cli(struct porter *p, int *ret_cli, struct bb_err *err)
{
	struct ipc_msg msg = { .type = IPC_PEER, .u.peer.role = IPC_ROLE_CLI };
	int fds[2], r = ipc_pair(fds, err);

	if (r < 0)
		return r;
	msg.fd = fds[1];
	r = ipc_peer_send(p->peer, &msg);
	(void)close(fds[1]);
	if (r < 0) {
		(void)close(fds[0]);
		return bb_err_set(err, r, "porter: %s", strerror(-r));
	}
	*ret_cli = fds[0];
	return 0;
}

int porters_open(struct bottle *b, const struct ipc_main_open *lasting, int *ret_cli,
		 struct porter **ret, struct bb_err *err)
{
	static const struct ipc_msg start = { .type = IPC_START, .fd = -1 };
	struct ipc_msg last = { .type = IPC_LASTING, .fd = -1 };
	struct porter *p = porter_slot(b);
	int r;

	if (!p)
		return bb_err_set(err, -EAGAIN, "%d commands are running in this bottle already",
				  BOTTLE_PORTERS_MAX);
	r = porter_spawn(b, p, err);
	if (r == 0)
		r = porter_give_stream(b, p, err);
	if (r == 0 && ret_cli)
		r = porters_give_cli(p, ret_cli, err);
	if (r < 0 && p->pid > 0)
		(void)kill(p->pid, SIGKILL); /* its exit event frees the slot */
	if (r < 0)
		return r;
	if (lasting) {
		last.u.main_open = *lasting;
		(void)ipc_peer_send(p->peer, &last);
	}
	(void)ipc_peer_send(p->peer, &start);
	*ret = p;
	return 0;
}

void porters_release(struct bottle *b)
{
	for (size_t i = 0; i < BOTTLE_PORTERS_MAX; i++) {
		struct porter *p = &b->porters[i];

		if (p->pid <= 0)
			continue;
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL, 0);
		porter_free(p);
	}
}
