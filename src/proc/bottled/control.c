/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CLI's side: the one that started us (client 0, over fd 3) and those that come later through
 * the control socket in the runtime directory (0700), which checks the peer's uid as well.
 */
#include "base/log.h"
#include "ipc/sock.h"
#include "proc/bottled/bottle.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void reply_text(struct client *c, enum ipc_type type, const char *text, size_t len)
{
	struct ipc_msg msg = { .type = type, .fd = -1 };

	msg.u.text.text = (struct bb_span){ (const uint8_t *)text, len };
	(void)ipc_peer_send(c->peer, &msg);
}

static void reply_failed(struct client *c, uint64_t flow, uint8_t code, const char *text)
{
	struct ipc_msg msg = { .type = IPC_BOTTLE_FAILED, .fd = -1, .flow = flow };

	msg.u.bottle_failed.code = code;
	msg.u.bottle_failed.text = BB_SPAN_STR(text);
	(void)ipc_peer_send(c->peer, &msg);
}

/* EXEC_OPEN, MAIN_OPEN, ATTACH: a socket to a porter */
static void on_open(struct client *c, const struct ipc_msg *ask)
{
	struct ipc_msg msg = { .type = IPC_STREAM, .flow = ask->flow };
	uint64_t flow = ask->flow;
	struct porter *unused;
	struct bb_err err = { 0 };
	int cli = -1, r;

	if (c->bottle->phase != BOTTLE_UP) {
		reply_failed(c, flow, 125, "the bottle is not up");
		return;
	}
	if (ask->type == IPC_EXEC_OPEN)
		r = porters_open(c->bottle, NULL, &cli, &unused, &err);
	else if (ask->type == IPC_MAIN_OPEN)
		r = lasting_open(c, ask->u.main_open.tty, &cli, &err);
	else
		r = lasting_attach(c, &cli, &err);
	if (r < 0) {
		reply_failed(c, flow, 125, err.msg);
		return;
	}
	msg.fd = cli;
	(void)ipc_peer_send(c->peer, &msg);
	(void)close(cli);
}

static void on_status(struct client *c)
{
	struct bottle *b = c->bottle;
	const struct lasting *l = &b->lasting;
	json_t *pids = json_object();
	json_auto_t *status = NULL;
	bb_auto_free char *text = NULL;

	for (int role = 0; role < IPC_NUM_ROLES; role++) {
		if (b->children[role].pid > 0)
			(void)json_object_set_new(pids, ipc_role_str[role],
						  json_integer(b->children[role].pid));
	}
	(void)json_object_set_new(pids, "bottled", json_integer(getpid()));
	status = json_pack(
		"{s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:{s:b, s:b, s:b}, s:o}", "identity",
		b->spec.policy.identity, "status", bottle_phase_str[b->phase], "generation",
		(json_int_t)b->spec.policy.generation, "accel", vmm_accel_str[b->accel.accel],
		"accel_why", b->accel.why, "started_ms", (json_int_t)b->started_ms, "memory_bytes",
		(json_int_t)b->spec.memory_bytes, "jail", "seccomp", 1, "namespaces", b->namespaces,
		"landlock", b->landlock > 0, "pids", pids);
	if (status && l->porter)
		(void)json_object_set_new(
			status, "session",
			json_pack("{s:b, s:b}", "tty", l->tty, "attached", l->client != NULL));
	text = status ? json_dumps(status, JSON_COMPACT) : NULL;
	if (text)
		reply_text(c, IPC_STATUS_REPLY, text, strlen(text));
}

static void on_policy_ask(struct client *c)
{
	struct ipc_msg msg = { .type = IPC_BLOB, .fd = c->bottle->spec.policy_fd };

	msg.u.kind.kind = IPC_BLOB_POLICY;
	(void)ipc_peer_send(c->peer, &msg);
}

