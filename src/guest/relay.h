/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_RELAY_H
#define BB_GUEST_RELAY_H
#include "guest/host.h"
#include "wire/flow.h"

/**
 * DOC: relay - guest TCP connections become flows on vsock port 6003
 *
 * Layer:     guest
 * Used by:   init, which forks it and starts it again when it dies
 *
 * Life of a flow: accept; connect to the host; write the header; read the reply; on 0 shovel both
 * ways, each direction ending by its own half-close; on anything else reset the TCP connection.
 *
 * Limits:    RELAY_FLOWS_MAX flows; RELAY_BUFFER octets per direction, allocated while octets wait
 * Source:    docs/protocol/flow.md
 */
#define RELAY_FLOWS_MAX 4096
#define RELAY_BUFFER    65536

/** enum relay_kind - How a listener's connections tell where they go */
enum relay_kind {
	RELAY_KIND_LOCAL,      /* to the address that was connected to */
	RELAY_KIND_REDIRECTED, /* to the original destination of the nat rule */
};

/** struct relay_listener - One listening TCP socket (borrowed) */
struct relay_listener {
	int fd;
	enum relay_kind kind;
};

/** relay_run() - Serve for ever. Returns only when epoll cannot be had */
void relay_run(const struct host_link *link, const struct relay_listener *listeners, size_t n);
#endif
