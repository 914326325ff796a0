/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standing processes. The table of pairs is the whole of who can talk to whom: a pair that is
 * not made here has no socket.
 */
#include "base/io.h"
#include "base/log.h"
#include "base/printable.h"
#include "image/image.h"
#include "ipc/sock.h"
#include "jail/jail.h"
#include "proc/bottled/bottle.h"
#include "proc/bottled/guest_config.h"
#include "proc/bottled/java_trust.h"
#include "proc/bottled/spawn.h"
#include "state/audit_files.h"
#include "state/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define PEM_MAX (4u << 20)

static const struct {
	enum ipc_role a, b;
} pairs[] = {
	{ IPC_ROLE_GATE, IPC_ROLE_EGRESS },     { IPC_ROLE_GATE, IPC_ROLE_DIALER },
	{ IPC_ROLE_EGRESS, IPC_ROLE_DIALER },   { IPC_ROLE_EGRESS, IPC_ROLE_KEYD },
	{ IPC_ROLE_GATE, IPC_ROLE_RECORDER },   { IPC_ROLE_EGRESS, IPC_ROLE_RECORDER },
	{ IPC_ROLE_DIALER, IPC_ROLE_RECORDER }, { IPC_ROLE_KEYD, IPC_ROLE_RECORDER },
};

/* recorder first: whoever fails after it can be recorded */
static const enum ipc_role start_order[] = {
	IPC_ROLE_RECORDER, IPC_ROLE_KEYD, IPC_ROLE_DIALER, IPC_ROLE_EGRESS, IPC_ROLE_GATE,
};

/* How a child ended, without reaping it. Return: whether it has */
static bool child_ended(const struct child *c, siginfo_t *ret)
{
	*ret = (siginfo_t){ 0 };
	return c->pidfd >= 0 &&
	       waitid(P_PIDFD, (id_t)c->pidfd, ret, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       ret->si_pid != 0;
}

/* The one of the others that was killed by a signal, NULL: none (yet) */
static struct child *killed_one(struct bottle *b, const struct child *except)
{
	siginfo_t info;

	for (int role = 0; role < IPC_NUM_ROLES; role++) {
		struct child *c = &b->children[role];

		if (c != except && child_ended(c, &info) && info.si_code != CLD_EXITED)
			return c;
	}
	return NULL;
}

/* Did the guest switch itself off, as it was told? lasting.c */
static bool is_off(const struct child *vmm)
{
	siginfo_t info;

	return vmm->bottle && vmm->bottle->lasting.off && child_ended(vmm, &info) &&
	       info.si_code == CLD_EXITED;
}

static struct child *killed_or_off(struct bottle *b)
{
	struct child *vmm = &b->children[IPC_ROLE_VMM], *found = killed_one(b, NULL);

	return !found && is_off(vmm) ? vmm : found;
}

/*
 * Guards leave when a peer is gone, often before the kernel tells the end of that peer: the one to
 * name is who was killed, or the machine that is off. Without a guard the machine reaches nothing,
 * and in a tenth of a second it is killed as well; one that is about to be off gets half a second.
 */
static struct child *who_ended_first(struct child *c)
{
	struct child *vmm = &c->bottle->children[IPC_ROLE_VMM], *found = NULL;
	int tries = c->bottle->lasting.off ? 100 : 20;
	siginfo_t info;

	if (!child_ended(c, &info) || info.si_code != CLD_EXITED)
		return c;
	found = killed_or_off(c->bottle);
	/* A machine takes a while to give its memory back, and counts as ended only then */
	for (int i = 0; !found && i < tries; i++) {
		(void)usleep(5000);
		found = killed_or_off(c->bottle);
	}
	if (!found && vmm->pid > 0)
		(void)kill(vmm->pid, SIGKILL);
	for (int i = 0; !found && i < 40; i++) {
		(void)usleep(5000);
		found = killed_one(c->bottle, vmm);
	}
	return found ? found : c;
}

static void on_child_exit(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;
	struct bb_err why = { 0 };
	siginfo_t info;

	(void)fd;
	(void)what;
	c = c->bottle->phase == BOTTLE_ENDING ? c : who_ended_first(c);
	if (!child_ended(c, &info))
		return;
	(void)waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG);
	c->dead = true;
	if (c->bottle->phase == BOTTLE_ENDING)
		return;
	if (c->role == IPC_ROLE_VMM && c->bottle->lasting.off && info.si_code == CLD_EXITED) {
		bottle_end(c->bottle, "exit");
		return;
	}
	if (c->role == IPC_ROLE_VMM && *c->bottle->spec.engine)
		engine_explain(c->bottle, &info, &why);
	else if (info.si_code == CLD_EXITED)
		(void)bb_err_set(&why, -ECHILD, "%s exited with %d", ipc_role_str[c->role],
				 info.si_status);
	else
		(void)bb_err_set(&why, -ECHILD, "%s was killed by signal %d%s",
				 ipc_role_str[c->role], info.si_status,
				 info.si_status == SIGSYS ? " (a system call it must not make)"
							  : "");
	bottle_fail(c->bottle, 125, &why);
}

