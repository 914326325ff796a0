/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_FLOW_H
#define BB_POLICY_FLOW_H
#include "policy/dns_filter.h"

/**
 * DOC: flow - where a connection may go: the socket policy, in one place and one order
 *
 * Layer:     policy (pure)
 * Used by:   gate judges what the guest dials, dialer judges again what it was asked for and every
 *            address that a name resolved to
 * Trust:     addresses, ports and names are hostile; the policy is the operator's
 * Ownership: results borrow from the policy and the filter
 * Source:    SECURITY.md; docs/protocol/flow.md
 *
 * Order: canonical form; the bottle's own services on its alias; floor; synthetic addresses by the
 * name they stand for; tcp rules by range; deny. Default deny has no exceptions.
 */
enum policy_target {
	POLICY_TARGET_NONE = 0,
	POLICY_TARGET_EGRESS,    /* the egress guard; with a name for a transparent flow */
	POLICY_TARGET_DIAL_ADDR, /* dialer, @addr, by the tcp rule @rule */
	POLICY_TARGET_DIAL_NAME, /* dialer, @name, by the tcp rule @rule */

	POLICY_NUM_TARGETS,
};

/**
 * struct policy_flow - What becomes of one flow
 * @verdict:	POLICY_ALLOW or POLICY_DENY
 * @reason:	Why
 * @target:	POLICY_TARGET_NONE when denied
 * @addr:	The canonical address, also when denied
 * @rule:	Index into policy->tcp for the two dial targets
 * @name:	What a synthetic address stands for, or NULL; borrowed
 */
struct policy_flow {
	enum policy_verdict verdict;
	enum policy_reason reason;
	enum policy_target target;
	struct ip_addr addr;
	uint32_t rule;
	const char *name;
};

/** policy_judge_flow() - Judge a connection that the guest asks for */
void policy_judge_flow(const struct policy *policy, const struct dns_filter *filter,
		       const struct ip_addr *addr, uint16_t port, struct policy_flow *ret);

/**
 * policy_tcp_by_addr() - The tcp rule whose range holds a canonical address
 *
 * Return: REASON_TCP_RULE with @ret_rule; REASON_FLOOR; REASON_DEFAULT_DENY
 */
BB_MUST_USE enum policy_reason policy_tcp_by_addr(const struct policy *policy,
						  const struct ip_addr *canonical, uint16_t port,
						  uint32_t *ret_rule);

/** policy_tcp_by_name() - The tcp rule for (name, port); returns as policy_tcp_by_addr() */
BB_MUST_USE enum policy_reason policy_tcp_by_name(const struct policy *policy, const char *name,
						  uint16_t port, uint32_t *ret_rule);

/**
 * policy_judge_resolved() - May a name's address be dialled?
 * @route:	The route that asks, or NULL for a tcp rule by name
 * @addr:	What the name resolved to; for a route with `upstream:`, what that resolved to
 *
 * The floor holds for everyone; only `upstream:` may lead to loopback. Private ranges need
 * `upstream:`, the route's `addresses:`, or a tcp rule for the range and port. The host's own
 * addresses are dialer's to know.
 *
 * Return: REASON_OK; REASON_FLOOR; REASON_PRIVATE
 */
BB_MUST_USE enum policy_reason policy_judge_resolved(const struct policy *policy,
						     const struct policy_route *route,
						     const struct ip_addr *addr, uint16_t port);

/** policy_judge_proxy() - May @addr be the operator's upstream proxy? Loopback, private ranges and
 * the host itself may, what is under the floor for `upstream:` may not. Return: REASON_OK or FLOOR
 */
enum policy_reason policy_judge_proxy(const struct ip_addr *addr);

/**
 * policy_judge_lookup() - May a name be looked up for the guest (egress.dns: forward)?
 * @name:	As dns_name_read() leaves it
 *
 * Return: REASON_FORWARDED; REASON_QTYPE; REASON_NOT_LISTED, also when the mode is off and for
 * names whose address is synthetic in every mode
 */
BB_MUST_USE enum policy_reason policy_judge_lookup(const struct policy *policy, const char *name,
						   uint16_t qtype);

/**
 * policy_judge_shown() - May the guest be told this address of a name?
 *
 * It says nothing about connects. The floor holds, `upstream:` or not; private ranges need the
 * `addresses:` of a route that lists the name.
 *
 * Return: REASON_OK; REASON_FLOOR; REASON_PRIVATE
 */
BB_MUST_USE enum policy_reason policy_judge_shown(const struct policy *policy, const char *name,
						  const struct ip_addr *addr);
#endif
