/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_COMMITS_H
#define BB_PROC_CLI_COMMITS_H
#include "state/bottle.h"

/**
 * DOC: commits - disks of bottles, put aside under a name, to start others from
 *
 * Layer:     proc/cli
 * Used by:   cmd_commit.c, plan.c (--from), launch.c
 * Trust:     the disk holds a file system that a guest made: it is copied as octets, its holes
 * kept, and never looked into
 *
 * <state>/commits/NAME/: disk.ext4, commit.json (with the digest of the image below it), and the
 * list of what --cwd had copied in. A commit appears by one rename.
 */
#define COMMIT_NAME_MAX 64

/** commit_name_is_ok() - [a-z0-9][a-z0-9._-]*, shorter than COMMIT_NAME_MAX */
bool commit_name_is_ok(const char *name);

/**
 * commit_make() - Copy the disk of @b
 * @meta:	its metadata
 *
 * Whoever calls keeps the disk from changing meanwhile. Return: 0; -EEXIST, -ENOENT (it has no
 * disk), -ENOSPC or other -errno with @err; nothing is left on failure
 */
BB_MUST_USE int commit_make(const struct paths *paths, const struct state_bottle *b,
			    const json_t *meta, const char *name, struct bb_err *err);

/** commit_read() - What is noted of it. Return: 0 with @ret owned; -ENOENT … with @err */
BB_MUST_USE int commit_read(const struct paths *paths, const char *name, json_t **ret,
			    struct bb_err *err);

/** commit_place() - Its disk, and its list, into a new bottle's state directory */
BB_MUST_USE int commit_place(const struct paths *paths, const char *name, int state_fd,
			     struct bb_err *err);

/** commit_names() - New JSON array, sorted */
json_t *commit_names(const struct paths *paths);

/** commit_remove() - Return: 0; -ENOENT … with @err */
BB_MUST_USE int commit_remove(const struct paths *paths, const char *name, struct bb_err *err);
#endif
