/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_OCI_EROFS_H
#define BB_OCI_EROFS_H
#include "oci/rootfs.h"

/**
 * DOC: erofs - write a rootfs as a read-only file system
 *
 * Uncompressed, without a checksum (the store has one), times and owners as they are, the same
 * octets for the same tree. Small files and ends of files stand beside their inodes.
 *
 * Layer:     oci
 * Used by:   unpacker; tests compare with fsck.erofs and with a kernel
 * Ownership: borrows all; the inodes of @fs are numbered
 * Source:    Linux Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h
 */

/**
 * erofs_write() - Into an empty file
 *
 * Return: 0; -errno with @err
 */
BB_MUST_USE int erofs_write(struct rootfs *fs, int fd, struct bb_err *err);
#endif
