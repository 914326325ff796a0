/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/dnsproxy.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

/*
 * What the resolver in the guest reads of queries and answers, neither of which it has made.
 * Invariants: a size between 512 and 4,096; a cut answer is no longer than it was, has its id, TC
 * and no records, and the question it had or none; cutting it again changes nothing.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t no_records[6];
	size_t udp = dnsproxy_udp_size((struct bb_span){ data, size }), len, again;
	uint8_t *msg = malloc(size + !size), *cut;

	check(msg && udp >= 512 && udp <= 4096);
	memcpy(msg, data, size);
	len = dnsproxy_truncate(msg, size);
	check(len <= size);
	if (size < 12) {
		check(len == size && memcmp(msg, data, size) == 0);
		free(msg);
		return 0;
	}
	check(len >= 12 && (msg[2] & 2) && memcmp(msg, data, 2) == 0);
	check(memcmp(msg + 6, no_records, 6) == 0);
	if (len > 12)
		check(msg[4] == 0 && msg[5] == 1 && memcmp(msg + 12, data + 12, len - 12) == 0);
	else
		check(msg[4] == 0 && msg[5] == 0);
	cut = malloc(len); /* exact size, for the sanitizer */
	check(cut != NULL);
	memcpy(cut, msg, len);
	again = dnsproxy_truncate(cut, len);
	check(again == len && memcmp(cut, msg, len) == 0);
	check(dnsproxy_udp_size((struct bb_span){ cut, len }) == 512);
	free(cut);
	free(msg);
	return 0;
}
