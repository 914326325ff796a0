/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_UNPACKER_UNPACKER_H
#define BB_PROC_UNPACKER_UNPACKER_H
#include "oci/archive.h"
#include "oci/describe.h"
#include "oci/layer.h"

/**
 * DOC: unpacker - an image's archive becomes a file system
 *
 * Layer:     proc/unpacker
 * Trust:     hostile input: the archive. Whoever takes this process over has five open files and
 *            can open none but those of the layout that is imported
 * Ownership: descriptors are given at start (image/unpack.h) and stay open
 */

/** struct image - What was found out about it; @env owned */
struct image {
	char digest[DESCRIBE_DIGEST_SIZE]; /* of its manifest, or of docker's configuration */
	char name[DESCRIBE_NAME_MAX];
	size_t n_layers;
	char diff[DESCRIBE_LAYERS_MAX][DESCRIBE_DIGEST_SIZE];
	char blob[DESCRIBE_LAYERS_MAX][DESCRIBE_DIGEST_SIZE]; /* "": not said */
	char path[DESCRIBE_LAYERS_MAX][DESCRIBE_NAME_MAX];
	json_t *env;
};

/** image_describe() - Index, manifest and configuration, each as its digest says */
BB_MUST_USE int image_describe(const struct archive *a, struct image *ret, struct bb_err *err);

/** layers_unpack() - All of them, one over the other, each as its digests say */
BB_MUST_USE int layers_unpack(const struct archive *a, const struct image *image, struct rootfs *fs,
			      struct bb_err *err);
/** spool_plain() - A compressed archive, decompressed into @to. Return: 1 done, 0 not compressed,
 * -errno */
BB_MUST_USE int spool_plain(int from, int to, struct bb_err *err);

/** digest_is() - SHA-256 of @data */
bool digest_is(struct bb_span data, const char *want);
#endif
