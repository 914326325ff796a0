/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_MOUNTS_H
#define BB_GUEST_MOUNTS_H
#include "guest/user.h"

/**
 * DOC: mounts - from the initramfs to the bottle's root
 *
 * Layer:     guest
 * Used by:   init, once
 *
 * The root is an overlay of the image (erofs, read-only, shared by all bottles) and the bottle's
 * own disk (ext4). What is written much, or must not be an overlay, is a plain directory of that
 * disk.
 */

/** mounts_early() - /proc, /sys, /dev, and a console on 0, 1 and 2. Return: 0 or -errno */
BB_MUST_USE int mounts_early(struct bb_err *err);

/** mounts_modules() - Load what @list names, in order; failures are said and passed over */
void mounts_modules(const char *list);

/** mounts_root() - Build the overlay under /newroot */
BB_MUST_USE int mounts_root(struct bb_err *err);

/** mounts_switch() - Make /newroot the root; the initramfs is emptied */
BB_MUST_USE int mounts_switch(struct bb_err *err);

/** mounts_late() - /dev/pts, /dev/shm, /run, cgroups, /dev links; said when one fails */
void mounts_late(void);

/**
 * mounts_disk_dirs() - /tmp, /workspace, /var/lib/docker and the user's home from the disk
 * @u:	Owner of home and workspace; a home that is new starts as a copy of the image's
 */
void mounts_disk_dirs(const struct user *u);
#endif
