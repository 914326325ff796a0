/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_OPAQUE_H
#define BB_SCAN_OPAQUE_H
#include "base/base.h"

/**
 * DOC: opaque - how much of a stream is nothing that anybody could read
 *
 * Enciphered, compressed and other binary data cannot be searched. It is counted in blocks of
 * OPAQUE_BLOCK octets: one of which more than an eighth is neither text nor UTF-8 counts whole.
 * However the stream is cut, the count is the same. NULs are text here: UTF-16 is searched.
 *
 * Layer:     scan (pure)
 * Used by:   egress
 * Trust:     hostile input
 */
#define OPAQUE_BLOCK 512

/** struct opaque - Start with zeroes; @more: octets that the UTF-8 sequence still wants */
struct opaque {
	uint16_t n;
	uint16_t odd;
	uint8_t more;
};

/** opaque_feed() - @end: these octets are the last. Return: octets newly known to be opaque */
size_t opaque_feed(struct opaque *o, struct bb_span in, bool end);
#endif
