/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_STREAM_UNIX_H
#define BB_PROC_GATE_STREAM_UNIX_H
#include "proc/gate/transport.h"
#include <event2/event.h>
#include <sys/queue.h>

/**
 * DOC: stream_unix - a passed socket as a guest stream
 *
 * Layer:     proc/gate
 * Used by:   listen.c, for a guest that has no virtio-vsock; benchmarks
 * Trust:     as a vsock stream: octets are the guest's
 * Ownership: takes the fd; the stream ends as transport.h says
 * Limits:    transport.h; the socket's own buffers are the credit
 */

struct unix_stream;

/**
 * struct stream_unix_set - Streams of one guest; zeroes at first
 * @on_work:	So much work was done for the guest: for reads that bring less than STREAM_WORTH
 *		octets, or come while they are held. Or NULL
 */
struct stream_unix_set {
	unsigned int live;
	bool held;
	void (*on_work)(uint32_t n, void *arg);
	void *arg;
	LIST_HEAD(, unix_stream) streams;
};

/**
 * stream_unix_new() - Make a stream of a connected socket
 * @set:	it becomes one of these; may be NULL
 *
 * The caller calls stream_serve() before it returns to the loop.
 *
 * Return: the stream, or NULL without memory (@fd is closed)
 */
BB_MUST_USE struct stream *stream_unix_new(struct event_base *base, int fd,
					   struct stream_unix_set *set);

/** stream_unix_hold() - Read from none of them, or go on */
void stream_unix_hold(struct stream_unix_set *set, bool on);
#endif
