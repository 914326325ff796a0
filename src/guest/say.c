/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/say.h"
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

/* One per process, set before anything is said: the same exception that base/log makes */
static const char *say_role = "guest";
static int say_fd = -1;

void say_init(const char *role, int fd)
{
	say_role = role;
	say_fd = fd;
}

void say(const char *fmt, ...)
{
	char line[SAY_MAX];
	int n = snprintf(line, sizeof(line), "%s: ", say_role), more;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	more = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	len = (size_t)(n + (more > 0 ? more : 0));
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	if (say_fd >= 0 && send(say_fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	line[len] = '\n';
	(void)!write(2, line, len + 1);
}
