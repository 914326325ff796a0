/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_SEARCHER_H
#define BB_EGRESS_SEARCHER_H
#include "coding/coding.h"
#include "proc/egress/across.h"
#include "proc/egress/secrets.h"
#include "scan/scan.h"

/**
 * DOC: searcher - what requests are searched for: vendors' rules, and the secrets that are known
 *
 * One for all connections; a reload replaces the secrets, and keeps the rules.
 *
 * Layer:     proc/egress
 * Trust:     holds secrets: see scan/known.h
 * Limits:    64 MiB for all decoders of requests together
 */

/**
 * struct wanted - Known secrets that are searched for
 * @names:	Of each of @db: index into secrets' tokens, then known
 */
struct wanted {
	struct known_db *db;
	size_t *names;
};

/**
 * struct searcher - What is searched for, for all connections
 * @canary:	Of @all, what bodies are searched for whatever their route's `dlp` says: so little
 *		that its table stays in the nearest cache
 * @whole, @whole_canary: One stream for everything that is decided whole
 * @kept:	Octets of whole bodies in memory
 */
struct searcher {
	struct vendor_db *vendors;
	struct wanted all;
	struct wanted canary;
	struct scan_stream *whole;
	struct scan_stream *whole_canary;
	struct across *across;
	struct coding_budget decoders;
	size_t kept;
};

/** searcher_init() - @rules_fd: memfd with the compiled rules, or -1 to compile them here */
BB_MUST_USE int searcher_init(struct searcher *s, const struct secrets *secrets, int rules_fd,
			      struct bb_err *err);

/**
 * searcher_renew() - The same rules, and other secrets
 * @ret:	owned until searcher_replace() or searcher_drop()
 *
 * Return: 0 or -errno with @err
 */
BB_MUST_USE int searcher_renew(const struct searcher *s, const struct secrets *secrets,
			       struct searcher *ret, struct bb_err *err);
/** searcher_replace() - Take over what @next looks for. No search of @s may be open */
void searcher_replace(struct searcher *s, struct searcher *next);
/** searcher_drop() - Free what searcher_renew() made */
void searcher_drop(struct searcher *next);
#endif
