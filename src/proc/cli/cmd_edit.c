/* SPDX-License-Identifier: Apache-2.0 */
/* edit: a bottle or an agent in the user's editor, and whether it is valid after that */
#include "manifest/manifest.h"
#include "proc/cli/commands.h"
#include "state/paths.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static const char *editor(void)
{
	const char *names[] = { getenv("VISUAL"), getenv("EDITOR"), "vi" };

	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		if (names[i] && *names[i])
			return names[i];
	}
	return "vi";
}

/* As git does it: the variable may hold options. Return: exit code of the editor, -errno */
static int run_editor(const char *path)
{
	const char *words = editor();
	bb_auto_free char *script = NULL;
	int status;
	pid_t pid;

	if (asprintf(&script, "%s \"$@\"", words) < 0)
		return -ENOMEM;
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGQUIT, SIG_DFL);
		(void)signal(SIGPIPE, SIG_DFL);
		(void)execl("/bin/sh", "sh", "-c", script, words, path, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Errors go to stderr. Return: whether there are none */
static bool is_valid(const struct manifest_dirs *dirs, bool agent, const char *name)
{
	struct bb_err err = { 0 };
	struct bottle b = { 0 };
	struct agent a = { 0 };
	struct diag diag;
	int r;

	diag_init(&diag);
	r = agent ? manifest_agent(dirs, name, &a, &diag, &err)
		  : manifest_bottle(dirs, name, &b, &diag, &err);
	if (r == 0 && agent)
		agent_release(&a);
	else if (r == 0)
		bottle_release(&b);
	if (diag.text.len)
		cli_print(stderr, bb_buf_str(&diag.text));
	else if (r < 0)
		(void)cli_error(0, "%s", err.msg);
	r = r == 0 && diag.n == 0;
	diag_release(&diag);
	return r;
}

/* The one that was named, or the only bottle there is */
static int choose(const struct cli_args *args, const struct manifest_dirs *dirs,
		  char ret_name[static 64], bool *ret_agent, char ret_path[static PATHS_MAX],
		  struct bb_err *err)
{
	json_auto_t *names = manifest_names(dirs, "bottles");
	const char *name = args->n_operands ? args->operands[0] : NULL;
	int n;

	if (!name && json_array_size(names) == 1)
		name = json_string_value(json_array_get(names, 0));
	if (!name)
		return bb_err_set(err, -EINVAL,
				  "edit: which bottle or agent? (bot-bottle check "
				  "lists them, bot-bottle init makes a first one)");
	if (strchr(name, '/') || strlen(name) > 40)
		return bb_err_set(err, -EINVAL, "edit: '%.40s' is no name", name);
	(void)snprintf(ret_name, 64, "%s", name);
	*ret_agent = false;
	n = snprintf(ret_path, PATHS_MAX, "%s/bottles/%s.md", dirs->home, name);
	if (n < PATHS_MAX && access(ret_path, F_OK) == 0)
		return 0;
	*ret_agent = true;
	n = snprintf(ret_path, PATHS_MAX, "%s/agents/%s.md", dirs->home, name);
	if (n < PATHS_MAX && access(ret_path, F_OK) == 0)
		return 0;
	return manifest_no_such(dirs, "bottles", name, err);
}

int cmd_edit(const struct cli_args *args)
{
	bb_auto_free char *cwd = getcwd(NULL, 0);
	char name[64], path[PATHS_MAX];
	struct manifest_dirs dirs;
	struct bb_err err = { 0 };
	struct paths paths;
	bool agent;
	int r;

	if (paths_get(&paths, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	dirs = (struct manifest_dirs){ paths.config, cwd ? cwd : "/" };
	r = choose(args, &dirs, name, &agent, path, &err);
	if (r < 0)
		return cli_error(r == -EINVAL ? CLI_USAGE : CLI_FAILED, "%s", err.msg);
	for (;;) {
		r = run_editor(path);
		if (r != 0)
			return cli_error(CLI_FAILED, "the editor (%s) ended with %d", editor(), r);
		if (is_valid(&dirs, agent, name))
			return CLI_OK;
		if (!cli_confirm("Edit it again?"))
			return CLI_FAILED;
	}
}
