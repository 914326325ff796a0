/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TESTS_VENDOR_EXPAND_H
#define BB_TESTS_VENDOR_EXPAND_H
#include "base/base.h"

/*
 * Examples of src/scan/vendor.rules are templates: {hex:32} stands for 32 random characters, {crc}
 * for the check digits of the characters since the last '_'. Expanded with a seed, so that a
 * failure comes back.
 */
struct vendor_example {
	unsigned int rule;
	const char *text;
};

#define VENDOR_EXPANDED_MAX 3072

/** vendor_expand() - @ret: VENDOR_EXPANDED_MAX octets. Return: octets written */
size_t vendor_expand(const char *text, uint64_t *seed, uint8_t *ret);
#endif
