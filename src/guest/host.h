/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_HOST_H
#define BB_GUEST_HOST_H
#include "base/base.h"

/**
 * DOC: host - streams between guest and host
 *
 * Layer:     guest
 * Used by:   every role of the guest binary
 * Trust:     streams are accepted from CID 2 (the host) only
 *
 * The seam for tests: with a directory set, port N is the AF_UNIX stream socket DIR/N, so that
 * relay, DNS proxy and exec agent run as plain processes on a developer's machine.
 */
#define HOST_PORT_EXEC 5000u
#define HOST_PORT_LOG  5001u
#define HOST_PORT_DNS  6002u
#define HOST_PORT_FLOW 6003u

/* A refusal comes at once; this long an answer may take on a host that has no time for us */
#define HOST_CONNECT_MS 30000

/** struct host_link - How to reach the host; @dir is NULL for vsock (borrowed) */
struct host_link {
	const char *dir;
};

/**
 * host_connect() - Open a stream to @port of the host
 * @limit_ms:	of vsock: -ETIMEDOUT after that; 0: the kernel's own limit
 * @nonblock:	The fd is non-blocking, and the connect may still be in progress (EPOLLOUT tells)
 *
 * Return: owned fd (CLOEXEC) or -errno
 */
BB_MUST_USE int host_connect(const struct host_link *link, uint32_t port, int limit_ms,
			     bool nonblock);

/** host_listen() - Listen on the guest's @port. Return: owned fd (CLOEXEC) or -errno */
BB_MUST_USE int host_listen(const struct host_link *link, uint32_t port);

/**
 * host_accept() - Take one stream from host_listen()'s fd
 *
 * Return: owned blocking fd (CLOEXEC); -EPERM when it was not the host's (closed); -errno
 */
BB_MUST_USE int host_accept(const struct host_link *link, int listener);
#endif
