/* SPDX-License-Identifier: Apache-2.0 */
#define ZSTD_STATIC_LINKING_ONLY /* custom allocators */
#include "coding/step.h"
#include <zstd.h>
#include <zstd_errors.h>

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
static bool magic_is_good(struct coding_step *s, struct bb_span in)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd },
			     skip[] = { 0x50, 0x2a, 0x4d, 0x18 };

	for (size_t i = 0; i < in.len && s->magic < 4; i++, s->magic++) {
		uint8_t c = in.p[i];

		if (s->magic == 0)
			s->skippable = (c & 0xf0) == skip[0];
		if (s->magic == 0 && s->skippable)
			continue;
		if (c != (s->skippable ? skip : frame)[s->magic])
			return false;
	}
	return true;
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
	if (!magic_is_good(s, *in))
		return s->at_end ? CODING_TRAILING : CODING_DAMAGED;
	r = ZSTD_decompressStream(s->state, &to, &from);
	*ret_len = to.pos;
	*in = (struct bb_span){ in->p + from.pos, in->len - from.pos };
	if (ZSTD_isError(r) && s->at_end)
		return CODING_TRAILING;
	if (ZSTD_isError(r))
		return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? CODING_MEMORY
									    : CODING_DAMAGED;
	s->at_end = r == 0;
	if (s->at_end)
		s->magic = 0;
	return CODING_OK;
}

const struct coding_ops coding_zstd = { zstd_open, zstd_run, zstd_close };
