/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_OCI_FIT_H
#define BB_OCI_FIT_H
#include "base/buf.h"
#include "oci/rootfs.h"

/**
 * DOC: fit - what a bottle expects of a root file system, added where an image lacks it
 *
 * The user `node` (1000) with a home and, where there is sudo, the right to use it; the directories
 * that things are mounted on. Nothing that is there is changed but by lines at the end of
 * /etc/passwd and /etc/group.
 *
 * Layer:     oci
 * Used by:   unpacker
 * Trust:     files are the image's; lines that do not parse are passed over, as in the guest
 */
#define FIT_FILE_MAX  (1u << 20)
#define FIT_ROOTS_MAX (4u << 20)

/** fit_rootfs() - @layer: one above the last. Return: 0 or -errno with @err */
BB_MUST_USE int fit_rootfs(struct rootfs *fs, uint32_t layer, struct bb_err *err);

/** fit_roots() - The image's certificate roots as PEM; none is no error. Return: 0 or -errno */
BB_MUST_USE int fit_roots(struct rootfs *fs, struct bb_buf *ret, struct bb_err *err);
#endif
