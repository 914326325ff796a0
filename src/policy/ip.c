/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ip.h"
#include <arpa/inet.h>

bool ip_addr_parse(const char *text, struct ip_addr *ret)
{
	struct ip_addr a = { 0 };

	if (inet_pton(AF_INET, text, a.a) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.a) == 1)
		a.family = 6;
	else
		return false;
	*ret = a;
	return true;
}

void ip_addr_format(const struct ip_addr *addr, char out[static IP_ADDR_TEXT_MAX])
{
	if (addr->family == 0 ||
	    !inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->a, out, IP_ADDR_TEXT_MAX))
		memcpy(out, "none", 5);
}

/* Bit @i of the address, counted from the most significant */
static bool bit_is_set(const struct ip_addr *addr, unsigned int i)
{
	return addr->a[i / 8] >> (7 - i % 8) & 1;
}

bool cidr_parse(const char *text, struct cidr *ret)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char addr[IP_ADDR_TEXT_MAX];
	unsigned int bits = 0, max;
	struct cidr c = { 0 };

	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (!ip_addr_parse(addr, &c.addr))
		return false;
	max = c.addr.family == 4 ? 32 : 128;
	if (!slash) {
		bits = max;
	} else {
		size_t n = strlen(slash + 1);

		if (n < 1 || n > 3 || (n > 1 && slash[1] == '0'))
			return false;
		for (const char *p = slash + 1; *p; p++) {
			if (*p < '0' || *p > '9')
				return false;
			bits = bits * 10 + (unsigned int)(*p - '0');
		}
	}
	if (bits > max)
		return false;
	for (unsigned int i = bits; i < max; i++) {
		if (bit_is_set(&c.addr, i))
			return false;
	}
	c.bits = (uint8_t)bits;
	*ret = c;
	return true;
}

bool cidr_contains(const struct cidr *range, const struct ip_addr *addr)
{
	unsigned int full = range->bits / 8, rest = range->bits % 8;

	if (range->addr.family != addr->family)
		return false;
	if (memcmp(range->addr.a, addr->a, full) != 0)
		return false;
	return rest == 0 || (range->addr.a[full] ^ addr->a[full]) >> (8 - rest) == 0;
}
