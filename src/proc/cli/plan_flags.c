/* SPDX-License-Identifier: Apache-2.0 */
/* --allow-host and --allow-cidr: rules of this run only */
#include "manifest/bottle.h"
#include "policy/authority.h"
#include "proc/cli/plan.h"
#include <errno.h>
#include <stdio.h>

static int parse_port(const char *text, uint16_t *ret)
{
	unsigned long v = 0;

	if (!*text || strlen(text) > 5)
		return -EINVAL;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		v = v * 10 + (unsigned long)(*c - '0');
	}
	if (v < 1 || v > 65535)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

/* Room for one more element at the end of a policy array */
static void *grow(void *array, size_t n, size_t max, size_t size)
{
	void *p = n < max ? realloc(array, (n + 1) * size) : NULL;

	if (p)
		memset((char *)p + n * size, 0, size);
	return p;
}

int plan_add_route(struct policy *policy, const struct policy_route *route, struct bb_err *err)
{
	struct policy_route *routes =
		grow(policy->routes, policy->n_routes, POLICY_ROUTES_MAX, sizeof(*route));

	if (!routes)
		return bb_err_set(err, -E2BIG, "more than %d routes", POLICY_ROUTES_MAX);
	policy->routes = routes;
	policy->routes[policy->n_routes++] = *route;
	return 0;
}

/* As in a manifest, with its refusals: what a wildcard may not match, names that are not ASCII */
static int take_host(char *name, struct policy_route *route, struct bb_err *err)
{
	const struct tree n = { .kind = TREE_SCALAR, .at.file = "--allow-host", .text = name };
	struct diag diag;
	int r = 0;

	diag_init(&diag);
	if (!schema_host(&n, true, route->host, &route->wildcard, &diag))
		r = bb_err_set(err, -EINVAL, "%.*s", (int)strcspn(bb_buf_str(&diag.text), "\n"),
			       bb_buf_str(&diag.text));
	diag_release(&diag);
	return r;
}

int plan_allow_host(struct policy *policy, const char *text, struct bb_err *err)
{
	const char *colon = strrchr(text, ':');
	struct policy_route route = { .n_ports = 2, .ports = { 443, 80 } };
	char name[POLICY_NAME_MAX + 8];
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (strchr(text, '/'))
		return bb_err_set(err, -EINVAL,
				  "--allow-host %.100s: HOST[:PORT], without a scheme or a path",
				  text);
	if (colon) {
		route.n_ports = 1;
		if (parse_port(colon + 1, &route.ports[0]) < 0)
			return bb_err_set(err, -EINVAL,
					  "--allow-host %.100s: bad port; HOST[:PORT]", text);
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)len, text);
	if (authority_name(BB_SPAN_STR(name), route.host) == REASON_IP_LITERAL)
		return bb_err_set(err, -EINVAL,
				  "--allow-host %.100s: an address needs --allow-cidr", text);
	if (take_host(name, &route, err) < 0)
		return err->code;
	route.content = content_new();
	if (!route.content)
		return bb_err_set(err, -ENOMEM, "no memory");
	if (plan_add_route(policy, &route, err) < 0)
		content_unref(route.content);
	return err->code;
}

int plan_allow_cidr(struct policy *policy, const char *text, struct bb_err *err)
{
	const char *colon = strrchr(text, ':');
	struct policy_tcp rule = { 0 }, *tcp;
	char cidr[64];
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (!colon || len >= sizeof(cidr) || parse_port(colon + 1, &rule.port) < 0)
		return bb_err_set(err, -EINVAL, "--allow-cidr %.100s: CIDR:PORT or [V6CIDR]:PORT",
				  text);
	memcpy(cidr, text, len);
	cidr[len] = '\0';
	if (len > 2 && cidr[0] == '[' && cidr[len - 1] == ']') {
		memmove(cidr, cidr + 1, len - 2);
		cidr[len - 2] = '\0';
	}
	if (!cidr_parse(cidr, &rule.cidr))
		return bb_err_set(err, -EINVAL,
				  "--allow-cidr %.100s: not an address or range (host bits must "
				  "be zero)",
				  text);
	tcp = grow(policy->tcp, policy->n_tcp, POLICY_TCP_MAX, sizeof(rule));
	if (!tcp)
		return bb_err_set(err, -E2BIG, "more than %d tcp rules", POLICY_TCP_MAX);
	policy->tcp = tcp;
	policy->tcp[policy->n_tcp++] = rule;
	return 0;
}
