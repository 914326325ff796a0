/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/view.h"
#include "scan/entropy.h"
#include "scan/injection.h"
#include "scan/opaque.h"

/*
 * Invariants, for every view and every detector that reads a stream: however the text is cut, the
 * output is the same; it stays within its bound; what it leaves is what it says it leaves.
 */
#define IN_MAX (1u << 16)

enum kind { PLAIN, RUNS, TEXT, BASE64, HEX, BASE32, NUM_KINDS };

struct views {
	struct view_plain plain;
	struct view_runs runs;
	struct view_text text;
	struct view_coded coded;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static size_t feed(struct views *v, enum kind kind, const uint8_t *in, size_t len, uint8_t *out)
{
	switch (kind) {
	case PLAIN:
		return view_plain_feed(&v->plain, in, len, out);
	case RUNS:
		return view_runs_feed(&v->runs, in, len, out);
	case TEXT:
		return view_text_feed(&v->text, in, len, out);
	case BASE64:
	case HEX:
	case BASE32:
		v->coded.coding = (enum view_coding)(kind - BASE64);
		return view_coded_feed(&v->coded, in, len, out);
	case NUM_KINDS:
		break;
	}
	abort();
}

/* The whole output, from pieces of @step octets, each an allocation of its own size */
static size_t view_all(enum kind kind, const uint8_t *in, size_t len, size_t step, uint8_t *out)
{
	struct views v = { 0 };
	size_t n = 0;

	for (size_t at = 0; at < len; at += step) {
		size_t piece = len - at < step ? len - at : step;
		uint8_t *to = malloc(VIEW_OUT_MAX(piece)), *from = malloc(piece);
		size_t got;

		check(to && from);
		memcpy(from, in + at, piece);
		got = feed(&v, kind, from, piece, to);
		check(got <= VIEW_OUT_MAX(piece));
		memcpy(out + n, to, got);
		n += got;
		free(to);
		free(from);
	}
	return kind == PLAIN ? n + view_plain_end(&v.plain, out + n) : n;
}

struct told {
	size_t opaque, random, phrases;
};

static struct told detect(const uint8_t *in, size_t len, size_t step)
{
	struct injection injection = { 0 };
	struct entropy entropy = { 0 };
	struct opaque opaque = { 0 };
	struct told told = { 0 };

	for (size_t at = 0; at < len; at += step) {
		size_t piece = len - at < step ? len - at : step;
		const struct bb_span s = { in + at, piece };
		bool end = at + piece == len;

		told.opaque += opaque_feed(&opaque, s, end);
		told.random += entropy_feed(&entropy, s, end);
		told.phrases += injection_feed(&injection, s) != NULL;
	}
	check(told.opaque <= len);
	return told;
}

static void check_kind(enum kind kind, const uint8_t *in, size_t len, size_t step)
{
	static uint8_t one[2 * IN_MAX], two[2 * IN_MAX];
	size_t n = view_all(kind, in, len, len + !len, one);

	check(view_all(kind, in, len, step, two) == n && memcmp(one, two, n) == 0);
	/* what is printable, white space, or parts two runs */
	for (size_t i = 0; kind == TEXT && i < n; i++)
		check((one[i] >= ' ' && one[i] < 0x7f) || (one[i] >= '\t' && one[i] <= '\r'));
	for (size_t i = 0; kind == RUNS && i < n; i++)
		check(one[i] >= ' ' && one[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told whole, cut;
	size_t step;

	if (size < 2 || size > IN_MAX)
		return 0;
	step = data[0] % 61 + 1u;
	data++;
	size--;
	for (enum kind kind = PLAIN; kind < NUM_KINDS; kind++)
		check_kind(kind, data, size, step);
	whole = detect(data, size, size);
	cut = detect(data, size, step);
	check(whole.opaque == cut.opaque && whole.random == cut.random);
	/* several in one piece count once */
	check((whole.phrases > 0) == (cut.phrases > 0));
	return 0;
}
