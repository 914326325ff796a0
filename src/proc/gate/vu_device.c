/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/vu_device.h"
#include "base/io.h"
#include "proc/gate/vu_int.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/*
 * Theory of operation. The VMM's messages (vu_message.c) place two rings in guest memory and hand
 * over two eventfds for each: kick (the driver has offered buffers) and call (we have used some).
 * Queue 0 carries packets to the guest, queue 1 from it. This file moves packets; it knows nothing
 * of connections.
 */
#define TX_BATCH 256u

void vu_die(struct vu_device *dev, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (dev->dead)
		return;
	dev->dead = true;
	for (size_t i = 0; i < VHOST_USER_QUEUES; i++)
		dev->queues[i].running = false;
	if (dev->rd)
		(void)event_del(dev->rd);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dev->user->on_dead(text, dev->arg);
}

static void signal_guest(struct vu_queue *q)
{
	const uint64_t one = 1;

	if (q->running && q->call >= 0 && vring_must_signal(&q->ring) &&
	    write(q->call, &one, sizeof(one)) < 0 && errno != EAGAIN)
		vu_die(q->dev, "call: %s", strerror(errno));
}

/* One packet: read its header once, judge it, pass it on */
static void take_packet(struct vu_device *dev, const struct vring_chain *chain)
{
	uint8_t raw[VSOCK_HEADER_BYTES];
	struct vsock_header h;
	enum vsock_result r;

	if (!vring_chain_read(chain, 0, raw, sizeof(raw))) {
		vu_die(dev, "a packet shorter than its header");
		return;
	}
	r = vsock_header_read((struct bb_span){ raw, sizeof(raw) }, &h);
	if (h.op == VSOCK_OP_RW && h.len > chain->bytes_out - VSOCK_HEADER_BYTES) {
		vu_die(dev, "a packet shorter than its payload");
		return;
	}
	dev->user->on_packet(&h, r, chain, dev->arg);
}

static void run_tx(struct vu_device *dev)
{
	struct vu_queue *q = &dev->queues[VU_TX];
	struct vring_chain chain;

	if (!q->running)
		return;
	vring_no_kick(&q->ring);
	for (unsigned int i = 0; q->running; i++) {
		enum vring_result r;

		if (i == TX_BATCH || !dev->user->may_take(dev->arg)) {
			if (i == TX_BATCH)
				event_active(q->again, EV_TIMEOUT, 1);
			break;
		}
		r = vring_pop(&q->ring, &dev->memory, &chain);
		if (r == VRING_EMPTY) {
			if (!vring_ask_kick(&q->ring))
				break;
			vring_no_kick(&q->ring);
			continue;
		}
		if (r != VRING_OK) {
			vu_die(dev, "transmit queue: %s", vring_result_str[r]);
			return;
		}
		take_packet(dev, &chain);
		if (q->running)
			vring_push(&q->ring, chain.head, 0);
	}
	signal_guest(q);
	dev->user->on_batch(dev->arg);
}

bool vu_device_take(struct vu_device *dev, struct vring_chain *ret)
{
	struct vu_queue *q = &dev->queues[VU_RX];
	enum vring_result r;

	if (!q->running)
		return false;
	r = vring_pop(&q->ring, &dev->memory, ret);
	if (r == VRING_EMPTY && vring_ask_kick(&q->ring))
		r = vring_pop(&q->ring, &dev->memory, ret);
	if (r == VRING_EMPTY)
		return false;
	if (r != VRING_OK || ret->bytes_in <= VSOCK_HEADER_BYTES) {
		vu_die(dev, "receive queue: %s",
		       r != VRING_OK ? vring_result_str[r] : "a buffer too small for a packet");
		return false;
	}
	return true;
}

void vu_device_untake(struct vu_device *dev, uint16_t n)
{
	if (dev->queues[VU_RX].running)
		vring_rewind(&dev->queues[VU_RX].ring, n);
}

void vu_device_put(struct vu_device *dev, const struct vring_chain *chain, uint32_t bytes)
{
	if (dev->queues[VU_RX].running)
		vring_push(&dev->queues[VU_RX].ring, chain->head, bytes);
}

void vu_device_flush(struct vu_device *dev)
{
	signal_guest(&dev->queues[VU_RX]);
}

void vu_device_resume(struct vu_device *dev)
{
	struct vu_queue *q = &dev->queues[VU_TX];

	if (q->running)
		event_active(q->again, EV_TIMEOUT, 1);
}

bool vu_hear_kicks(struct vu_queue *q)
{
	return (q->dev->paused ? event_del(q->kick_event) : event_add(q->kick_event, NULL)) == 0;
}

void vu_device_pause(struct vu_device *dev, bool on)
{
	if (dev->dead)
		return;
	dev->paused = on;
	for (size_t i = 0; i < VHOST_USER_QUEUES; i++) {
		struct vu_queue *q = &dev->queues[i];

		if (q->kick_event && !vu_hear_kicks(q))
			vu_die(dev, "a kick that cannot be waited for");
		if (!on && q->running)
			event_active(q->again, EV_TIMEOUT, 1);
	}
}

void vu_on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct vu_queue *q = arg;
	uint64_t count;
	ssize_t n = what & EV_READ ? read(fd, &count, sizeof(count)) : (ssize_t)sizeof(count);

	/* a pipe without a writer would be readable for ever */
	if (n != (ssize_t)sizeof(count) && (n >= 0 || errno != EAGAIN)) {
		vu_die(q->dev, "kick: %s", n < 0 ? strerror(errno) : "not an eventfd");
		return;
	}
	if (!q->running)
		return;
	if (q == &q->dev->queues[VU_TX])
		run_tx(q->dev);
	else
		q->dev->user->on_room(q->dev->arg);
}

struct vu_device *vu_device_new(struct event_base *base, int fd, const struct vu_device_user *user,
				void *arg)
{
	struct vu_device *dev = calloc(1, sizeof(*dev));

	if (!dev) {
		bb_closep(&fd);
		return NULL;
	}
	dev->base = base;
	dev->fd = fd;
	dev->user = user;
	dev->arg = arg;
	for (size_t i = 0; i < VHOST_USER_QUEUES; i++) {
		dev->queues[i] = (struct vu_queue){ .dev = dev, .kick = -1, .call = -1 };
		dev->queues[i].again = event_new(base, -1, 0, vu_on_kick, &dev->queues[i]);
	}
	for (size_t i = 0; i < VHOST_USER_REGIONS_MAX; i++)
		dev->fds[i] = -1;
	dev->rd = event_new(base, fd, EV_READ | EV_PERSIST, vu_on_message, dev);
	if (!dev->rd || !dev->queues[0].again || !dev->queues[1].again ||
	    bb_set_nonblock(fd, true) < 0 || event_add(dev->rd, NULL) < 0) {
		vu_device_free(dev);
		return NULL;
	}
	return dev;
}

void vu_device_free(struct vu_device *dev)
{
	if (!dev)
		return;
	for (size_t i = 0; i < VHOST_USER_QUEUES; i++) {
		vu_queue_release(&dev->queues[i]);
		if (dev->queues[i].again)
			event_free(dev->queues[i].again);
	}
	vu_memory_release(dev);
	vu_fds_release(dev);
	if (dev->rd)
		event_free(dev->rd);
	bb_closep(&dev->fd);
	free(dev);
}
