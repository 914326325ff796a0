/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/protobuf.h"

/* Invariants: each field stands in the input and is as long as it may be; how the input is cut
 * makes no difference; a field of text put around everything is given last, and whole */

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct seen {
	struct bb_span in;
	uint64_t sum;
	size_t n;
	size_t last;
};

static bool on_field(void *arg, struct bb_span field)
{
	struct seen *s = arg;

	check(field.len >= PROTOBUF_FIELD_MIN && field.len <= PROTOBUF_FIELD_MAX);
	check(memmem(s->in.p, s->in.len, field.p, field.len) != NULL);
	for (size_t i = 0; i < field.len; i++)
		s->sum = (s->sum ^ field.p[i]) * 0x100000001b3u;
	s->sum = (s->sum ^ field.len) * 0x100000001b3u;
	s->last = field.len;
	s->n++;
	return true;
}

static struct seen read_in_pieces(struct bb_span in, size_t step)
{
	static struct protobuf p;
	struct seen s = { .in = in };

	memset(&p, 0, sizeof(p));
	for (size_t at = 0; at < in.len; at += step) {
		size_t n = in.len - at < step ? in.len - at : step;

		check(protobuf_feed(&p, (struct bb_span){ in.p + at, n }, on_field, &s));
		check(p.depth <= PROTOBUF_DEPTH && p.at == at + n);
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t around[PROTOBUF_FIELD_MAX + 8];
	struct seen whole, cut;

	if (size < 2 || size > 65536)
		return 0;
	whole = read_in_pieces((struct bb_span){ data + 1, size - 1 }, size);
	cut = read_in_pieces((struct bb_span){ data + 1, size - 1 }, data[0] + 1u);
	check(whole.sum == cut.sum && whole.n == cut.n);
	if (size < PROTOBUF_FIELD_MIN || size > PROTOBUF_FIELD_MAX)
		return 0;
	around[0] = 0x0a;
	around[1] = (uint8_t)(size | 0x80);
	around[2] = (uint8_t)(size >> 7);
	memcpy(around + 3, data, size);
	whole = read_in_pieces((struct bb_span){ around, size + 3 }, size + 3);
	check(whole.n && whole.last == size);
	return 0;
}
