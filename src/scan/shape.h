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
 * Whoever holds the secret may have undone the escapes in it: one that is kept as it stands in a
 * URL is sent decoded, and in the plain view of a text (view.h) it is undone as well. So each form
 * that this makes of it is spelled, too.
 *
 * Layer:     scan (pure but for scratch memory)
 * Trust:     secrets: scratch memory is wiped
 */
#define SHAPE_NUM 64
/* Upper bound of the octets of all spellings of @len octets */
#define SHAPE_OCTETS(len) ((len)*100 + 1024)

typedef void shape_fn(void *arg, struct bb_span text);

/**
 * shape_forms() - The secret itself; and where it has escapes, or letters that look like others,
 * it with "%XX" undone once, and its plain view: of these what is enough to be searched for, and
 * not public (parts_of_text())
 *
 * Return: 0 or -ENOMEM
 */
BB_MUST_USE int shape_forms(struct bb_span secret, shape_fn *fn, void *arg);

/** shape_all() - Every spelling of one form, one call each. Return: 0 or -ENOMEM */
BB_MUST_USE int shape_all(struct bb_span form, shape_fn *fn, void *arg);
#endif
