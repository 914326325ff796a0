/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_FAST_H
#define BB_SCAN_FAST_H
#include "base/base.h"

/**
 * DOC: fast - the two inner loops of every search, sixteen octets at a time where the processor can
 *
 * Layer:     scan (pure)
 * Source:    both have a plain form, which tests/unit/scan/fast.c compares them with
 */

/** fast_project() - Copy letters and digits only. @out: @len + 16 octets. Return: how many */
size_t fast_project(const uint8_t *in, size_t len, uint8_t *out);
size_t fast_project_plain(const uint8_t *in, size_t len, uint8_t *out);

/** fast_special() - First octet that may begin an escape: NUL, '%', '&', '=', '\\', 0xc2 to 0xf4,
 * or
 * @len */
size_t fast_special(const uint8_t *in, size_t len);
size_t fast_special_plain(const uint8_t *in, size_t len);
#endif
