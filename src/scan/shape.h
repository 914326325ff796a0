/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_SHAPE_H
#define BB_SCAN_SHAPE_H
#include "base/base.h"

/**
 * DOC: shape - the spellings of a secret that are searched for
 *
 * As it is, backwards, ROT13, hexadecimal (both cases), base64 in its three alignments, base32 in
 * its five (as is and in lower case); and of those one in another, where it is usual: base64 of
 * base64, of hexadecimal, of base32, of the reversed and of ROT13, hexadecimal of base64 and of the
 * reversed. Of an aligned spelling only the characters that do not depend on the neighbours are
 * given. The URL-safe alphabet of base64 is the same once punctuation is dropped.
 *
 * Layer:     scan (pure but for scratch memory)
 */
#define SHAPE_NUM 64
/* Upper bound of the octets of all spellings of @len octets */
#define SHAPE_OCTETS(len) ((len)*100 + 1024)

/** shape_all() - Every spelling, one call each */
void shape_all(struct bb_span secret, void (*fn)(void *arg, struct bb_span text), void *arg);
#endif
