/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_VENDOR_H
#define BB_SCAN_VENDOR_H
#include "base/base.h"
#include "base/buf.h"

/**
 * DOC: vendor - secrets whose shape their vendor has published
 *
 * Two passes. The first, vendor_stream_feed(), runs over every octet and reports where an early
 * pattern ends: the public prefix and sixteen characters of the body (a private key: its header and
 * 64). So most of a token is still unsent when it is noticed. The second, vendor_confirm(), looks
 * at the last 4 KiB before and behind that point and judges length, delimiters, check digits,
 * entropy and placeholders. Rules are data, src/scan/vendor.rules; gen_vendor.py makes tables of
 * them.
 *
 * Layer:     scan (base only; the one I/O is the cache of the compiled rules)
 * Used by:   the scanner of src/scan, egress; a loader passes the database on as octets
 * Trust:     what is scanned is hostile; a cache or serialized database is our own (owner and mode
 *            of the file are checked), damage in it is noticed
 * Ownership: vendor_db owns the compiled rules; a stream borrows its database
 * Limits:    history 4 KiB; a stream's state is a few KiB, whatever has been fed; one database is
 *            used by one thread, and nothing is fed from inside a callback
 */
#define VENDOR_HISTORY_MAX 4096
/* No early pattern is shorter; no token begins further before the end of its early pattern. Both
 * are checked against the rules when their tables are compiled */
#define VENDOR_WIDTH_MIN      8
#define VENDOR_REACH          1200
#define VENDOR_SERIALIZED_MAX (16u << 20)

struct vendor_db;
struct vendor_stream;

/**
 * enum vendor_verdict - Result of the second pass
 * @VENDOR_NO:		No token here, whatever follows
 * @VENDOR_MORE:	Could still become one: ask again with more octets
 * @VENDOR_YES:		A token
 */
enum vendor_verdict { VENDOR_NO, VENDOR_MORE, VENDOR_YES };

/**
 * struct vendor_match - Where the token is in the history
 * @start:	First octet, public prefix included, what only leads to it (a key name) not
 * @len:	With VENDOR_MORE: the match that stands if the message ends here, 0 = none
 * @open:	With VENDOR_YES: octets that follow may belong to it as well
 */
struct vendor_match {
	size_t start;
	size_t len;
	bool open;
};

/**
 * vendor_db_open() - Rules ready to scan with
 * @cache_path:	File of an earlier run, used when rules and library are the same, else replaced
 *		atomically; NULL = always compile. A cache that cannot be written is no failure.
 * @ret:	Owned, vendor_db_free()
 *
 * Return: 0, -ENOTSUP on a processor that vectorscan does not run on, -ENOMEM, -EINVAL
 */
BB_MUST_USE int vendor_db_open(const char *cache_path, struct vendor_db **ret, struct bb_err *err);

/** vendor_db_free() - NULL is fine; every stream is closed before */
void vendor_db_free(struct vendor_db *db);

/** vendor_db_serialize() - Append the compiled rules for vendor_db_from_bytes() to @b */
BB_MUST_USE int vendor_db_serialize(const struct vendor_db *db, struct bb_buf *b,
				    struct bb_err *err);

/**
 * vendor_db_from_bytes() - The database that another process has compiled
 * @ret:	Owned, vendor_db_free(); @bytes is not needed any more
 *
 * Return: 0, -ESTALE for other rules or another library, -EBADMSG for damaged octets, -ENOMEM
 */
BB_MUST_USE int vendor_db_from_bytes(struct bb_span bytes, struct vendor_db **ret,
				     struct bb_err *err);

/**
 * vendor_hit_fn - An early pattern ended
 * @end:	Octets of the stream up to and including the last one of the pattern
 */
typedef void vendor_hit_fn(void *arg, unsigned int rule, uint64_t end);

/** vendor_stream_open() - @ret: owned, vendor_stream_close(); borrows @db. Return: 0 or -ENOMEM */
BB_MUST_USE int vendor_stream_open(struct vendor_db *db, struct vendor_stream **ret);

/** vendor_stream_feed() - Scan the next octets. Return: 0, or -EIO: treat as a match */
BB_MUST_USE int vendor_stream_feed(struct vendor_stream *s, struct bb_span in, vendor_hit_fn *hit,
				   void *arg);

/** vendor_stream_reset() - As just opened */
void vendor_stream_reset(struct vendor_stream *s);

/** vendor_stream_copy() - Make @to, of the same database, go on where @from is */
void vendor_stream_copy(struct vendor_stream *to, const struct vendor_stream *from);

/** vendor_stream_close() - NULL is fine */
void vendor_stream_close(struct vendor_stream *s);

/**
 * vendor_confirm() - Second pass
 * @history:	Octets of the stream around the early match, at most VENDOR_HISTORY_MAX; those
 *before it reach back as far as there are any
 * @end:	End of the early match in @history
 * @ret:	Written unless VENDOR_NO
 *
 * Pure; effort is bounded by the length of @history.
 */
BB_MUST_USE enum vendor_verdict vendor_confirm(unsigned int rule, struct bb_span history,
					       size_t end, struct vendor_match *ret);

/*
 * The rules: stable name ("github_pat_classic"), title, where the vendor says so, the longest of
 * the prefixes that are public ("" = none)
 */
unsigned int vendor_rule_count(void);
const char *vendor_rule_name(unsigned int rule);
const char *vendor_rule_title(unsigned int rule);
const char *vendor_rule_source(unsigned int rule);
const char *vendor_rule_public(unsigned int rule);

/** vendor_public_len() - Octets at the start of @secret that are a public prefix of any rule */
size_t vendor_public_len(struct bb_span secret);
#endif
