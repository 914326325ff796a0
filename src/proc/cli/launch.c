/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/launch.h"
#include "base/io.h"
#include "image/image.h"
#include "ipc/sock.h"
#include "proc/cli/commits.h"
#include "proc/cli/images.h"
#include "proc/cli/session.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#define STOP_TIMEOUT_MS 15000 /* bottled waits ten seconds for an engine */
#define SYNC_TIMEOUT_MS 12000

static int write_metadata(const struct plan *p, const struct state_bottle *b, struct bb_err *err)
{
	char *cwd = getcwd(NULL, 0);
	struct bb_err none = { 0 };
	struct image image;
	json_t *engine = NULL;
	json_auto_t *meta = json_pack(
		"{s:i, s:s, s:s, s:O, s:s, s:s, s:I, s:b, s:b, s:b, s:O, s:s?, s:s?, s:s?, s:o}",
		"version", 1, "identity", b->identity, "backend", p->backend->name, "bottles",
		p->bottles, "image", p->image, "cwd",
		p->origin && *p->origin ? p->origin
		: cwd                   ? cwd
					: "",
		"created_ms", (json_int_t)bb_wall_ms(), "keep_disk", p->keep_disk, "workspace",
		p->workspace, "provide", p->provider != NULL, "options", p->options, "agent",
		p->agent, "label", p->label, "color", p->color, "settings", plan_settings(p));

	free(cwd);
	if (!meta)
		return bb_err_set(err, -ENOMEM, "metadata: the working directory is not UTF-8");
	/* The disk fits this image and no other of the same name. An engine's own has none */
	if (image_open(p->image, &image, &none) == 0)
		(void)json_object_set_new(meta, "image_digest", json_string(image.digest));
	else if (strlen(p->image) == sizeof(image.digest) - 1)
		(void)json_object_set_new(meta, "image_digest", json_string(p->image));
	if (p->backend->note && p->backend->note(&engine, err) < 0)
		return err->code;
	if (engine)
		(void)json_object_set_new(meta, "engine", engine);
	return state_meta_write(b->state_fd, meta, err);
}

/* Progress until BOTTLE_UP */
static int wait_up(int control, struct bb_err *err)
{
	bool tty = isatty(STDERR_FILENO);
	uint8_t buf[IPC_MSG_MAX];

	for (;;) {
		struct ipc_msg msg = { .fd = -1 };
		int r = ipc_recv(control, buf, &msg, err);

		if (r == -ENODATA) {
			*err = (struct bb_err){ 0 };
			return bb_err_set(err, -ECHILD, "bottled ended without a word");
		}
		if (r < 0)
			return r;
		bb_closep(&msg.fd);
		if (msg.type == IPC_PROGRESS && tty)
			(void)fprintf(stderr, "  %.*s\n", (int)msg.u.text.text.len,
				      (const char *)msg.u.text.text.p);
		if (msg.type == IPC_BOTTLE_UP)
			return 0;
		if (msg.type == IPC_BOTTLE_FAILED)
			return bb_err_set(err, -ECHILD, "%.*s", (int)msg.u.bottle_failed.text.len,
					  (const char *)msg.u.bottle_failed.text.p);
	}
}

/* What the image asks for, under what the bottle says. An engine's own image has its own */
static json_t *launch_env(const struct plan *p)
{
	struct bb_err none = { 0 };
	struct image image;
	json_t *env = image_open(p->image, &image, &none) == 0 ? image_env(&image) : json_object();

	if (env)
		(void)json_object_update(env, p->env);
	return env ? env : json_incref(p->env);
}

/* Nothing has begun, as where the image is not there: there is nothing to be listed */
static void forget(const struct plan *p, struct state_bottle *b)
{
	struct bb_err ignored = { 0 };
	char identity[STATE_IDENTITY_MAX];

	memcpy(identity, b->identity, sizeof(identity));
	state_bottle_release(b);
	if (p->resume || state_bottle_remove(&p->paths, identity, NULL, NULL, &ignored) < 0)
		state_runtime_remove(&p->paths, identity); /* nobody is there to do it */
}

int launch_start(struct plan *p, char ret_identity[static STATE_IDENTITY_MAX], struct bb_err *err)
{
	char state_dir[PATHS_MAX], runtime_dir[PATHS_MAX];
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	struct backend_start start = { .policy = &p->policy,
				       .image = p->image,
				       .state_dir = state_dir,
				       .runtime_dir = runtime_dir,
				       .env = p->env,
				       .secrets = p->secrets,
				       .upstream_ca_pem = p->upstream_ca_pem,
				       .proxy_auth = p->proxy_auth,
				       .memory_bytes = p->memory_bytes,
				       .disk_bytes = p->disk_bytes,
				       .cpus = p->cpus,
				       .pids = p->pids,
				       .boot_seconds = p->boot_seconds,
				       .accel = p->accel,
				       .ephemeral = p->ephemeral,
				       .keep_disk = p->keep_disk,
				       .jail_strict = p->jail_strict };
	json_auto_t *env = NULL;
	int control, r;

	r = images_prepare(&p->image, err);
	if (r < 0)
		return r;
	start.image = p->image;
	env = launch_env(p);
	start.env = env;
	r = p->resume ? state_bottle_open(&p->paths, p->resume, true, &b, err)
		      : state_bottle_create(&p->paths, p->name, &b, err);
	if (r == 0 && p->resume)
		r = state_lock(b.runtime_fd, err);
	if (r == 0 && !p->quiet)
		r = write_metadata(p, &b, err);
	if (r == 0 && p->from)
		r = commit_place(&p->paths, p->from, b.state_fd, err);
	if (r == 0)
		r = paths_join(p->paths.state, b.identity, state_dir, err);
	if (r == 0)
		r = paths_join(p->paths.runtime, b.identity, runtime_dir, err);
	if (r < 0)
		return r;
	memcpy(ret_identity, b.identity, STATE_IDENTITY_MAX);
	memcpy(p->policy.identity, b.identity, STATE_IDENTITY_MAX);
	state_alias(b.identity, &p->policy.alias);
	control = p->backend->start(&start, err);
	if (control < 0) {
		forget(p, &b);
		return control;
	}
	r = wait_up(control, err);
	if (r < 0) {
		(void)close(control);
		return r;
	}
	return control;
}

