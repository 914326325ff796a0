/* SPDX-License-Identifier: Apache-2.0 */
/* egress: routes and tcp rules */
#include "manifest/bottle.h"
#include "policy/authority.h"
#include <stdio.h>

static char *source_of(const struct tree *n)
{
	char *text = NULL;

	if (asprintf(&text, "%s:%u", n->at.file, n->at.line) < 0)
		return NULL;
	return text;
}

/* What no rule opens, whatever it says. Return: complained */
static bool complain_floor(const struct tree *n, const char *what, const struct cidr *range,
			   struct diag *diag)
{
	const struct ip_floor *floor = ip_floor_find(&range->addr);

	if (!floor || range->bits < floor->range.bits)
		return false;
	diag_add(
		diag, n->at, "%s: '%.60s' is %s, which no rule opens%s", what, n->text, floor->what,
		floor->upstream ? "; a route's `upstream:` reaches a web server of this host" : "");
	return true;
}

static void parse_addresses(const struct tree *n, struct policy_route *route, struct diag *diag)
{
	if (!schema_is_seq(n, "addresses", diag))
		return;
	for (const struct tree *c = n->first; c; c = c->next) {
		const char *s = schema_text(c, "addresses", diag);

		if (!s)
			continue;
		if (route->n_addresses == POLICY_CIDRS_MAX)
			diag_add(diag, c->at, "addresses: more than %d", POLICY_CIDRS_MAX);
		else if (!cidr_parse(s, &route->addresses[route->n_addresses]))
			diag_add(diag, c->at,
				 "addresses: '%.60s' is not a range such as 10.0.0.0/8", s);
		else if (complain_floor(c, "addresses", &route->addresses[route->n_addresses],
					diag))
			continue;
		else if (!ip_addr_is_private(&route->addresses[route->n_addresses].addr))
			diag_add(diag, c->at,
				 "addresses: '%.60s' is not private; public addresses need no "
				 "entry, "
				 "and an entry does not restrict a name to them",
				 s);
		else
			route->n_addresses++;
	}
}

static bool same_route(const struct policy_route *x, const struct policy_route *y)
{
	return x->wildcard == y->wildcard && strcmp(x->host, y->host) == 0 &&
	       x->n_ports == y->n_ports && x->ports[0] == y->ports[0];
}

/* A credential is put in over TLS only: such a route has port 443, or the one it names, and port 80
 * only where its upstream was written out */
static void restrict_ports(const struct tree *port, struct policy_route *route, struct diag *diag)
{
	if (route->upstream.host[0])
		return;
	if (!port)
		route->n_ports = 1;
	else if (route->ports[0] == 80)
		diag_add(
			diag, port->at,
			"port: a route with auth needs TLS; port 80 has none (`upstream: http://…` "
			"says that you want it in the clear)");
}

static void parse_route(const struct tree *n, struct bottle *b, struct diag *diag)
{
	static const char *const keys[] = { "host",    "port",        "upstream",  "addresses",
					    "auth",    "credentials", "minted_by", "cookies",
					    "matches", "git",         "dlp",       "limits",
					    NULL };
	struct bottle_route r = { .route = { .n_ports = 2, .ports = { 443, 80 } } };
	const struct tree *k;
	unsigned int before = diag->n;
	uint64_t port;

	if (!schema_is_map(n, "a route", diag))
		return;
	schema_keys(n, "routes", keys, diag);
	k = tree_get(n, "host");
	if (!k)
		diag_add(diag, n->at, "routes: host is missing");
	else
		(void)schema_host(k, true, r.route.host, &r.route.wildcard, diag);
	if ((k = tree_get(n, "port")) && schema_number(k, "port", 1, 65535, &port, diag)) {
		r.route.n_ports = 1;
		r.route.ports[0] = (uint16_t)port;
	}
	if ((k = tree_get(n, "upstream")))
		(void)schema_server(k, "upstream", true, &r.route.upstream, diag);
	if ((k = tree_get(n, "addresses")))
		parse_addresses(k, &r.route, diag);
	r.route.content = content_new();
	if (!r.route.content) {
		diag_add(diag, n->at, "routes: no memory");
		return;
	}
	bottle_parse_content(n, r.route.content, diag);
	if (r.route.content->auth.scheme != CONTENT_AUTH_NONE)
		restrict_ports(tree_get(n, "port"), &r.route, diag);
	if (diag->n != before) {
		content_unref(r.route.content);
		return;
	}
	for (size_t i = 0; i < b->n_routes; i++) {
		if (same_route(&b->routes[i].route, &r.route)) {
			diag_add(diag, n->at, "routes: %s is listed twice (first at %s)",
				 r.route.host, b->routes[i].source);
			content_unref(r.route.content);
			return;
		}
	}
	r.source = source_of(n);
	if (bottle_add_route(b, &r) < 0) {
		diag_add(diag, n->at, "routes: more than %d", POLICY_ROUTES_MAX);
		content_unref(r.route.content);
		free(r.source);
	}
}

