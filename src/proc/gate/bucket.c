/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/bucket.h"

void bucket_init(struct bucket *b, uint32_t per_second, uint32_t burst, uint64_t now_ms)
{
	*b = (struct bucket){ per_second, burst, (int64_t)burst * 1000, now_ms };
}

/* A token a second is a thousandth of it a millisecond */
static void fill(struct bucket *b, uint64_t now_ms)
{
	int64_t missing = (int64_t)b->burst * 1000 - b->tokens_m;
	uint64_t past = now_ms > b->last_ms ? now_ms - b->last_ms : 0;

	if (now_ms > b->last_ms)
		b->last_ms = now_ms;
	if (b->per_second && past >= (uint64_t)missing / b->per_second + 1)
		b->tokens_m += missing;
	else
		b->tokens_m += (int64_t)(past * b->per_second);
}

bool bucket_take(struct bucket *b, uint64_t now_ms)
{
	fill(b, now_ms);
	if (b->tokens_m < 1000)
		return false;
	b->tokens_m -= 1000;
	return true;
}

bool bucket_spend(struct bucket *b, uint32_t n, uint64_t now_ms)
{
	fill(b, now_ms);
	b->tokens_m -= (int64_t)n * 1000;
	return b->tokens_m > 0;
}

uint64_t bucket_wait_ms(const struct bucket *b, uint32_t n)
{
	int64_t want = (int64_t)(n < b->burst ? n : b->burst) * 1000 - b->tokens_m;

	return want > 0 ? ((uint64_t)want + b->per_second - 1) / b->per_second : 0;
}
