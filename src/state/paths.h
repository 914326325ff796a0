/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_STATE_PATHS_H
#define BB_STATE_PATHS_H
#include "base/base.h"

/**
 * DOC: paths - where the operator's files, our state and our own programs are
 *
 * Layer:     state
 * Used by:   cli, bottled, image
 * Trust:     environment of the operator. Directories that we write are checked for owner and mode
 *            before use, and never followed through a symbolic link
 * Source:    XDG Base Directory Specification 0.8
 */
#define PATHS_MAX 1024

/**
 * struct paths - Base directories, absolute, none of them created yet
 * @config:	$BOT_BOTTLE_HOME (a relative one is an error), else ~/.bot-bottle
 * @state:	$XDG_STATE_HOME/bot-bottle, else ~/.local/state/bot-bottle
 * @runtime:	$XDG_RUNTIME_DIR/bot-bottle, else @state/run
 * @cache:	$XDG_CACHE_HOME/bot-bottle, else ~/.cache/bot-bottle
 */
struct paths {
	char config[PATHS_MAX];
	char state[PATHS_MAX];
	char runtime[PATHS_MAX];
	char cache[PATHS_MAX];
};

/**
 * paths_get() - Read the environment; an empty variable counts as unset, a relative one is ignored
 *
 * Return: 0 or -errno with @err (no home directory, or a path too long)
 */
BB_MUST_USE int paths_get(struct paths *ret, struct bb_err *err);

/** paths_join() - "@dir/@name" into a buffer of PATHS_MAX. Return: 0 or -ENAMETOOLONG with @err */
BB_MUST_USE int paths_join(const char *dir, const char *name, char ret[static PATHS_MAX],
			   struct bb_err *err);

/**
 * paths_open_private() - Open a directory of ours, 0700
 * @path:	absolute; missing parts are created, 0700
 *
 * Refused: another owner, any right for group or others, a symbolic link as last part.
 *
 * Return: owned fd (O_PATH is not set) or -errno with @err
 */
BB_MUST_USE int paths_open_private(const char *path, struct bb_err *err);

/** paths_open_private_at() - As paths_open_private() for the one part @name below @dirfd */
BB_MUST_USE int paths_open_private_at(int dirfd, const char *name, bool create, struct bb_err *err);

/**
 * paths_libexec() - Program of one role: installed, or in the build tree we run from
 * @role:	"gate", "egress" …
 * @ret:	absolute path
 *
 * Return: 0 or -errno with @err when it is not there or is not executable
 */
BB_MUST_USE int paths_libexec(const char *role, char ret[static PATHS_MAX], struct bb_err *err);

/** paths_guest_binary() - The static guest binary bb-guest; as paths_libexec() */
BB_MUST_USE int paths_guest_binary(char ret[static PATHS_MAX], struct bb_err *err);

/**
 * paths_data() - A data file
 * @name:	path in the source tree, e.g. "examples/bottles/demo.md"; installed below the data
 *		directory under the same name
 *
 * Return: as paths_libexec()
 */
BB_MUST_USE int paths_data(const char *name, char ret[static PATHS_MAX], struct bb_err *err);
#endif
