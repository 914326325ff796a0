/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_HASH_H
#define BB_BASE_HASH_H
#include "base/base.h"

/** bb_fnv1a64() - FNV-1a, for names we chose ourselves (not for hash tables of hostile keys) */
uint64_t bb_fnv1a64(struct bb_span s);

/** struct bb_sip - SipHash-2-4 (Aumasson and Bernstein, 2012), for tables of hostile keys */
struct bb_sip {
	uint64_t v[4];
	uint64_t word; /* of the last octets, not yet eight */
	uint64_t len;
};

/** bb_sip_begin() - @key: random, and nobody's but ours */
void bb_sip_begin(struct bb_sip *s, const uint64_t key[static 2]);
void bb_sip_octet(struct bb_sip *s, uint8_t c);
uint64_t bb_sip_end(struct bb_sip *s);
#endif
