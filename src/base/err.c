/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include <stdarg.h>
#include <stdio.h>
void bb_bug(const char *cond, const char *file, int line)
{
	(void)fprintf(stderr, "BUG: %s at %s:%d\n", cond, file, line);
	abort();
}

int bb_err_set(struct bb_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	BB_BUG_ON(!err || err->code != 0 || code >= 0);
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}
int bb_err_wrap(struct bb_err *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	va_list ap;
	size_t n;

	BB_BUG_ON(!err || err->code >= 0);
	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	(void)snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", inner);
	return err->code;
}
