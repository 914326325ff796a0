/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/coding.h"

/*
 * Invariants: the cutting of the input changes neither what comes out nor the result; no more comes
 * out than allowed; all memory is given back to the budget.
 */
#define OUT_MAX (1u << 16)

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct sum {
	uint64_t len, hash;
};

static bool add(void *arg, struct bb_span out)
{
	struct sum *s = arg;

	check(out.len > 0 && out.len <= CODING_PIECE_MAX);
	s->len += out.len;
	for (size_t i = 0; i < out.len; i++)
		s->hash = (s->hash ^ out.p[i]) * 0x100000001b3ull;
	return true;
}

static enum coding_result decode(const struct coding_list *list, bool grpc, const uint8_t *p,
				 size_t len, size_t step, struct sum *s)
{
	struct coding_budget budget = { 0, 64u << 20 };
	struct coding *c = NULL;
	enum coding_result r = grpc ? coding_open_grpc(list, OUT_MAX, &budget, &c)
				    : coding_open(list, OUT_MAX, &budget, &c);

	for (size_t at = 0; at < len && r == CODING_OK; at += step)
		r = coding_feed(c, (struct bb_span){ p + at, len - at < step ? len - at : step },
				false, add, s);
	if (r == CODING_OK)
		r = coding_feed(c, (struct bb_span){ 0 }, true, add, s);
	coding_close(c);
	check(budget.used == 0);
	return r;
}

/* Taken in small pieces: the same octets, and the same verdict */
static void pull(const struct coding_list *list, const uint8_t *p, size_t len, size_t cap)
{
	struct coding_budget budget = { 0, 64u << 20 };
	struct bb_span in = { p, len };
	struct sum pulled = { 0 }, fed = { 0 };
	enum coding_result r = CODING_OK, f = decode(list, false, p, len, len, &fed);
	struct coding *c = NULL;
	size_t n = cap;
	uint8_t out[17];

	check(coding_open(list, OUT_MAX, &budget, &c) == CODING_OK);
	while (r == CODING_OK && (in.len || n == cap)) {
		r = coding_pull(c, &in, out, cap, &n);
		check(n <= cap);
		if (r == CODING_OK && n)
			(void)add(&pulled, (struct bb_span){ out, n });
	}
	if (r == CODING_OK)
		r = coding_feed(c, (struct bb_span){ 0 }, true, add, &pulled);
	coding_close(c);
	check(budget.used == 0 && (r == CODING_OK) == (f == CODING_OK));
	check(r != CODING_OK || (pulled.len == fed.len && pulled.hash == fed.hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct coding_list list = { 0 };
	struct sum one = { 0 }, two = { 0 };
	enum coding_result a, b;

	if (size < 3)
		return 0;
	list.n = data[0] % 3 + 1u;
	for (size_t i = 0; i < list.n; i++)
		list.v[i] = (enum coding_name)(1 + (data[0] >> (2 + 2 * i) & 3));
	if (data[1] & 0x80)
		list.n--;
	if (list.n == 1 && !(data[1] & 0x80))
		pull(&list, data + 2, size - 2, data[1] % 17 + 1u);
	a = decode(&list, data[1] & 0x80, data + 2, size - 2, size, &one);
	b = decode(&list, data[1] & 0x80, data + 2, size - 2, data[1] % 17 + 1u, &two);
	check(one.len <= OUT_MAX && two.len <= OUT_MAX);
	/* Past the limit, or past damage, how much came out before depends on the cutting */
	check((a == CODING_OK) == (b == CODING_OK));
	check(a != CODING_OK || (one.len == two.len && one.hash == two.hash));
	return 0;
}
