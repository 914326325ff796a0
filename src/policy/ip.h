/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_IP_H
#define BB_POLICY_IP_H
#include "base/base.h"

/**
 * DOC: ip - addresses and ranges
 *
 * Layer:     policy (pure)
 * Used by:   everything that names an address
 * Limits:    textual form at most IP_ADDR_TEXT_MAX with its NUL
 * Source:    RFC 4291, RFC 4632
 */
#define IP_ADDR_TEXT_MAX 46

/**
 * struct ip_addr - One address
 * @family:	4, 6, or 0 for none
 * @a:		network order; IPv4 in the first four octets, the rest zero
 */
struct ip_addr {
	uint8_t family;
	uint8_t a[16];
};

/** struct cidr - @addr with all host bits zero, and the prefix length */
struct cidr {
	struct ip_addr addr;
	uint8_t bits;
};

/** ip_addr_parse() - Strict dotted-quad or RFC 4291 text, no zone, no brackets */
BB_MUST_USE bool ip_addr_parse(const char *text, struct ip_addr *ret);

/** ip_addr_format() - RFC 5952 text; "none" for family 0 */
void ip_addr_format(const struct ip_addr *addr, char out[static IP_ADDR_TEXT_MAX]);

/** cidr_parse() - "192.0.2.0/24"; without a length the whole address; host bits must be zero */
BB_MUST_USE bool cidr_parse(const char *text, struct cidr *ret);

/** cidr_contains() - Same family and within the range */
bool cidr_contains(const struct cidr *range, const struct ip_addr *addr);

static inline bool ip_addr_eq(const struct ip_addr *x, const struct ip_addr *y)
{
	return x->family == y->family && memcmp(x->a, y->a, sizeof(x->a)) == 0;
}
#endif
