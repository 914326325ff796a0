/* SPDX-License-Identifier: Apache-2.0 */
/* attach: back to a session that outlived its CLI */
#include "base/io.h"
#include "proc/cli/commands.h"
#include "proc/cli/launch.h"
#include "proc/cli/session.h"
#include "proc/cli/terminal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* Of a bottle that has ended, or is about to: 0 to 255, or -1 where nothing is known of it */
static int exit_code_of(const char *id, char identity[static STATE_IDENTITY_MAX])
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_close int fd = -1;
	struct bb_err ignored = { 0 };
	char text[16] = "", *end;
	struct paths paths;
	long code;

	if (!id || paths_get(&paths, &ignored) < 0 ||
	    state_find(&paths, id, false, identity, &ignored) < 0 ||
	    state_bottle_open(&paths, identity, false, &b, &ignored) < 0)
		return -1;
	fd = openat(b.state_fd, STATE_EXIT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	code = strtol(text, &end, 10);
	return end != text && code >= 0 && code <= 255 ? (int)code : -1;
}

/* What there is to attach to. Return: 0; -errno with @err */
static int look(int control, const char *identity, struct session_request *req, struct bb_err *err)
{
	json_auto_t *status = launch_status(control);
	const json_t *session = json_object_get(status, "session");

	if (!session)
		return bb_err_set(err, -ESRCH,
				  "%s was not made by start: bot-bottle exec %s -- CMD", identity,
				  identity);
	req->tty = json_is_true(json_object_get(session, "tty"));
	if (req->tty && !terminal_is_interactive())
		return bb_err_set(err, -ENOTTY,
				  "attach: what runs in %s has a terminal, so standard input and "
				  "output have to be one",
				  identity);
	return 0;
}

static int attach(int control, const char *identity, int *ret_code, struct bb_err *err)
{
	struct session_request req = { .kind = SESSION_ATTACH };
	int porter, r = look(control, identity, &req, err);

	if (r < 0)
		return r;
	porter = session_open(control, &req, err);
	return porter < 0 ? porter : session_run(control, porter, &req, ret_code, err);
}

int cmd_attach(const struct cli_args *args)
{
	const char *id = args->n_operands ? args->operands[0] : NULL;
	char identity[STATE_IDENTITY_MAX];
	json_auto_t *meta = NULL;
	struct bb_err err = { 0 }, ignored = { 0 };
	bb_auto_close int control = launch_connect(id, identity, &err);
	int code, r = control;

	if (r >= 0)
		r = attach(control, identity, &code, &err);
	if (r < 0 && (code = exit_code_of(control < 0 ? id : identity, identity)) >= 0) {
		(void)fprintf(stderr, "%s has ended, with %d\n", identity, code);
		return code;
	}
	if (r < 0)
		return cli_error(err.code == -ECHILD || err.code == -EPIPE ? CLI_BROKEN
									   : CLI_FAILED,
				 "%s", err.msg);
	if (launch_meta(identity, &meta, &ignored) < 0)
		meta = NULL; /* then nothing is kept */
	return launch_finish(BB_TAKE_FD(control), identity,
			     json_is_true(json_object_get(meta, "keep_disk")), code);
}
