/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_HASH_H
#define BB_BASE_HASH_H
#include "base/base.h"

/** bb_fnv1a64() - FNV-1a, for names we chose ourselves (not for hash tables of hostile keys) */
uint64_t bb_fnv1a64(struct bb_span s);
#endif
