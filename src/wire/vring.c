/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vring.h"
#include <assert.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are read in host order");

const char *const vring_result_str[] = {
	[VRING_OK] = "ok",
	[VRING_EMPTY] = "empty",
	[VRING_BAD_SIZE] = "bad ring size",
	[VRING_BAD_PLACE] = "ring outside guest memory",
	[VRING_BAD_INDEX] = "available index ran away",
	[VRING_BAD_DESCRIPTOR] = "descriptor outside the table",
	[VRING_BAD_ADDRESS] = "segment outside guest memory",
	[VRING_BAD_ORDER] = "readable segment behind a writable one",
	[VRING_BAD_INDIRECT] = "bad indirect table",
	[VRING_TOO_LONG] = "chain too long",
	[VRING_OVERLAP] = "rings overlap",
};
static_assert(BB_ARRAY_LEN(vring_result_str) == VRING_NUM_RESULTS,
	      "vring_result_str[] doesn't match enum vring_result");

#define DESC_BYTES         16u
#define DESC_NEXT          1u
#define DESC_WRITE         2u
#define DESC_INDIRECT      4u
#define USED_NO_NOTIFY     1u
#define AVAIL_NO_INTERRUPT 1u

/* Offsets inside the available and the used ring (virtio 1.2, 2.7.6 and 2.7.8) */
enum { RING_FLAGS = 0, RING_IDX = 2, RING_ENTRIES = 4 };
#define AVAIL_BYTES(num) (RING_ENTRIES + 2u * (num) + 2u)
#define USED_BYTES(num)  (RING_ENTRIES + 8u * (num) + 2u)

/*
 * Guest memory is read by these alone: volatile, so that the compiler neither repeats a read nor
 * splits it; unaligned, because an indirect table may lie anywhere.
 */
typedef uint16_t __attribute__((aligned(1), may_alias)) u16_any;
typedef uint32_t __attribute__((aligned(1), may_alias)) u32_any;
typedef uint64_t __attribute__((aligned(1), may_alias)) u64_any;

static uint16_t load16(const uint8_t *p)
{
	return *(const volatile u16_any *)p;
}

/* Ring indices and events are 2-aligned: vring_attach() saw to it */
static uint16_t load16_acquire(const uint8_t *p)
{
	return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);
}

static void store16_release(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, v, __ATOMIC_RELEASE);
}

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static struct desc load_desc(const uint8_t *p)
{
	return (struct desc){
		.addr = *(const volatile u64_any *)p,
		.len = *(const volatile u32_any *)(p + 8),
		.flags = load16(p + 12),
		.next = load16(p + 14),
	};
}

bool vring_memory_check(const struct vring_memory *mem)
{
	if (mem->n == 0 || mem->n > VRING_REGIONS_MAX)
		return false;
	for (size_t i = 0; i < mem->n; i++) {
		const struct vring_region *r = &mem->regions[i];

		if (r->bytes == 0 || r->guest > UINT64_MAX - r->bytes ||
		    r->user > UINT64_MAX - r->bytes)
			return false;
		for (size_t k = 0; k < i; k++) {
			const struct vring_region *o = &mem->regions[k];

			if (r->guest < o->guest + o->bytes && o->guest < r->guest + r->bytes)
				return false;
		}
	}
	return true;
}

/* Translate a front-end address; the range must lie in one region. NULL when it does not */
static uint8_t *from_user(const struct vring_memory *mem, uint64_t addr, uint64_t bytes)
{
	for (size_t i = 0; i < mem->n; i++) {
		const struct vring_region *r = &mem->regions[i];
		uint64_t at = addr - r->user;

		if (addr >= r->user && at < r->bytes && bytes <= r->bytes - at)
			return r->host + at;
	}
	return NULL;
}

/* Translate a guest address. @ret_bytes: how much of @bytes lies in the same region */
static uint8_t *from_guest(const struct vring_memory *mem, uint64_t addr, uint64_t bytes,
			   uint64_t *ret_bytes)
{
	for (size_t i = 0; i < mem->n; i++) {
		const struct vring_region *r = &mem->regions[i];
		uint64_t at = addr - r->guest;

		if (addr >= r->guest && at < r->bytes) {
			*ret_bytes = bytes < r->bytes - at ? bytes : r->bytes - at;
			return r->host + at;
		}
	}
	return NULL;
}

static bool is_on(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return (uintptr_t)a < (uintptr_t)b + b_len && (uintptr_t)b < (uintptr_t)a + a_len;
}

