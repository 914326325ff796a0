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
 *
 * A lasting session goes on without us: after "~d" at the start of a line, after SIGHUP, after our
 * death. Another CLI attaches to it.
 */

/** enum session_kind - What becomes of the command when we go */
enum session_kind {
	SESSION_ENDS = 0, /* it ends as well */
	SESSION_LASTS,
	SESSION_DETACHED, /* as before, and we go at once */
	SESSION_ATTACH,   /* there is one: nothing is started */
};

/**
 * struct session_request - What to run
 * @argv, @n_argv: command
 * @cwd, @user:	NULL = the guest's default
 * @env:	object of strings over the bottle's environment, or NULL
 * @no_tty:	three pipes even on a terminal
 * @no_stdin:	stdin is at its end from the start
 * @tty:	of SESSION_ATTACH: the session has a terminal
 */
struct session_request {
	enum session_kind kind;
	char *const *argv;
	size_t n_argv;
	const char *cwd;
	const char *user;
	const json_t *env;
	bool no_tty;
	bool no_stdin;
	bool tty;
};

/** session_kind_here() - SESSION_LASTS where this session will have a terminal, else SESSION_ENDS
 */
enum session_kind session_kind_here(const struct session_request *req);

/**
 * session_open() - Ask bottled for a porter
 * @control:	socket to bottled, in blocking mode
 * @req:	what for; NULL: a session that ends with us
 *
 * Return: owned socket to the porter, or -errno with @err
 */
BB_MUST_USE int session_open(int control, const struct session_request *req, struct bb_err *err);

/**
 * session_run() - Run it to its end
 * @control:	socket to bottled: its end ends the session
 * @porter:	taken
 * @ret_code:	the command's exit code; 128+n when a signal ended it, 130 when the user did;
 *		SESSION_GOES_ON when it was left or taken over, and the bottle must not be ended
 *
 * Return: 0; -errno with @err when the bottle or its guest went away
 */
#define SESSION_GOES_ON (-1)
BB_MUST_USE int session_run(int control, int porter, const struct session_request *req,
			    int *ret_code, struct bb_err *err);
#endif
