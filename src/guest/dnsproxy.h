/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_DNSPROXY_H
#define BB_GUEST_DNSPROXY_H
#include "guest/host.h"

/**
 * DOC: dnsproxy - the guest's resolver: every query goes to the host's filter
 *
 * Layer:     guest
 * Used by:   init, which forks it and starts it again when it dies
 *
 * One stream to port 6002 carries all queries, each with a 16-bit length before it. The message id
 * is replaced by a slot number, so that answers may come in any order; the slot knows who asked and
 * the id they used. Nothing here judges a name: that is the host's.
 *
 * Limits:    DNSPROXY_SLOTS queries under way (the oldest gives way), DNSPROXY_CLIENTS TCP
 *            connections, messages of 65,535 octets over TCP; UDP answers over the asker's EDNS
 *            size (512 without EDNS) are cut to header and question with TC set
 */
#define DNSPROXY_SLOTS   16384
#define DNSPROXY_CLIENTS 128
#define DNSPROXY_SOCKETS 4 /* of each kind: loopback, nested networks; IPv4, IPv6 */

/** struct dnsproxy_sockets - Bound sockets (borrowed); -1 = none */
struct dnsproxy_sockets {
	int udp[DNSPROXY_SOCKETS];
	int tcp[DNSPROXY_SOCKETS];
};

/** dnsproxy_run() - Serve for ever. Returns only when epoll cannot be had */
void dnsproxy_run(const struct host_link *link, const struct dnsproxy_sockets *sockets);

/** dnsproxy_udp_size() - Largest UDP answer that the sender of this query takes: 512..4096 */
BB_MUST_USE size_t dnsproxy_udp_size(struct bb_span query);

/**
 * dnsproxy_truncate() - Cut an answer to header and question, set TC
 * @msg:	In place
 *
 * Return: new length, at most @len
 */
BB_MUST_USE size_t dnsproxy_truncate(uint8_t *msg, size_t len);
#endif
