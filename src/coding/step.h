/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_CODING_STEP_H
#define BB_CODING_STEP_H
#include "coding/coding.h"

/**
 * DOC: step - one coding; private to src/coding
 *
 * Layer:     coding
 */

#define CODING_ZSTD_HEADER 18 /* RFC 8878 section 3.1.1.1: at most */

/** struct coding_step - @state: the library's; @at_end: between two members, or behind the last */
struct coding_step {
	enum coding_name name;
	struct coding_budget *budget;
	void *state;
	bool begun;
	bool at_end;
	bool single; /* nothing may follow the end */
	/* zstd: octets that a block still wants, which gives nothing before all of it is there; and
	 * whether it began in what was fed last */
	size_t block_left;
	bool began;
	/* zstd: the frame's header as far as it has come, and the octets that came out of it */
	uint8_t header[CODING_ZSTD_HEADER];
	uint8_t n_header;
	uint64_t frame_out;
	uint64_t left; /* octets that may still come out */
};

/**
 * struct coding_ops - @run: consume from @in, write to @out; both move. Return: CODING_OK (more may
 * follow of either), or an error
 */
struct coding_ops {
	bool (*open)(struct coding_step *s);
	enum coding_result (*run)(struct coding_step *s, struct bb_span *in, uint8_t *out,
				  size_t cap, size_t *ret_len);
	void (*close)(struct coding_step *s);
};
extern const struct coding_ops coding_zlib, coding_brotli, coding_zstd;

/* grpc.c: a body of messages, each of which may be coded */
struct coding_grpc;
struct coding_grpc *coding_grpc_new(const struct coding_list *list, uint64_t max_out,
				    struct coding_budget *budget);
enum coding_result coding_grpc_feed(struct coding_grpc *g, struct bb_span in, bool end,
				    coding_sink *sink, void *arg);
size_t coding_grpc_held(const struct coding_grpc *g);
void coding_grpc_free(struct coding_grpc *g);

/** coding_alloc(), coding_free() - Against the budget */
void *coding_alloc(struct coding_budget *b, size_t size);
void coding_free(struct coding_budget *b, void *p);
#endif
