/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WORKSPACE_TREE_H
#define BB_WORKSPACE_TREE_H
#include "base/buf.h"
#include "state/digest.h"

/**
 * DOC: tree - what a directory holds, as a sorted list with digests
 *
 * Layer:     workspace
 * Used by:   workspace/changes.h, workspace/apply.h, cli
 * Trust:     a tree that a guest made is read from a directory that only we can write; names in it
 *            are any octets. Nothing is followed: every name is opened beneath one descriptor
 *            without symbolic links
 * Limits:    TREE_ENTRIES_MAX entries, 64 directories deep
 */
#define TREE_ENTRIES_MAX 500000u
#define TREE_PATH_MAX    4096u

/** enum tree_type - What an entry is; an executable file differs from one that is not */
enum tree_type {
	TREE_NONE = 0, /* there is nothing */
	TREE_FILE,
	TREE_EXEC,
	TREE_LINK,
	TREE_DIR,
	TREE_OTHER, /* device, socket, fifo: never like anything else */

	TREE_NUM_TYPES,
};

/**
 * struct tree_entry - One name
 * @path:	relative to the root
 * @target:	of a link that was read from a directory, else NULL
 * @size:	octets of a file
 * @digest:	of a file's content or a link's target
 */
struct tree_entry {
	char *path;
	char *target;
	enum tree_type type;
	uint64_t size;
	uint8_t digest[DIGEST_BYTES];
};

/** struct tree - Sorted by path */
struct tree {
	struct tree_entry *entries;
	size_t n, alloc;
};

void tree_release(struct tree *t);
#define tree_auto BB_CLEANUP(tree_release)

/** tree_skip_fn - Is this one to be left out, with all that is in it? */
typedef bool (*tree_skip_fn)(const char *path, bool is_dir, void *arg);

/**
 * tree_read() - All of a directory
 * @root:	borrowed
 * @skip:	NULL: nothing is left out
 *
 * Return: 0 with @ret owned; -E2BIG, -ELOOP or other -errno with @err
 */
BB_MUST_USE int tree_read(int root, tree_skip_fn skip, void *arg, struct tree *ret,
			  struct bb_err *err);

/**
 * tree_look() - One name as it is now
 * @ret:	@ret->path stays NULL, @ret->target is owned
 *
 * Return: 0 (TREE_NONE when it is not there); -errno when a part of the path is no directory
 */
BB_MUST_USE int tree_look(int root, const char *path, struct tree_entry *ret);

/** tree_find() - Entry by path, or NULL */
const struct tree_entry *tree_find(const struct tree *t, const char *path);

/** tree_same() - Same type and content? NULL is TREE_NONE */
bool tree_same(const struct tree_entry *a, const struct tree_entry *b);

/** tree_add() - Append a copy of @e as @path; the caller keeps the order. Return: 0 or -ENOMEM */
BB_MUST_USE int tree_add(struct tree *t, const char *path, const struct tree_entry *e);

/** tree_save() - As lines for tree_load(). Return: as bb_buf_add() */
BB_MUST_USE int tree_save(const struct tree *t, struct bb_buf *ret);

/** tree_load() - From what tree_save() wrote. Return: 0; -EBADMSG or -ENOMEM with @err */
BB_MUST_USE int tree_load(struct bb_span text, struct tree *ret, struct bb_err *err);

/** tree_open() - Open @path beneath @root: no links, nothing above. Return: owned fd or -errno */
BB_MUST_USE int tree_open(int root, const char *path, int flags);

/**
 * tree_open_parent() - The directory that holds @path
 * @ret_name:	its last component, in @path
 *
 * Return: owned fd or -errno
 */
BB_MUST_USE int tree_open_parent(int root, const char *path, const char **ret_name);
#endif
