/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scan/vendor_expand.h"
#include <stdio.h>

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGIT "0123456789"

static const struct {
	const char *name;
	const char *octets;
} classes[] = {
	{ "digit", DIGIT },
	{ "hex", DIGIT "abcdef" },
	{ "HEX", DIGIT "ABCDEF" },
	{ "lower", DIGIT LOWER },
	{ "upper", DIGIT UPPER },
	{ "alpha", UPPER LOWER },
	{ "alnum", DIGIT UPPER LOWER },
	{ "base32", "234567" UPPER },
	{ "bech32", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" },
	{ "b64", DIGIT UPPER LOWER "+/" },
	{ "b64u", DIGIT UPPER LOWER "-_" },
};

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * 0x2545f4914f6cdd1du >> 33;
}

static const char *class_of(const char *name)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(classes); i++) {
		if (strcmp(classes[i].name, name) == 0)
			return classes[i].octets;
	}
	(void)fprintf(stderr, "example: no class %s\n", name);
	abort();
}

static void add_crc(uint8_t *at, size_t since)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < since; i++) {
		crc ^= at[(ptrdiff_t)i - (ptrdiff_t)since];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	crc = ~crc;
	for (size_t i = 6; i-- > 0; crc /= 62)
		at[i] = (uint8_t)(DIGIT UPPER LOWER)[crc % 62];
}

size_t vendor_expand(const char *text, uint64_t *seed, uint8_t *ret)
{
	size_t n = 0, word = 0;

	while (*text) {
		char name[16];
		unsigned int count;
		int used = 0;

		BB_BUG_ON(n + 512 > VENDOR_EXPANDED_MAX);
		if (strncmp(text, "{crc}", 5) == 0) {
			add_crc(ret + n, n - word);
			n += 6;
			text += 5;
		} else if (strncmp(text, "{nl}", 4) == 0) {
			ret[n++] = '\n';
			text += 4;
		} else if (sscanf(text, "{%15[A-Za-z0-9]:%3u}%n", name, &count, &used) == 2 &&
			   used) {
			const char *octets = class_of(name);

			BB_BUG_ON(count > 500);
			for (; count; count--)
				ret[n++] = (uint8_t)octets[next(seed) % strlen(octets)];
			text += used;
		} else {
			ret[n++] = (uint8_t)*text++;
			word = ret[n - 1] == '_' ? n : word;
		}
	}
	return n;
}
