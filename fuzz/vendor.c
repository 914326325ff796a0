/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/vendor_int.h"
#include "tests/unit/scan/vendor_expand.h"
#include "vendor_examples.h"

/*
 * Invariants: early matches do not depend on how the input is cut; a confirmed token lies in the
 * history; the second pass never says no and later yes, nor yes, ended, and later no; it stands any
 * end in any text.
 *
 * Octets 0 and 1 choose an example, 2 its random characters, 3 the cut, 4 how many changes of three
 * octets follow (place, place, new value); half of the rest stands before it, half behind. So no
 * corpus file holds anything that looks like a secret.
 */
#define TEXT_MAX 4000

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct hit {
	uint64_t end;
	uint64_t rule;
};

struct hits {
	unsigned int num;
	struct hit at[256];
};

static struct vendor_db *db;
static struct vendor_stream *stream;

static void on_hit(void *arg, unsigned int rule, uint64_t end)
{
	struct hits *h = arg;

	if (h->num < BB_ARRAY_LEN(h->at)) {
		h->at[h->num].rule = rule;
		h->at[h->num++].end = end;
	}
}

static int by_end(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	return x->end != y->end ? (x->end > y->end) - (x->end < y->end)
				: (x->rule > y->rule) - (x->rule < y->rule);
}

/* Of two rules that end at the same octet either may come first */
static void feed(struct bb_span text, size_t step, struct hits *h)
{
	*h = (struct hits){ 0 };
	vendor_stream_reset(stream);
	for (size_t at = 0; at < text.len; at += step) {
		size_t n = text.len - at < step ? text.len - at : step;

		check(vendor_stream_feed(stream, (struct bb_span){ text.p + at, n }, on_hit, h) ==
		      0);
	}
	qsort(h->at, h->num, sizeof(h->at[0]), by_end);
}

static enum vendor_verdict confirm(unsigned int rule, struct bb_span text, size_t end,
				   struct vendor_match *m)
{
	enum vendor_verdict v = vendor_confirm(rule, text, end, m);

	if (v == VENDOR_YES || (v == VENDOR_MORE && m->len)) {
		check(m->start < text.len && m->len && m->len <= text.len - m->start);
	}
	return v;
}

static void check_hit(unsigned int rule, struct bb_span text, size_t end, size_t step)
{
	struct vendor_match m, last;
	enum vendor_verdict whole = confirm(rule, text, end, &last);

	for (size_t n = end; n < text.len; n += step) {
		enum vendor_verdict v = confirm(rule, (struct bb_span){ text.p, n }, end, &m);

		check(v != VENDOR_NO || whole == VENDOR_NO);
		check(v != VENDOR_YES || m.open || whole == VENDOR_YES);
	}
}

/* Return: octets of @text, made as the comment above says */
static size_t make_text(const uint8_t *data, size_t size, uint8_t *text)
{
	size_t which = bb_get_be16(data) % BB_ARRAY_LEN(vendor_examples);
	uint64_t seed = 0x9e3779b97f4a7c15u + data[2];
	size_t changes = data[4], rest, n;

	data += 5;
	size -= 5;
	changes = changes > size / 3 ? size / 3 : changes;
	rest = size - 3 * changes;
	rest = rest > TEXT_MAX - VENDOR_EXPANDED_MAX ? TEXT_MAX - VENDOR_EXPANDED_MAX : rest;
	memcpy(text, data + 3 * changes, rest / 2);
	n = rest / 2;
	n += vendor_expand(vendor_examples[which].text, &seed, text + n);
	memcpy(text + n, data + 3 * changes + rest / 2, rest - rest / 2);
	n += rest - rest / 2;
	for (size_t i = 0; i < changes; i++)
		text[bb_get_be16(data + 3 * i) % n] = data[3 * i + 2];
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hits whole, cut;
	uint8_t text[TEXT_MAX];
	struct bb_span in = { text, 0 };
	struct vendor_match m;
	struct bb_err err = { 0 };

	if (size < 5)
		return 0;
	if (!db) {
		check(vendor_db_open(NULL, &db, &err) == 0);
		check(vendor_stream_open(db, &stream) == 0);
	}
	in.len = make_text(data, size, text);
	feed(in, in.len, &whole);
	feed(in, 1 + data[3] % 40u, &cut);
	check(whole.num == cut.num &&
	      memcmp(whole.at, cut.at, whole.num * sizeof(whole.at[0])) == 0);
	for (unsigned int i = 0; i < whole.num; i++)
		check_hit((unsigned int)whole.at[i].rule, in, whole.at[i].end, 1 + data[3] / 4u);
	(void)confirm(data[0] % vendor_rule_count(), in, in.len * data[1] / 255, &m);
	return 0;
}
