/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/fields.h"
#include <assert.h>

#define EDGE 8 /* a token, or a run of base64, has no fewer octets */
static_assert(EDGE <= PROTOBUF_FIELD_MIN, "EDGE is too large");

/**
 * struct fields - Reader and search
 * @text:	Fields that are to be searched, behind each what is in no token
 */
struct fields {
	struct protobuf reader;
	struct scan_stream *stream;
	scan_fn *fn;
	void *arg;
	enum scan_result result;
	size_t n;
	uint8_t text[2 * (PROTOBUF_FIELD_MAX + 1)];
};

struct fields *fields_new(struct scan_stream *stream)
{
	struct fields *f = stream ? calloc(1, sizeof(*f)) : NULL;

	if (f)
		f->stream = stream;
	else
		scan_close(stream);
	return f;
}

void fields_free(struct fields *f)
{
	if (f)
		scan_close(f->stream);
	free(f);
}

static bool flush(struct fields *f)
{
	struct bb_span text = { f->text, f->n };

	f->n = 0;
	f->result = scan_feed(f->stream, text, false, f->fn, f->arg);
	return f->result < SCAN_FOUND;
}

static bool is_text(const uint8_t *p)
{
	for (size_t i = 0; i < EDGE; i++) {
		if (p[i] < 0x21 || p[i] > 0x7e)
			return false;
	}
	return true;
}

/* What stands at neither edge of a field is found where the field stands */
static bool on_field(void *arg, struct bb_span field)
{
	struct fields *f = arg;

	if (!is_text(field.p) && !is_text(field.p + field.len - EDGE))
		return true;
	if (f->n + field.len + 1 > sizeof(f->text) && !flush(f))
		return false;
	memcpy(f->text + f->n, field.p, field.len);
	f->n += field.len;
	f->text[f->n++] = '\1';
	return true;
}

enum scan_result fields_feed(struct fields *f, struct bb_span data, scan_fn *fn, void *arg)
{
	f->fn = fn;
	f->arg = arg;
	f->result = SCAN_CLEAN;
	if (protobuf_feed(&f->reader, data, on_field, f) && f->n)
		(void)flush(f);
	return f->result == SCAN_HOLD ? SCAN_CLEAN : f->result;
}
