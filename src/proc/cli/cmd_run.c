/* SPDX-License-Identifier: Apache-2.0 */
/* run, start, resume: a bottle with one command in it */
#include "image/image.h"
#include "proc/cli/commands.h"
#include "proc/cli/copyin.h"
#include "proc/cli/launch.h"
#include "proc/cli/pick.h"
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
static int run_inside(const struct cli_args *args, const struct plan *p, const struct copyin *in,
		      char *const *argv, size_t n_argv, int control, struct bb_err *err)
{
	struct session_request req = { .argv = argv, .n_argv = n_argv };
	int code = CLI_BROKEN, porter = -1, r = 0;

	if (p->workspace)
		req.cwd = COPYIN_DIR;
	if (cli_has(args, OPT_CWD))
		r = copyin_run(in, p, p->policy.identity, control, err);
	if (cli_has(args, OPT_WORKDIR))
		req.cwd = cli_opt(args, OPT_WORKDIR);
	req.user = cli_opt(args, OPT_USER);
	req.no_tty = cli_has(args, OPT_NO_TTY) || cli_has(args, OPT_HEADLESS);
	if (cli_has(args, OPT_DETACH))
		req.kind = SESSION_DETACHED;
	else if (p->lasting)
		req.kind = session_kind_here(&req);
	req.no_stdin = req.kind == SESSION_DETACHED && req.no_tty;
	if (r == 0)
		r = porter = session_open(control, &req, err);
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
	struct bb_err err = { 0 };
	copyin_auto struct copyin in = { 0 };
	struct image image;
	int control, code;

	if (!preflight_backend(p->backend))
		return CLI_FAILED;
	/* before anything is asked; an engine of the legacy backend has images of its own */
	if (!p->backend->legacy && !image_is_path(p->image) &&
	    image_open(p->image, &image, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	if (cli_has(args, OPT_CWD) && copyin_plan(args, p, &in, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	if (!plan_confirm(p, cli_has(args, OPT_YES), unattended))
		return CLI_FAILED;
	p->ephemeral = true;
	control = launch_start(p, identity, &err);
	plan_forget(p);
	if (control < 0)
		return cli_error(exit_code_of(&err), "%s", err.msg);
	if (p->provider && provider_copy(p, control, &err) < 0)
		code = cli_error(exit_code_of(&err), "%s", err.msg);
	else
		code = run_inside(args, p, &in, argv, n_argv, control, &err);
	if (code == SESSION_GOES_ON && cli_has(args, OPT_DETACH))
		(void)printf("%s\n", identity);
	return launch_finish(control, identity, p->keep_disk, code);
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
	bb_auto_free char *picked = NULL;
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
	if (!has_agent && provide && !headless && !cli_has(args, OPT_BOTTLE) && cli_can_ask() &&
	    pick_agent(&picked, &err) < 0)
		return cli_error(err.code == -EINVAL ? CLI_USAGE : CLI_FAILED, "%s", err.msg);
	if (plan_for_agent(args, has_agent ? args->operands[0] : picked, provide, &p, &err) < 0)
		return cli_error(err.code == -EINVAL ? CLI_USAGE : CLI_FAILED, "%s", err.msg);
	p.lasting = true;
	if (provide)
		code = run_plan(args, &p, argv, provider_argv(&p, prompt, headless, argv),
				headless);
	else
		code = run_plan(args, &p, args->operands + has_agent, args->n_operands - has_agent,
				headless);
	plan_release(&p);
	return code;
}

/* The ended bottle that is meant: its metadata, and that it can go on */
static int find_ended(const char *id, char identity[static STATE_IDENTITY_MAX], json_t **ret_meta,
		      struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_close int pidfd = -1;
	struct paths paths;
	int r = paths_get(&paths, err);

	if (r == 0)
		r = state_find(&paths, id, false, identity, err);
	if (r == 0)
		r = state_bottle_open(&paths, identity, false, &b, err);
	if (r < 0)
		return r;
	pidfd = b.runtime_fd < 0 ? -1 : state_pid_open(b.runtime_fd, NULL);
	if (pidfd >= 0)
		return bb_err_set(err, -EBUSY, "%s runs: bot-bottle exec %s -- CMD", identity,
				  identity);
	if (faccessat(b.state_fd, "disk.ext4", F_OK, 0) < 0)
		return bb_err_set(err, -ENOENT,
				  "%s: its disk was removed when it ended; --keep keeps a "
				  "machine's (a container has none)",
				  identity);
	return state_meta_read(b.state_fd, ret_meta, err);
}

/* resume [ID] [-- CMD…] */
int cmd_resume(const struct cli_args *args)
{
	size_t has_id = args->n_plain > 0, n_argv = args->n_operands - has_id;
	char shell[] = "bash", *argv[PROVIDER_ARGV_MAX] = { shell, NULL };
	char identity[STATE_IDENTITY_MAX];
	json_auto_t *meta = NULL;
	struct bb_err err = { 0 };
	struct plan p;
	bool provide;
	int code;

	if (args->n_plain > 1)
		return cli_error(CLI_USAGE,
				 "resume: a command stands behind --: resume ID -- CMD…");
	if (find_ended(has_id ? args->operands[0] : NULL, identity, &meta, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	provide = n_argv == 0 && json_is_true(json_object_get(meta, "provide"));
	if (plan_again(args->cmd, meta, provide ? PLAN_PROVIDE : PLAN_COMMAND, &p, &err) < 0)
		return cli_error(CLI_FAILED, "%s: %s", identity, err.msg);
	p.resume = identity;
	p.lasting = provide;
	if (provide)
		code = run_plan(args, &p, argv, provider_argv(&p, NULL, false, argv), false);
	else if (n_argv == 0)
		code = run_plan(args, &p, argv, 1, true);
	else
		code = run_plan(args, &p, args->operands + has_id, n_argv, true);
	plan_release(&p);
	return code;
}
