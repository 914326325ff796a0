/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_OCI_LAYER_H
#define BB_OCI_LAYER_H
#include "oci/rootfs.h"
#include "wire/tar.h"

/**
 * DOC: layer - one layer of an image, put over those below it
 *
 * Layer:     oci
 * Used by:   unpacker; fuzz/layer.c
 * Trust:     hostile input; decoded by wire/tar
 * Ownership: borrows the rootfs
 * Limits:    those of rootfs and tar; LAYER_PADDING_MAX octets behind the archive's end
 * Source:    OCI image-spec v1.1 layer.md ("Whiteouts", "Opaque Whiteout")
 *
 * Kept: owners, modes with set-id bits (in the bottle its user may become root anyway), times, hard
 * links, the attributes user.* and security.capability. Left out: other attributes, device nodes
 * below dev/. Refused: a device or fifo elsewhere, a name twice in one layer, a name below
 * something that is no directory, a link that leads above the root.
 */
#define LAYER_PADDING_MAX (1u << 20)

struct layer {
	struct rootfs *fs;
	uint32_t number;
	struct tar_reader reader;
	struct rootfs_inode *file; /* whose data comes */
	uint64_t left, behind;
};

/** layer_begin() - @number: 1 for the lowest */
void layer_begin(struct layer *l, struct rootfs *fs, uint32_t number);
/** layer_feed() - The next octets of the archive, unpacked. Return: 0 or -errno with @err */
BB_MUST_USE int layer_feed(struct layer *l, struct bb_span in, struct bb_err *err);
/** layer_end() - Was it whole? */
BB_MUST_USE int layer_end(const struct layer *l, struct bb_err *err);
#endif
