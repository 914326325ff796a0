/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_VRING_H
#define BB_WIRE_VRING_H
#include "base/base.h"
#include <sys/uio.h>

/**
 * DOC: vring - the device side of a split virtqueue in hostile guest memory
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   gate (src/proc/gate/vu_device.c); fuzz/vring.c; tests/unit/wire/vring.c
 * Trust:     every octet of guest memory may change at any time. A descriptor, an index or a ring
 *            entry is read once into a local copy, the copy is judged, and only the copy is used.
 *            The payload behind a checked segment may still change while it is read
 * Ownership: borrows the mapped regions as long as the ring is used
 * Limits:    VRING_NUM_MAX entries; VRING_SEGMENTS_MAX segments and VRING_CHAIN_BYTES_MAX octets in
 *            a chain; one level of indirection; VRING_REGIONS_MAX regions
 * Source:    virtio 1.2, sections 2.6 and 2.7; docs/protocol/vhost-user-vsock.md
 *
 * Life of a buffer: vring_pop() takes the next available chain; the device reads or fills its
 * segments; vring_push() gives it back. Between them vring_rewind() may put the last popped chains
 * back as if they had never been taken. Any result past VRING_EMPTY means that the driver broke
 * the rules: the ring must not be used again.
 */
#define VRING_NUM_MAX         1024u
#define VRING_SEGMENTS_MAX    64
#define VRING_CHAIN_BYTES_MAX (1u << 20)
#define VRING_REGIONS_MAX     8

enum vring_result {
	VRING_OK = 0,
	VRING_EMPTY,          /* nothing available */
	VRING_BAD_SIZE,       /* ring size 0, not a power of two, or too large */
	VRING_BAD_PLACE,      /* ring part outside guest memory or misaligned */
	VRING_BAD_INDEX,      /* available index ran away */
	VRING_BAD_DESCRIPTOR, /* head or next outside the table */
	VRING_BAD_ADDRESS,    /* segment outside guest memory */
	VRING_BAD_ORDER,      /* readable segment behind a writable one */
	VRING_BAD_INDIRECT,   /* nested, chained, or a table of a wrong size */
	VRING_TOO_LONG,       /* loop, too many segments or octets */
	VRING_OVERLAP,        /* a used ring lies on something else of the rings */

	VRING_NUM_RESULTS,
};
extern const char *const vring_result_str[VRING_NUM_RESULTS];

/**
 * struct vring_region - One mapped piece of guest memory
 * @guest:	Guest physical address
 * @user:	The front end's own address for it (ring addresses come in these)
 * @bytes:	Size
 * @host:	Where we have it mapped
 */
struct vring_region {
	uint64_t guest;
	uint64_t user;
	uint64_t bytes;
	uint8_t *host;
};

struct vring_memory {
	size_t n;
	struct vring_region regions[VRING_REGIONS_MAX];
};

/** struct vring_place - Addresses of the three parts, in the front end's own terms */
struct vring_place {
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

/**
 * struct vring - One queue
 * @last_avail:	Next available entry to take
 * @used_idx:	Next used entry to fill
 * @signalled:	@used_idx when the driver was last told
 * @event_idx:	VIRTIO_F_EVENT_IDX was negotiated
 */
struct vring {
	uint16_t num;
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled;
	bool event_idx;
	bool signalled_valid;
	const uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
};

/**
 * struct vring_chain - One taken buffer
 * @n_out:	Segments that we may read, first in @seg
 * @n_in:	Segments that we may write, behind them
 */
struct vring_chain {
	uint16_t head;
	uint16_t n_out;
	uint16_t n_in;
	uint32_t bytes_out;
	uint32_t bytes_in;
	struct iovec seg[VRING_SEGMENTS_MAX];
};

/** vring_memory_check() - Regions are non-empty, do not wrap and do not overlap */
BB_MUST_USE bool vring_memory_check(const struct vring_memory *mem);

/**
 * vring_attach() - Place a ring in guest memory
 * @base:	Index of the next available entry, and of the next used one
 *
 * Return: VRING_OK; VRING_BAD_SIZE, VRING_BAD_PLACE or VRING_OVERLAP, @vr unchanged
 */
BB_MUST_USE enum vring_result vring_attach(struct vring *vr, const struct vring_memory *mem,
					   uint32_t num, const struct vring_place *place,
					   uint16_t base, bool event_idx);

/**
 * vring_apart() - What is written for one ring is no part of the other
 *
 * Otherwise a buffer that is given back in one could be an offer in the other, and the device would
 * run without the driver.
 */
BB_MUST_USE bool vring_apart(const struct vring *a, const struct vring *b);

/**
 * vring_pop() - Take the next available chain
 *
 * Return: VRING_OK with @ret, VRING_EMPTY, or how the driver broke the rules
 */
BB_MUST_USE enum vring_result vring_pop(struct vring *vr, const struct vring_memory *mem,
					struct vring_chain *ret);

/** vring_rewind() - Put back the last @n popped chains; none of them may have been pushed */
void vring_rewind(struct vring *vr, uint16_t n);

/** vring_push() - Give a chain back; @bytes were written into its writable segments */
void vring_push(struct vring *vr, uint16_t head, uint32_t bytes);

/** vring_must_signal() - Does the driver want an interrupt for what was pushed since the last? */
bool vring_must_signal(struct vring *vr);

/**
 * vring_ask_kick() - Ask to be kicked for the next available entry
 *
 * Return: true when one is there already: no kick will come for it, go on
 */
bool vring_ask_kick(struct vring *vr);

/** vring_no_kick() - While the ring is being drained, kicks are not needed */
void vring_no_kick(struct vring *vr);

/** vring_chain_read() - Gather octets [@at, @at + @len) of the readable segments */
BB_MUST_USE bool vring_chain_read(const struct vring_chain *chain, uint32_t at, void *out,
				  size_t len);

/** vring_chain_write() - Scatter @len octets to the writable segments, from their start */
BB_MUST_USE bool vring_chain_write(const struct vring_chain *chain, const void *in, size_t len);

/**
 * vring_chain_slice() - Segments for octets [@at, @at + @len) of one side
 * @writable:	of the writable segments, else of the readable ones
 * @out:	room for VRING_SEGMENTS_MAX
 *
 * Return: number of segments written; their sum is @len, or less where the chain ends
 */
size_t vring_chain_slice(const struct vring_chain *chain, bool writable, uint32_t at, uint32_t len,
			 struct iovec *out);
#endif
