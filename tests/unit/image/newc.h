/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TESTS_UNIT_IMAGE_NEWC_H
#define BB_TESTS_UNIT_IMAGE_NEWC_H
#include "base/base.h"
#include "tests/unit/unit.h"

/* Reads "newc" archives as the kernel's initramfs code does; fails the test on anything else */
struct newc {
	struct bb_span all;
	size_t at;
};

struct newc_entry {
	char path[256];
	unsigned int mode, nlink, uid, gid, mtime, major, minor;
	struct bb_span data;
};

/** newc_next() - Next entry. Return: false at the trailer, and then @n stands on the next archive
 */
bool newc_next(struct newc *n, struct newc_entry *ret);

/** newc_at_end() - Nothing but zeros is left, which the kernel passes over */
bool newc_at_end(const struct newc *n);
#endif
