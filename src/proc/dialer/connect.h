/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_CONNECT_H
#define BB_PROC_DIALER_CONNECT_H
#include "policy/ip.h"

/**
 * DOC: connect - a socket on its way to an address that was judged
 *
 * Layer:     proc/dialer
 * Used by:   dial.c, forward.c
 */

/**
 * connect_new() - Open a non-blocking socket and start to connect it
 * @type:	SOCK_STREAM (with TCP_NODELAY) or SOCK_DGRAM
 *
 * Return: fd, owned; a stream is connected once it is writable and has no SO_ERROR. -errno
 */
BB_MUST_USE int connect_new(const struct ip_addr *addr, uint16_t port, int type);

/** connect_source() - This host's end of a connected socket; family 0 when unknown */
struct ip_addr connect_source(int fd);
#endif
