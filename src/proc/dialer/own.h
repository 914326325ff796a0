/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_OWN_H
#define BB_PROC_DIALER_OWN_H
#include "policy/ip.h"

/**
 * DOC: own - the host's own addresses, followed as they come and go
 *
 * Layer:     proc/dialer
 * Used by:   dialer: no name and no tcp rule leads to the host itself
 * Trust:     the kernel's
 * Ownership: own_release() closes the socket and frees the list
 * Limits:    OWN_MAX addresses; a host with more cannot run dialer (fail closed)
 * Source:    rtnetlink(7)
 *
 * One NETLINK_ROUTE socket, opened before the process locks itself. When the kernel had to drop
 * messages (ENOBUFS) the whole list is asked for again; addresses that the new list does not
 * repeat are forgotten at its end, not before.
 */
#define OWN_MAX 16384

struct own_entry {
	struct ip_addr addr;
	uint32_t index; /* interface: the same address may be on two */
	uint32_t seen;  /* @dump of the list that last had it */
};

/* One of them is on no interface any more */
typedef void (*own_gone_fn)(void *arg, const struct ip_addr *addr);

struct own {
	int fd;
	own_gone_fn on_gone; /* or NULL, as own_init() leaves it */
	void *arg;
	uint32_t dump; /* number of the last list that was asked for */
	bool dumping;
	size_t n;
	size_t alloc;
	struct own_entry *entries;
};

/** own_init() - Open, ask for the list and wait for its end. Return: 0 or -errno with @err */
BB_MUST_USE int own_init(struct own *own, struct bb_err *err);

/** own_read() - Take what the kernel has to say. Return: 0 or -errno with @err: give up */
BB_MUST_USE int own_read(struct own *own, struct bb_err *err);

/** own_take() - Apply one datagram of the kernel; returns as own_read() */
BB_MUST_USE int own_take(struct own *own, struct bb_span dgram, struct bb_err *err);

/** own_has() - Is it one of ours? */
bool own_has(const struct own *own, const struct ip_addr *canonical);

void own_release(struct own *own);
#endif