int launch_connect(const char *id, char ret_identity[static STATE_IDENTITY_MAX], struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	char runtime_dir[PATHS_MAX];
	json_auto_t *meta = NULL;
	const struct backend *backend;
	const char *name;
	struct paths paths;
	int r = paths_get(&paths, err);

	if (r == 0)
		r = state_find(&paths, id, true, ret_identity, err);
	if (r == 0)
		r = state_bottle_open(&paths, ret_identity, false, &b, err);
	if (r == 0 && state_meta_read(b.state_fd, &meta, err) < 0)
		r = bb_err_wrap(err, "%s", ret_identity);
	if (r == 0)
		r = paths_join(paths.runtime, ret_identity, runtime_dir, err);
	if (r < 0)
		return r;
	name = json_string_value(json_object_get(meta, "backend"));
	backend = name ? backend_find(name) : NULL;
	if (!backend)
		return bb_err_set(err, -EINVAL, "%s: its metadata names no backend of this build",
				  ret_identity);
	return backend->connect(runtime_dir, err);
}

json_t *launch_status(int control)
{
	struct ipc_msg msg = { .fd = -1 };
	uint8_t buf[IPC_MSG_MAX];
	struct bb_err err = { 0 };

	if (ipc_send(control, &(struct ipc_msg){ .type = IPC_STATUS, .fd = -1 }, &err) < 0 ||
	    ipc_recv(control, buf, &msg, &err) < 0)
		return NULL;
	bb_closep(&msg.fd);
	if (msg.type != IPC_STATUS_REPLY)
		return NULL;
	return json_loadb((const char *)msg.u.text.text.p, msg.u.text.text.len, 0, NULL);
}

int launch_meta(const char *identity, json_t **ret, struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	struct paths paths;
	int r = paths_get(&paths, err);

	if (r == 0)
		r = state_bottle_open(&paths, identity, false, &b, err);
	return r == 0 ? state_meta_read(b.state_fd, ret, err) : r;
}

int launch_stop(int control, struct bb_err *err)
{
	uint64_t until = bb_now_ms() + STOP_TIMEOUT_MS;
	uint8_t buf[IPC_MSG_MAX];
	struct bb_err ignored = { 0 };

	if (ipc_send(control, &(struct ipc_msg){ .type = IPC_STOP, .fd = -1 }, &ignored) < 0)
		return 0; /* it has ended already */
	for (;;) {
		struct pollfd p = { .fd = control, .events = POLLIN };
		struct ipc_msg msg = { .fd = -1 };
		uint64_t now = bb_now_ms();

		if (now >= until || poll(&p, 1, (int)(until - now)) == 0)
			return bb_err_set(err, -ETIMEDOUT, "the bottle does not end");
		ignored = (struct bb_err){ 0 };
		if (ipc_recv(control, buf, &msg, &ignored) < 0)
			return 0;
		bb_closep(&msg.fd);
	}
}

int launch_finish(int control, const char *identity, bool keep, int code)
{
	struct bb_err err = { 0 };

	if (code == SESSION_GOES_ON) {
		(void)close(control);
		(void)fprintf(stderr, "%s goes on; to come back: bot-bottle attach %s\n", identity,
			      identity);
		return CLI_OK;
	}
	if (keep)
		launch_sync(control);
	if (launch_stop(control, &err) < 0)
		(void)cli_error(0, "%s: %s", identity, err.msg);
	(void)close(control);
	if (keep)
		(void)fprintf(stderr, "kept: %s; to go on: bot-bottle resume %s\n", identity,
			      identity);
	return code;
}

void launch_sync(int control)
{
	char *argv[] = { (char[]){ "timeout" }, (char[]){ "10" }, (char[]){ "sync" }, NULL };
	const struct session_request req = {
		.argv = argv, .n_argv = 3, .no_tty = true, .no_stdin = true
	};
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct bb_err ignored = { 0 };
	pid_t pid = fork();

	if (pid == 0) {
		int code, porter = session_open(control, &req, &ignored);

		_exit(porter < 0 || session_run(control, porter, &req, &code, &ignored) < 0);
	}
	for (int i = 0; pid > 0 && i < SYNC_TIMEOUT_MS / 10; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return;
		(void)nanosleep(&pause, NULL);
	}
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
}
