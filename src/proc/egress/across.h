/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_ACROSS_H
#define BB_EGRESS_ACROSS_H
#include "scan/known.h"
#include "scan/view.h"
#include "wire/http1.h"

/**
 * DOC: across - known secrets that are sent in pieces, one request after another
 *
 * What stands in the same place of successive requests (a route's path, a query parameter of one
 * name, a field of one name, the body) is read as one text of letters and digits, as it is and with
 * its escapes undone. So a secret that is counted out in `?q=` is found when its twelfth character
 * comes. An escape ends with the request that it stands in: the server reads them one by one.
 *
 * Layer:     proc/egress
 * Limits:    ACROSS_PLACES places, of which the least recently used goes first: more than two heads
 *            have names, so that none is forgotten from one request to the next; the first and last
 *            ACROSS_PIECE_MAX / 2 octets of a piece. 6 MiB when all are in use
 */
#define ACROSS_PLACES    (HTTP1_HEAD_MAX / 2) /* "a=1&" is the shortest */
#define ACROSS_PIECE_MAX 4096

struct across;

/** struct across_at - A place: of what, @name without regard to case and escapes */
struct across_at {
	size_t route;
	char kind;
	struct bb_span name;
};

/** struct across_piece - A piece that comes bit by bit; start with zeroes */
struct across_piece {
	struct view_plain view;
	size_t fed;
};

/** across_new() - Owned, across_free(). Return: NULL without memory */
BB_MUST_USE struct across *across_new(void);
void across_free(struct across *a);
/** across_clear() - Forget all texts */
void across_clear(struct across *a);

/** across_feed() - @value is the next piece at @at. Return: @hit accepted a find */
bool across_feed(struct across *a, const struct known_db *db, const struct across_at *at,
		 struct bb_span value, known_hit_fn *hit, void *arg);
/**
 * across_go_on() - @data is the next of a piece that comes bit by bit: others may come between
 * @max:	Octets of it that are read
 * @end:	It is over
 *
 * Return: as across_feed()
 */
bool across_go_on(struct across *a, const struct known_db *db, const struct across_at *at,
		  struct across_piece *piece, struct bb_span data, size_t max, bool end,
		  known_hit_fn *hit, void *arg);
#endif
