/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

uint64_t bb_fnv1a64(struct bb_span s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 0x100000001b3u;
	return h;
}

static uint64_t rotate(uint64_t x, unsigned int by)
{
	return x << by | x >> (64 - by);
}

static void sip_rounds(uint64_t v[static 4], unsigned int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_word(struct bb_sip *s, uint64_t word)
{
	s->v[3] ^= word;
	sip_rounds(s->v, 2);
	s->v[0] ^= word;
}

void bb_sip_begin(struct bb_sip *s, const uint64_t key[static 2])
{
	*s = (struct bb_sip){ .v = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
				     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u } };
}

void bb_sip_octet(struct bb_sip *s, uint8_t c)
{
	s->word |= (uint64_t)c << s->len % 8 * 8;
	if (++s->len % 8)
		return;
	sip_word(s, s->word);
	s->word = 0;
}

uint64_t bb_sip_end(struct bb_sip *s)
{
	sip_word(s, s->word | s->len << 56);
	s->v[2] ^= 0xff;
	sip_rounds(s->v, 4);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}
