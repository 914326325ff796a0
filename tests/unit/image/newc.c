/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/image/newc.h"

#define HEADER 110

static unsigned int field(const uint8_t *p)
{
	char text[9] = "", *end;
	unsigned long v;

	memcpy(text, p, 8);
	v = strtoul(text, &end, 16);
	assert_int_equal(*end, 0);
	return (unsigned int)v;
}

static void skip_zeros(struct newc *n, size_t to)
{
	while (n->at % to) {
		assert_true(n->at < n->all.len);
		assert_int_equal(n->all.p[n->at], 0);
		n->at++;
	}
}

bool newc_next(struct newc *n, struct newc_entry *ret)
{
	const uint8_t *h = n->all.p + n->at;
	unsigned int f[13];

	assert_true(n->at % 4 == 0 && n->at + HEADER <= n->all.len);
	assert_memory_equal(h, "070701", 6);
	for (size_t i = 0; i < 13; i++)
		f[i] = field(h + 6 + 8 * i);
	n->at += HEADER;
	assert_in_range(f[11], 2, sizeof(ret->path)); /* name with its NUL */
	assert_true(n->at + f[11] <= n->all.len);
	memcpy(ret->path, n->all.p + n->at, f[11]);
	assert_int_equal(strlen(ret->path) + 1, f[11]);
	n->at += f[11];
	skip_zeros(n, 4);
	assert_true(n->at + f[6] <= n->all.len);
	ret->data = (struct bb_span){ n->all.p + n->at, f[6] };
	n->at += f[6];
	ret->mode = f[1];
	ret->uid = f[2];
	ret->gid = f[3];
	ret->nlink = f[4];
	ret->mtime = f[5];
	ret->major = f[9];
	ret->minor = f[10];
	if (strcmp(ret->path, "TRAILER!!!") == 0) {
		skip_zeros(n, 512);
		return false;
	}
	skip_zeros(n, 4);
	return true;
}

bool newc_at_end(const struct newc *n)
{
	size_t at = n->at;

	while (at < n->all.len && n->all.p[at] == 0)
		at++;
	return at == n->all.len;
}
