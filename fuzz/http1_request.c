/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1.h"

/*
 * Invariants: scanning in pieces equals scanning at once; what parses is written as a head that
 * parses to the same facts, and writing that again changes nothing.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_same(const struct http1_request *a, const struct http1_request *b)
{
	check(bb_span_eq(a->method, b->method) && a->body == b->body && a->length == b->length);
	check(b->minor == 1 && !b->expect && a->websocket == b->websocket && b->host.p);
	check(a->te_trailers == b->te_trailers);
}

static void check_rewrite(const struct http1_request *r)
{
	static uint8_t out[HTTP1_WRITE_MAX], again[HTTP1_WRITE_MAX];
	static struct http1_request r2, r3;
	struct bb_span target = r->form == HTTP1_FORM_ABSOLUTE ? BB_SPAN_STR("/") : r->target;
	struct bb_span host = BB_SPAN_STR("h.test");
	size_t len = 0, len2 = 0;

	check(http1_request_write(r, target, host, out, sizeof(out), &len) == HTTP1_OK);
	r2 = *r;
	http1_request_settle(&r2);
	check(http1_request_write(&r2, target, host, again, sizeof(again), &len2) == HTTP1_OK);
	check(len == len2 && memcmp(out, again, len) == 0);
	if (len > HTTP1_HEAD_MAX)
		return;
	check(http1_request_parse((struct bb_span){ out, len }, &r2) == HTTP1_OK);
	check_same(r, &r2);
	check(http1_request_write(&r2, target, host, again, sizeof(again), &len2) == HTTP1_OK);
	check(http1_request_parse((struct bb_span){ again, len2 }, &r3) == HTTP1_OK);
	check(len == len2 && r2.fields.n == r3.fields.n && memcmp(out, again, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_request r;
	struct http1_scan whole = { 0 }, parts = { 0 };
	size_t len = 0, len2 = 0, step = size / 3 + 1;
	enum http1_result a = http1_scan_request(&whole, (struct bb_span){ data, size }, &len);
	enum http1_result b = HTTP1_MORE;

	for (size_t n = step; b == HTTP1_MORE; n += step) {
		b = http1_scan_request(&parts, (struct bb_span){ data, n < size ? n : size },
				       &len2);
		if (n >= size)
			break;
	}
	check(a == b && len == len2);
	if (a != HTTP1_OK) {
		check(http1_request_parse((struct bb_span){ data, size }, &r) != HTTP1_OK);
		return 0;
	}
	check(len <= size && len > whole.skip);
	a = http1_request_parse((struct bb_span){ data + whole.skip, len - whole.skip }, &r);
	check(a != HTTP1_MORE);
	if (a == HTTP1_OK && r.form != HTTP1_FORM_AUTHORITY)
		check_rewrite(&r);
	return 0;
}
