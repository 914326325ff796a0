/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_VU_DEVICE_H
#define BB_PROC_GATE_VU_DEVICE_H
#include "wire/vring.h"
#include "wire/vsock.h"
#include <event2/event.h>

/**
 * DOC: vu_device - the virtio-vsock device as a vhost-user back end
 *
 * Layer:     proc/gate
 * Used by:   gate.c; the packets are vsock_conn.c's
 * Trust:     the VMM's messages and the guest's rings are both hostile; what breaks a rule of the
 *            device ends it with on_dead(), and gate with it (fail closed)
 * Ownership: vu_device_new() takes the fd
 * Limits:    two queues of at most VRING_NUM_MAX; 256 packets from the guest before other work
 *            gets a turn; regions must be files that cannot shrink (F_SEAL_SHRINK)
 * Source:    docs/protocol/vhost-user-vsock.md
 */
struct vu_device;

/**
 * struct vu_device_user - Who makes sense of the packets
 * @may_take:	Is there room to answer one more packet? While false, none is taken
 * @on_packet:	One packet from the guest; @h by vsock_header_read() with result @r, the payload at
 *		octet VSOCK_HEADER_BYTES of @chain
 * @on_batch:	The packets of one turn have been passed on
 * @on_room:	The guest offered receive buffers, or the device starts
 * @on_stop:	The driver let go of the rings: all connections are gone
 * @on_dead:	A rule was broken, or the VMM went away. Called once
 */
struct vu_device_user {
	bool (*may_take)(void *arg);
	void (*on_packet)(const struct vsock_header *h, enum vsock_result r,
			  const struct vring_chain *chain, void *arg);
	void (*on_batch)(void *arg);
	void (*on_room)(void *arg);
	void (*on_stop)(void *arg);
	void (*on_dead)(const char *why, void *arg);
};

/**
 * vu_device_new() - Serve a connected vhost-user stream
 *
 * Return: owned device, or NULL without memory
 */
BB_MUST_USE struct vu_device *vu_device_new(struct event_base *base, int fd,
					    const struct vu_device_user *user, void *arg);

/** vu_device_free() - NULL is fine; not from inside a callback */
void vu_device_free(struct vu_device *dev);

/**
 * vu_device_take() - Next receive buffer of the guest
 *
 * Return: false when there is none (on_room() will come), or the device is stopped
 */
BB_MUST_USE bool vu_device_take(struct vu_device *dev, struct vring_chain *ret);

/** vu_device_untake() - Put back the last @n taken, unused */
void vu_device_untake(struct vu_device *dev, uint16_t n);

/** vu_device_put() - Give one to the guest with @bytes in it */
void vu_device_put(struct vu_device *dev, const struct vring_chain *chain, uint32_t bytes);

/** vu_device_flush() - Interrupt the guest if it wants to know of what was put */
void vu_device_flush(struct vu_device *dev);

/**
 * vu_device_pause() - Hear no kicks, or hear those that have come; may_take() is what takes no
 * packets
 */
void vu_device_pause(struct vu_device *dev, bool on);

/** vu_device_resume() - may_take() is true again: go on */
void vu_device_resume(struct vu_device *dev);
#endif
