/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/coding.h"
#include "coding/step.h"
#include <assert.h>
#include <stdalign.h>
#include <strings.h>

const char *const coding_result_str[] = {
	[CODING_OK] = "ok",
	[CODING_UNKNOWN] = "unknown content coding",
	[CODING_DAMAGED] = "the coded body is damaged",
	[CODING_TRAILING] = "something stands behind the coded body",
	[CODING_CUT] = "the coded body is cut short",
	[CODING_TOO_MUCH] = "the coded body is too large",
	[CODING_MEMORY] = "no memory to decode the body",
	[CODING_STOPPED] = "stopped",
};
static_assert(BB_ARRAY_LEN(coding_result_str) == CODING_NUM_RESULTS, "coding_result_str[]");

struct coding {
	size_t n;
	struct coding_step steps[CODING_DEPTH_MAX];
	coding_sink *sink;
	void *arg;
	size_t held;
	struct coding_grpc *grpc; /* the steps are none then: each message has its own */
};

static const struct coding_ops *const ops[] = {
	[CODING_IDENTITY] = NULL,        [CODING_GZIP] = &coding_zlib,
	[CODING_DEFLATE] = &coding_zlib, [CODING_BROTLI] = &coding_brotli,
	[CODING_ZSTD] = &coding_zstd,
};

/* The size stands before the memory, so that freeing gives the right amount back */
#define BEFORE alignof(max_align_t)

void *coding_alloc(struct coding_budget *b, size_t size)
{
	char *p;

	if (size > b->max || b->used > b->max - size)
		return NULL;
	p = calloc(1, size + BEFORE);
	if (!p)
		return NULL;
	memcpy(p, &size, sizeof(size));
	b->used += size;
	return p + BEFORE;
}

void coding_free(struct coding_budget *b, void *p)
{
	size_t size;

	if (!p)
		return;
	memcpy(&size, (char *)p - BEFORE, sizeof(size));
	b->used -= size;
	free((char *)p - BEFORE);
}

static bool is(struct bb_span s, const char *name)
{
	return strlen(name) == s.len && strncasecmp((const char *)s.p, name, s.len) == 0;
}

static enum coding_result add(struct bb_span name, struct coding_list *ret)
{
	static const struct {
		const char *name;
		enum coding_name coding;
	} names[] = {
		{ "gzip", CODING_GZIP }, { "x-gzip", CODING_GZIP }, { "deflate", CODING_DEFLATE },
		{ "br", CODING_BROTLI }, { "zstd", CODING_ZSTD },
	};

	if (name.len == 0 || is(name, "identity"))
		return CODING_OK;
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		if (!is(name, names[i].name))
			continue;
		if (ret->n == CODING_DEPTH_MAX)
			return CODING_UNKNOWN;
		ret->v[ret->n++] = names[i].coding;
		return CODING_OK;
	}
	return CODING_UNKNOWN;
}

enum coding_result coding_parse(struct bb_span value, struct coding_list *ret)
{
	enum coding_result r = CODING_OK;

	while (value.len && r == CODING_OK) {
		const uint8_t *comma = memchr(value.p, ',', value.len);
		struct bb_span name = { value.p, comma ? (size_t)(comma - value.p) : value.len };

		value.p += name.len + (comma != NULL);
		value.len -= name.len + (comma != NULL);
		while (name.len && (name.p[0] == ' ' || name.p[0] == '\t'))
			name = (struct bb_span){ name.p + 1, name.len - 1 };
		while (name.len && (name.p[name.len - 1] == ' ' || name.p[name.len - 1] == '\t'))
			name.len--;
		r = add(name, ret);
	}
	return r;
}

void coding_close(struct coding *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		ops[c->steps[i].name]->close(&c->steps[i]);
	coding_grpc_free(c->grpc);
	free(c);
}

enum coding_result coding_open_grpc(const struct coding_list *list, uint64_t max_out,
				    struct coding_budget *budget, struct coding **ret)
{
	struct coding *c = calloc(1, sizeof(*c));

