/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_MASK_H
#define BB_EGRESS_MASK_H
#include "base/base.h"

/**
 * DOC: mask - our credential, wherever an upstream repeats it, becomes '*' of the same length
 *
 * As it is, or with its signs escaped as JSON, HTML and URLs have it (those of the plain view).
 * Works on a stream in place. What might be the beginning of the credential at the end of a piece
 * is held back until the next piece, or the end, shows it; nothing else waits.
 *
 * Layer:     proc/egress (pure)
 * Limits:    MASK_MAX values
 */
#define MASK_MAX 4

/** Octets that a value of @len takes at most when it is escaped, and so may wait */
#define MASK_REACH_MAX(len) ((len)*16)

/**
 * struct mask_text - @text: what is masked; borrowed
 * @anchor, @anchor_len: Its longest run of letters and digits, which nobody escapes
 * @reach:	Octets that it takes at most
 */
struct mask_text {
	struct bb_span text;
	size_t anchor, anchor_len;
	size_t reach;
};

/** struct mask - Start with zeroes */
struct mask {
	struct mask_text v[MASK_MAX];
	size_t n;
};

/** mask_add() - @text: one more that is masked, unless it is empty; MASK_MAX at most */
void mask_add(struct mask *m, struct bb_span text);

/**
 * mask_apply() - Mask every whole occurrence
 * @last:	Nothing follows: hold nothing back
 *
 * Return: octets at the end of @p that have to come again at the front of the next piece
 */
size_t mask_apply(const struct mask *m, uint8_t *p, size_t len, bool last);
#endif
