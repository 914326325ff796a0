/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_BUF_H
#define BB_BASE_BUF_H
#include "base/base.h"

/**
 * DOC: buf - growing byte buffer with a cap that is given at init
 *
 * Layer:     base
 * Used by:   services that build or collect bytes (never wire or policy code)
 * Ownership: owns its memory; bb_buf_release() frees it
 * Limits:    never more than @cap octets; an append that would pass it fails and changes nothing
 */
struct bb_buf {
	uint8_t *p;
	size_t len;
	size_t alloc;
	size_t cap;
	bool secret;
};

void bb_buf_init(struct bb_buf *b, size_t cap);
/** bb_buf_init_secret() - As bb_buf_init(); nothing of what it has held stays in memory */
void bb_buf_init_secret(struct bb_buf *b, size_t cap);
/** bb_free_wiped() - free(), after all that was allocated there is overwritten; NULL is fine */
void bb_free_wiped(void *p);
void bb_buf_release(struct bb_buf *b);
#define bb_auto_buf BB_CLEANUP(bb_buf_release)

/**
 * bb_buf_add() - Append octets
 *
 * Return: 0, -ENOBUFS past the cap, -ENOMEM; the buffer is unchanged on failure
 */
BB_MUST_USE int bb_buf_add(struct bb_buf *b, const void *p, size_t len);

/** bb_buf_addf() - Append formatted text (no NUL); returns as bb_buf_add() */
BB_PRINTF(2, 3) BB_MUST_USE int bb_buf_addf(struct bb_buf *b, const char *fmt, ...);

/** bb_buf_drop() - Remove @len octets from the front (@len <= b->len) */
void bb_buf_drop(struct bb_buf *b, size_t len);

/**
 * bb_buf_str() - The content as a NUL-terminated string, borrowed until the next change
 *
 * Return: the string, or NULL without memory
 */
const char *bb_buf_str(struct bb_buf *b);

static inline struct bb_span bb_buf_span(const struct bb_buf *b)
{
	return (struct bb_span){ b->p, b->len };
}
#endif
