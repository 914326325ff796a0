/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_name.h"

/* Invariants: outputs move only on success; what was read writes back, case aside. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[DNS_NAME_TEXT_MAX] = "unchanged";
	uint8_t wire[DNS_NAME_WIRE_MAX];
	size_t off = 0, len = 999, n;
	enum dns_name_result r = dns_name_read((struct bb_span){ data, size }, &off, out, &len);

	if (r != DNS_NAME_OK) {
		BB_BUG_ON(strcmp(out, "unchanged") != 0 || len != 999);
		BB_BUG_ON(r == DNS_NAME_BAD_OCTET ? off < 3 || off > size : off != 0);
		return 0;
	}
	BB_BUG_ON(off == 0 || off > size || len != strlen(out));
	n = dns_name_write(out, wire);
	BB_BUG_ON(n != off);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = data[i] >= 'A' && data[i] <= 'Z' ? data[i] | 0x20 : data[i];

		BB_BUG_ON(wire[i] != c && wire[i] != data[i]);
	}
	return 0;
}
