/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_DIALER_H
#define BB_PROC_DIALER_DIALER_H
#include "ipc/peer.h"
#include "ipc/reload.h"
#include "policy/policy.h"
#include "policy/reason.h"
#include "proc/dialer/hosts.h"
#include "proc/dialer/own.h"
#include "proc/dialer/proxy.h"
#include "proc/dialer/resolver.h"
#include <sys/queue.h>

/**
 * DOC: dialer - the only process that opens sockets to the outside
 *
 * Layer:     proc/dialer
 * Used by:   egress (a request's host) and gate (tcp rules), over ipc
 * Trust:     both may have been taken over by the guest: every request is judged again here, by
 *            the policy, and so is every address that a name resolves to
 * Limits:    DIALER_DIALS_MAX under way, DIALER_NAME_MAX to one name; each at most
 *            DIALER_DEADLINE_MS and 2 * RESOLVER_ADDRS attempts
 * Source:    docs/protocol/ipc.md; RFC 8305 (happy eyeballs)
 *
 * One request, DIAL_NAME or DIAL_ADDR, becomes a dial (dial.h): is it in the policy? → hosts file
 * or AAAA and A queries → each address judged (floor, private ranges, the host's own) → connects,
 * IPv6 and IPv4 in turn, the next one after DIALER_STAGGER_MS or a failure → the first connected
 * socket goes back with DIAL_OK, the rest is closed. DIAL_FAIL says why not.
 *
 * With an upstream proxy (policy.proxy) it is the proxy that is looked up and connected to, and
 * asked by CONNECT for the name, unresolved, or for the address, judged as above. Only what a
 * route's `upstream:` names is dialled past it. Nobody is led to the proxy itself.
 */
#define DIALER_DIALS_MAX   512
#define DIALER_NAME_MAX    128 /* of them to one name */
#define DIALER_DEADLINE_MS 10000
#define DIALER_STAGGER_MS  250
#define DIALER_V6_WAIT_MS  50    /* for AAAA after A has come */
#define DIALER_PROXY_MS    15000 /* from the connect to the upstream proxy to its answer */

struct dial;
struct lookup;

struct dialer {
	struct event_base *base;
	struct policy policy;
	struct staged staged;
	struct hosts hosts;
	struct own own;
	struct event *own_event;
	size_t n_servers; /* resolvers in use */
	struct ip_addr servers[POLICY_RESOLVERS_MAX];
	struct resolver *resolver;
	char proxy_auth[PROXY_AUTH_MAX]; /* base64 of user:password, or "" */
	struct ipc_peer *bottled;
	struct ipc_peer *gate;
	struct ipc_peer *egress;
	struct ipc_peer *recorder;
	bool failed; /* ended by an error, not by bottled */
	size_t n_dials;
	LIST_HEAD(, dial) dials;
	size_t n_lookups;
	LIST_HEAD(, lookup) lookups;
};
#endif
