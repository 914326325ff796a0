/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_AUTHORITY_H
#define BB_POLICY_AUTHORITY_H
#include "policy/policy.h"
#include "policy/reason.h"

/**
 * DOC: authority - which host a request is for
 *
 * A request names its host up to four times: CONNECT target, SNI, absolute-form target, Host field.
 * Here each becomes the same normalised form, so that they can be compared and looked up: lower
 * case, one trailing dot removed, port apart. What is not a host name is refused, and an address
 * literal in any spelling that some resolver would take for one (RFC 3986 section 7.4, the WHATWG
 * rule "the last label is a number") is not a name.
 *
 * Layer:     policy (pure)
 * Used by:   egress
 * Trust:     guest-controlled in; the name that comes out is safe to log and to compare
 * Source:    RFC 9110 section 7.2, RFC 3986 section 3.2, RFC 1123 section 2.1; '_' is let through
 *            because real names have it
 */

/**
 * struct authority - One normalised authority
 * @name:	1 to 253 octets of [a-z0-9_.-], NUL-terminated
 * @port:	0 when none was given
 */
struct authority {
	char name[POLICY_NAME_MAX];
	uint16_t port;
};

/**
 * authority_name() - Normalise a host name without a port
 *
 * Return: REASON_OK with @ret; REASON_BAD_NAME; REASON_IP_LITERAL. @ret is unchanged on failure
 */
BB_MUST_USE enum policy_reason authority_name(struct bb_span text,
					      char ret[static POLICY_NAME_MAX]);

/**
 * authority_parse() - "host" or "host:port"; no userinfo, no empty port
 *
 * Return: as authority_name()
 */
BB_MUST_USE enum policy_reason authority_parse(struct bb_span text, struct authority *ret);

/**
 * authority_absolute() - Split an absolute-form target
 * @target:	"http://host[:port][/path][?query]", octets 0x21 to 0x7e
 * @ret_tls:	The scheme was https
 * @ret_path:	What follows the authority, inside @target; empty, or begins with '/' or '?'
 *
 * Return: as authority_name(); REASON_BAD_REQUEST for another scheme
 */
BB_MUST_USE enum policy_reason authority_absolute(struct bb_span target, struct authority *ret,
						  bool *ret_tls, struct bb_span *ret_path);

/**
 * authority_shown() - What a target that was refused asks for, to be recorded
 * @target:	"host[:port]", or the same behind a scheme
 * @ret_host:	Inside @target as it came, an address literal for example
 *
 * Return: the port, that of the scheme where none is given; 0 when there is none
 */
uint16_t authority_shown(struct bb_span target, struct bb_span *ret_host);

/**
 * authority_agrees() - Does @given name the host that @want is for?
 *
 * The names are equal, and a port that is given is the port of @want (which has one).
 */
bool authority_agrees(const struct authority *given, const struct authority *want);

/**
 * authority_route() - The route that lists a name and port
 * @ret_index:	Index into @policy->routes
 *
 * An exact host beats a wildcard, a longer wildcard a shorter one; of several routes with the same
 * host the one that has the port.
 *
 * Return: REASON_ROUTE with @ret_index; REASON_NOT_LISTED; REASON_PORT
 */
BB_MUST_USE enum policy_reason authority_route(const struct policy *policy, const char *name,
					       uint16_t port, size_t *ret_index);
#endif
