/* SPDX-License-Identifier: Apache-2.0 */
/* run and start: a new bottle with one command in it */
#include "proc/cli/commands.h"
#include "proc/cli/copyfiles.h"
#include "proc/cli/launch.h"
#include "proc/cli/preflight.h"
#include "proc/cli/provider.h"
#include "proc/cli/session.h"
#include <errno.h>
#include <stdio.h>

/* A bottle that failed, or went away without a word, against what the user can set right */
static int exit_code_of(const struct bb_err *err)
{
	switch (-err->code) {
	case ECHILD:
	case EPIPE:
	case ECONNRESET:
	case ENODATA:
		return CLI_BROKEN;
	default:
		return CLI_FAILED;
	}
}

/* In the running bottle: the copied directory, then the command; the bottle ends in any case */
static int run_inside(const struct cli_args *args, char *const *argv, size_t n_argv, int control,
		      struct bb_err *err)
{
	struct session_request req = { .argv = argv, .n_argv = n_argv };
	int code = CLI_BROKEN, porter = -1, r = 0;

	if (cli_has(args, OPT_CWD)) {
		req.cwd = "/workspace";
		r = copy_directory_in(control, ".", "/workspace", err);
	}
	if (cli_has(args, OPT_WORKDIR))
		req.cwd = cli_opt(args, OPT_WORKDIR);
	req.user = cli_opt(args, OPT_USER);
	req.no_tty = cli_has(args, OPT_NO_TTY);
	if (r == 0)
		r = porter = session_open(control, err);
	if (r >= 0)
		r = session_run(control, porter, &req, &code, err);
	if (r < 0)
		return cli_error(exit_code_of(err), "%s", err->msg);
	return code;
}

static int run_plan(const struct cli_args *args, struct plan *p, char *const *argv, size_t n_argv,
		    bool unattended)
{
	char identity[STATE_IDENTITY_MAX];
	struct bb_err err = { 0 }, ignored = { 0 };
	int control, code;

	if (!preflight_backend(p->backend))
		return CLI_FAILED;
	if (cli_has(args, OPT_CWD))
		warn_secret_files(p, ".");
	if (!plan_confirm(p, cli_has(args, OPT_YES), unattended))
		return CLI_FAILED;
	p->ephemeral = true;
	control = launch_start(p, identity, &err);
	if (control < 0)
		return cli_error(exit_code_of(&err), "%s", err.msg);
	if (p->provider && provider_copy(p, control, &err) < 0)
		code = cli_error(exit_code_of(&err), "%s", err.msg);
	else
		code = run_inside(args, argv, n_argv, control, &err);
	if (launch_stop(control, &ignored) < 0)
		(void)cli_error(0, "%s: %s", identity, ignored.msg);
	(void)close(control);
	if (p->keep_disk)
		(void)fprintf(stderr, "kept: %s\n", identity);
	return code;
}

int cmd_run(const struct cli_args *args)
{
	const char *name = cli_opt(args, OPT_BOTTLE);
	struct bb_err err = { 0 };
	struct plan p;
	int code;

	if (plan_make(args, name ? name : "run", &p, &err) < 0)
		return cli_error(err.code == -EINVAL ? CLI_USAGE : CLI_FAILED, "%s", err.msg);
	code = run_plan(args, &p, args->operands, args->n_operands, true);
	plan_release(&p);
	return code;
}

/* start AGENT [-- CMD…]: the agent names the bottle, and without CMD the bottle the program */
int cmd_start(const struct cli_args *args)
{
	bool has_agent = args->n_plain > 0;
	bool provide = args->n_operands == has_agent, headless = cli_has(args, OPT_HEADLESS);
	const char *prompt = cli_opt(args, OPT_PROMPT);
	char *argv[PROVIDER_ARGV_MAX];
	struct bb_err err = { 0 };
	struct plan p;
	int code;

	if (args->n_plain > 1)
		return cli_error(CLI_USAGE,
				 "start: a command stands behind --: start AGENT -- CMD…");
	if (provide && headless && !prompt)
		return cli_error(CLI_USAGE,
				 "start --headless: --prompt TEXT says what is to be done");
	if (!provide && prompt)
		return cli_error(CLI_USAGE, "start: --prompt is for a provider, not for a command");
	if (plan_for_agent(args, has_agent ? args->operands[0] : NULL, provide, &p, &err) < 0)
		return cli_error(err.code == -EINVAL ? CLI_USAGE : CLI_FAILED, "%s", err.msg);
	if (provide)
		code = run_plan(args, &p, argv, provider_argv(&p, prompt, headless, argv),
				headless);
	else
		code = run_plan(args, &p, args->operands + has_agent, args->n_operands - has_agent,
				headless);
	plan_release(&p);
	return code;
}