/* recorder can open nothing: it gets the file it goes on in, or stays in the one it has */
static void next_audit_file(struct bottle *b)
{
	struct ipc_msg msg = { .type = IPC_FD, .u.kind.kind = IPC_FD_AUDIT };
	struct bb_err err = { 0 };

	msg.fd = audit_file_rotate(b->state_dir, &err);
	if (msg.fd < 0)
		bb_log("%s", err.msg);
	else if (ipc_peer_send(b->children[IPC_ROLE_RECORDER].peer, &msg) < 0)
		bb_log("recorder does not take its next file");
	bb_closep(&msg.fd);
}

static void on_child_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct child *c = arg;
	struct bottle *b = c->bottle;
	struct bb_err err = { 0 };
	char said[sizeof(err.msg)]; /* one that was taken over speaks to a terminal here */
	int r;

	(void)peer;
	if (b->phase == BOTTLE_ENDING)
		return;
	switch ((int)msg->type) {
	case IPC_READY:
		c->ready = true;
		bottle_advance(b);
		break;
	case IPC_FAILED:
		(void)bb_err_set(&err, -ECHILD, "%s: %s", ipc_role_str[c->role],
				 bb_printable_span(msg->u.text.text, said, sizeof(said)));
		bottle_fail(b, 125, &err);
		break;
	case IPC_CA_CERT:
		free(b->root_pem);
		b->root_pem = strndup((const char *)msg->u.cert.cert.p, msg->u.cert.cert.len);
		bottle_advance(b);
		break;
	case IPC_PROBE_RESULT:
		r = probes_result(b, msg, &err);
		if (b->phase == BOTTLE_UP)
			reload_on_probe(b, r, &err);
		else if (r < 0)
			bottle_fail(b, 125, &err);
		else if (r > 0)
			bottle_probed(b);
		break;
	case IPC_AUDIT_FULL:
		next_audit_file(b);
		break;
	case IPC_GUEST_HELLO:
		bottle_guest_hello(b, msg->u.guest_hello.version);
		break;
	case IPC_GUEST_PROBE:
		bottle_guest_probe(b, msg->u.guest_probe.ok != 0, msg->u.guest_probe.text);
		break;
	case IPC_RELOADED:
		reload_on_answer(b, c->role, msg->u.reloaded.ok != 0, msg->u.reloaded.text);
		break;
	case IPC_RECORD_ACK:
		reload_on_ack(b, msg->u.record_ack.seq);
		break;
	default:
		break;
	}
}

static void on_child_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct child *c = arg;
	struct bb_err err = { 0 };

	ipc_peer_free(peer);
	c->peer = NULL;
	if (c->bottle->phase == BOTTLE_ENDING)
		return;
	if (why == -ENODATA)
		return; /* its exit tells more; the pidfd is readable any moment */
	(void)bb_err_set(&err, why, "%s: %s", ipc_role_str[c->role], text);
	bottle_fail(c->bottle, 125, &err);
}

