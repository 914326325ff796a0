/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_MASK_H
#define BB_EGRESS_MASK_H
#include "base/base.h"

/**
 * DOC: mask - our credential, wherever an upstream repeats it, becomes '*' of the same length
 *
 * Works on a stream in place. What might be the beginning of the credential at the end of a piece
 * is held back until the next piece, or the end, shows it; nothing else waits.
 *
 * Layer:     proc/egress (pure)
 * Limits:    MASK_MAX values
 */
#define MASK_MAX 4

/** struct mask - @text: what is masked; borrowed */
struct mask {
	struct bb_span text[MASK_MAX];
	size_t n;
};

/**
 * mask_apply() - Mask every whole occurrence
 * @last:	Nothing follows: hold nothing back
 *
 * Return: octets at the end of @p that have to come again at the front of the next piece
 */
size_t mask_apply(const struct mask *m, uint8_t *p, size_t len, bool last);
#endif
