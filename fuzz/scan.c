/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/scan.h"
#include "scan/view.h"

/*
 * Invariants: however the text is cut, the same known secrets are found; a view's output does not
 * depend on the cutting and stays within its bound; a secret that stands in the text as it is is
 * found.
 */
#define SECRET "kX9vQ2mB7rT4pL8wZ5hN3jC6"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool note(void *arg, const struct scan_finding *f)
{
	bool *found = arg;

	check(f->kind == SCAN_KNOWN && f->index == 0);
	*found = true;
	return false;
}

static size_t plain(const uint8_t *p, size_t len, size_t step, uint8_t *out)
{
	struct view_plain v = { 0 };
	size_t n = 0;

	for (size_t at = 0; at < len; at += step) {
		size_t piece = len - at < step ? len - at : step;
		size_t got = view_plain_feed(&v, p + at, piece, out + n);

		check(got <= VIEW_OUT_MAX(piece));
		n += got;
	}
	return n + view_plain_end(&v, out + n);
}

/* Whether it is refused: something is found, or it unpacks to more than is searched */
static bool search(struct scan_stream *s, const uint8_t *p, size_t len, size_t step)
{
	enum scan_result r = SCAN_CLEAN;
	bool found = false;

	scan_reset(s, false);
	for (size_t at = 0; at < len && r != SCAN_TOO_MUCH; at += step) {
		r = scan_feed(s, (struct bb_span){ p + at, len - at < step ? len - at : step },
			      false, note, &found);
		check(r < SCAN_FOUND || r == SCAN_TOO_MUCH);
	}
	if (r == SCAN_TOO_MUCH)
		return true;
	r = scan_feed(s, (struct bb_span){ 0 }, true, note, &found);
	check(r == SCAN_CLEAN || r == SCAN_TOO_MUCH);
	return found || r == SCAN_TOO_MUCH;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct known_db *db;
	static struct scan_stream *s;
	static uint8_t one[1u << 17], two[1u << 17];
	struct known_secret secret = { BB_SPAN_STR(SECRET) };
	struct bb_err err = { 0 };
	size_t n, m, step;

	if (!s)
		check(known_db_new(&secret, 1, &db, &err) == 0 && scan_open(NULL, db, &s) == 0);
	if (size < 2 || size > 1u << 16)
		return 0;
	step = data[0] % 61 + 1u;
	data++;
	size--;
	n = plain(data, size, size, one);
	m = plain(data, size, step, two);
	check(n == m && n <= size + VIEW_PENDING_MAX && memcmp(one, two, n) == 0);
	check(search(s, data, size, size) == search(s, data, size, step));
	if (memmem(data, size, SECRET, strlen(SECRET)))
		check(search(s, data, size, step));
	return 0;
}