static void parse_tcp(const struct tree *n, struct bottle *b, struct diag *diag)
{
	static const char *const keys[] = { "host", "cidr", "port", NULL };
	const struct tree *host, *cidr, *port;
	struct bottle_tcp t = { 0 };
	unsigned int before = diag->n;
	uint64_t v = 0;
	bool wild;
	void *p;

	if (!schema_is_map(n, "a tcp rule", diag))
		return;
	schema_keys(n, "tcp", keys, diag);
	host = tree_get(n, "host");
	cidr = tree_get(n, "cidr");
	port = tree_get(n, "port");
	if (!host == !cidr)
		diag_add(diag, n->at, "tcp: one of host and cidr");
	if (!port)
		diag_add(diag, n->at, "tcp: port is missing");
	else
		(void)schema_number(port, "port", 1, 65535, &v, diag);
	if (host)
		(void)schema_host(host, false, t.rule.host, &wild, diag);
	if (cidr && schema_text(cidr, "cidr", diag) && !cidr_parse(cidr->text, &t.rule.cidr))
		diag_add(diag, cidr->at,
			 "cidr: '%.60s' is not a range such as 192.0.2.0/24 with zero host bits",
			 cidr->text);
	else if (cidr && diag->n == before)
		(void)complain_floor(cidr, "cidr", &t.rule.cidr, diag);
	if (diag->n != before)
		return;
	t.rule.port = (uint16_t)v;
	p = b->n_tcp < POLICY_TCP_MAX ? realloc(b->tcp, (b->n_tcp + 1) * sizeof(t)) : NULL;
	if (!p) {
		diag_add(diag, n->at, "tcp: more than %d", POLICY_TCP_MAX);
		return;
	}
	b->tcp = p;
	t.source = source_of(n);
	b->tcp[b->n_tcp++] = t;
}

void bottle_parse_egress(const struct tree *map, struct bottle *b, struct diag *diag)
{
	static const char *const keys[] = { "dns", "transparent", "log", "routes", "tcp", NULL };
	static const char *const dns[] = { "synthetic", "forward", NULL };
	const struct tree *k;
	uint64_t v;

	if (!schema_is_map(map, "egress", diag))
		return;
	schema_keys(map, "egress", keys, diag);
	for (size_t i = 0; i < 3; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "egress.%s", keys[i]);
		if ((k = tree_get(map, keys[i])))
			bottle_note(b, key, k);
	}
	if ((k = tree_get(map, "dns")))
		b->forward = schema_one_of(k, "dns", dns, diag);
	if ((k = tree_get(map, "transparent")))
		b->transparent = schema_bool(k, "transparent", diag);
	if ((k = tree_get(map, "log")) && schema_number(k, "log", 0, 2, &v, diag))
		b->log_level = (int)v;
	if ((k = tree_get(map, "routes")) && schema_is_seq(k, "routes", diag)) {
		b->routes_cleared = !k->first;
		for (const struct tree *c = k->first; c; c = c->next)
			parse_route(c, b, diag);
	}
	if ((k = tree_get(map, "tcp")) && schema_is_seq(k, "tcp", diag)) {
		b->tcp_cleared = !k->first;
		for (const struct tree *c = k->first; c; c = c->next)
			parse_tcp(c, b, diag);
	}
}
