/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WORKSPACE_NAMES_H
#define BB_WORKSPACE_NAMES_H
#include "base/base.h"

/**
 * DOC: names - which files of a workspace are special, by their names
 *
 * Layer:     workspace
 * Used by:   workspace/changes.h, cli
 * Trust:     paths may come from a guest: any octets but NUL
 *
 * The lists are the tables at the top of names.c. A pattern without a slash is one component,
 * anywhere in the path; with slashes it is several components in a row. Letters of either case
 * match: the file system below may not tell them apart.
 */

/** enum names_run - When a program on the host would run, or obey, what is in a file */
enum names_run {
	NAMES_RUN_NEVER = 0,
	NAMES_RUN_BUILD, /* when somebody builds, tests, or lets CI do so */
	NAMES_RUN_SELF,  /* by git, a shell, an editor or an agent, without being asked */

	NAMES_NUM_RUNS,
};

/** names_is_secret() - Does the name say that a secret is in it? Not of git's own files */
bool names_is_secret(const char *path);

/**
 * names_run() - What the host does with a file of this name
 *
 * In a .git directory, or one whose name ends so, everything counts as NAMES_RUN_SELF that is not
 * known as data of git; elsewhere HEAD does, without which git takes no directory for a repository.
 */
enum names_run names_run(const char *path);
#endif
