/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_NAME_H
#define BB_POLICY_NAME_H
#include "policy/policy.h"

/**
 * DOC: name - comparing host names
 *
 * Layer:     policy (pure)
 * Used by:   policy/authority.c, policy/dns_filter.c, policy/flow.c, dialer
 * Trust:     names are normalised already (authority_name(), dns_name_read()): lower case, no
 *            trailing dot, octets of [a-z0-9_.-]
 */

/** name_is_below() - Is @name made of one label or more before @base? Never @base itself */
bool name_is_below(const char *name, const char *base);

/** name_route_matches() - Does the route's host, exact or wildcard, list @name? */
bool name_route_matches(const struct policy_route *route, const char *name);

/**
 * name_reverse_parse() - The address whose reverse name @name is, "4.3.2.1.in-addr.arpa"
 * @ret:	Unchanged when it is none
 */
BB_MUST_USE bool name_reverse_parse(const char *name, struct ip_addr *ret);
#endif
