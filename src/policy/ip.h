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
 * Source:    RFC 4291, RFC 4632; RFC 6890 and the metadata addresses of the large providers (floor)
 *
 * An IPv6 address may be a disguise of an IPv4 address. Whoever decides calls ip_addr_canonical()
 * first and judges what it returns: floor, then private, then rules.
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

/**
 * ip_addr_canonical() - The IPv4 address inside an IPv6 address, else the address itself
 *
 * v4-mapped, v4-compatible, v4-translated (RFC 2765), NAT64 (64:ff9b::/96), 6to4 (2002::/16) and
 * the client address of Teredo (2001::/32).
 */
struct ip_addr ip_addr_canonical(const struct ip_addr *addr);

/**
 * struct ip_floor - One range that no rule of a bottle opens
 * @range:	The addresses
 * @what:	"loopback", for messages
 * @upstream:	A route's fixed `upstream:` may still name it
 */
struct ip_floor {
	struct cidr range;
	const char *what;
	bool upstream;
};
#define IP_NUM_FLOOR 16
extern const struct ip_floor ip_floor[IP_NUM_FLOOR];

/** ip_floor_find() - The entry that a canonical address falls under, or NULL */
const struct ip_floor *ip_floor_find(const struct ip_addr *canonical);

/** ip_addr_is_private() - RFC 1918, 100.64/10, fc00::/7, fec0::/10: only by a rule that says so */
bool ip_addr_is_private(const struct ip_addr *canonical);

static inline bool ip_addr_eq(const struct ip_addr *x, const struct ip_addr *y)
{
	return x->family == y->family && memcmp(x->a, y->a, sizeof(x->a)) == 0;
}
#endif
