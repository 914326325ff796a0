/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_STATE_DIGEST_H
#define BB_STATE_DIGEST_H
#include "base/base.h"

/**
 * DOC: digest - SHA-256 of what an open file holds
 *
 * Layer:     state
 * Used by:   image, workspace, cli
 */
#define DIGEST_BYTES 32
#define DIGEST_HEX   65 /* with its NUL */

/**
 * digest_fd() - From the file's offset to its end
 * @ret_size:	octets read
 *
 * Return: 0 or -errno; outputs are written on success only
 */
BB_MUST_USE int digest_fd(int fd, uint8_t ret[static DIGEST_BYTES], uint64_t *ret_size);

/** digest_bytes() - Of octets in memory. Return: 0 or -EIO */
BB_MUST_USE int digest_bytes(struct bb_span in, uint8_t ret[static DIGEST_BYTES]);

/** digest_hex() - Lower-case hexadecimal digits */
void digest_hex(const uint8_t sum[static DIGEST_BYTES], char ret[static DIGEST_HEX]);
#endif
