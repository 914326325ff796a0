/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_SCAN_H
#define BB_SCAN_SCAN_H
#include "scan/known.h"
#include "scan/vendor.h"

/**
 * DOC: scan - is there a secret in this stream?
 *
 * Every octet is searched as it comes, in the raw stream, in the plain view (escapes undone,
 * Unicode folded), in what runs of base64, hexadecimal and base32 in it decode to (view.h), and in
 * what is compressed in it (unpack.h), which is read in all these ways again, SCAN_DEPTH deep: for
 * known secrets (known.h) in each, with everything but letters and digits dropped, and for vendors'
 * tokens (vendor.h) in each. However the stream is cut, the findings are the same.
 *
 * Layer:     scan
 * Used by:   egress, `bot-bottle scan`
 * Trust:     hostile input
 * Ownership: a stream borrows both databases
 * Limits:    about 40 KiB per stream, whatever passes through it; for each of up to UNPACK_OPEN
 *            compressed things that are open in it, as much again and 44 KiB
 */
#define SCAN_DEPTH 2
enum scan_kind { SCAN_KNOWN = 0, SCAN_VENDOR, SCAN_ENTROPY };

/* Which reading of the stream */
enum scan_view {
	SCAN_RAW = 0,
	SCAN_PLAIN,
	SCAN_BASE64,
	SCAN_HEX,
	SCAN_BASE32,
	SCAN_UNPACKED, /* in any view of what was compressed in one of these */

	SCAN_NUM_VIEWS,
};
extern const char *const scan_view_str[SCAN_NUM_VIEWS];

/**
 * struct scan_finding - One secret
 * @index:	Of the known secret, or the vendor rule; SCAN_ENTROPY: 0
 * @end:	SCAN_RAW: offset in the stream behind its last octet. Else: octets fed so far
 * @len:	SCAN_VENDOR in SCAN_RAW: octets. SCAN_KNOWN in SCAN_RAW: letters and digits, between
 *		which others may stand. Else 0
 *
 * Overlapping parts of one secret may be reported one after another.
 */
struct scan_finding {
	enum scan_kind kind;
	enum scan_view view;
	unsigned int index;
	uint64_t end;
	size_t len;
};

/** scan_fn - Return: true to stop: nothing more is wanted of this stream */
typedef bool scan_fn(void *arg, const struct scan_finding *finding);

enum scan_result {
	SCAN_CLEAN = 0,
	SCAN_HOLD,     /* something has begun that the next octets, or the end, will decide */
	SCAN_FOUND,    /* scan_fn said stop */
	SCAN_TOO_MUCH, /* unpacks to more than is searched: treat as found */
	SCAN_ERROR,    /* out of memory or the library failed: treat as found */
};

struct scan_stream;

/**
 * scan_open() - @vendors, @known: NULL = not searched for
 *
 * Return: 0 with an owned stream, or -ENOMEM
 */
BB_MUST_USE int scan_open(struct vendor_db *vendors, const struct known_db *known,
			  struct scan_stream **ret);
void scan_close(struct scan_stream *s);
/** scan_reset() - As just opened. @vendors: look for vendors' tokens in what follows */
void scan_reset(struct scan_stream *s, bool vendors);
/** scan_want_entropy() - From here to the next scan_reset(): for what looks random as well
 * (entropy.h)
 */
void scan_want_entropy(struct scan_stream *s);

/** scan_feed() - Search the next octets; @end: they are the last */
enum scan_result scan_feed(struct scan_stream *s, struct bb_span in, bool end, scan_fn *fn,
			   void *arg);
#endif
