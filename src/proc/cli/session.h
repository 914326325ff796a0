/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_SESSION_H
#define BB_PROC_CLI_SESSION_H
#include "base/base.h"
#include <jansson.h>

/**
 * DOC: session - one command in a running bottle, seen from the user's terminal
 *
 * Layer:     proc/cli
 * Trust:     what comes back is the guest's: it is copied to stdout and stderr uninterpreted, as a
 *            terminal program would do with any command's output
 *
 * With a terminal on stdin and stdout the session has a pty of the same size and the local terminal
 * is raw; "~." at the start of a line ends it. Without one, stdin, stdout and stderr are three
 * pipes, byte-exact; SIGINT and SIGTERM go to the command, and a second one within two seconds
 * ends the session.
 */

/**
 * struct session_request - What to run
 * @argv, @n_argv: command
 * @cwd, @user:	NULL = the guest's default
 * @env:	object of strings over the bottle's environment, or NULL
 * @no_tty:	three pipes even on a terminal
 * @no_stdin:	stdin is at its end from the start
 */
struct session_request {
	char *const *argv;
	size_t n_argv;
	const char *cwd;
	const char *user;
	const json_t *env;
	bool no_tty;
	bool no_stdin;
};

/**
 * session_open() - Ask bottled for a porter
 * @control:	socket to bottled, in blocking mode
 *
 * Return: owned socket to the porter, or -errno with @err
 */
BB_MUST_USE int session_open(int control, struct bb_err *err);

/**
 * session_run() - Run it to its end
 * @control:	socket to bottled: its end ends the session
 * @porter:	taken
 * @ret_code:	the command's exit code; 128+n when a signal ended it, 130 when the user did
 *
 * Return: 0; -errno with @err when the bottle or its guest went away
 */
BB_MUST_USE int session_run(int control, int porter, const struct session_request *req,
			    int *ret_code, struct bb_err *err);
#endif
