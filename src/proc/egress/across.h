/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_ACROSS_H
#define BB_EGRESS_ACROSS_H
#include "scan/known.h"

/**
 * DOC: across - known secrets that are sent in pieces, one request after another
 *
 * What stands in the same place of successive requests (a route's path, a query parameter of one
 * name, a field of one name, the body) is read as one text of letters and digits, as it is and with
 * its escapes undone. So a secret that is counted out in `?q=` is found when its twelfth character
 * comes.
 *
 * Layer:     proc/egress
 * Limits:    ACROSS_SETS × ACROSS_WAYS places, of which the least recently used goes first; the
 * first and last ACROSS_PIECE_MAX / 2 octets of a piece
 */
#define ACROSS_SETS      128
#define ACROSS_WAYS      8
#define ACROSS_PIECE_MAX 4096

/** struct across_place - @plain: @text with escapes undone, where the two are @apart */
struct across_place {
	uint64_t key;
	uint64_t used;
	struct known_stream text;
	struct known_stream plain;
	bool apart;
};

struct across {
	struct across_place places[ACROSS_SETS][ACROSS_WAYS];
	uint64_t clock;
};

/** across_feed() - @value is the next piece at (@route, @kind, @name). Return: @hit accepted a find
 */
bool across_feed(struct across *a, const struct known_db *db, size_t route, char kind,
		 struct bb_span name, struct bb_span value, known_hit_fn *hit, void *arg);
#endif
