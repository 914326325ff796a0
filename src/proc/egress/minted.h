/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_MINTED_H
#define BB_EGRESS_MINTED_H
#include "base/base.h"

/**
 * DOC: minted - credentials that the outside has given to the guest
 *
 * A route without `auth` passes a credential only if an earlier response of the same route, or of a
 * host in its minted_by, gave it. Kept are keyed fingerprints, never values.
 *
 * What a response only repeats of its request was not given: else whatever the guest says to a host
 * that echoes (a redirect, a setting) would be a credential afterwards. Such a cookie passes as the
 * cookie of that name, and as nothing else.
 *
 * Layer:     proc/egress
 * Limits:    MINTED_MAX fingerprints, the oldest goes first
 */
#define MINTED_MAX   2048
#define MINTED_PRINT 16
#define MINTED_MIN   4 /* a shorter value is no credential */

#define MINTED_TEXTS 4

/**
 * struct minted_said - What the guest has said in a request
 * @texts:	As it is, and with escapes undone; borrowed, some may be empty
 * @work:	Octets that may still be compared; past them everything counts as said
 */
struct minted_said {
	struct bb_span texts[MINTED_TEXTS];
	uint64_t work;
};

/** struct minted - @said: NULL, or what the request said whose response is looked at */
struct minted {
	uint8_t key[32];
	struct minted_said *said;
	uint8_t prints[MINTED_MAX][MINTED_PRINT];
	size_t next;
};

/** minted_init() - A fresh key. Return: 0 or -ENOMEM */
BB_MUST_USE int minted_init(struct minted *m);

/** minted_add() - @host gave @value to the guest. Return: false where the guest had said it itself
 */
bool minted_add(struct minted *m, const char *host, struct bb_span value);
/** minted_has() - Has @host given @value? */
bool minted_has(const struct minted *m, const char *host, struct bb_span value);

/** minted_has_cookie() - Has @host given or repeated the cookie @pair, "name=value"? */
bool minted_has_cookie(const struct minted *m, const char *host, struct bb_span pair);

/** minted_plain() - @text with its escapes undone, in @out, which has room for as much. Return:
 * length */
size_t minted_plain(struct bb_span text, uint8_t *out);
/** minted_cookie() - "name=value", of which both are cut */
struct bb_span minted_cookie(struct bb_span name, struct bb_span value);

/** minted_from_json() - Every token, signed link and header in a JSON text that @host answered */
void minted_from_json(struct minted *m, const char *host, struct bb_span json);
/** minted_from_url() - The credentials in a URL's query */
void minted_from_url(struct minted *m, const char *host, struct bb_span url);
/** minted_from_cookie() - The value in a Set-Cookie field */
void minted_from_cookie(struct minted *m, const char *host, struct bb_span field);
#endif