/* Start one role's executable with @sock as its fd 3 */
static int child_spawn(struct bottle *b, enum ipc_role role, int sock, struct bb_err *err)
{
	struct child *c = &b->children[role];
	char path[PATHS_MAX];
	char *argv[] = { path, NULL };
	struct spawn s = {
		.path = path,
		.argv = argv,
		.fds = { sock },
		.n_fds = 1,
		.log_fd = b->log_fd,
		.apart = true,
		.strict = b->spec.jail_strict,
		.keep = role == IPC_ROLE_DIALER ? JAIL_KEEP_NET : 0,
	};
	pid_t pid;
	int r = paths_libexec(ipc_role_str[role], path, err);

	if (r < 0)
		return r;
	pid = spawn_child(&s, &c->pidfd, err);
	if (pid < 0)
		return (int)pid;
	c->bottle = b;
	c->role = role;
	c->pid = pid;
	c->exit_event = event_new(b->base, c->pidfd, EV_READ | EV_PERSIST, on_child_exit, c);
	if (!c->exit_event || event_add(c->exit_event, NULL) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	return 0;
}

static int child_start(struct bottle *b, enum ipc_role role, struct bb_err *err)
{
	struct child *c = &b->children[role];
	int fds[2], r;

	c->bottle = b;
	c->role = role;
	r = ipc_pair(fds, err);
	if (r < 0)
		return r;
	r = child_spawn(b, role, fds[1], err);
	(void)close(fds[1]);
	if (r < 0) {
		(void)close(fds[0]);
		return r;
	}
	c->peer = ipc_peer_new(b->base, IPC_ROLE_BOTTLED, role, fds[0], on_child_msg, on_child_dead,
			       c);
	return c->peer ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

static int give(struct bottle *b, enum ipc_role to, enum ipc_type type, uint8_t what, int fd,
		struct bb_err *err)
{
	struct ipc_msg msg = { .type = type, .fd = fd };
	int r;

	if (type == IPC_PEER)
		msg.u.peer.role = what;
	else
		msg.u.kind.kind = what;
	r = ipc_peer_send(b->children[to].peer, &msg);
	return r < 0 ? bb_err_set(err, r, "%s: %s", ipc_role_str[to], strerror(-r)) : 0;
}

static int give_pairs(struct bottle *b, struct bb_err *err)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(pairs); i++) {
		int fds[2], r = ipc_pair(fds, err);

		if (r < 0)
			return r;
		r = give(b, pairs[i].a, IPC_PEER, (uint8_t)pairs[i].b, fds[0], err);
		if (r == 0)
			r = give(b, pairs[i].b, IPC_PEER, (uint8_t)pairs[i].a, fds[1], err);
		(void)close(fds[0]);
		(void)close(fds[1]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The roots upstream certificates are verified against: the host's and the operator's */
static int ca_store_memfd(const struct bottle *b, struct bb_err *err)
{
	bb_auto_buf struct bb_buf pem;
	int r;

	bb_buf_init(&pem, PEM_MAX);
	r = bb_read_file("/etc/ssl/certs/ca-certificates.crt", &pem, err);
	if (r == -ENOENT) { /* a host without roots trusts only what the operator names */
		*err = (struct bb_err){ 0 };
		r = 0;
	}
	if (r < 0)
		return r;
	if (bb_buf_addf(&pem, "\n%s", b->spec.upstream_ca_pem) < 0)
		return bb_err_set(err, -E2BIG,
				  "upstream_ca_files: more than 4 MiB of certificates");
	return bb_memfd_sealed("ca-store", bb_buf_span(&pem), err);
}

static int give_blobs(struct bottle *b, struct bb_err *err)
{
	static const enum ipc_role deciders[] = { IPC_ROLE_KEYD, IPC_ROLE_DIALER, IPC_ROLE_EGRESS,
						  IPC_ROLE_GATE, IPC_ROLE_RECORDER };
	bb_auto_close int ca = ca_store_memfd(b, err);
	int r;

	if (ca < 0)
		return err->code;
	for (size_t i = 0; i < BB_ARRAY_LEN(deciders); i++) {
		r = give(b, deciders[i], IPC_BLOB, IPC_BLOB_POLICY, b->spec.policy_fd, err);
		if (r < 0)
			return r;
	}
	r = give(b, IPC_ROLE_EGRESS, IPC_BLOB, IPC_BLOB_CA_STORE, ca, err);
	if (r == 0 && b->spec.secrets_fd < 0)
		r = bb_err_set(err, -EINVAL, "no secrets were given: refusing to start");
	if (r == 0)
		r = give(b, IPC_ROLE_EGRESS, IPC_BLOB, IPC_BLOB_SECRETS, b->spec.secrets_fd, err);
	if (r == 0 && b->spec.rules_fd >= 0)
		r = give(b, IPC_ROLE_EGRESS, IPC_BLOB, IPC_BLOB_RULES, b->spec.rules_fd, err);
	if (r == 0 && b->spec.proxy_auth_fd >= 0)
		r = give(b, IPC_ROLE_DIALER, IPC_BLOB, IPC_BLOB_PROXY_AUTH, b->spec.proxy_auth_fd,
			 err);
	if (r == 0)
		r = network_start(b, err);
	if (r == 0)
		r = give(b, IPC_ROLE_RECORDER, IPC_FD, IPC_FD_AUDIT_DIR, b->state_dir, err);
	return r;
}

/* One connected stream: @role gets one end, QEMU the other at @slot; returns ours when asked */
static int give_stream(struct bottle *b, enum ipc_role role, enum ipc_fd_kind kind,
		       enum vmm_fd slot, int *ret_keep, struct bb_err *err)
{
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return bb_err_set(err, -errno, "socketpair: %s", strerror(errno));
	b->vmm_fds[slot] = fds[1];
	r = give(b, role, IPC_FD, (uint8_t)kind, fds[0], err);
	if (r == 0 && ret_keep)
		*ret_keep = fds[0];
	else
		(void)close(fds[0]);
	return r;
}

int children_start(struct bottle *b, struct bb_err *err)
{
	int r = 0;

	for (size_t i = 0; i < BB_ARRAY_LEN(start_order) && r == 0; i++)
		r = child_start(b, start_order[i], err);
	if (r == 0)
		r = give_pairs(b, err);
	if (r == 0)
		r = give_blobs(b, err);
	if (r == 0 && *b->spec.engine)
		r = engine_listen(b, err);
	else if (r == 0)
		r = give_stream(b, IPC_ROLE_GATE, IPC_FD_VHOST, VMM_FD_VHOST, NULL, err);
	if (r == 0)
		r = give_stream(b, IPC_ROLE_RECORDER, IPC_FD_CONSOLE, VMM_FD_CONSOLE, NULL, err);
	if (r == 0)
		r = give_stream(b, IPC_ROLE_RECORDER, IPC_FD_QMP, VMM_FD_QMP, &b->qmp_fd, err);
	for (size_t i = 0; i < BB_ARRAY_LEN(start_order) && r == 0; i++) {
		struct ipc_msg start = { .type = IPC_START, .fd = -1 };

		r = ipc_peer_send(b->children[start_order[i]].peer, &start);
		if (r < 0)
			r = bb_err_set(err, r, "%s: %s", ipc_role_str[start_order[i]],
				       strerror(-r));
	}
	return r;
}

bool children_all_ready(const struct bottle *b)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(start_order); i++) {
		if (!b->children[start_order[i]].ready)
			return false;
	}
	return b->root_pem != NULL;
}

/* The image's roots and ours, as one PEM file */
static int trust_bundle(const struct bottle *b, const struct image *image, struct bb_buf *ret,
			struct bb_err *err)
{
	int r = bb_read_file(image->roots_path, ret, err);

	if (r < 0)
		return r;
	r = bb_buf_addf(ret, "\n%s", b->root_pem);
	return r < 0 ? bb_err_set(err, r, "the image's certificate bundle is too large") : 0;
}

static int build_initrd(struct bottle *b, const struct image *image, struct bb_err *err)
{
	bb_auto_buf struct bb_buf config, bundle, java;
	struct image_extra_file extra[4];
	int r;

	bb_buf_init(&config, 1u << 20);
	bb_buf_init(&bundle, PEM_MAX);
	bb_buf_init(&java, PEM_MAX);
	r = guest_config_json(&b->spec, b->root_pem, &config, err);
	if (r == 0)
		r = trust_bundle(b, image, &bundle, err);
	if (r == 0)
		r = java_trust_make(bb_buf_span(&bundle), &java, err);
	if (r < 0)
		return r;
	extra[0] = (struct image_extra_file){ "bottle/config.json", bb_buf_span(&config) };
	extra[1] = (struct image_extra_file){ "bottle/trust/bundle.pem", bb_buf_span(&bundle) };
	extra[2] = (struct image_extra_file){ "bottle/trust/root.pem", BB_SPAN_STR(b->root_pem) };
	extra[3] = (struct image_extra_file){ "bottle/trust/java.p12", bb_buf_span(&java) };
	return image_initrd_memfd(image, extra, BB_ARRAY_LEN(extra), err);
}

/* Kernel, initrd and disks as open descriptors: QEMU opens nothing itself */
static int open_machine_files(struct bottle *b, struct bb_err *err)
{
	struct image image;
	int r = image_open(b->spec.image, &image, err);

	if (r < 0)
		return r;
	b->vmm_fds[VMM_FD_KERNEL] = open(image.kernel_path, O_RDONLY | O_CLOEXEC);
	b->vmm_fds[VMM_FD_ROOT] = open(image.root_path, O_RDONLY | O_CLOEXEC);
	if (b->vmm_fds[VMM_FD_KERNEL] < 0 || b->vmm_fds[VMM_FD_ROOT] < 0)
		r = bb_err_set(err, -errno, "image %s: %s", b->spec.image, strerror(errno));
	if (r == 0)
		r = b->vmm_fds[VMM_FD_INITRD] = build_initrd(b, &image, err);
	if (r < 0)
		return r;
	b->vmm_fds[VMM_FD_DISK] =
		openat(b->state_dir, "disk.ext4", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (b->vmm_fds[VMM_FD_DISK] < 0 && errno == ENOENT)
		b->vmm_fds[VMM_FD_DISK] =
			image_make_disk(b->state_dir, "disk.ext4", b->spec.disk_bytes, err);
	else if (b->vmm_fds[VMM_FD_DISK] < 0)
		r = bb_err_set(err, -errno, "disk: %s", strerror(errno));
	return b->vmm_fds[VMM_FD_DISK] < 0 ? err->code : 0;
}

static int machine_spawn(struct bottle *b, const struct spawn *s, struct bb_err *err)
{
	struct child *c = &b->children[IPC_ROLE_VMM];

	c->bottle = b;
	c->role = IPC_ROLE_VMM;
	c->pid = spawn_child(s, &c->pidfd, err);
	if (c->pid < 0) {
		c->pid = 0;
		return err->code;
	}
	c->exit_event = event_new(b->base, c->pidfd, EV_READ | EV_PERSIST, on_child_exit, c);
	if (!c->exit_event || event_add(c->exit_event, NULL) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	c->ready = true;
	return 0;
}

/* In the child: QEMU sees its own files, and no socket call works. Its descriptors are 3, 4, … */
static int confine_vmm(const struct spawn *s, struct bb_err *err)
{
	int fds[SPAWN_FDS_MAX], r;

	for (size_t i = 0; i < s->n_fds; i++)
		fds[i] = 3 + (int)i;
	r = jail_vmm_files(s->path, fds, s->n_fds, err);
	return r < 0 ? r : jail_vmm(err);
}

static int vmm_spawn(struct bottle *b, struct vmm_command *cmd, struct bb_err *err)
{
	struct spawn s = { .argv = cmd->argv,
			   .log_fd = b->log_fd,
			   .apart = true,
			   .strict = b->spec.jail_strict,
			   .confine = confine_vmm };
	char path[PATHS_MAX];
	int r = vmm_find(path, sizeof(path), err);

	if (r < 0)
		return r;
	s.path = path;
	for (int slot = VMM_FD_KERNEL; slot < VMM_FD_END; slot++)
		s.fds[s.n_fds++] = b->vmm_fds[slot];
	return machine_spawn(b, &s, err);
}

static void close_machine_fds(struct bottle *b)
{
	for (int slot = VMM_FD_KERNEL; slot < VMM_FD_END; slot++) {
		bb_closep(&b->vmm_fds[slot]);
		b->vmm_fds[slot] = -1;
	}
}

/* What the engine and PID 1 print is the bottle's console */
static int start_container(struct bottle *b, struct bb_err *err)
{
	struct spawn s = { .path = b->spec.engine,
			   .log_fd = b->vmm_fds[VMM_FD_CONSOLE],
			   .operators = true };
	char **argv = NULL;
	int r = engine_prepare(b, &argv, err);

	if (r < 0)
		return r;
	s.argv = argv;
	r = machine_spawn(b, &s, err);
	engine_command_free(argv);
	close_machine_fds(b);
	return r;
}

int children_start_vmm(struct bottle *b, struct bb_err *err)
{
	struct vmm_config config = { .accel = b->accel.accel,
				     .memory_bytes = b->spec.memory_bytes,
				     .cpus = b->spec.cpus,
				     .tsc_khz =
					     b->accel.accel == VMM_ACCEL_TCG ? vmm_tsc_khz() : 0 };
	struct vmm_command cmd;
	int r;

	if (*b->spec.engine)
		return start_container(b, err);
	r = open_machine_files(b, err);
	if (r < 0)
		return r;
	r = vmm_command_build(&config, &cmd, err);
	if (r < 0)
		return r;
	r = vmm_spawn(b, &cmd, err);
	vmm_command_release(&cmd);
	close_machine_fds(b);
	if (r < 0)
		return r;
	r = bb_write_full(b->qmp_fd, VMM_QMP_START, strlen(VMM_QMP_START));
	if (r == -EPIPE || r == -ECONNRESET)
		return 0; /* it is gone already: its exit tells more, and comes at once */
	return r < 0 ? bb_err_set(err, r, "the machine's monitor: %s", strerror(-r)) : 0;
}

static void child_kill(struct child *c)
{
	if (c->pid > 0 && !c->dead)
		(void)kill(c->pid, SIGKILL); /* not reaped yet, so the number is still its */
}

void children_kill(struct bottle *b)
{
	static const enum ipc_role order[] = { IPC_ROLE_VMM, IPC_ROLE_GATE, IPC_ROLE_EGRESS,
					       IPC_ROLE_DIALER, IPC_ROLE_KEYD };

	for (size_t i = 0; i < BB_ARRAY_LEN(order); i++)
		child_kill(&b->children[order[i]]);
}

static void child_release(struct child *c)
{
	if (c->exit_event)
		event_free(c->exit_event);
	ipc_peer_free(c->peer);
	if (c->pid > 0) {
		if (!c->dead)
			(void)waitpid(c->pid, NULL, 0);
		bb_closep(&c->pidfd);
	}
	*c = (struct child){ .pidfd = -1 };
}

/* recorder may still be writing: end of file tells it to finish; half a second, then SIGKILL */
static void recorder_finish(struct child *c)
{
	if (c->pid <= 0 || c->dead)
		return;
	ipc_peer_free(c->peer);
	c->peer = NULL;
	for (int i = 0; i < 50 && !c->dead; i++) {
		struct timespec pause = { .tv_nsec = 10000000 };

		if (waitpid(c->pid, NULL, WNOHANG) == c->pid)
			c->dead = true;
		else
			(void)nanosleep(&pause, NULL);
	}
	child_kill(c);
}

void children_release(struct bottle *b)
{
	children_kill(b);
	for (int role = 0; role < IPC_NUM_ROLES; role++) {
		if (role != IPC_ROLE_RECORDER)
			child_release(&b->children[role]);
	}
	if (b->spec.engine && *b->spec.engine && b->runtime_dir >= 0)
		engine_remove(b);
	recorder_finish(&b->children[IPC_ROLE_RECORDER]);
	child_release(&b->children[IPC_ROLE_RECORDER]);
	close_machine_fds(b);
	bb_closep(&b->qmp_fd);
	b->qmp_fd = -1;
	free(b->root_pem);
	b->root_pem = NULL;
}
