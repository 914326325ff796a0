/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

void policy_release(struct policy *p)
{
	for (size_t i = 0; i < p->n_routes; i++)
		content_unref(p->routes[i].content);
	free(p->routes);
	free(p->tcp);
	*p = (struct policy){ 0 };
}

bool policy_route_has_port(const struct policy_route *route, uint16_t port)
{
	for (size_t i = 0; i < route->n_ports; i++) {
		if (route->ports[i] == port)
			return true;
	}
	return false;
}
