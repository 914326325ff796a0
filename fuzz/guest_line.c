/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/guest_line.h"
#include <stdio.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

/*
 * Invariants: a hello is its number written again, leading zeros aside; only "probe ok" is a probe
 * that went well; what has a meaning has none with an octet before it.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_line l = guest_line_decode((struct bb_span){ data, size });
	bool is_ok = size == 8 && memcmp(data, "probe ok", 8) == 0;
	char again[32];
	int n;

	check(l.kind < GUEST_LINE_NUM_KINDS && l.ok == is_ok);
	check(l.kind == GUEST_LINE_HELLO || l.version == 0);
	if (l.kind == GUEST_LINE_HELLO) {
		n = snprintf(again, sizeof(again), "hello %0*u", (int)size - 6, l.version);
		check(n == (int)size && memcmp(again, data, size) == 0);
	}
	if (size > 1 && data[0] != 'h' && data[0] != 'p')
		check(l.kind == GUEST_LINE_TEXT);
	return 0;
}
