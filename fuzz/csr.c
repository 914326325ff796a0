/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/keyd/csr.h"
#include <errno.h>
#include <openssl/core_names.h>

/*
 * Invariants: what is accepted is a P-256 key, and its point is in the request octet for octet;
 * everything else is -EINVAL.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bb_err err = { 0 };
	EVP_PKEY *key = csr_public_key((struct bb_span){ data, size }, &err);
	uint8_t point[65];
	char group[32];
	size_t len;

	if (!key) {
		check(err.code == -EINVAL);
		return 0;
	}
	check(err.code == 0);
	check(EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
	      strcmp(group, "prime256v1") == 0);
	check(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
					      &len) == 1 &&
	      len == sizeof(point) && memmem(data, size, point, len));
	EVP_PKEY_free(key);
	return 0;
}
