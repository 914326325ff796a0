/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_VSOCK_CONN_H
#define BB_PROC_GATE_VSOCK_CONN_H
#include "proc/gate/transport.h"
#include <event2/event.h>

/**
 * DOC: vsock_conn - virtio-vsock streams over the device: the table of connections, and credit
 *
 * Layer:     proc/gate
 * Used by:   gate.c; implements transport.h
 * Trust:     packets are the guest's. What breaks a rule of one connection resets that one
 * Ownership: vsock_new() takes the vhost-user fd; streams are the table's (transport.h)
 * Limits:    @max_conns connections; VSOCK_RST_MAX refusals waiting to go out, past which nothing
 *            more is taken from the guest; windows of all connections grow to VSOCK_WINDOWS_MAX in
 *            all
 * Source:    virtio 1.2, section 5.10.6
 */
#define VSOCK_RST_MAX     256u
#define VSOCK_WINDOWS_MAX (128u << 20)
#define VSOCK_KICK        4u

struct vsock;

/**
 * struct vsock_user - What the table asks gate
 * @accept:	The guest connects to host port @port; calls stream_serve() on @s, or returns false
 *		for a reset
 * @on_limit:	A connection was refused because the table is full
 * @on_work:	So much work was done for the guest: one for each packet that carries less than
 *		STREAM_WORTH octets and each reset in answer, VSOCK_KICK for a kick with no packet
 *		of more before it, in or out
 * @on_dead:	The device ended: gate must end
 */
struct vsock_user {
	bool (*accept)(struct stream *s, uint32_t port, void *arg);
	void (*on_limit)(uint32_t port, void *arg);
	void (*on_work)(uint32_t n, void *arg);
	void (*on_dead)(const char *why, void *arg);
};

/** vsock_new() - NULL without memory */
BB_MUST_USE struct vsock *vsock_new(struct event_base *base, int vhost_fd, size_t max_conns,
				    const struct vsock_user *user, void *arg);
/** vsock_free() - Silently ends all streams; NULL is fine */
void vsock_free(struct vsock *vs);

/**
 * vsock_connect() - Open a stream to the guest's port @port
 *
 * on_open() or on_gone() follows.
 *
 * Return: the stream, or NULL (limit, memory, or the guest is not there)
 */
BB_MUST_USE struct stream *vsock_connect(struct vsock *vs, uint32_t port,
					 const struct stream_handler *h, void *arg);

/** vsock_tick() - Once a second: deadlines and idle streams */
void vsock_tick(struct vsock *vs);

/** vsock_hold() - Take no packets from the guest, or go on */
void vsock_hold(struct vsock *vs, bool on);

/** vsock_pause() - Nor hear that it offers any, nor receive buffers; or go on */
void vsock_pause(struct vsock *vs, bool on);

/** vsock_count() - Connections now */
size_t vsock_count(const struct vsock *vs);
#endif
