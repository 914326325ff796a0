/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_BUCKET_H
#define BB_PROC_GATE_BUCKET_H
#include "base/base.h"

/**
 * DOC: bucket - a rate with a burst
 *
 * Layer:     proc/gate (pure: the clock is the caller's)
 * Used by:   gate
 * Limits:    @per_second and @burst below 2^31; a clock that stands still or goes back adds nothing
 */

/** struct bucket - Full at first, after bucket_init() */
struct bucket {
	uint32_t per_second;
	uint32_t burst;
	int64_t tokens_m; /* thousandths; below zero: spent before it was there */
	uint64_t last_ms;
};

void bucket_init(struct bucket *b, uint32_t per_second, uint32_t burst, uint64_t now_ms);

/** bucket_take() - One token. Return: false when there is none */
BB_MUST_USE bool bucket_take(struct bucket *b, uint64_t now_ms);

/**
 * bucket_spend() - @n tokens that are gone already, whether there are as many or not
 *
 * Return: false while there are none: what is paid for has to wait
 */
BB_MUST_USE bool bucket_spend(struct bucket *b, uint32_t n, uint64_t now_ms);

/** bucket_wait_ms() - When will there be @n tokens? At most @burst; 0 = now */
uint64_t bucket_wait_ms(const struct bucket *b, uint32_t n);
#endif
