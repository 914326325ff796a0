/* SPDX-License-Identifier: Apache-2.0 */
#include "state/digest.h"
#include <errno.h>
#include <openssl/evp.h>

#define CHUNK (1u << 16)

int digest_fd(int fd, uint8_t ret[static DIGEST_BYTES], uint64_t *ret_size)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	static uint8_t chunk[CHUNK];
	uint64_t size = 0;
	ssize_t n = 0;
	int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL), r = 0;

	while (ok && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		ok = EVP_DigestUpdate(ctx, chunk, (size_t)n);
		size += (uint64_t)n;
	}
	if (n < 0)
		r = -errno;
	else if (!ok || !EVP_DigestFinal_ex(ctx, ret, NULL))
		r = -EIO;
	EVP_MD_CTX_free(ctx);
	if (r == 0)
		*ret_size = size;
	return r;
}

int digest_bytes(struct bb_span in, uint8_t ret[static DIGEST_BYTES])
{
	return EVP_Digest(in.p, in.len, ret, NULL, EVP_sha256(), NULL) ? 0 : -EIO;
}

void digest_hex(const uint8_t sum[static DIGEST_BYTES], char ret[static DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[DIGEST_HEX - 1] = '\0';
}
