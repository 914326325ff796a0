/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "proc/cli/options.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

/* A closed standard descriptor would be given to the next open() and be written to */
static void open_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			_exit(CLI_FAILED);
	}
}

/*
 * It reads the credentials of routes and of the agent's vendor: no other process of the user reads
 * its memory or its environment, and it leaves no core. What it starts is as usual again: execve()
 * sets that back, and no limit is changed.
 */
static void keep_secrets(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	json_set_alloc_funcs(malloc, bb_free_wiped); /* they go through JSON to the guards */
}

/*
 * What was printed is written, or that it was not is said: a script must not take half a list for
 * one. A reader that went (| head) has what it wanted.
 */
static int finish(int code)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	bool failed = fflush(stdout) == EOF;
	const char *why = failed ? strerror(errno) : "not all of it was written";

	if (!failed && !ferror(stdout))
		return code;
	if (poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP))
		return code;
	return cli_error(code == CLI_OK ? CLI_FAILED : code, "standard output: %s", why);
}

static int act(int argc, char **argv)
{
	const struct cli_cmd *cmd;
	struct bb_err err = { 0 };
	static struct cli_args args;
	const char *near;

	if (argc < 2) {
		cli_print_help(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("bot-bottle " BB_VERSION);
		return CLI_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		cli_print_help(stdout);
		return CLI_OK;
	}
	cmd = cli_find(argv[1], &near);
	if (!cmd)
		return cli_no_command(argv[1], near);
	if (cli_parse(cmd, argc - 2, argv + 2, &args, &err) < 0)
		return cli_error(CLI_USAGE, "%s", err.msg);
	if (cli_has(&args, OPT_HELP)) {
		cli_print_command_help(cmd, stdout);
		return CLI_OK;
	}
	return cmd->run(&args);
}

int main(int argc, char **argv)
{
	open_standard_fds();
	keep_secrets();
	(void)signal(SIGPIPE, SIG_IGN);
	return finish(act(argc, argv));
}
