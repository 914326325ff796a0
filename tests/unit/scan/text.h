/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TEST_SCAN_TEXT_H
#define BB_TEST_SCAN_TEXT_H
#include "tests/unit/unit.h"

/* The secret that is looked for, and the text that is searched; of each test by itself */
#define SECRET "kX9-vQ2_mB7/rT4+pL8.wZ5=hN3~jC6"

static uint8_t buf[1u << 16];
static size_t n;

static void put(const void *p, size_t len)
{
	assert_true(n + len <= sizeof(buf));
	memcpy(buf + n, p, len);
	n += len;
}

static void put_str(const char *s)
{
	put(s, strlen(s));
}
#endif
