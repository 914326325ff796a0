/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bottled: owns one bottle from start to end. Started by the CLI with a socket on fd 3; leads a
 * session of its own, so that a terminal's signals reach only the CLI.
 */
#include "base/io.h"
#include "base/log.h"
#include "ipc/sock.h"
#include "jail/jail.h"
#include "proc/bottled/bottle.h"
#include "state/audit_chain.h"
#include "state/bottle.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define CLI_FD 3

/* BLOB BOTTLE, BLOB POLICY, START from the CLI */
static int receive_spec(struct spec *ret, struct bb_err *err)
{
	int blobs[IPC_NUM_BLOB_KINDS];
	uint8_t buf[IPC_MSG_MAX];
	int r;

	for (size_t i = 0; i < BB_ARRAY_LEN(blobs); i++)
		blobs[i] = -1;
	for (;;) {
		struct ipc_msg msg = { .fd = -1 };

		r = ipc_recv(CLI_FD, buf, &msg, err);
		if (r < 0)
			break;
		if (msg.type == IPC_START)
			break;
		if (msg.type != IPC_BLOB || blobs[msg.u.kind.kind] >= 0) {
			bb_closep(&msg.fd);
			r = bb_err_set(err, -EBADMSG, "%s before START", ipc_type_name(msg.type));
			break;
		}
		blobs[msg.u.kind.kind] = msg.fd;
	}
	if (r == 0)
		r = spec_load(blobs[IPC_BLOB_BOTTLE], BB_TAKE_FD(blobs[IPC_BLOB_POLICY]), ret, err);
	if (r == 0)
		ret->secrets_fd = BB_TAKE_FD(blobs[IPC_BLOB_SECRETS]);
	if (r == 0)
		ret->rules_fd = BB_TAKE_FD(blobs[IPC_BLOB_RULES]);
	if (r == 0)
		ret->proxy_auth_fd = BB_TAKE_FD(blobs[IPC_BLOB_PROXY_AUTH]);
	for (size_t i = 0; i < BB_ARRAY_LEN(blobs); i++)
		bb_closep(&blobs[i]);
	return r;
}

static int open_dirs(struct bottle *b, struct bb_err *err)
{
	b->state_dir = paths_open_private(b->spec.state_dir, err);
	if (b->state_dir < 0)
		return b->state_dir;
	if (state_lock(b->state_dir, err) < 0) {
		bb_closep(&b->state_dir); /* another's: nothing in it is ours to remove */
		b->state_dir = -1;
		return err->code;
	}
	b->runtime_dir = paths_open_private(b->spec.runtime_dir, err);
	if (b->runtime_dir < 0)
		return b->runtime_dir;
	(void)unlinkat(b->state_dir, STATE_EXIT_FILE, 0); /* of its life before */
	b->log_fd = openat(b->state_dir, "host.log",
			   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->log_fd < 0)
		return bb_err_set(err, -errno, "%s/host.log: %s", b->spec.state_dir,
				  strerror(errno));
	if (dup2(b->log_fd, 2) < 0)
		return bb_err_set(err, -errno, "host.log: %s", strerror(errno));
	return state_pid_write(b->runtime_dir, getpid(), err);
}

static void raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct bottle *b = arg;

	(void)signo;
	(void)what;
	b->stopped = "the bottle was stopped: a signal to its bottled";
	bottle_end(b, "signal");
}