/* Does the used ring of @a lie on what is read of @b? */
static bool used_is_on(const struct vring *a, const struct vring *b)
{
	return is_on(a->used, USED_BYTES(a->num), b->desc, (size_t)b->num * DESC_BYTES) ||
	       is_on(a->used, USED_BYTES(a->num), b->avail, AVAIL_BYTES(b->num));
}

enum vring_result vring_attach(struct vring *vr, const struct vring_memory *mem, uint32_t num,
			       const struct vring_place *place, uint16_t base, bool event_idx)
{
	uint8_t *desc, *avail, *used;
	struct vring r;

	if (num == 0 || num > VRING_NUM_MAX || (num & (num - 1)) != 0)
		return VRING_BAD_SIZE;
	desc = from_user(mem, place->desc, (uint64_t)num * DESC_BYTES);
	avail = from_user(mem, place->avail, AVAIL_BYTES(num));
	used = from_user(mem, place->used, USED_BYTES(num));
	if (!desc || !avail || !used || (uintptr_t)desc % 16 || (uintptr_t)avail % 2 ||
	    (uintptr_t)used % 4)
		return VRING_BAD_PLACE;
	r = (struct vring){ .num = (uint16_t)num,
			    .last_avail = base,
			    .used_idx = base,
			    .event_idx = event_idx,
			    .desc = desc,
			    .avail = avail,
			    .used = used };
	if (used_is_on(&r, &r))
		return VRING_OVERLAP;
	*vr = r;
	return VRING_OK;
}

bool vring_apart(const struct vring *a, const struct vring *b)
{
	return !used_is_on(a, b) && !used_is_on(b, a) &&
	       !is_on(a->used, USED_BYTES(a->num), b->used, USED_BYTES(b->num));
}

/* Add one checked segment; it may cross from one region into the next */
static enum vring_result chain_add(struct vring_chain *c, const struct vring_memory *mem,
				   const struct desc *d)
{
	bool writable = d->flags & DESC_WRITE;
	uint64_t addr = d->addr, left = d->len;

	if (!writable && c->n_in > 0)
		return VRING_BAD_ORDER;
	if (left > VRING_CHAIN_BYTES_MAX - c->bytes_out - c->bytes_in)
		return VRING_TOO_LONG;
	while (left > 0) {
		uint64_t bytes = 0;
		uint8_t *host = from_guest(mem, addr, left, &bytes);

		if (!host)
			return VRING_BAD_ADDRESS;
		if (c->n_out + c->n_in >= VRING_SEGMENTS_MAX)
			return VRING_TOO_LONG;
		c->seg[c->n_out + c->n_in] = (struct iovec){ host, bytes };
		if (writable)
			c->n_in++;
		else
			c->n_out++;
		addr += bytes; /* no wrap: regions do not */
		left -= bytes;
	}
	if (writable)
		c->bytes_in += d->len;
	else
		c->bytes_out += d->len;
	return VRING_OK;
}

/* Where a table of descriptors is: the ring's own, or an indirect one */
struct table {
	const uint8_t *p;
	uint32_t n;
};

/* A descriptor that points at a table instead of a buffer (virtio 1.2, 2.7.5.3) */
static enum vring_result open_indirect(const struct vring_memory *mem, const struct desc *d,
				       struct table *ret)
{
	uint64_t bytes = 0;
	uint8_t *p;

	if (d->flags & (DESC_NEXT | DESC_WRITE) || d->len == 0 || d->len % DESC_BYTES != 0 ||
	    d->len / DESC_BYTES > VRING_NUM_MAX)
		return VRING_BAD_INDIRECT;
	p = from_guest(mem, d->addr, d->len, &bytes);
	if (!p || bytes != d->len)
		return VRING_BAD_ADDRESS;
	*ret = (struct table){ .p = p, .n = d->len / DESC_BYTES };
	return VRING_OK;
}

static enum vring_result walk(const struct vring *vr, const struct vring_memory *mem,
			      struct vring_chain *c)
{
	struct table t = { .p = vr->desc, .n = vr->num };
	enum vring_result r;
	struct desc d;

	if (c->head >= t.n)
		return VRING_BAD_DESCRIPTOR;
	d = load_desc(t.p + (size_t)c->head * DESC_BYTES);
	if (d.flags & DESC_INDIRECT) {
		r = open_indirect(mem, &d, &t);
		if (r != VRING_OK)
			return r;
		d = load_desc(t.p);
	}
	for (uint32_t steps = 1;; steps++) {
		if (d.flags & DESC_INDIRECT)
			return VRING_BAD_INDIRECT;
		r = chain_add(c, mem, &d);
		if (r != VRING_OK || !(d.flags & DESC_NEXT))
			return r;
		/* a table is not visited more often than it has entries: no loop */
		if (steps >= t.n)
			return VRING_TOO_LONG;
		if (d.next >= t.n)
			return VRING_BAD_DESCRIPTOR;
		d = load_desc(t.p + (size_t)d.next * DESC_BYTES);
	}
}

