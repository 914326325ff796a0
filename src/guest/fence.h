/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_FENCE_H
#define BB_GUEST_FENCE_H
#include "guest/config.h"

/**
 * DOC: fence - the guest's courtesy rules
 *
 * Layer:     guest
 * Used by:   init, once
 *
 * They protect nothing: guest root can remove them, and then meets gate. With them a program that
 * dials a listed range reaches the relay, one that asks a hard-coded resolver reaches the DNS
 *proxy, and everything else fails at once instead of hanging.
 *
 *	table inet bot-bottle {
 *		chain redirect { type nat hook output priority -100; }
 *			oifname != "lo" udp/tcp dport 53 -> :53; tcp to each range -> :redirect_port
 *		chain redirect_nested { type nat hook prerouting priority -100; }
 *			iifname != "lo" the same, with :FENCE_NESTED_DNS_PORT
 *		chain refuse { type filter hook output priority 0; }
 *			oifname != "dummy0", 127.0.0.0/8, ::1 accept; tcp reset; the rest ICMP
 *prohibited chain refuse_nested { type filter hook forward priority 0; } oifname != "dummy0"
 *accept; tcp reset; the rest ICMP prohibited
 *	}
 *
 * The nested chains are for containers and network namespaces in the guest. Their redirected
 * packets come to the address of the device they came by, so those ports listen on all addresses.
 */
#define FENCE_NESTED_DNS_PORT 9041 /* 53 on all addresses belongs to who runs containers */
#define FENCE_TABLE           "bot-bottle"

/** fence_encode() - The whole batch. Return: octets, 0 when @cap is too small */
BB_MUST_USE size_t fence_encode(uint8_t *buf, size_t cap, const struct guest_config *c);

/** fence_up() - Send it to the kernel. Return: 0 or -errno with @err (no nf_tables: -EOPNOTSUPP…)
 */
BB_MUST_USE int fence_up(const struct guest_config *c, struct bb_err *err);
#endif
