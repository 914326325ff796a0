/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vring.h"

/*
 * Input: two octets of flags and ring size, then guest memory, split into two regions with a hole
 * between them. Invariants: every segment of an accepted chain lies inside a region, sizes add up,
 * readable before writable, and the walk ends.
 */
#define BYTES 16384u
#define USER  0x7f0000000000u
#define HOLE  0x100000u

static uint8_t *memory;
static const uint8_t noise[64] = { 1, 0, 2, 0, 0xff };

static void check_chain(const struct vring_chain *c)
{
	uint64_t out = 0, in = 0;
	uint8_t copy[256];

	BB_BUG_ON((size_t)c->n_out + c->n_in > VRING_SEGMENTS_MAX);
	for (size_t i = 0; i < (size_t)c->n_out + c->n_in; i++) {
		const uint8_t *p = c->seg[i].iov_base;

		BB_BUG_ON(p < memory || p >= memory + BYTES || c->seg[i].iov_len == 0);
		BB_BUG_ON(c->seg[i].iov_len > (size_t)(memory + BYTES - p));
		*(i < c->n_out ? &out : &in) += c->seg[i].iov_len;
	}
	BB_BUG_ON(out != c->bytes_out || in != c->bytes_in || out + in > VRING_CHAIN_BYTES_MAX);
	BB_BUG_ON(vring_chain_read(c, 0, copy, sizeof(copy)) != (out >= sizeof(copy)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vring_place place = { USER, USER + 4096, USER + 6144 };
	struct vring_memory mem = { .n = 2 };
	struct vring_chain chain;
	struct vring vr;

	if (size < 2)
		return 0;
	if (!memory)
		memory = aligned_alloc(4096, BYTES);
	memset(memory, 0, BYTES);
	memcpy(memory, data + 2, size - 2 < BYTES ? size - 2 : BYTES);
	mem.regions[0] = (struct vring_region){ 0, USER, BYTES / 2, memory };
	mem.regions[1] = (struct vring_region){ HOLE, USER + HOLE, BYTES / 2, memory + BYTES / 2 };
	BB_BUG_ON(!vring_memory_check(&mem));
	if (vring_attach(&vr, &mem, 1u << (data[0] & 7), &place, 0, data[1] & 1) != VRING_OK)
		return 0;
	for (unsigned int i = 0; i < 2 * VRING_NUM_MAX; i++) {
		enum vring_result r = vring_pop(&vr, &mem, &chain);

		if (r == VRING_EMPTY && !vring_ask_kick(&vr))
			break;
		if (r != VRING_OK)
			return 0;
		check_chain(&chain);
		if (data[1] & 2) /* over its own rings too: the driver's own fault */
			BB_BUG_ON(vring_chain_write(&chain, noise, sizeof(noise)) !=
				  (chain.bytes_in >= sizeof(noise)));
		vring_push(&vr, chain.head, chain.bytes_in);
		(void)vring_must_signal(&vr);
	}
	return 0;
}