enum vring_result vring_pop(struct vring *vr, const struct vring_memory *mem,
			    struct vring_chain *ret)
{
	uint16_t idx = load16_acquire(vr->avail + RING_IDX);
	uint16_t ready = (uint16_t)(idx - vr->last_avail);
	enum vring_result r;
	size_t slot;

	if (ready == 0)
		return VRING_EMPTY;
	if (ready > vr->num)
		return VRING_BAD_INDEX;
	slot = vr->last_avail & (vr->num - 1u);
	ret->head = load16(vr->avail + RING_ENTRIES + 2 * slot);
	ret->n_out = ret->n_in = 0;
	ret->bytes_out = ret->bytes_in = 0;
	r = walk(vr, mem, ret);
	if (r == VRING_OK)
		vr->last_avail++;
	return r;
}

void vring_rewind(struct vring *vr, uint16_t n)
{
	vr->last_avail = (uint16_t)(vr->last_avail - n);
}

void vring_push(struct vring *vr, uint16_t head, uint32_t bytes)
{
	uint8_t *entry = vr->used + RING_ENTRIES + 8u * (vr->used_idx & (vr->num - 1u));

	*(volatile u32_any *)entry = head;
	*(volatile u32_any *)(entry + 4) = bytes;
	vr->used_idx++;
	store16_release(vr->used + RING_IDX, vr->used_idx);
}

bool vring_must_signal(struct vring *vr)
{
	uint16_t now = vr->used_idx, old = vr->signalled, event;
	bool valid = vr->signalled_valid;

	if (valid && now == old)
		return false;
	/* our index must be visible before we read what the driver wants (2.7.7.2) */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vr->event_idx) {
		vr->signalled = now;
		vr->signalled_valid = true;
		return !(load16(vr->avail + RING_FLAGS) & AVAIL_NO_INTERRUPT);
	}
	event = load16(vr->avail + RING_ENTRIES + 2u * vr->num);
	vr->signalled = now;
	vr->signalled_valid = true;
	return !valid || (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

bool vring_ask_kick(struct vring *vr)
{
	if (vr->event_idx)
		store16_release(vr->used + RING_ENTRIES + 8u * vr->num, vr->last_avail);
	else
		store16_release(vr->used + RING_FLAGS, 0);
	/* the request must be visible before we look for the last time (2.7.10.2) */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16_acquire(vr->avail + RING_IDX) != vr->last_avail;
}

void vring_no_kick(struct vring *vr)
{
	if (!vr->event_idx)
		store16_release(vr->used + RING_FLAGS, USED_NO_NOTIFY);
}

size_t vring_chain_slice(const struct vring_chain *c, bool writable, uint32_t at, uint32_t len,
			 struct iovec *out)
{
	size_t from = writable ? c->n_out : 0,
	       to = writable ? (size_t)c->n_out + c->n_in : c->n_out;
	size_t n = 0, skip = at, left = len;

	for (size_t i = from; i < to && left > 0; i++) {
		size_t have = c->seg[i].iov_len;

		if (skip >= have) {
			skip -= have;
			continue;
		}
		have -= skip;
		if (have > left)
			have = left;
		out[n++] = (struct iovec){ (uint8_t *)c->seg[i].iov_base + skip, have };
		left -= have;
		skip = 0;
	}
	return n;
}

bool vring_chain_read(const struct vring_chain *c, uint32_t at, void *out, size_t len)
{
	struct iovec seg[VRING_SEGMENTS_MAX];
	size_t n, done = 0;

	if (at > c->bytes_out || len > c->bytes_out - at)
		return false;
	n = vring_chain_slice(c, false, at, (uint32_t)len, seg);
	for (size_t i = 0; i < n; i++) {
		memcpy((uint8_t *)out + done, seg[i].iov_base, seg[i].iov_len);
		done += seg[i].iov_len;
	}
	return true;
}

bool vring_chain_write(const struct vring_chain *c, const void *in, size_t len)
{
	struct iovec seg[VRING_SEGMENTS_MAX];
	size_t n, done = 0;

	if (len > c->bytes_in)
		return false;
	n = vring_chain_slice(c, true, 0, (uint32_t)len, seg);
	for (size_t i = 0; i < n; i++) {
		memcpy(seg[i].iov_base, (const uint8_t *)in + done, seg[i].iov_len);
		done += seg[i].iov_len;
	}
	return true;
}
