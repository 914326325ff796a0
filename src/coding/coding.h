/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_CODING_CODING_H
#define BB_CODING_CODING_H
#include "base/base.h"

/**
 * DOC: coding - content codings undone, as a stream
 *
 * gzip (x-gzip), deflate (with or without zlib's header, which the first octets tell), br, zstd and
 * identity, up to CODING_DEPTH_MAX of them one in another. All members of a gzip stream and all
 * frames of a zstd stream are decoded. Whatever is damaged, cut short or followed by something else
 * is an error: what one decoder skips another may read.
 *
 * Layer:     coding (libraries do the work; no I/O)
 * Used by:   egress
 * Trust:     hostile input
 * Ownership: coding_open(), coding_close()
 * Limits:    struct coding_limits; zstd windows of 8 MiB, brotli's of 16 MiB; output comes in
 * pieces of CODING_PIECE_MAX Source:    RFC 9110 section 8.4.1, RFC 1950, 1951, 1952, 7932, 8878
 */
#define CODING_DEPTH_MAX   3
#define CODING_PIECE_MAX   16384
#define CODING_ZSTD_WINDOW 23 /* log2 */
#define CODING_INSIDE_MAX  ((128u << 10) + 3)

enum coding_name {
	CODING_IDENTITY = 0,
	CODING_GZIP,
	CODING_DEFLATE,
	CODING_BROTLI,
	CODING_ZSTD,

	CODING_NUM_NAMES,
};

/** struct coding_list - In the order of application; undone from the last to the first */
struct coding_list {
	enum coding_name v[CODING_DEPTH_MAX];
	size_t n;
};

enum coding_result {
	CODING_OK = 0,
	CODING_UNKNOWN,  /* a name that is none of ours, or too many */
	CODING_DAMAGED,  /* does not decode */
	CODING_TRAILING, /* something stands behind the end */
	CODING_CUT,      /* the input ends inside */
	CODING_TOO_MUCH, /* more output than allowed */
	CODING_MEMORY,
	CODING_STOPPED, /* the sink wanted no more */

	CODING_NUM_RESULTS,
};
extern const char *const coding_result_str[CODING_NUM_RESULTS];

/** coding_parse() - Add the codings of one field value to @ret. Return: CODING_OK or CODING_UNKNOWN
 */
BB_MUST_USE enum coding_result coding_parse(struct bb_span value, struct coding_list *ret);

/** struct coding_budget - Memory of all decoders together; start with @max set */
struct coding_budget {
	size_t used;
	size_t max;
};

struct coding;

/** coding_sink - Decoded octets, never empty. Return: false to stop */
typedef bool coding_sink(void *arg, struct bb_span out);

/**
 * coding_open() - @max_out: octets that may come out of each step, all in all
 *
 * Return: CODING_OK with an owned decoder, or CODING_MEMORY
 */
BB_MUST_USE enum coding_result coding_open(const struct coding_list *list, uint64_t max_out,
					   struct coding_budget *budget, struct coding **ret);
/**
 * coding_open_grpc() - As coding_open(), for a body of gRPC messages
 * @list:	What a message is coded with that says it is; empty: then none may say so
 *
 * The messages come out one behind the other without their prefixes. gRPC over HTTP/2,
 * "Length-Prefixed-Message", and the trailer frames of gRPC-Web.
 */
BB_MUST_USE enum coding_result coding_open_grpc(const struct coding_list *list, uint64_t max_out,
						struct coding_budget *budget, struct coding **ret);
/** coding_feed() - Decode the next octets; @end: they are the last */
BB_MUST_USE enum coding_result coding_feed(struct coding *c, struct bb_span in, bool end,
					   coding_sink *sink, void *arg);
/**
 * coding_held() - How many of the last octets fed have not come out, or may not have, since it
 * takes more to decode them: CODING_INSIDE_MAX and the last piece at most, unless another coding
 * around it adds to that
 */
size_t coding_held(const struct coding *c);
/**
 * coding_pull() - As coding_feed(), for who can take only so much: of a decoder with one coding
 * @in:		Moves past what was used up
 * @ret_len:	Octets in @out. As many as @cap: call again, also without input
 *
 * With all input used up and @ret_len < @cap, coding_feed() with @end says whether it was whole.
 */
BB_MUST_USE enum coding_result coding_pull(struct coding *c, struct bb_span *in, uint8_t *out,
					   size_t cap, size_t *ret_len);
void coding_close(struct coding *c);
#endif
