/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_POLICY_H
#define BB_POLICY_POLICY_H
#include "base/base.h"
#include "content/content.h"
#include "policy/ip.h"

/**
 * DOC: policy - what one bottle may reach, compiled from its manifest
 *
 * Layer:     policy (plain data; the decisions over it are in flow.h, name.h, dns_filter.h)
 * Used by:   manifest (makes it), gate, egress, dialer, keyd (obey it), cli (shows it)
 * Trust:     the operator's; the only input that widens what a guest may do
 * Ownership: one heap allocation per array, released by policy_release()
 * Limits:    POLICY_*_MAX below; a manifest past them is refused
 *
 * Nothing here ever means "allow all": a policy with no routes and no tcp rules lets nothing out.
 */
#define POLICY_NAME_MAX      254 /* 253 visible octets + NUL */
#define POLICY_IDENTITY_MAX  64
#define POLICY_ROUTES_MAX    1024
#define POLICY_TCP_MAX       1024
#define POLICY_PORTS_MAX     2
#define POLICY_CIDRS_MAX     16
#define POLICY_RESOLVERS_MAX 8

/* Ports of the bottle's own services on its alias */
#define POLICY_PORT_EGRESS    9099
#define POLICY_PORT_GIT       9418
#define POLICY_PORT_SUPERVISE 9100

/**
 * struct policy_upstream - Fixed place where a route's requests go (the only way to loopback)
 * @host:	Name or address literal, normalised; "" = the route has none
 * @port:	TCP port
 * @tls:	https
 */
struct policy_upstream {
	char host[POLICY_NAME_MAX];
	uint16_t port;
	bool tls;
};

/**
 * struct policy_route - One host that the egress guard lets requests through to
 * @host:	Normalised exact name; for a wildcard the part after "*."
 * @wildcard:	Matches one label or more before @host, never @host itself
 * @ports:	Allowed ports, @n_ports of them (443 and 80 unless the manifest names one)
 * @upstream:	Fixed upstream or host ""
 * @addresses:	Private ranges its name may resolve to, @n_addresses of them
 * @content:	What of a request it admits and how it is searched; one reference is the route's
 */
struct policy_route {
	char host[POLICY_NAME_MAX];
	bool wildcard;
	uint8_t n_ports;
	uint8_t n_addresses;
	uint16_t ports[POLICY_PORTS_MAX];
	struct policy_upstream upstream;
	struct cidr addresses[POLICY_CIDRS_MAX];
	struct content *content;
};

/**
 * struct policy_proxy - The operator's HTTP proxy, which everything that dialer connects goes
 * through
 * @host:	Name or address literal, normalised; "" = there is none
 * @port:	TCP port
 *
 * Only what a route's `upstream:` names is dialled past it.
 */
struct policy_proxy {
	char host[POLICY_NAME_MAX];
	uint16_t port;
};

/**
 * struct policy_tcp - One raw TCP rule, uninspected
 * @host:	Normalised exact name, or "" when @cidr decides
 * @cidr:	Range, when @host is ""
 * @port:	TCP port
 */
struct policy_tcp {
	char host[POLICY_NAME_MAX];
	struct cidr cidr;
	uint16_t port;
};

/**
 * struct policy - Everything gate, egress, dialer and keyd decide by
 * @identity:	The bottle, "demo-a1b2c"
 * @alias:	Its 127.64.0.0/10 address inside the guest
 * @generation:	1 at start, counts reloads
 * @transparent: Connects to a listed name's synthetic address on 80/443 reach the guard
 * @dns_forward: Addresses of listed names are looked up (egress.dns: forward)
 * @log_level:	egress.log: 0 | 1 | 2
 * @proxy:	config.yaml's upstream_proxy
 * @resolvers:	Operator's resolvers, else what resolv.conf said; exempt from the floor on port 53
 */
struct policy {
	char identity[POLICY_IDENTITY_MAX];
	struct ip_addr alias;
	uint32_t generation;
	bool transparent;
	bool dns_forward;
	uint8_t log_level;
	size_t n_routes;
	struct policy_route *routes;
	size_t n_tcp;
	struct policy_tcp *tcp;
	struct policy_proxy proxy;
	size_t n_resolvers;
	struct ip_addr resolvers[POLICY_RESOLVERS_MAX];
};

/** policy_release() - Free the arrays; @p may be zeroed or already released */
void policy_release(struct policy *p);
#define policy_auto BB_CLEANUP(policy_release)

/**
 * policy_route_has_port() - Does the route list @port?
 */
bool policy_route_has_port(const struct policy_route *route, uint16_t port);
#endif
