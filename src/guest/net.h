/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_NET_H
#define BB_GUEST_NET_H
#include "base/base.h"

/**
 * DOC: net - loopback and a dummy device with the default routes
 *
 * Layer:     guest
 * Used by:   init, once
 *
 * There is no network device. The default routes through dummy0 exist so that the kernel routes at
 * all and the courtesy rules see the packet; what they let through falls into a hole. The alias
 * needs nothing: all of 127.0.0.0/8 is local on lo. Packets are forwarded, so that what a nested
 * network (a container's) sends to that hole is refused at once as well.
 */

/* dummy0's own addresses: the IPv4 dummy address (RFC 7600) and the discard prefix (RFC 6666) */
#define NET_DUMMY    "dummy0"
#define NET_DUMMY_V4 "192.0.0.8"
#define NET_DUMMY_V6 "100::8"

/** net_up() - lo and dummy0 up, addresses and routes set. What is there already stays */
BB_MUST_USE int net_up(struct bb_err *err);
#endif
