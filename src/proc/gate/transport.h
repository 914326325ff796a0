/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_TRANSPORT_H
#define BB_PROC_GATE_TRANSPORT_H
#include "base/base.h"
#include <sys/types.h>
#include <sys/uio.h>

/**
 * DOC: transport - one stream to or from the guest, whatever carries it
 *
 * Layer:     proc/gate
 * Used by:   the services (flow, dns_service, guest_log, shovel); implemented by vsock_conn.c
 *            (virtio-vsock) and stream_unix.c (a passed socket)
 * Trust:     everything that comes in is the guest's
 * Ownership: the transport owns the stream. It ends with exactly one of: the service calls
 *            stream_close() or stream_reset(), or the transport calls on_gone(). After that the
 *            service must not touch it
 * Limits:    what the guest sent and the service has not yet called consumed is at most the
 *            window (64 KiB, growing to 1 MiB where @grow is set); stream_write() holds at most
 *            STREAM_OUT_MAX
 *
 * Directions are named from the stream's side: data comes in from the guest and is written to it.
 */
#define STREAM_WINDOW_MIN (64u << 10)
#define STREAM_WINDOW_MAX (1u << 20)
#define STREAM_OUT_MAX    (128u << 10)
#define STREAM_WORTH      1024u /* octets at a time that are no work (pace.c) */

struct stream;

/**
 * struct stream_handler - What a service wants to hear. All run from the loop
 * @on_open:	A stream that we opened was accepted (NULL for services that only accept)
 * @on_data:	@len octets from the guest in @n segments; segments end with the call and may be
 *		changed by the guest while they are read. The service calls stream_consumed() when
 *		it has room again
 * @on_eof:	The guest will send no more
 * @on_room:	Once after stream_want_room(), when octets can go out again
 * @on_gone:	The stream has ended. @orderly: the guest closed it after sending all it had
 */
struct stream_handler {
	void (*on_open)(struct stream *s, void *arg);
	void (*on_data)(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg);
	void (*on_eof)(struct stream *s, void *arg);
	void (*on_room)(struct stream *s, void *arg);
	void (*on_gone)(struct stream *s, bool orderly, void *arg);
};

/** struct stream_ops - A transport; see the wrappers below */
struct stream_ops {
	int (*write)(struct stream *s, const void *p, size_t len);
	size_t (*queued)(const struct stream *s);
	ssize_t (*pull)(struct stream *s, int fd);
	void (*want_room)(struct stream *s);
	void (*consumed)(struct stream *s, size_t len);
	void (*shutdown)(struct stream *s);
	void (*close)(struct stream *s);
	void (*reset)(struct stream *s);
};

/**
 * struct stream - Embedded in the transport's own structure
 * @grow:	The window may grow
 * @idle_ms:	End it this long after the last octet; 0 = never
 */
struct stream {
	const struct stream_ops *ops;
	const struct stream_handler *handler;
	void *arg;
	bool grow;
	uint64_t idle_ms;
};

/** stream_serve() - Hand the stream to a service */
static inline void stream_serve(struct stream *s, const struct stream_handler *h, void *arg)
{
	s->handler = h;
	s->arg = arg;
}

/** stream_write() - Queue octets for the guest. Return: 0; -ENOBUFS past STREAM_OUT_MAX, -ENOMEM */
BB_MUST_USE static inline int stream_write(struct stream *s, const void *p, size_t len)
{
	return s->ops->write(s, p, len);
}

/** stream_queued() - Octets written that have not left yet */
static inline size_t stream_queued(const struct stream *s)
{
	return s->ops->queued(s);
}

/**
 * stream_pull() - Move octets from a non-blocking fd to the guest, without a copy of ours
 *
 * Return: octets moved; 0 at the fd's end; -EAGAIN when the fd has none; -ENOBUFS when the guest
 * has no room (ask by stream_want_room()); other -errno of the fd
 */
BB_MUST_USE static inline ssize_t stream_pull(struct stream *s, int fd)
{
	return s->ops->pull(s, fd);
}

/** stream_want_room() - Call on_room() once when octets can go out */
static inline void stream_want_room(struct stream *s)
{
	s->ops->want_room(s);
}

/** stream_consumed() - @len octets that came in are dealt with: the guest may send as many more */
static inline void stream_consumed(struct stream *s, size_t len)
{
	s->ops->consumed(s, len);
}

/** stream_shutdown() - Nothing more will be written */
static inline void stream_shutdown(struct stream *s)
{
	s->ops->shutdown(s);
}

/** stream_close() - Orderly end once everything written has left; the service hears no more */
static inline void stream_close(struct stream *s)
{
	s->ops->close(s);
}

/** stream_reset() - End at once; the service hears no more */
static inline void stream_reset(struct stream *s)
{
	s->ops->reset(s);
}
#endif
