/* SPDX-License-Identifier: Apache-2.0 */
#define ZSTD_STATIC_LINKING_ONLY /* custom allocators */
#include "coding/step.h"
#include <zstd.h>
#include <zstd_errors.h>

#define BLOCK_HEADER 3 /* RFC 8878 section 3.1.1.2 */

static void *alloc(void *budget, size_t size)
{
	return coding_alloc(budget, size);
}

static void release(void *budget, void *p)
{
	coding_free(budget, p);
}

static bool zstd_open(struct coding_step *s)
{
	ZSTD_customMem mem = { alloc, release, s->budget };
	ZSTD_DCtx *d = ZSTD_createDCtx_advanced(mem);

	if (d && ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, CODING_ZSTD_WINDOW))) {
		(void)ZSTD_freeDCtx(d);
		d = NULL;
	}
	s->state = d;
	return d != NULL;
}

static void zstd_close(struct coding_step *s)
{
	(void)ZSTD_freeDCtx(s->state);
	s->state = NULL;
}

/*
 * The library also reads formats from before the standard, which no other decoder on the way need
 * do: RFC 8878 has two magic numbers (sections 3.1.1 and 3.1.2).
 */
static bool magic_is_good(const struct coding_step *s)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd }, skip[] = { 0, 0x2a, 0x4d, 0x18 };
	bool skippable = s->n_header > 0 && (s->header[0] & 0xf0) == 0x50;
	const uint8_t *want = skippable ? skip : frame;

	for (size_t i = skippable; i < s->n_header && i < 4; i++) {
		if (s->header[i] != want[i])
			return false;
	}
	return true;
}

static void keep_header(struct coding_step *s, struct bb_span in)
{
	for (size_t i = 0; i < in.len && s->n_header < CODING_ZSTD_HEADER; i++)
		s->header[s->n_header++] = in.p[i];
}

/* A size that the header names is the size; whether the library compares depends on the cutting */
static bool size_is_good(const struct coding_step *s)
{
	ZSTD_frameHeader h;

	if (ZSTD_getFrameHeader(&h, s->header, s->n_header) != 0)
		return false;
	return h.frameType == ZSTD_skippableFrame ||
	       h.frameContentSize == ZSTD_CONTENTSIZE_UNKNOWN || h.frameContentSize == s->frame_out;
}

static enum coding_result end_frame(struct coding_step *s)
{
	enum coding_result r = size_is_good(s) ? CODING_OK : CODING_DAMAGED;

	s->at_end = true;
	s->n_header = 0;
	s->frame_out = 0;
	return r;
}

/* Frames follow one another, skippable ones too; what is no frame is an error of the library */
static enum coding_result zstd_run(struct coding_step *s, struct bb_span *in, uint8_t *out,
				   size_t cap, size_t *ret_len)
{
	ZSTD_inBuffer from = { in->p, in->len, 0 };
	ZSTD_outBuffer to = { out, cap, 0 };
	size_t r;

	*ret_len = 0;
	if (in->len == 0 && s->at_end)
		return CODING_OK;
	keep_header(s, *in);
	if (!magic_is_good(s))
		return s->at_end ? CODING_TRAILING : CODING_DAMAGED;
	r = ZSTD_decompressStream(s->state, &to, &from);
	*ret_len = to.pos;
	*in = (struct bb_span){ in->p + from.pos, in->len - from.pos };
	if (ZSTD_isError(r) && s->at_end)
		return CODING_TRAILING;
	if (ZSTD_isError(r))
		return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? CODING_MEMORY
									    : CODING_DAMAGED;
	s->frame_out += to.pos;
	s->at_end = false;
	s->began |= from.pos > s->block_left;
	/* What it wants goes on to the next block's header; more than a block is a skippable frame
	 */
	s->block_left = r > BLOCK_HEADER && r <= CODING_INSIDE_MAX ? r - BLOCK_HEADER : 0;
	return r == 0 ? end_frame(s) : CODING_OK;
}

const struct coding_ops coding_zstd = { zstd_open, zstd_run, zstd_close };
