/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1.h"

/*
 * Invariants: what parses, however odd, is written as a head with no oddity that parses to the same
 * status and framing; writing that again changes nothing. The first octet chooses the method.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_rewrite(const struct http1_response *r, struct bb_span method)
{
	static uint8_t out[HTTP1_WRITE_MAX], again[HTTP1_WRITE_MAX];
	static struct http1_response r2;
	size_t len = 0, len2 = 0;

	check(http1_response_write(r, r->body, NULL, out, sizeof(out), &len) == HTTP1_OK);
	if (len > HTTP1_HEAD_MAX)
		return;
	check(http1_response_parse(out, len, method, &r2) == HTTP1_OK);
	check(!r2.odd && r2.minor == 1 && r2.status == r->status && r2.body == r->body);
	check(r2.has_length == r->has_length && (!r->has_length || r2.length == r->length));
	check(http1_response_write(&r2, r2.body, NULL, again, sizeof(again), &len2) == HTTP1_OK);
	check(len == len2 && memcmp(out, again, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_response r;
	struct bb_span method = BB_SPAN_STR(size && data[0] & 1 ? "HEAD" : "GET");
	struct http1_scan s = { 0 };
	bb_auto_free uint8_t *copy = NULL;
	enum http1_result a;
	size_t len = 0;

	if (size < 2)
		return 0;
	data++;
	size--;
	copy = malloc(size);
	check(copy != NULL);
	memcpy(copy, data, size);
	a = http1_scan_response(&s, (struct bb_span){ copy, size }, &len);
	check(a != HTTP1_OK || (len > 0 && len <= size));
	if (a != HTTP1_OK)
		return 0;
	a = http1_response_parse(copy, len, method, &r);
	check(a != HTTP1_MORE);
	if (a == HTTP1_OK)
		check_rewrite(&r, method);
	return 0;
}
