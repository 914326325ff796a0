/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/terminal.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>

static struct termios saved;
static volatile bool is_raw;

bool terminal_is_interactive(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

void terminal_restore(void)
{
	if (!is_raw)
		return;
	is_raw = false;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

void terminal_raw(void)
{
	static bool registered;
	struct termios raw;

	if (is_raw || tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	if (!registered)
		(void)atexit(terminal_restore);
	registered = true;
	raw = saved;
	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static volatile sig_atomic_t caught;

static void on_caught(int signo)
{
	caught = signo;
}

/* @unblocked: signals that the wait, and nothing else, lets through: none gets lost in between */
static ssize_t read_line(char *buf, size_t size, const sigset_t *unblocked)
{
	struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };

	for (size_t len = 0; len < size; len++) {
		ssize_t n = ppoll(&ready, 1, NULL, unblocked);

		if (n > 0)
			n = read(STDIN_FILENO, buf + len, 1);
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		if (buf[len] == '\n') {
			buf[len] = '\0';
			return (ssize_t)len;
		}
	}
	return -E2BIG;
}

static ssize_t ask_hidden(const char *question, char *buf, size_t size, const sigset_t *unblocked)
{
	struct termios was, quiet;
	ssize_t r;

	if (tcgetattr(STDIN_FILENO, &was) < 0)
		return -errno;
	quiet = was;
	quiet.c_lflag = (quiet.c_lflag & ~(tcflag_t)ECHO) | ECHONL;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) < 0)
		return -errno;
	(void)fprintf(stderr, "%s: ", question); /* whoever sees it may type */
	r = read_line(buf, size, unblocked);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	return r;
}

ssize_t terminal_ask_hidden(const char *question, char *buf, size_t size)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction old[BB_ARRAY_LEN(ends)], stop, ignore = { .sa_handler = SIG_IGN };
	struct sigaction act = { .sa_handler = on_caught };
	sigset_t blocked, before;
	ssize_t r;

	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < BB_ARRAY_LEN(ends); i++)
		(void)sigaddset(&blocked, ends[i]);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	caught = 0;
	for (size_t i = 0; i < BB_ARRAY_LEN(ends); i++)
		(void)sigaction(ends[i], &act, &old[i]);
	(void)sigaction(SIGTSTP, &ignore, &stop);
	r = ask_hidden(question, buf, size, &before);
	(void)sigaction(SIGTSTP, &stop, NULL);
	for (size_t i = 0; i < BB_ARRAY_LEN(ends); i++)
		(void)sigaction(ends[i], &old[i], NULL);
	if (caught)
		(void)raise(caught); /* as if we had not caught it */
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

void terminal_size(uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize ws = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || !ws.ws_row || !ws.ws_col) {
		ws.ws_row = 24;
		ws.ws_col = 80;
	}
	*ret_rows = ws.ws_row;
	*ret_cols = ws.ws_col;
}
