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
 * Layer:     proc/egress
 * Limits:    MINTED_MAX fingerprints, the oldest goes first
 */
#define MINTED_MAX   2048
#define MINTED_PRINT 16
#define MINTED_MIN   4 /* a shorter value is no credential */

struct minted {
	uint8_t key[32];
	uint8_t prints[MINTED_MAX][MINTED_PRINT];
	size_t next;
};

/** minted_init() - A fresh key. Return: 0 or -ENOMEM */
BB_MUST_USE int minted_init(struct minted *m);

/** minted_add() - @host gave @value to the guest */
void minted_add(struct minted *m, const char *host, struct bb_span value);
/** minted_has() - Has @host given @value? */
bool minted_has(const struct minted *m, const char *host, struct bb_span value);

/** minted_from_json() - Every token, signed link and header in a JSON text that @host answered */
void minted_from_json(struct minted *m, const char *host, struct bb_span json);
/** minted_from_url() - The credentials in a URL's query */
void minted_from_url(struct minted *m, const char *host, struct bb_span url);
/** minted_from_cookie() - The value in a Set-Cookie field */
void minted_from_cookie(struct minted *m, const char *host, struct bb_span field);
#endif
