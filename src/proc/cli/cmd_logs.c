/* SPDX-License-Identifier: Apache-2.0 */
/* audit and logs: what was decided, and what was said */
#include "proc/cli/commands.h"
#include "state/audit_read.h"
#include "state/bottle.h"
#include <errno.h>
#include <signal.h>
#include <time.h>

#define FOLLOW_MS 200

static int open_bottle(const struct cli_args *args, struct state_bottle *ret, struct bb_err *err)
{
	char identity[STATE_IDENTITY_MAX];
	struct paths paths;
	int r = paths_get(&paths, err);

	if (r == 0)
		r = state_find(&paths, args->n_operands ? args->operands[0] : NULL, false, identity,
			       err);
	return r == 0 ? state_bottle_open(&paths, identity, false, ret, err) : r;
}

static bool still_runs(const struct state_bottle *b)
{
	bb_auto_close int pidfd = b->runtime_fd < 0 ? -1 : state_pid_open(b->runtime_fd, NULL);

	return pidfd >= 0;
}

/* Between two records nothing is lost by it */
static void on_interrupt(int signo)
{
	(void)signo;
	_exit(CLI_INTERRUPTED);
}

int cmd_audit(const struct cli_args *args)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bool json = cli_has(args, OPT_JSON), follow = cli_has(args, OPT_FOLLOW);
	const struct timespec pause = { .tv_nsec = FOLLOW_MS * 1000000L };
	struct audit_reader reader;
	struct bb_err err = { 0 };
	int r;

	if (args->n_operands && strcmp(args->operands[0], "verify") == 0)
		return cmd_audit_verify(args);
	if (args->n_operands > 1)
		return cli_error(CLI_USAGE, "audit: one bottle, or: audit verify [ID]");
	if (follow)
		(void)signal(SIGINT, on_interrupt);
	if (open_bottle(args, &b, &err) < 0 || audit_open(b.state_fd, &reader, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	for (;;) {
		bool live = follow && still_runs(&b);
		json_auto_t *record = NULL;

		r = audit_next(&reader, &record, &err);
		if (r > 0)
			r = json ? audit_print_json(record, stdout)
				 : audit_print_line(record, stdout);
		else if (r == 0 && !live)
			break;
		else if (r == 0)
			(void)nanosleep(&pause, NULL);
		if (r < 0 || fflush(stdout) == EOF)
			break;
	}
	audit_close(&reader);
	return r < 0 && err.code ? cli_error(CLI_FAILED, "%s", err.msg) : CLI_OK;
}

int cmd_logs(const struct cli_args *args)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	const char *name = cli_has(args, OPT_CONSOLE)    ? "console.log"
			   : cli_has(args, OPT_HOST_LOG) ? "host.log"
							 : "guest.log";
	struct bb_err err = { 0 };
	int r;

	if (open_bottle(args, &b, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	r = audit_print_log(b.state_fd, name, stdout, &err);
	if (r < 0 && r != -ENOENT)
		return cli_error(CLI_FAILED, "%s", err.msg);
	return CLI_OK;
}
