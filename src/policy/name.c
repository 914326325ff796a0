/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/name.h"

bool name_is_below(const char *name, const char *base)
{
	size_t len = strlen(name), base_len = strlen(base);

	return base_len > 0 && len > base_len + 1 && name[len - base_len - 1] == '.' &&
	       memcmp(name + len - base_len, base, base_len) == 0;
}

bool name_route_matches(const struct policy_route *route, const char *name)
{
	if (route->wildcard)
		return name_is_below(name, route->host);
	return route->host[0] && strcmp(route->host, name) == 0;
}

/* One decimal octet without leading zeros; @p moves behind it */
static bool parse_octet(const char **p, uint8_t *ret)
{
	unsigned int v = 0, digits = 0;

	for (; **p >= '0' && **p <= '9' && digits < 3; (*p)++, digits++)
		v = v * 10 + (unsigned int)(**p - '0');
	if (digits == 0 || v > 255 || (digits > 1 && (*p)[-(int)digits] == '0'))
		return false;
	*ret = (uint8_t)v;
	return true;
}

bool name_reverse_parse(const char *name, struct ip_addr *ret)
{
	struct ip_addr a = { .family = 4 };

	for (unsigned int i = 4; i-- > 0;) {
		if (!parse_octet(&name, &a.a[i]) || *name++ != '.')
			return false;
	}
	if (strcmp(name, "in-addr.arpa") != 0)
		return false;
	*ret = a;
	return true;
}
