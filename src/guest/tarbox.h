/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_TARBOX_H
#define BB_GUEST_TARBOX_H
#include "base/base.h"

/**
 * DOC: tarbox - pack and unpack archives as the session's user
 *
 * Layer:     guest
 * Used by:   launch, in the child
 */

/** tarbox_unpack() - Read an archive from @fd into @dir (made when missing). Return: exit code */
int tarbox_unpack(int fd, const char *dir);

/** tarbox_pack() - Write the file or directory @path as an archive to @fd. Return: exit code */
int tarbox_pack(int fd, const char *path);
#endif
