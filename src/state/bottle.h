/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_STATE_BOTTLE_H
#define BB_STATE_BOTTLE_H
#include "base/buf.h"
#include "policy/ip.h"
#include "state/paths.h"
#include <jansson.h>

/**
 * DOC: bottle - what is on disk about each bottle
 *
 * Layer:     state
 * Used by:   cli, bottled, backend
 * Trust:     our own files in directories that only we can write; still read with bounds, because a
 *            crash may have cut them
 * Ownership: struct state_bottle owns its fds; state_bottle_release()
 *
 * <state>/<identity>/     metadata.json, audit.jsonl, guest.log, console.log, the disk
 * <runtime>/<identity>/   pid, control (socket); gone when the bottle has ended
 */
#define STATE_IDENTITY_MAX 64 /* with its NUL; "<name>-<5 base36>", a DNS label */
#define STATE_NAME_MAX     (STATE_IDENTITY_MAX - 6)

/**
 * struct state_bottle - One bottle's directories, open
 * @state_fd:	<state>/<identity>
 * @runtime_fd:	<runtime>/<identity>; -1 when it has none (any more)
 */
struct state_bottle {
	char identity[STATE_IDENTITY_MAX];
	int state_fd;
	int runtime_fd;
};

/** state_bottle_release() - Close; may be called twice */
void state_bottle_release(struct state_bottle *b);
#define state_bottle_auto BB_CLEANUP(state_bottle_release)

/** state_identity_is_valid() - "[a-z0-9][a-z0-9-]*-[a-z0-9]{5}", at most 63 octets */
bool state_identity_is_valid(const char *identity);

/** state_alias() - The bottle's address: 127.64.0.0/10 by hash of the identity, never .0 or .255 */
void state_alias(const char *identity, struct ip_addr *ret);

/**
 * state_bottle_create() - A new identity with its two directories
 * @name:	of the bottle or agent, or "run"; characters outside [a-z0-9-] become '-', and what
 *		is too long is cut
 *
 * @ret->runtime_fd holds a lock (state_lock()), which keeps `cleanup` away until bottled has its
 *own. Return: 0 with @ret owned; -errno with @err
 */
BB_MUST_USE int state_bottle_create(const struct paths *paths, const char *name,
				    struct state_bottle *ret, struct bb_err *err);

/**
 * state_bottle_open() - An existing one
 * @runtime:	make the runtime directory when it is not there (resume)
 *
 * Return: 0 with @ret owned; -ENOENT, -EINVAL … with @err
 */
BB_MUST_USE int state_bottle_open(const struct paths *paths, const char *identity, bool runtime,
				  struct state_bottle *ret, struct bb_err *err);

/**
 * state_lock() - Say that this process, and who shares the descriptor, has the bottle
 *
 * Return: 0; -EBUSY with @err when somebody else has it. Gone with the last copy of @state_fd
 */
BB_MUST_USE int state_lock(int state_fd, struct bb_err *err);

/**
 * state_scratch_make() - An empty directory below @state_fd, for one process at a time
 *
 * What an earlier process left in it is removed. Return: owned fd, which holds the lock; -EBUSY or
 * other -errno with @err
 */
BB_MUST_USE int state_scratch_make(int state_fd, const char *name, struct bb_err *err);

/** state_scratch_remove() - With all that is in it; borrows @fd */
void state_scratch_remove(int state_fd, const char *name, int fd);

/** state_file_read() - A file of ours, whole, appended to @ret. Return: 0 or -errno with @err */
BB_MUST_USE int state_file_read(int dirfd, const char *name, struct bb_buf *ret,
				struct bb_err *err);

/** state_runtime_remove() - Remove <runtime>/<identity> and the plain files and sockets in it */
void state_runtime_remove(const struct paths *paths, const char *identity);

/**
 * state_bottle_remove() - Remove both directories of an ended bottle
 * @forget:	called once nobody else can have the bottle, before anything is removed, with
 *		@note, whatever that is; or NULL
 *
 * Return: 0; -EBUSY while it lives, -ENOTEMPTY when it holds directories, … with @err
 */
BB_MUST_USE int state_bottle_remove(const struct paths *paths, const char *identity,
				    int (*forget)(const json_t *note, const char *identity,
						  struct bb_err *err),
				    const json_t *note, struct bb_err *err);

/**
 * state_meta_write() - Replace metadata.json atomically, synced
 *
 * Return: 0 or -errno with @err; on failure the old file is unchanged
 */
BB_MUST_USE int state_meta_write(int state_fd, const json_t *meta, struct bb_err *err);

/**
 * state_meta_read() - metadata.json, at most 1 MiB
 * @ret:	new reference to an object
 *
 * Return: 0; -ENOENT; -EINVAL when it is not a JSON object
 */
BB_MUST_USE int state_meta_read(int state_fd, json_t **ret, struct bb_err *err);

/* Exit code of what `start` ran, in decimal, once that has ended */
#define STATE_EXIT_FILE "exit"

/** state_file_write() - Replace file @name below @dirfd atomically with @data, 0600, synced */
BB_MUST_USE int state_file_write(int dirfd, const char *name, struct bb_span data,
				 struct bb_err *err);

/**
 * state_pid_write() - Say that @pid runs this bottle: "PID START BOOT_ID" in
 * <runtime>/<identity>/pid
 *
 * The start time and boot id make the entry unique: a later process with the same number is not it.
 */
BB_MUST_USE int state_pid_write(int runtime_fd, pid_t pid, struct bb_err *err);

/**
 * state_pid_open() - pidfd of the process that runs this bottle
 * @ret_pid:	its number (NULL: not wanted)
 *
 * Return: owned pidfd; -ESRCH when no such process lives; other -errno
 */
BB_MUST_USE int state_pid_open(int runtime_fd, pid_t *ret_pid);

/**
 * struct state_entry - One bottle in a list
 * @meta:	metadata.json, NULL when unreadable
 * @created_ms:	"created_ms" of @meta, else the directory's time
 * @pid:	bottled, 0 = not running
 */
struct state_entry {
	char identity[STATE_IDENTITY_MAX];
	json_t *meta;
	uint64_t created_ms;
	pid_t pid;
};

/** struct state_list - Newest first */
struct state_list {
	struct state_entry *entries;
	size_t n;
};

/** state_list_get() - All bottles, dead ones too. Return: 0 with @ret owned, or -errno with @err */
BB_MUST_USE int state_list_get(const struct paths *paths, struct state_list *ret,
			       struct bb_err *err);
void state_list_release(struct state_list *list);
#define state_list_auto BB_CLEANUP(state_list_release)

/* "there is no …" */
#define STATE_NO_BOTTLE "bottle yet; a first one: bot-bottle run -- CMD, or bot-bottle start"

/**
 * state_find() - The bottle a user means
 * @id:		an identity, an unambiguous beginning of one, or NULL for the newest
 * @live:	only running ones
 *
 * Return: 0 with @ret; -ENOENT or -EEXIST (ambiguous) with @err
 */
BB_MUST_USE int state_find(const struct paths *paths, const char *id, bool live,
			   char ret[static STATE_IDENTITY_MAX], struct bb_err *err);
#endif
