/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ip.h"
#include <arpa/inet.h>
#include <assert.h>

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

#define V4(o0, o1, o2, o3, n)                                                                      \
	{                                                                                          \
		{ 4, { o0, o1, o2, o3 } }, n                                                       \
	}

/*
 * Loopback is also where the alias lives: policy/flow.c knows the alias before it looks here.
 * 192.0.0.0/24 holds metadata and DS-Lite addresses, 64:ff9b:1::/48 is NAT64 whose embedding only
 * the network knows, 240/4 has never been anything.
 */
const struct ip_floor ip_floor[] = {
	{ V4(0, 0, 0, 0, 8), "this network", false },
	{ V4(127, 0, 0, 0, 8), "loopback", true },
	{ V4(169, 254, 0, 0, 16), "link-local", false },
	{ V4(100, 100, 100, 200, 32), "metadata", false },
	{ V4(168, 63, 129, 16, 32), "metadata", false },
	{ V4(192, 0, 0, 0, 24), "protocol assignments", false },
	{ V4(224, 0, 0, 0, 4), "multicast", false },
	{ V4(240, 0, 0, 0, 4), "reserved or broadcast", false },
	{ { { 6, { 0 } }, 128 }, "unspecified", false },
	{ { { 6, { [15] = 1 } }, 128 }, "loopback", true },
	{ { { 6, { 0xfe, 0x80 } }, 10 }, "link-local", false },
	{ { { 6, { 0xff } }, 8 }, "multicast", false },
	{ { { 6, { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 } }, 48 }, "local NAT64", false },
	{ { { 6, { 0xfd, 0x00, 0x0e, 0xc2 } }, 32 }, "metadata", false },
	{ { { 6, { 0xfd, 0x20, 0x00, 0xce, [15] = 0x54, [14] = 0x02 } }, 128 }, "metadata", false },
	{ { { 6, { 0xfd, 0x00, 0x00, 0xc1 } }, 32 }, "metadata", false },
};
static_assert(BB_ARRAY_LEN(ip_floor) == IP_NUM_FLOOR, "ip_floor[] doesn't match IP_NUM_FLOOR");

static const struct cidr private_ranges[] = {
	V4(10, 0, 0, 0, 8),    V4(172, 16, 0, 0, 12),  V4(192, 168, 0, 0, 16),
	V4(100, 64, 0, 0, 10), { { 6, { 0xfc } }, 7 }, { { 6, { 0xfe, 0xc0 } }, 10 },
};

/* IPv4 addresses inside IPv6: where the four octets stand, and whether they are inverted */
static const struct {
	struct cidr range;
	uint8_t at;
	uint8_t flip;
} embeddings[] = {
	{ { { 6, { [10] = 0xff, [11] = 0xff } }, 96 }, 12, 0 },  /* v4-mapped */
	{ { { 6, { [8] = 0xff, [9] = 0xff } }, 96 }, 12, 0 },    /* v4-translated */
	{ { { 6, { 0x00, 0x64, 0xff, 0x9b } }, 96 }, 12, 0 },    /* NAT64 */
	{ { { 6, { 0x20, 0x02 } }, 16 }, 2, 0 },                 /* 6to4 */
	{ { { 6, { 0x20, 0x01, 0x00, 0x00 } }, 32 }, 12, 0xff }, /* Teredo */
	{ { { 6, { 0 } }, 96 }, 12, 0 },                         /* v4-compatible */
};

struct ip_addr ip_addr_canonical(const struct ip_addr *addr)
{
	/* :: and ::1 lie inside the v4-compatible range and are themselves */
	static const uint8_t zero[15];

	if (addr->family != 6 || (memcmp(addr->a, zero, sizeof(zero)) == 0 && addr->a[15] <= 1))
		return *addr;
	for (size_t i = 0; i < BB_ARRAY_LEN(embeddings); i++) {
		struct ip_addr v4 = { .family = 4 };

		if (!cidr_contains(&embeddings[i].range, addr))
			continue;
		for (size_t j = 0; j < 4; j++)
			v4.a[j] = addr->a[embeddings[i].at + j] ^ embeddings[i].flip;
		return v4;
	}
	return *addr;
}

const struct ip_floor *ip_floor_find(const struct ip_addr *canonical)
{
	for (size_t i = 0; i < IP_NUM_FLOOR; i++) {
		if (cidr_contains(&ip_floor[i].range, canonical))
			return &ip_floor[i];
	}
	return NULL;
}

bool ip_addr_is_private(const struct ip_addr *canonical)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(private_ranges); i++) {
		if (cidr_contains(&private_ranges[i], canonical))
			return true;
	}
	return false;
}
