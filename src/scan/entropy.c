/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/entropy.h"
#include "scan/vendor_int.h"
#include "scan/view.h"
#include <assert.h>

/* In thousandths of a bit for each character */
static uint32_t bits_of(const uint8_t *p, size_t n)
{
	uint8_t counts[256] = { 0 };
	uint32_t sum = 0;

	static_assert(ENTROPY_SAMPLE <= VENDOR_SAMPLE_MAX, "vendor_nlogn[]");
	for (size_t i = 0; i < n; i++)
		counts[p[i]]++;
	for (size_t i = 0; i < BB_ARRAY_LEN(counts); i++)
		sum += vendor_nlogn[counts[i]];
	return (uint32_t)((vendor_nlogn[n] - sum) / n);
}

static bool is_random(const struct entropy *e)
{
	bool small = false, capital = false, digit = false;

	for (size_t i = 0; i < e->n; i++) {
		small |= e->run[i] >= 'a' && e->run[i] <= 'z';
		capital |= e->run[i] >= 'A' && e->run[i] <= 'Z';
		digit |= e->run[i] >= '0' && e->run[i] <= '9';
	}
	return e->n >= ENTROPY_MIN && small && capital && digit &&
	       bits_of(e->run, e->n) + ENTROPY_LACK >= vendor_nlogn[e->n] / e->n;
}

size_t entropy_feed(struct entropy *e, struct bb_span runs, bool end)
{
	size_t found = 0;

	for (size_t i = 0; i < runs.len; i++) {
		bool parted = runs.p[i] == ' ' || runs.p[i] == VIEW_JOINED, over = parted;

		if (!over && e->n < ENTROPY_SAMPLE) {
			e->run[e->n++] = runs.p[i];
			over = e->n == ENTROPY_SAMPLE; /* enough to tell */
		}
		if (over && !e->told && is_random(e)) {
			e->told = true;
			found++;
		}
		if (parted)
			*e = (struct entropy){ 0 };
	}
	return end && !e->told && is_random(e) ? found + 1 : found;
}
