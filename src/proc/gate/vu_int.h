/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_VU_INT_H
#define BB_PROC_GATE_VU_INT_H
#include "proc/gate/vu_device.h"
#include "wire/vhost_user.h"

/**
 * DOC: vu_int - what vu_device.c (packets) and vu_message.c (the VMM's messages) share
 *
 * Layer:     proc/gate, private to the device
 */
enum { VU_RX = 0, VU_TX = 1 }; /* as the driver names them: receive, transmit */

/**
 * struct vu_queue - One ring and its two eventfds
 * @running:	Placed, kickable and enabled: packets move
 * @enabled:	By SET_VRING_ENABLE
 * @again:	Takes another turn without a kick
 */
struct vu_queue {
	struct vu_device *dev;
	struct vring ring;
	bool running;
	bool enabled;
	bool placed;
	uint32_t num;
	uint16_t base;
	struct vring_place place;
	int kick;
	int call;
	struct event *kick_event;
	struct event *again;
};

struct vu_device {
	struct event_base *base;
	const struct vu_device_user *user;
	void *arg;
	int fd;
	bool dead;
	bool paused; /* kicks are not heard */
	uint64_t features;
	uint64_t protocol_features;
	struct event *rd;
	struct vring_memory memory;
	struct vu_queue queues[VHOST_USER_QUEUES];

	/* the message being read */
	uint8_t in[VHOST_USER_HEADER_BYTES + VHOST_USER_PAYLOAD_MAX];
	size_t have;
	struct vhost_user_header head;
	int fds[VHOST_USER_REGIONS_MAX];
	size_t n_fds;
};

/** vu_die() - A rule was broken: stop everything and tell the user */
BB_PRINTF(2, 3) void vu_die(struct vu_device *dev, const char *fmt, ...);
void vu_on_kick(evutil_socket_t fd, short what, void *arg);
/** vu_hear_kicks() - Or not, while the device is paused. Return: false where that is impossible */
BB_MUST_USE bool vu_hear_kicks(struct vu_queue *q);
void vu_on_message(evutil_socket_t fd, short what, void *arg);
/** vu_queue_release() - Stop a queue and close its eventfds */
void vu_queue_release(struct vu_queue *q);
void vu_memory_release(struct vu_device *dev);
void vu_fds_release(struct vu_device *dev);
#endif
