/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/terminal.h"
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
