/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host probe: before the machine starts, gate is asked about the edges of the policy, through
 * the same path that decides for the guest. What it should answer is worked out here from the
 * rules themselves, not with gate's code. Nothing is dialled.
 */
#include "policy/reason.h"
#include "proc/bottled/bottle.h"
#include <errno.h>
#include <stdio.h>

#define PROBES_MAX 8192

struct probe {
	bool is_dns;
	bool allow; /* flow: expected verdict; DNS: a listed name */
	bool answered;
	uint16_t port;
	struct ip_addr addr;
	char name[POLICY_NAME_MAX];
};

struct probe_list {
	size_t n;
	size_t n_answered;
	struct probe probes[PROBES_MAX];
};

/* Never to be reached, whatever the rules say */
static const char *const floor_list[] = {
	"0.0.0.0",
	"127.0.0.1",
	"127.255.255.254",
	"169.254.169.254",
	"100.100.100.200",
	"168.63.129.16",
	"224.0.0.1",
	"255.255.255.255",
	"::",
	"::1",
	"fe80::1",
	"ff02::1",
	"fd00:ec2::254",
	"::ffff:127.0.0.1",
	"2002:7f00:1::",
	"64:ff9b::7f00:1",
	"::ffff:169.254.169.254",
};
static const uint16_t floor_ports[] = { 22, 53, 80, 443, 853 };

static void add_flow(struct probe_list *l, const struct ip_addr *addr, uint16_t port, bool allow)
{
	if (l->n < PROBES_MAX)
		l->probes[l->n++] = (struct probe){ .addr = *addr, .port = port, .allow = allow };
}

static void add_dns(struct probe_list *l, const char *name, bool listed)
{
	struct probe *p = &l->probes[l->n];

	if (l->n >= PROBES_MAX || strlen(name) >= sizeof(p->name))
		return;
	*p = (struct probe){ .is_dns = true, .allow = listed };
	memcpy(p->name, name, strlen(name) + 1);
	l->n++;
}

static bool rule_allows(const struct policy *p, const struct ip_addr *addr, uint16_t port)
{
	for (size_t i = 0; i < p->n_tcp; i++) {
		if (!p->tcp[i].host[0] && p->tcp[i].port == port &&
		    cidr_contains(&p->tcp[i].cidr, addr))
			return true;
	}
	return false;
}

/* Add or subtract one from an address; false when it wraps */
static bool addr_step(struct ip_addr *a, int by)
{
	for (int i = (a->family == 4 ? 4 : 16) - 1; i >= 0; i--) {
		a->a[i] = (uint8_t)(a->a[i] + by);
		if (by > 0 ? a->a[i] != 0 : a->a[i] != 0xff)
			return true;
	}
	return false;
}

static struct ip_addr cidr_last(const struct cidr *c)
{
	struct ip_addr a = c->addr;
	unsigned int max = a.family == 4 ? 32 : 128;

	for (unsigned int bit = c->bits; bit < max; bit++)
		a.a[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return a;
}

/*
 * Neighbours of one rule. The inside is probed only where it is plain unicast space that the floor
 * cannot touch (the operator may write a rule that the floor overrules).
 */
static void add_rule(struct probe_list *l, const struct policy *p, const struct policy_tcp *rule)
{
	struct ip_addr before = rule->cidr.addr, after = cidr_last(&rule->cidr);
	uint16_t other = rule->port == 65535 ? 1 : (uint16_t)(rule->port + 1);

	if (!rule_allows(p, &rule->cidr.addr, other))
		add_flow(l, &rule->cidr.addr, other, false);
	if (addr_step(&before, -1) && !rule_allows(p, &before, rule->port))
		add_flow(l, &before, rule->port, false);
	if (addr_step(&after, 1) && !rule_allows(p, &after, rule->port))
		add_flow(l, &after, rule->port, false);
}

static void fill(struct probe_list *l, const struct policy *p)
{
	char name[POLICY_NAME_MAX + 8];
	struct ip_addr a;

	add_flow(l, &p->alias, POLICY_PORT_EGRESS, true);
	add_flow(l, &p->alias, POLICY_PORT_GIT, false);
	add_flow(l, &p->alias, POLICY_PORT_SUPERVISE, false);
	add_flow(l, &p->alias, 22, false);
	for (size_t i = 0; i < BB_ARRAY_LEN(floor_list); i++) {
		BB_BUG_ON(!ip_addr_parse(floor_list[i], &a));
		for (size_t j = 0; j < BB_ARRAY_LEN(floor_ports); j++)
			add_flow(l, &a, floor_ports[j], false);
	}
	for (size_t i = 0; i < p->n_tcp; i++) {
		if (p->tcp[i].host[0])
			add_dns(l, p->tcp[i].host, true);
		else
			add_rule(l, p, &p->tcp[i]);
	}
	for (size_t i = 0; i < p->n_routes; i++) {
		if (!p->routes[i].wildcard)
			add_dns(l, p->routes[i].host, true);
		(void)snprintf(name, sizeof(name), "x%s.invalid",
			       p->routes[i].wildcard ? "w" : "e");
		add_dns(l, name, false);
	}
	add_dns(l, "bot-bottle-probe.invalid", false);
}

int probes_start(struct bottle *b, struct bb_err *err)
{
	struct probe_list *l = calloc(1, sizeof(*l));

	if (!l)
		return bb_err_set(err, -ENOMEM, "no memory for the host probe");
	b->probes = l;
	fill(l, &b->spec.policy);
	for (size_t i = 0; i < l->n; i++) {
		struct probe *p = &l->probes[i];
		struct ipc_msg msg = { .type = IPC_PROBE_FLOW, .fd = -1, .flow = i };

		if (p->is_dns) {
			msg.type = IPC_PROBE_DNS;
			msg.u.probe_dns.qtype = 1;
			msg.u.probe_dns.name = BB_SPAN_STR(p->name);
		} else {
			msg.u.flow.addr = p->addr;
			msg.u.flow.port = p->port;
		}
		(void)ipc_peer_send(b->children[IPC_ROLE_GATE].peer, &msg);
	}
	return 0;
}

int probes_result(struct bottle *b, const struct ipc_msg *msg, struct bb_err *err)
{
	const struct ipc_probe_result *res = &msg->u.probe_result;
	struct probe_list *l = b->probes;
	char text[IP_ADDR_TEXT_MAX];
	struct probe *p;
	bool allowed;

	if (!l || msg->flow >= l->n || l->probes[msg->flow].answered)
		return bb_err_set(err, -EBADMSG, "gate answered a probe that was not sent");
	p = &l->probes[msg->flow];
	p->answered = true;
	allowed = p->is_dns ? res->rcode == 0 : res->verdict == POLICY_ALLOW;
	if (allowed != p->allow && p->is_dns)
		return bb_err_set(err, -EPERM, "host probe: the name %.100s %s", p->name,
				  p->allow ? "is listed but gets no answer"
					   : "is not listed but is answered");
	ip_addr_format(&p->addr, text);
	if (allowed != p->allow)
		return bb_err_set(err, -EPERM, "host probe: %s port %u should be %s but is not",
				  text, p->port, p->allow ? "reachable" : "refused");
	return ++l->n_answered == l->n;
}

void probes_release(struct bottle *b)
{
	free(b->probes);
	b->probes = NULL;
}
