/* SPDX-License-Identifier: Apache-2.0 */
/* exec, stop, list, cp, cleanup: bottles that are there already */
#include "base/io.h"
#include "ipc/sock.h"
#include "proc/cli/commands.h"
#include "proc/cli/copyfiles.h"
#include "proc/cli/copyin.h"
#include "proc/cli/images.h"
#include "proc/cli/launch.h"
#include "proc/cli/session.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#define DAY_MS 86400000u

static int failed(const struct bb_err *err)
{
	return cli_error(err->code == -ECHILD || err->code == -EPIPE ? CLI_BROKEN : CLI_FAILED,
			 "%s", err->msg);
}

/* What is noted of the bottle, as true or false */
static bool meta_says(const char *identity, const char *key)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	json_auto_t *meta = NULL;
	struct bb_err ignored = { 0 };
	struct paths paths;

	return paths_get(&paths, &ignored) == 0 &&
	       state_bottle_open(&paths, identity, false, &b, &ignored) == 0 &&
	       state_meta_read(b.state_fd, &meta, &ignored) == 0 &&
	       json_is_true(json_object_get(meta, key));
}

int cmd_exec(const struct cli_args *args)
{
	struct session_request req = { .argv = args->operands + 1,
				       .n_argv = args->n_operands - 1,
				       .cwd = cli_opt(args, OPT_WORKDIR),
				       .user = cli_opt(args, OPT_USER),
				       .no_tty = cli_has(args, OPT_NO_TTY) };
	char identity[STATE_IDENTITY_MAX];
	struct bb_err err = { 0 };
	bb_auto_close int control = launch_connect(args->operands[0], identity, &err);
	int code = CLI_BROKEN, porter = -1;

	if (control >= 0 && !req.cwd && meta_says(identity, "workspace"))
		req.cwd = COPYIN_DIR; /* as the bottle's own command */
	if (control >= 0)
		porter = session_open(control, &req, &err);
	if (porter < 0 || session_run(control, porter, &req, &code, &err) < 0)
		return failed(&err);
	return code;
}

int cmd_stop(const struct cli_args *args)
{
	size_t n = args->n_operands ? args->n_operands : 1;
	int code = CLI_OK;

	for (size_t i = 0; i < n; i++) {
		char identity[STATE_IDENTITY_MAX];
		struct bb_err err = { 0 };
		bb_auto_close int control =
			launch_connect(args->n_operands ? args->operands[i] : NULL, identity, &err);

		if (control >= 0 && meta_says(identity, "keep_disk"))
			launch_sync(control);
		if (control < 0 || launch_stop(control, &err) < 0)
			code = failed(&err);
		else
			(void)printf("%s\n", identity);
	}
	return code;
}

/* "ID:PATH" → the two parts; NULL when @text is a host path */
static const char *guest_part(char *text)
{
	char *colon = strchr(text, ':'), *slash = strchr(text, '/');

	if (!colon || (slash && slash < colon))
		return NULL;
	*colon = '\0';
	return colon + 1;
}

int cmd_cp(const struct cli_args *args)
{
	char *from = args->operands[0], *to = args->operands[1];
	const char *guest_from = guest_part(from), *guest_to = guest_part(to);
	char identity[STATE_IDENTITY_MAX];
	struct bb_err err = { 0 };
	bb_auto_close int control = -1;
	int r;

	if (!guest_from == !guest_to)
		return cli_error(CLI_USAGE, "cp: one of the two has to be ID:PATH");
	control = launch_connect(guest_from ? from : to, identity, &err);
	if (control < 0)
		return failed(&err);
	r = guest_from ? copy_out(control, guest_from, to, &err)
		       : copy_in(control, from, guest_to, &err);
	return r < 0 ? failed(&err) : CLI_OK;
}

/* Days in "30", "30d"; -1 when it is neither */
static long parse_days(const char *text)
{
	char *end;
	long days = strtol(text, &end, 10);

	return end == text || days < 0 || (*end && strcmp(end, "d") != 0) ? -1 : days;
}

/* Where bottled was killed an engine may still have what it started */
static int remove_one(const struct paths *paths, const struct state_entry *e, struct bb_err *err)
{
	const char *name = json_string_value(json_object_get(e->meta, "backend"));
	const struct backend *backend = name ? backend_find(name) : NULL;

	return state_bottle_remove(paths, e->identity, backend ? backend->forget : NULL,
				   json_object_get(e->meta, "engine"), err);
}

/* Bottles made after it stay */
static uint64_t limit_of(long days)
{
	uint64_t now = bb_wall_ms();

	return (uint64_t)days > now / DAY_MS ? 0 : now - (uint64_t)days * DAY_MS;
}

static bool has_disk(const struct paths *paths, const char *identity)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	struct bb_err ignored = { 0 };

	return state_bottle_open(paths, identity, false, &b, &ignored) == 0 &&
	       faccessat(b.state_fd, "disk.ext4", F_OK, 0) == 0;
}

static bool may_remove(size_t n, size_t kept)
{
	char question[160] = "Remove them?";

	if (kept)
		(void)snprintf(question, sizeof(question),
			       "Remove them, %zu of %zu with a disk that resume could go on with?",
			       kept, n);
	return cli_confirm(question);
}

int cmd_cleanup(const struct cli_args *args)
{
	const char *older = cli_opt(args, OPT_OLDER_THAN);
	long days = older ? parse_days(older) : 30;
	state_list_auto struct state_list list = { 0 };
	struct bb_err err = { 0 };
	struct paths paths;
	uint64_t limit;
	size_t n = 0, kept = 0, ended = 0;
	int code = CLI_OK;

	if (days < 0)
		return cli_error(CLI_USAGE, "--older-than takes a number of days");
	images_drop_old();
	if (paths_get(&paths, &err) < 0 || state_list_get(&paths, &list, &err) < 0)
		return failed(&err);
	limit = limit_of(days);
	for (size_t i = 0; i < list.n; i++) {
		ended += !list.entries[i].pid;
		if (list.entries[i].pid || list.entries[i].created_ms > limit)
			continue;
		(void)printf("%s\n", list.entries[i].identity);
		kept += has_disk(&paths, list.entries[i].identity);
		n++;
	}
	if (n == 0)
		return cli_error(CLI_OK,
				 "nothing to remove: of %zu ended bottles none is %ld days old%s",
				 ended, days, ended && !older ? " (--older-than DAYS)" : "");
	if (!cli_has(args, OPT_YES) && !may_remove(n, kept))
		return CLI_FAILED;
	for (size_t i = 0; i < list.n; i++) {
		struct bb_err one = { 0 };

		if (list.entries[i].pid || list.entries[i].created_ms > limit)
			continue;
		if (remove_one(&paths, &list.entries[i], &one) < 0)
			code = failed(&one); /* -EBUSY: it came alive meanwhile */
		if (one.code == -EHOSTDOWN)
			(void)fprintf(
				stderr,
				"  a container may be left, so nothing is removed; where that "
				"engine is gone for good: rm -r %s/%s\n",
				paths.state, list.entries[i].identity);
	}
	return code;
}
