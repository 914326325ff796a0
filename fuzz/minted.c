/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/minted.h"

/*
 * A server's JSON, URL and Set-Cookie as what it gave the guest. Invariants: what one host gives
 * counts for no other; what is remembered is there in the input, so nothing that the server did not
 * say passes; what it gave in the named places is remembered.
 */
#define GIVEN "a-token-that-was-given"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_in(const char *what, const uint8_t *data, size_t size)
{
	return data && size && memmem(data, size, what, strlen(what));
}

static void check_none(const struct minted *m)
{
	static const uint8_t none[MINTED_PRINT];

	for (size_t i = 0; i < m->next && i < MINTED_MAX; i++)
		check(memcmp(m->prints[i], none, MINTED_PRINT) != 0);
	check(!minted_has(m, "other.test", BB_SPAN_STR(GIVEN)));
}

/* What the guest has said is not given to it, whatever the server writes around it */
static void check_said(struct bb_span in)
{
	static struct minted m;
	struct minted_said said = { .texts = { in }, .work = 1u << 20 };

	m = (struct minted){ .said = &said };
	minted_from_json(&m, "a.test", in);
	minted_from_url(&m, "a.test", in);
	check(!minted_has(&m, "a.test", in));
	check(minted_add(&m, "a.test", in) == (in.len < MINTED_MIN) &&
	      !minted_has(&m, "a.test", in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct minted m, empty;
	const struct bb_span in = { data, size };
	bool given;

	if (!empty.key[0] && minted_init(&empty) < 0)
		abort();
	m = empty;
	minted_from_json(&m, "a.test", in);
	minted_from_url(&m, "a.test", in);
	minted_from_cookie(&m, "a.test", in);
	given = minted_has(&m, "a.test", BB_SPAN_STR(GIVEN));
	/* JSON may write any character as an escape, and a URL inside JSON as well */
	check(!given || is_in(GIVEN, data, size) || is_in("\\", data, size));
	check_none(&m);
	(void)minted_add(&m, "a.test", in);
	check(minted_has(&m, "a.test", in) == (size >= MINTED_MIN && size <= 4096));
	check_said(in);
	return 0;
}
