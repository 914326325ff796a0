/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include <stdarg.h>
#include <stdio.h>

static const char *log_role = "bot-bottle"; /* set once at start, before any thread */

void bb_log_init(const char *role)
{
	log_role = role;
}

void bb_log(const char *fmt, ...)
{
	char text[1024], line[sizeof(text) * 4 + 64];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	n = (size_t)snprintf(line, 48, "%s: ", log_role);
	for (const char *c = text; *c; c++) {
		unsigned char u = (unsigned char)*c;

		if (u < 0x20 || u >= 0x7f)
			n += (size_t)snprintf(line + n, 5, "\\x%02x", u);
		else
			line[n++] = *c;
	}
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nowhere left to say it */
}
