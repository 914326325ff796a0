/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_RESOLVER_H
#define BB_PROC_DIALER_RESOLVER_H
#include "policy/ip.h"
#include <event2/event.h>

/**
 * DOC: resolver - c-ares on the libevent loop
 *
 * Layer:     proc/dialer
 * Used by:   dialer's dials; the only place in the product that asks a resolver
 * Trust:     answers are hostile; c-ares decodes them, the caller judges every address
 * Ownership: resolver_new() returns owned; a lookup ends by its callback or resolver_cancel()
 * Limits:    RESOLVER_ADDRS addresses an answer; 2 s a try, 2 tries a server
 *
 * Everything c-ares would read from files is given in options, because the files are out of reach
 * once the process has locked itself. No search list, no hosts file, no sorting (sorting would
 * open a socket to every address before it was judged).
 */
#define RESOLVER_ADDRS 8

struct resolver;
struct resolver_lookup;

/**
 * resolver_fn - The end of one lookup
 * @addrs:	@n of them, borrowed; 0 when there are none
 * @why:	Text when @n is 0, constant
 */
typedef void (*resolver_fn)(const struct ip_addr *addrs, size_t n, const char *why, void *arg);

/** resolver_new() - @n_servers may be 0: then nothing resolves. Return: NULL with @err */
BB_MUST_USE struct resolver *resolver_new(struct event_base *base, const struct ip_addr *servers,
					  size_t n_servers, struct bb_err *err);

/**
 * resolver_set_servers() - Ask these from now on
 *
 * Lookups under way end with a reason, by their callback: who wants them again cancels and asks
 * again.
 *
 * Return: 0 or -errno with @err: then nothing resolves
 */
BB_MUST_USE int resolver_set_servers(struct resolver *res, const struct ip_addr *servers, size_t n,
				     struct bb_err *err);

/** resolver_free() - Also ends its lookups, without a word to them; NULL is fine */
void resolver_free(struct resolver *res);

/**
 * resolver_ask() - Look up A (@family 4) or AAAA (6)
 *
 * @fn is called from the loop, never from here.
 *
 * Return: the lookup, for resolver_cancel(); NULL without memory
 */
BB_MUST_USE struct resolver_lookup *resolver_ask(struct resolver *res, const char *name,
						 uint8_t family, resolver_fn fn, void *arg);

/** resolver_cancel() - @fn will not be called; NULL is fine */
void resolver_cancel(struct resolver_lookup *lookup);

/** resolver_servers() - "nameserver" addresses of a resolv.conf. Return: how many, at most @max */
size_t resolver_servers(struct bb_span resolv_conf, struct ip_addr *out, size_t max);
#endif
