/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/step.h"

/*
 * gRPC over HTTP/2: a body is messages, each behind a flag octet and a length of four. The flag's
 * lowest bit says that the message is coded; gRPC-Web sets the highest for a frame of trailers.
 */
#define PREFIX       5
#define FLAG_CODED   0x01
#define FLAG_TRAILER 0x80

struct coding_grpc {
	struct coding_list list;
	struct coding_budget *budget;
	uint64_t max_out; /* of what may still come out */
	uint8_t prefix[PREFIX];
	size_t n_prefix;
	uint64_t left; /* of the message */
	struct coding *message;
	coding_sink *sink;
	void *arg;
};

struct coding_grpc *coding_grpc_new(const struct coding_list *list, uint64_t max_out,
				    struct coding_budget *budget)
{
	struct coding_grpc *g = calloc(1, sizeof(*g));

	if (g)
		*g = (struct coding_grpc){ .list = *list, .budget = budget, .max_out = max_out };
	return g;
}

void coding_grpc_free(struct coding_grpc *g)
{
	if (!g)
		return;
	coding_close(g->message);
	free(g);
}

size_t coding_grpc_held(const struct coding_grpc *g)
{
	return g->message ? coding_held(g->message) : 0;
}

/* The prefix is complete */
static enum coding_result begin(struct coding_grpc *g)
{
	const uint8_t *p = g->prefix;

	if (p[0] & ~(FLAG_CODED | FLAG_TRAILER))
		return CODING_DAMAGED;
	g->left = (uint64_t)p[1] << 24 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 8 | p[4];
	if (!(p[0] & FLAG_CODED))
		return CODING_OK;
	if (g->list.n == 0)
		return CODING_UNKNOWN;
	return coding_open(&g->list, g->max_out, g->budget, &g->message);
}

static enum coding_result end_message(struct coding_grpc *g)
{
	enum coding_result r = CODING_OK;

	/* An empty message is an empty message, coded or not */
	if (g->message && (g->prefix[1] | g->prefix[2] | g->prefix[3] | g->prefix[4]))
		r = coding_feed(g->message, (struct bb_span){ 0 }, true, g->sink, g->arg);
	coding_close(g->message);
	g->message = NULL;
	g->n_prefix = 0;
	return r;
}

static bool count(void *arg, struct bb_span out)
{
	struct coding_grpc *g = arg;

	if (out.len > g->max_out)
		return false;
	g->max_out -= out.len;
	return g->sink(g->arg, out);
}

/* Pieces as large as a decoder's */
static enum coding_result plain(struct coding_grpc *g, struct bb_span in)
{
	while (in.len) {
		struct bb_span piece = { in.p,
					 in.len < CODING_PIECE_MAX ? in.len : CODING_PIECE_MAX };

		if (piece.len > g->max_out)
			return CODING_TOO_MUCH;
		if (!count(g, piece))
			return CODING_STOPPED;
		in.p += piece.len;
		in.len -= piece.len;
	}
	return CODING_OK;
}

enum coding_result coding_grpc_feed(struct coding_grpc *g, struct bb_span in, bool end,
				    coding_sink *sink, void *arg)
{
	enum coding_result r = CODING_OK;

	g->sink = sink;
	g->arg = arg;
	while (in.len && r == CODING_OK) {
		struct bb_span piece = in;

		if (g->n_prefix < PREFIX) {
			g->prefix[g->n_prefix++] = in.p[0];
			piece.len = 1;
			if (g->n_prefix == PREFIX)
				r = begin(g);
		} else {
			piece.len = in.len < g->left ? in.len : (size_t)g->left;
			g->left -= piece.len;
			r = g->message ? coding_feed(g->message, piece, false, count, g)
				       : plain(g, piece);
		}
		in.p += piece.len;
		in.len -= piece.len;
		if (r == CODING_OK && g->n_prefix == PREFIX && g->left == 0)
			r = end_message(g);
	}
	if (r == CODING_OK && end && g->n_prefix)
		r = CODING_CUT;
	return r;
}
