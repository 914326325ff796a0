/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

uint64_t bb_fnv1a64(struct bb_span s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 0x100000001b3u;
	return h;
}
