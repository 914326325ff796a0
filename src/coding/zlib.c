/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/step.h"
#include <zlib.h>

/* gzip with all its members; deflate with zlib's header, or raw as some programs send it */

#define WINDOW_GZIP 31
#define WINDOW_ZLIB 15
#define WINDOW_RAW  (-15)

static void *alloc(void *budget, unsigned int items, unsigned int size)
{
	return coding_alloc(budget, (size_t)items * size);
}

static void release(void *budget, void *p)
{
	coding_free(budget, p);
}

static bool zlib_open(struct coding_step *s)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (!z)
		return false;
	z->zalloc = alloc;
	z->zfree = release;
	z->opaque = s->budget;
	s->single = s->name == CODING_DEFLATE;
	if (inflateInit2(z, s->single ? WINDOW_ZLIB : WINDOW_GZIP) != Z_OK) {
		free(z);
		return false;
	}
	s->state = z;
	return true;
}

static void zlib_close(struct coding_step *s)
{
	if (s->state)
		(void)inflateEnd(s->state);
	free(s->state);
	s->state = NULL;
}

/* RFC 1950 section 2.2: the method is 8; of raw deflate the first octet hardly ever looks so */
static bool is_raw(uint8_t first)
{
	return (first & 0x0f) != 8 || first >> 4 > 7;
}

/* Before the first octet, and between two members */
static enum coding_result begin(struct coding_step *s, const struct bb_span *in)
{
	if (s->at_end && s->single)
		return CODING_TRAILING;
	if (s->at_end && in->p[0] != 0x1f)
		return CODING_TRAILING;
	if (s->at_end && inflateReset(s->state) != Z_OK)
		return CODING_DAMAGED;
	if (!s->begun && s->single && is_raw(in->p[0]) &&
	    inflateReset2(s->state, WINDOW_RAW) != Z_OK)
		return CODING_MEMORY;
	s->at_end = false;
	return CODING_OK;
}

static enum coding_result zlib_run(struct coding_step *s, struct bb_span *in, uint8_t *out,
				   size_t cap, size_t *ret_len)
{
	enum coding_result r = CODING_OK;
	z_stream *z = s->state;
	int e;

	*ret_len = 0;
	if (in->len && (!s->begun || s->at_end))
		r = begin(s, in);
	if (r != CODING_OK || s->at_end)
		return r;
	z->next_in = (z_const Bytef *)in->p;
	z->avail_in = (uInt)in->len;
	z->next_out = out;
	z->avail_out = (uInt)cap;
	e = inflate(z, Z_NO_FLUSH);
	*ret_len = cap - z->avail_out;
	*in = (struct bb_span){ in->p + (in->len - z->avail_in), z->avail_in };
	if (e == Z_STREAM_END)
		s->at_end = true;
	else if (e == Z_MEM_ERROR)
		return CODING_MEMORY;
	else if (e != Z_OK && e != Z_BUF_ERROR)
		return CODING_DAMAGED;
	return CODING_OK;
}

const struct coding_ops coding_zlib = { zlib_open, zlib_run, zlib_close };
