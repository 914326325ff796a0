/* SPDX-License-Identifier: Apache-2.0 */
#include "coding/unpack.h"

/*
 * Invariants: however the input is cut, the same comes out of each that is open; nothing stays open
 * behind the end; no more comes out than allowed.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

struct out {
	uint64_t hash[UNPACK_SLOTS];
	uint64_t sum;
	uint64_t len;
	unsigned int open;
};

static bool take(void *arg, unsigned int slot, enum unpack_event event, struct bb_span out)
{
	struct out *o = arg;

	check(slot < UNPACK_SLOTS);
	check(!(o->open >> slot & 1) == (event == UNPACK_BEGIN));
	if (event == UNPACK_BEGIN) {
		o->hash[slot] = 0xcbf29ce484222325ull;
		o->open |= 1u << slot;
	} else if (event == UNPACK_END) {
		o->open &= ~(1u << slot);
		o->sum += o->hash[slot]; /* in whatever order they end */
	}
	for (size_t i = 0; i < out.len; i++)
		o->hash[slot] = (o->hash[slot] ^ out.p[i]) * 0x100000001b3ull;
	o->len += out.len;
	return true;
}

static enum unpack_result run(const uint8_t *p, size_t len, size_t step, struct out *o)
{
	struct unpack_budget budget = { .in = len };
	struct unpack u = { .budget = &budget };
	enum unpack_result r = UNPACK_OK;

	for (size_t at = 0; at < len && r == UNPACK_OK; at += step)
		r = unpack_feed(&u, (struct bb_span){ p + at, len - at < step ? len - at : step },
				false, take, o);
	if (r == UNPACK_OK) {
		r = unpack_feed(&u, (struct bb_span){ 0 }, true, take, o);
		check(r == UNPACK_OK && o->open == 0);
	}
	check(o->len <= UNPACK_FREE + UNPACK_RATIO * len);
	unpack_clear(&u);
	check(budget.open == 0);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct out whole = { 0 }, cut = { 0 };
	size_t step;

	if (size < 2 || size > 1u << 15)
		return 0;
	step = data[0] % 97 + 1u;
	if (run(data + 1, size - 1, size, &whole) == UNPACK_OK &&
	    run(data + 1, size - 1, step, &cut) == UNPACK_OK)
		check(whole.sum == cut.sum && whole.len == cut.len);
	return 0;
}
