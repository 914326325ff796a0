/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/step.h"
#include <brotli/decode.h>

static void *alloc(void *budget, size_t size)
{
	return coding_alloc(budget, size);
}

static void release(void *budget, void *p)
{
	coding_free(budget, p);
}

static bool brotli_open(struct coding_step *s)
{
	s->single = true;
	s->state = BrotliDecoderCreateInstance(alloc, release, s->budget);
	return s->state != NULL;
}

static void brotli_close(struct coding_step *s)
{
	if (s->state)
		BrotliDecoderDestroyInstance(s->state);
	s->state = NULL;
}

static bool is_memory(BrotliDecoderErrorCode code)
{
	return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
	       code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static enum coding_result brotli_run(struct coding_step *s, struct bb_span *in, uint8_t *out,
				     size_t cap, size_t *ret_len)
{
	const uint8_t *next = in->p;
	size_t left = in->len, room = cap;
	BrotliDecoderResult r;

	*ret_len = 0;
	if (s->at_end)
		return in->len ? CODING_TRAILING : CODING_OK;
	r = BrotliDecoderDecompressStream(s->state, &left, &next, &room, &out, NULL);
	*ret_len = cap - room;
	*in = (struct bb_span){ next, left };
	if (r == BROTLI_DECODER_RESULT_ERROR)
		return is_memory(BrotliDecoderGetErrorCode(s->state)) ? CODING_MEMORY
								      : CODING_DAMAGED;
	s->at_end = r == BROTLI_DECODER_RESULT_SUCCESS;
	return CODING_OK;
}

const struct coding_ops coding_brotli = { brotli_open, brotli_run, brotli_close };
