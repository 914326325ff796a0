/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/flow.h"
#include "policy/authority.h"
#include "policy/name.h"

static void deny(struct policy_flow *f, enum policy_reason reason)
{
	f->verdict = POLICY_DENY;
	f->reason = reason;
	f->target = POLICY_TARGET_NONE;
}

static void allow(struct policy_flow *f, enum policy_reason reason, enum policy_target target)
{
	f->verdict = POLICY_ALLOW;
	f->reason = reason;
	f->target = target;
}

/* The bottle's own address: three services, two of which are not served by this build */
static void judge_service(uint16_t port, struct policy_flow *f)
{
	if (port == POLICY_PORT_EGRESS)
		allow(f, REASON_SERVICE, POLICY_TARGET_EGRESS);
	else if (port == POLICY_PORT_GIT || port == POLICY_PORT_SUPERVISE)
		deny(f, REASON_SERVICE_OFF);
	else
		deny(f, REASON_DEFAULT_DENY);
}

/* Whatever lies in 198.18.0.0/15 is a name or nothing: rules by range do not apply to it */
static void judge_synthetic(const struct policy *policy, const struct dns_filter *filter,
			    uint16_t port, struct policy_flow *f)
{
	size_t route;

	f->name = dns_filter_name_of(filter, &f->addr);
	if (!f->name)
		deny(f, REASON_DEFAULT_DENY);
	else if (policy->transparent && (port == 80 || port == 443) &&
		 authority_route(policy, f->name, port, &route) == REASON_ROUTE)
		allow(f, REASON_ROUTE, POLICY_TARGET_EGRESS);
	else if (policy_tcp_by_name(policy, f->name, port, &f->rule) == REASON_TCP_RULE)
		allow(f, REASON_TCP_RULE, POLICY_TARGET_DIAL_NAME);
	else
		deny(f, REASON_SYNTHETIC_DIRECT);
}

void policy_judge_flow(const struct policy *policy, const struct dns_filter *filter,
		       const struct ip_addr *addr, uint16_t port, struct policy_flow *ret)
{
	enum policy_reason reason;

	*ret = (struct policy_flow){ .addr = ip_addr_canonical(addr) };
	if (policy->alias.family && ip_addr_eq(&ret->addr, &policy->alias)) {
		judge_service(port, ret);
	} else if (ip_floor_find(&ret->addr)) {
		deny(ret, REASON_FLOOR);
	} else if (dns_filter_is_synthetic(&ret->addr)) {
		judge_synthetic(policy, filter, port, ret);
	} else {
		reason = policy_tcp_by_addr(policy, &ret->addr, port, &ret->rule);
		if (reason == REASON_TCP_RULE)
			allow(ret, reason, POLICY_TARGET_DIAL_ADDR);
		else
			deny(ret, reason);
	}
}

enum policy_reason policy_tcp_by_addr(const struct policy *policy, const struct ip_addr *canonical,
				      uint16_t port, uint32_t *ret_rule)
{
	if (ip_floor_find(canonical))
		return REASON_FLOOR;
	if (dns_filter_is_synthetic(canonical))
		return REASON_DEFAULT_DENY;
	for (size_t i = 0; i < policy->n_tcp; i++) {
		const struct policy_tcp *t = &policy->tcp[i];

		if (!t->host[0] && t->port == port && cidr_contains(&t->cidr, canonical)) {
			*ret_rule = (uint32_t)i;
			return REASON_TCP_RULE;
		}
	}
	return REASON_DEFAULT_DENY;
}

enum policy_reason policy_tcp_by_name(const struct policy *policy, const char *name, uint16_t port,
				      uint32_t *ret_rule)
{
	for (size_t i = 0; i < policy->n_tcp; i++) {
		const struct policy_tcp *t = &policy->tcp[i];

		if (t->host[0] && t->port == port && strcmp(t->host, name) == 0) {
			*ret_rule = (uint32_t)i;
			return REASON_TCP_RULE;
		}
	}
	return REASON_DEFAULT_DENY;
}

static bool route_has_address(const struct policy_route *route, const struct ip_addr *addr)
{
	for (size_t i = 0; i < route->n_addresses; i++) {
		if (cidr_contains(&route->addresses[i], addr))
			return true;
	}
	return false;
}

static bool private_is_permitted(const struct policy *policy, const struct policy_route *route,
				 const struct ip_addr *addr, uint16_t port)
{
	uint32_t rule;

	if (route && route_has_address(route, addr))
		return true;
	return policy_tcp_by_addr(policy, addr, port, &rule) == REASON_TCP_RULE;
}

enum policy_reason policy_judge_resolved(const struct policy *policy,
					 const struct policy_route *route,
					 const struct ip_addr *addr, uint16_t port)
{
	const struct ip_addr canonical = ip_addr_canonical(addr);
	const struct ip_floor *floor = ip_floor_find(&canonical);
	bool upstream = route && route->upstream.host[0];

	if (floor && !(upstream && floor->upstream))
		return REASON_FLOOR;
	if (!upstream && ip_addr_is_private(&canonical) &&
	    !private_is_permitted(policy, route, &canonical, port))
		return REASON_PRIVATE;
	return REASON_OK;
}

enum policy_reason policy_judge_proxy(const struct ip_addr *addr)
{
	const struct ip_addr canonical = ip_addr_canonical(addr);
	const struct ip_floor *floor = ip_floor_find(&canonical);

	return floor && !floor->upstream ? REASON_FLOOR : REASON_OK;
}

enum policy_reason policy_judge_lookup(const struct policy *policy, const char *name,
				       uint16_t qtype)
{
	bool listed = false;

	for (size_t i = 0; i < policy->n_tcp; i++) {
		if (strcmp(policy->tcp[i].host, name) == 0)
			return REASON_NOT_LISTED;
	}
	for (size_t i = 0; i < policy->n_routes && !listed; i++)
		listed = name_route_matches(&policy->routes[i], name);
	if (!listed || !policy->dns_forward)
		return REASON_NOT_LISTED;
	return dns_type_is_forwarded(qtype) ? REASON_FORWARDED : REASON_QTYPE;
}

enum policy_reason policy_judge_shown(const struct policy *policy, const char *name,
				      const struct ip_addr *addr)
{
	const struct ip_addr canonical = ip_addr_canonical(addr);

	if (ip_floor_find(&canonical))
		return REASON_FLOOR;
	if (!ip_addr_is_private(&canonical))
		return REASON_OK;
	for (size_t i = 0; i < policy->n_routes; i++) {
		if (name_route_matches(&policy->routes[i], name) &&
		    route_has_address(&policy->routes[i], &canonical))
			return REASON_OK;
	}
	return REASON_PRIVATE;
}
