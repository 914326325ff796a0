/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_BOTTLED_SPAWN_H
#define BB_PROC_BOTTLED_SPAWN_H
#include "base/base.h"
#include <sys/types.h>

/**
 * DOC: spawn - fork and exec one child with exactly the descriptors it is meant to have
 *
 * Layer:     proc/bottled
 * Used by:   children.c, porters.c
 *
 * The child gets @fds as 3, 4, …, /dev/null as stdin, the bottle's host log as stdout and stderr,
 * and nothing else. It dies with us: PR_SET_PDEATHSIG=SIGKILL, and a look at getppid() for the case
 * that we were gone before it took effect.
 */
#define SPAWN_FDS_MAX 8

/**
 * struct spawn - What to run
 * @path:	executable
 * @argv:	NULL-terminated
 * @fds:	borrowed; become 3, 4, …
 * @log_fd:	stdout and stderr of the child
 * @operators:	a program of the operator's, not of ours: keeps our environment, and may use
 *		set-user-ID helpers (podman's newuidmap)
 * @apart:	namespaces of its own, but for @keep (JAIL_KEEP_*)
 * @strict:	it does not start without them
 * @confine:	called in the child last, right before exec (may be NULL). Return: 0 or -errno
 */
struct spawn {
	const char *path;
	char *const *argv;
	int fds[SPAWN_FDS_MAX];
	size_t n_fds;
	int log_fd;
	bool operators;
	bool apart;
	bool strict;
	unsigned int keep;
	int (*confine)(const struct spawn *s, struct bb_err *err);
};

/**
 * spawn_child() - Start it
 * @ret_pidfd:	owned
 *
 * Return: pid, or -errno with @err. A child that cannot exec exits with 127 and says why in the
 * log.
 */
BB_MUST_USE pid_t spawn_child(const struct spawn *s, int *ret_pidfd, struct bb_err *err);
#endif
