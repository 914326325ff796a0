/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_USER_H
#define BB_GUEST_USER_H
#include "base/base.h"
#include <sys/types.h>

/**
 * DOC: user - the image's users, read by ourselves
 *
 * Layer:     guest
 * Why:       a static glibc would dlopen() the image's NSS modules: code of the image in our
 *            process
 * Trust:     the files are the image's; lines that do not parse are passed over
 */
#define USER_GROUPS_MAX 64

/** struct user - One entry of /etc/passwd with its groups */
struct user {
	char name[65];
	char home[256];
	char shell[256];
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX];
	size_t n_groups;
};

/**
 * user_find() - Look a user up
 * @etc:	Directory of passwd and group, "/etc" outside tests
 * @who:	Name, or decimal uid (which need not be in passwd)
 *
 * Return: 0, -ENOENT, -errno; @ret written on success
 */
BB_MUST_USE int user_find(const char *etc, const char *who, struct user *ret, struct bb_err *err);

/**
 * user_pick() - user_find() in texts that are there already
 * @passwd:	text of passwd, NULL = none; it and @group are written into
 * @group:	text of group, NULL = none
 *
 * Return: false when there is no such user; @ret written on success
 */
BB_MUST_USE bool user_pick(char *passwd, char *group, const char *who, struct user *ret);

/** user_become() - Groups, gid and uid for good. Return: 0 or -errno */
BB_MUST_USE int user_become(const struct user *u);
#endif
