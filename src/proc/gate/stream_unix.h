/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_STREAM_UNIX_H
#define BB_PROC_GATE_STREAM_UNIX_H
#include "proc/gate/transport.h"
#include <event2/event.h>

/**
 * DOC: stream_unix - a passed socket as a guest stream
 *
 * Layer:     proc/gate
 * Used by:   listen.c, for a guest that has no virtio-vsock; benchmarks
 * Trust:     as a vsock stream: octets are the guest's
 * Ownership: takes the fd; the stream ends as transport.h says
 * Limits:    transport.h; the socket's own buffers are the credit
 */

/**
 * stream_unix_new() - Make a stream of a connected socket
 * @live:	counts those there are; may be NULL
 *
 * The caller calls stream_serve() before it returns to the loop.
 *
 * Return: the stream, or NULL without memory (@fd is closed)
 */
BB_MUST_USE struct stream *stream_unix_new(struct event_base *base, int fd, unsigned int *live);
#endif
