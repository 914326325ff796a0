/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IMAGE_CPIO_H
#define BB_IMAGE_CPIO_H
#include "base/buf.h"

/**
 * DOC: cpio - write an initramfs archive ("newc")
 *
 * Layer:     image
 * Source:    Linux Documentation/driver-api/early-userspace/buffer-format.rst
 *
 * Archives may follow each other; each ends with cpio_end(). Owner is root, times are zero, so the
 * same input gives the same octets.
 */

/** cpio_file() - Regular file; @path without leading slash. Returns as bb_buf_add() */
BB_MUST_USE int cpio_file(struct bb_buf *b, const char *path, unsigned int mode,
			  struct bb_span data);
/** cpio_dir() - Directory, 0755 */
BB_MUST_USE int cpio_dir(struct bb_buf *b, const char *path);
/** cpio_chardev() - Character device, 0600 */
BB_MUST_USE int cpio_chardev(struct bb_buf *b, const char *path, unsigned int major,
			     unsigned int minor);
/** cpio_end() - Trailer, padded to 512 */
BB_MUST_USE int cpio_end(struct bb_buf *b);

#define CPIO_PAD_MAX 4096
/** cpio_pad() - Zeros up to the next multiple of @to, at most CPIO_PAD_MAX; they may follow an
 * archive */
BB_MUST_USE int cpio_pad(struct bb_buf *b, size_t to);
#endif