	if (c)
		c->grpc = coding_grpc_new(list, max_out, budget);
	if (c && c->grpc) {
		*ret = c;
		return CODING_OK;
	}
	free(c);
	return CODING_MEMORY;
}

enum coding_result coding_open(const struct coding_list *list, uint64_t max_out,
			       struct coding_budget *budget, struct coding **ret)
{
	struct coding *c = calloc(1, sizeof(*c));

	if (!c)
		return CODING_MEMORY;
	for (size_t i = list->n; i-- > 0;) {
		struct coding_step *s = &c->steps[c->n];

		*s = (struct coding_step){ .name = list->v[i], .budget = budget, .left = max_out };
		if (!ops[s->name]->open(s)) {
			coding_close(c);
			return CODING_MEMORY;
		}
		c->n++;
	}
	*ret = c;
	return CODING_OK;
}

static enum coding_result run(struct coding *c, size_t i, struct bb_span in);

static enum coding_result deliver(struct coding *c, size_t i, struct bb_span out)
{
	struct coding_step *s = &c->steps[i];

	if (out.len > s->left)
		return CODING_TOO_MUCH;
	s->left -= out.len;
	return out.len ? run(c, i + 1, out) : CODING_OK;
}

/* Through step @i and all behind it; the depth is bounded by CODING_DEPTH_MAX */
static enum coding_result run(struct coding *c, size_t i, struct bb_span in)
{
	enum coding_result r = CODING_OK;
	BB_UNINIT uint8_t out[CODING_PIECE_MAX];
	size_t len = 0;

	if (i == c->n)
		return c->sink(c->arg, in) ? CODING_OK : CODING_STOPPED;
	do {
		size_t before = in.len;

		r = ops[c->steps[i].name]->run(&c->steps[i], &in, out, sizeof(out), &len);
		c->steps[i].begun = true;
		if (r == CODING_OK)
			r = deliver(c, i, (struct bb_span){ out, len });
		if (r == CODING_OK && in.len == before && len == 0 && in.len)
			r = CODING_DAMAGED; /* a library that makes no progress */
	} while (r == CODING_OK && (in.len || len == sizeof(out)));
	return r;
}

size_t coding_held(const struct coding *c)
{
	return c->grpc ? coding_grpc_held(c->grpc) : c->held;
}

/* @len octets have been fed: all that has been since the one began that a block is made of */
static void count_held(struct coding *c, size_t len)
{
	bool inside = false, began = true;

	for (size_t i = 0; i < c->n; i++) {
		if (!c->steps[i].block_left)
			continue;
		inside = true;
		began &= c->steps[i].began;
	}
	c->held = !inside ? 0 : began ? len : c->held + len;
}

enum coding_result coding_pull(struct coding *c, struct bb_span *in, uint8_t *out, size_t cap,
			       size_t *ret_len)
{
	struct coding_step *s = &c->steps[0];
	size_t before = in->len;
	enum coding_result r;

	BB_BUG_ON(c->n != 1);
	*ret_len = 0;
	r = ops[s->name]->run(s, in, out, cap, ret_len);
	s->begun = true;
	if (r == CODING_OK && *ret_len > s->left)
		r = CODING_TOO_MUCH;
	if (r == CODING_OK && in->len == before && *ret_len == 0 && in->len)
		r = CODING_DAMAGED; /* a library that makes no progress */
	s->left -= *ret_len;
	return r;
}

enum coding_result coding_feed(struct coding *c, struct bb_span in, bool end, coding_sink *sink,
			       void *arg)
{
	enum coding_result r = CODING_OK;

	if (c->grpc)
		return coding_grpc_feed(c->grpc, in, end, sink, arg);
	c->sink = sink;
	c->arg = arg;
	for (size_t i = 0; i < c->n; i++)
		c->steps[i].began = false;
	if (in.len)
		r = run(c, 0, in);
	count_held(c, in.len);
	for (size_t i = 0; i < c->n && end && r == CODING_OK; i++) {
		if (!c->steps[i].at_end)
			r = CODING_CUT;
	}
	return r;
}