static int watch_signals(struct bottle *b, struct bb_err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < BB_ARRAY_LEN(signals); i++) {
		b->signal_events[i] = evsignal_new(b->base, signals[i], on_signal, b);
		if (!b->signal_events[i] || event_add(b->signal_events[i], NULL) < 0)
			return bb_err_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

/* The second layer of every child's jail, which not every host has */
static int look_at_jail(struct bottle *b, struct bb_err *err)
{
	b->landlock = jail_landlock();
	b->namespaces = jail_namespaces();
	if (!b->spec.jail_strict || (b->landlock && b->namespaces))
		return 0;
	return bb_err_set(err, -EPERM,
			  "jail: strict, and this host has no %s; bot-bottle doctor says more",
			  b->landlock ? "unprivileged user namespaces" : "Landlock");
}

/* Who started us is connected first, to be told what fails */
static int prepare(struct bottle *b, struct bb_err *err)
{
	int r = control_adopt(b, CLI_FD, err);

	if (r == 0 && !*b->spec.engine)
		r = vmm_accel_choose(b->spec.accel, &b->accel, err);
	if (r == 0)
		r = open_dirs(b, err);
	if (r == 0)
		r = look_at_jail(b, err);
	if (r == 0)
		r = watch_signals(b, err);
	return r == 0 ? control_listen(b, err) : r;
}

static int run(struct bottle *b, struct bb_err *err)
{
	int r;

	b->base = event_base_new();
	if (!b->base)
		return bb_err_set(err, -ENOMEM, "no event loop");
	r = prepare(b, err);
	if (r < 0)
		return r;
	b->started_ms = bb_wall_ms();
	bottle_advance(b); /* makes the timer */
	r = bottle_start_attempt(b, err);
	if (r == 0)
		(void)event_base_dispatch(b->base);
	return r;
}

/* Nothing of the bottle runs after this; what stays on disk is its metadata and audit */
static void finish(struct bottle *b, const struct bb_err *err)
{
	struct bb_err unsigned_why = { 0 };
	struct timeval now = { 0 };

	if (err->code && !b->why.code) {
		b->why = *err;
		b->exit_code = 125;
		bottle_record(b, "failed", err->msg);
	}
	b->phase = BOTTLE_ENDING;
	porters_release(b);
	network_release(b);
	children_release(b);
	probes_release(b);
	reload_release(b);
	if (b->state_dir >= 0 && b->started_ms &&
	    audit_head_sign(b->state_dir, b->spec.policy.identity, bb_wall_ms(), &unsigned_why) < 0)
		bb_log("%s", unsigned_why.msg);
	/* Work that a failure has cut off is kept, until `cleanup` */
	if (b->state_dir >= 0 && !b->spec.keep_disk && !(b->why.code && b->was_up))
		(void)unlinkat(b->state_dir, "disk.ext4", 0);
	if (b->runtime_dir >= 0)
		(void)unlinkat(b->runtime_dir, "pid", 0);
	control_unlisten(b);
	if (b->runtime_dir >= 0)
		(void)rmdir(b->spec.runtime_dir);
	/* The lock goes before the CLI is told: what it does next may need it */
	bb_closep(&b->state_dir);
	b->state_dir = -1;
	if (b->why.code)
		control_ended(b, b->exit_code, b->why.msg);
	else if (b->stopped)
		control_ended(b, 125, b->stopped);
	if (b->base) {
		(void)event_base_loopexit(b->base, &now); /* flush what is queued for the CLI */
		(void)event_base_loop(b->base, EVLOOP_NONBLOCK);
	}
	control_release(b);
}

int main(void)
{
	static struct bottle b = {
		.state_dir = -1, .runtime_dir = -1, .log_fd = -1, .qmp_fd = -1, .control_fd = -1
	};
	struct bb_err err = { 0 };

	bb_log_init("bottled");
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	(void)setsid();
	(void)fcntl(CLI_FD, F_SETFD, FD_CLOEXEC);
	raise_nofile();
	b.spec.policy_fd = -1;
	b.reload.staged = (struct staged)STAGED_NONE;
	for (int i = 0; i < VMM_FD_END; i++)
		b.vmm_fds[i] = -1;
	for (int i = 0; i < IPC_NUM_ROLES; i++)
		b.children[i].pidfd = -1;
	for (size_t i = 0; i < BOTTLE_PORTERS_MAX; i++)
		b.porters[i].pidfd = -1;

	if (receive_spec(&b.spec, &err) < 0) {
		struct ipc_msg msg = { .type = IPC_BOTTLE_FAILED, .fd = -1 };
		struct bb_err ignored = { 0 };

		msg.u.bottle_failed.code = 125;
		msg.u.bottle_failed.text = BB_SPAN_STR(err.msg);
		(void)!ipc_send(CLI_FD, &msg, &ignored);
		return 1;
	}
	(void)run(&b, &err);
	finish(&b, &err);
	return b.why.code ? 1 : 0;
}