static void on_client_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct client *c = arg;

	(void)peer;
	switch ((int)msg->type) {
	case IPC_EXEC_OPEN:
	case IPC_MAIN_OPEN:
	case IPC_ATTACH:
		on_open(c, msg);
		break;
	case IPC_STATUS:
		on_status(c);
		break;
	case IPC_STOP:
		c->bottle->stopped = "the bottle was stopped";
		bottle_end(c->bottle, "stop");
		break;
	case IPC_POLICY_ASK:
		on_policy_ask(c);
		break;
	case IPC_BLOB:
		staged_blob(&c->staged, msg);
		break;
	case IPC_RELOAD:
		reload_begin(c);
		break;
	default: /* START comes only before the loop */
		break;
	}
}

static void on_client_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct client *c = arg;
	struct bottle *b = c->bottle;

	if (why != -ENODATA)
		bb_log("cli: %s", text);
	ipc_peer_free(peer);
	c->peer = NULL;
	reload_client_gone(c);
	if (!lasting_client_gone(c) && c == &b->clients[0] &&
	    (b->spec.ephemeral || b->phase != BOTTLE_UP))
		bottle_end(b, "cli_gone");
}

static int client_add(struct bottle *b, size_t slot, int fd)
{
	struct client *c = &b->clients[slot];

	c->bottle = b;
	c->staged = (struct staged)STAGED_NONE;
	c->peer = ipc_peer_new(b->base, IPC_ROLE_BOTTLED, IPC_ROLE_CLI, fd, on_client_msg,
			       on_client_dead, c);
	return c->peer ? 0 : -ENOMEM;
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct bottle *b = arg;
	bb_auto_close int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	(void)what;
	if (conn < 0 || getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return;
	if (cred.uid != getuid() && cred.uid != 0)
		return;
	for (size_t i = 1; i < BOTTLE_CLIENTS_MAX; i++) {
		if (!b->clients[i].peer) {
			(void)client_add(b, i, BB_TAKE_FD(conn));
			return;
		}
	}
}

int control_listen(struct bottle *b, struct bb_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	bb_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int r;

	if (fd < 0)
		return bb_err_set(err, -errno, "control socket: %s", strerror(errno));
	/* The path may be longer than sun_path: name it through the directory's descriptor */
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/control",
		       b->runtime_dir);
	(void)unlinkat(b->runtime_dir, "control", 0);
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r == 0 && listen(fd, 16) < 0)
		r = -errno;
	if (r < 0)
		return bb_err_set(err, r, "control socket: %s", strerror(-r));
	b->control_event = event_new(b->base, fd, EV_READ | EV_PERSIST, on_connection, b);
	if (!b->control_event || event_add(b->control_event, NULL) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	b->control_fd = BB_TAKE_FD(fd);
	return 0;
}

int control_adopt(struct bottle *b, int fd, struct bb_err *err)
{
	return client_add(b, 0, fd) < 0 ? bb_err_set(err, -ENOMEM, "no memory") : 0;
}

void control_progress(struct bottle *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!b->clients[0].peer)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reply_text(&b->clients[0], IPC_PROGRESS, text, strlen(text));
}

void control_up(struct bottle *b)
{
	struct ipc_msg msg = { .type = IPC_BOTTLE_UP, .fd = -1 };

	if (b->clients[0].peer)
		(void)ipc_peer_send(b->clients[0].peer, &msg);
}

void control_ended(struct bottle *b, uint8_t code, const char *text)
{
	for (size_t i = 0; i < BOTTLE_CLIENTS_MAX; i++) {
		if (b->clients[i].peer)
			reply_failed(&b->clients[i], 0, code, text);
	}
}

void control_unlisten(struct bottle *b)
{
	if (b->control_event)
		event_free(b->control_event);
	b->control_event = NULL;
	bb_closep(&b->control_fd);
	b->control_fd = -1;
	if (b->runtime_dir >= 0)
		(void)unlinkat(b->runtime_dir, "control", 0);
}

void control_release(struct bottle *b)
{
	for (size_t i = 0; i < BOTTLE_CLIENTS_MAX; i++) {
		ipc_peer_free(b->clients[i].peer);
		b->clients[i].peer = NULL;
		if (b->clients[i].bottle)
			staged_forget(&b->clients[i].staged);
	}
}
