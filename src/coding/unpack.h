/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_CODING_UNPACK_H
#define BB_CODING_UNPACK_H
#include "base/base.h"

/**
 * DOC: unpack - what is compressed inside a stream that does not say so
 *
 * gzip members, zlib streams, Zstandard frames and deflated entries of zip archives are found by
 * how they begin, wherever that is, and undone as they pass. What begins like one and is none ends
 * by itself: it has no effect on others, which may begin inside it. One that is cut short has given
 * all that could be read of it.
 *
 * Layer:     coding (zlib and libzstd do the work; no I/O)
 * Used by:   scan
 * Trust:     hostile input
 * Ownership: unpack_clear() releases what is open
 * Limits:    UNPACK_OPEN_IN_ALL open at a time in the process, UNPACK_SLOTS in a stream, struct
 *            unpack_budget for all of a tree of streams; some 44 KiB for each that is open, up to
 *            8 MiB and a little for each of the UNPACK_ZSTD_OPEN frames (a frame with a larger
 *            window is not read), and UNPACK_ZSTD_MEMORY for all frames of the process; output of
 *            UNPACK_FREE octets and
 *            UNPACK_RATIO for each octet of input
 * Source:    RFC 1952 section 2.3, RFC 1950 section 2.2, PKWARE APPNOTE 4.3.7, RFC 8878
 *            section 3.1.1
 */
/* In text, "x^" begins what may be a zlib stream, and shows not to be one within 120 octets: of
 * polynomials seven have been seen to be open at a time */
#define UNPACK_SLOTS       8
#define UNPACK_OPEN        16
#define UNPACK_OPEN_IN_ALL 1024
#define UNPACK_ZSTD_OPEN   4
#define UNPACK_ZSTD_MEMORY (64u << 20)
#define UNPACK_FREE        (32u << 20)
#define UNPACK_RATIO       64u

/** struct unpack_budget - Start with zeroes; @in is counted by the owner of the outermost stream */
struct unpack_budget {
	unsigned int open;
	unsigned int zstd_open;
	uint64_t in;
	uint64_t out;
};

struct unpack_slot;

/** struct unpack - Start with zeroes and @budget; @tail: the last octets, the newest last */
struct unpack {
	struct unpack_budget *budget;
	uint8_t tail[3];
	struct unpack_slot *slots[UNPACK_SLOTS];
};

enum unpack_event { UNPACK_BEGIN, UNPACK_DATA, UNPACK_END };

enum unpack_result {
	UNPACK_OK = 0,
	UNPACK_TOO_MUCH, /* more at a time, or more output, than allowed */
	UNPACK_MEMORY,
	UNPACK_STOPPED, /* the sink wanted no more */
};

/**
 * unpack_sink - Return: false to stop
 * @slot:	Which of those that are open; between its UNPACK_BEGIN and UNPACK_END the octets of
 * one
 * @out:	Of UNPACK_DATA, never empty
 */
typedef bool unpack_sink(void *arg, unsigned int slot, enum unpack_event event, struct bb_span out);

/** unpack_feed() - The next octets, however they are cut; @end: they are the last */
BB_MUST_USE enum unpack_result unpack_feed(struct unpack *u, struct bb_span in, bool end,
					   unpack_sink *sink, void *arg);
/** unpack_is_idle() - Nothing is open */
bool unpack_is_idle(const struct unpack *u);
/** unpack_clear() - As just begun; the sink is not told */
void unpack_clear(struct unpack *u);
#endif
