/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1.h"

/*
 * Invariants: the content does not depend on how the input is cut; what the strict decoder accepts,
 * the lenient one reads the same way without an oddity; content encoded again decodes to itself.
 * The first octet chooses the cut.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

struct decoded {
	uint8_t *p;
	size_t len;
	size_t used;
	enum http1_result r;
	bool odd;
};

static struct decoded decode(struct bb_span in, size_t step, bool lenient)
{
	struct decoded d = { .p = malloc(in.len + 1), .r = HTTP1_MORE };
	struct http1_chunked c;

	check(d.p != NULL);
	http1_chunked_init(&c, lenient);
	while (d.used < in.len && (d.r == HTTP1_MORE || d.r == HTTP1_OK)) {
		size_t n = in.len - d.used < step ? in.len - d.used : step, used;
		struct bb_span data;

		d.r = http1_chunked_next(&c, (struct bb_span){ in.p + d.used, n }, &used, &data);
		check(used <= n && (d.r != HTTP1_OK || data.len) &&
		      (d.r != HTTP1_MORE || used == n));
		if (data.len)
			memcpy(d.p + d.len, data.p, data.len);
		d.len += data.len;
		d.used += used;
	}
	d.odd = c.odd;
	return d;
}

static void check_same(const struct decoded *a, const struct decoded *b)
{
	/* A run of content may be the last thing in one cut and not in the other */
	check(a->len == b->len && memcmp(a->p, b->p, a->len) == 0 && a->used == b->used);
	check(http1_result_is_bad(a->r) == http1_result_is_bad(b->r));
	check((a->r == HTTP1_END) == (b->r == HTTP1_END));
}

static void check_again(const struct decoded *a)
{
	uint8_t *text = malloc(a->len + 64);
	char head[HTTP1_CHUNK_HEAD_MAX];
	struct decoded b;
	size_t n = 0;

	check(text != NULL);
	if (a->len) {
		n = http1_chunk_head(head, a->len);
		memcpy(text, head, n);
		memcpy(text + n, a->p, a->len);
		n += a->len;
		memcpy(text + n, HTTP1_CHUNK_TAIL, 2);
		n += 2;
	}
	memcpy(text + n, HTTP1_CHUNK_LAST, 5);
	n += 5;
	b = decode((struct bb_span){ text, n }, n, false);
	check(b.r == HTTP1_END && b.len == a->len && memcmp(a->p, b.p, a->len) == 0);
	free(b.p);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decoded whole, cut, lenient;
	struct bb_span in;

	if (size < 2)
		return 0;
	in = (struct bb_span){ data + 1, size - 1 };
	whole = decode(in, in.len, false);
	cut = decode(in, 1 + data[0] % 16u, false);
	lenient = decode(in, in.len, true);
	check_same(&whole, &cut);
	if (whole.r == HTTP1_END) {
		check_same(&whole, &lenient);
		check(!lenient.odd);
		check_again(&whole);
	}
	free(whole.p);
	free(cut.p);
	free(lenient.p);
	return 0;
}
