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
	r = ZSTD_decompressStream(s->state, &to, &from);
	*ret_len = to.pos;
	*in = (struct bb_span){ in->p + from.pos, in->len - from.pos };
	if (ZSTD_isError(r) && s->at_end)
		return CODING_TRAILING;
	if (ZSTD_isError(r))
		return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? CODING_MEMORY
									    : CODING_DAMAGED;
	s->at_end = r == 0;
	return CODING_OK;
}

const struct coding_ops coding_zstd = { zstd_open, zstd_run, zstd_close };
