/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WORKSPACE_IGNORED_H
#define BB_WORKSPACE_IGNORED_H
#include "base/buf.h"

/**
 * DOC: ignored - what git ignores in the working directory
 *
 * Layer:     workspace
 * Used by:   cli (--gitignore)
 * Trust:     the repository's own configuration may name programs: git is asked with those
 *            switched off that this question would run
 * Limits:    16 MiB of names
 */

/** struct ignored - Names, sorted; those of directories end with a slash */
struct ignored {
	struct bb_buf text;
	char **names;
	size_t n;
};

void ignored_release(struct ignored *i);
#define ignored_auto BB_CLEANUP(ignored_release)

/**
 * ignored_read() - Ask git about the working directory
 *
 * A file that is tracked is never ignored. Return: 0 with @ret owned; -errno with @err
 */
BB_MUST_USE int ignored_read(struct ignored *ret, struct bb_err *err);

/** ignored_has() - Is it one of them? */
bool ignored_has(const struct ignored *i, const char *path, bool is_dir);
#endif
