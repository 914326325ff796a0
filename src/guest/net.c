/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/net.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

/* One request under construction; all of ours fit easily */
struct request {
	struct nlmsghdr h;
	uint8_t body[512 - sizeof(struct nlmsghdr)];
};

static void begin(struct request *r, uint16_t type, uint16_t flags, const void *head, size_t len)
{
	memset(r, 0, sizeof(*r));
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	r->h.nlmsg_len = (uint32_t)(NLMSG_LENGTH(len));
	memcpy(NLMSG_DATA(&r->h), head, len);
}

static void attr(struct request *r, uint16_t type, const void *p, size_t len)
{
	size_t at = NLMSG_ALIGN(r->h.nlmsg_len);
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };

	BB_BUG_ON(at + RTA_SPACE(len) > sizeof(*r));
	memcpy((uint8_t *)r + at, &a, sizeof(a));
	if (len)
		memcpy((uint8_t *)r + at + RTA_LENGTH(0), p, len);
	r->h.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
}

static int transact(int fd, const struct request *r)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[512];
	} answer;
	ssize_t n;

	if (send(fd, r, r->h.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof(answer.e)) || answer.h.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return answer.e.error;
}

static int link_up(int fd, int index)
{
	struct ifinfomsg head = {
		.ifi_index = index,
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};
	struct request r;

	begin(&r, RTM_NEWLINK, 0, &head, sizeof(head));
	return transact(fd, &r);
}

/* The module makes a dummy0 by itself, a built-in driver may not */
static int make_dummy(int fd)
{
	struct ifinfomsg head = { 0 };
	uint8_t info[16] = { 0 };
	struct rtattr kind = { .rta_len = RTA_LENGTH(5), .rta_type = IFLA_INFO_KIND };
	struct request r;

	memcpy(info, &kind, sizeof(kind));
	memcpy(info + RTA_LENGTH(0), "dummy", 5);
	begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	attr(&r, IFLA_IFNAME, NET_DUMMY, sizeof(NET_DUMMY));
	attr(&r, IFLA_LINKINFO, info, RTA_SPACE(5));
	return transact(fd, &r);
}

static int add_address(int fd, int index, int family, const char *text)
{
	struct ifaddrmsg head = {
		.ifa_family = (uint8_t)family,
		.ifa_prefixlen = family == AF_INET ? 32 : 128,
		.ifa_index = (uint32_t)index,
		.ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD,
	};
	size_t len = family == AF_INET ? 4 : 16;
	uint8_t addr[16];
	struct request r;

	BB_BUG_ON(inet_pton(family, text, addr) != 1);
	begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	attr(&r, IFA_LOCAL, addr, len);
	attr(&r, IFA_ADDRESS, addr, len);
	return transact(fd, &r);
}

static int add_default_route(int fd, int index, int family, const char *source)
{
	struct rtmsg head = {
		.rtm_family = (uint8_t)family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	size_t len = family == AF_INET ? 4 : 16;
	uint32_t out = (uint32_t)index;
	uint8_t addr[16];
	struct request r;

	BB_BUG_ON(inet_pton(family, source, addr) != 1);
	begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	attr(&r, RTA_OIF, &out, sizeof(out));
	attr(&r, RTA_PREFSRC, addr, len);
	return transact(fd, &r);
}

/*
 * For nested networks: packets are forwarded, and a refusal is sent for each one (by default one a
 * second). A container may not have the switches: it goes without.
 */
static void serve_nested(void)
{
	static const char *const switches[][2] = {
		{ "/proc/sys/net/ipv4/ip_forward", "1" },
		{ "/proc/sys/net/ipv6/conf/all/forwarding", "1" },
		{ "/proc/sys/net/ipv4/icmp_ratelimit", "0" },
		{ "/proc/sys/net/ipv6/icmp/ratelimit", "0" },
	};

	for (size_t i = 0; i < BB_ARRAY_LEN(switches); i++) {
		bb_auto_close int fd = open(switches[i][0], O_WRONLY | O_CLOEXEC);

		(void)!write(fd, switches[i][1], 1);
	}
}

static int set_up(int fd, struct bb_err *err)
{
	int index, r = link_up(fd, 1);

	if (r < 0)
		return bb_err_set(err, r, "lo: %s", strerror(-r));
	r = make_dummy(fd);
	index = (int)if_nametoindex(NET_DUMMY);
	if (!index)
		return bb_err_set(err, r < 0 ? r : -ENODEV, "dummy0: %s", strerror(-r));
	if ((r = link_up(fd, index)) < 0 ||
	    (r = add_address(fd, index, AF_INET, NET_DUMMY_V4)) < 0 ||
	    (r = add_default_route(fd, index, AF_INET, NET_DUMMY_V4)) < 0 ||
	    (r = add_address(fd, index, AF_INET6, NET_DUMMY_V6)) < 0 ||
	    (r = add_default_route(fd, index, AF_INET6, NET_DUMMY_V6)) < 0)
		return bb_err_set(err, r, "dummy0: %s", strerror(-r));
	serve_nested();
	return 0;
}

int net_up(struct bb_err *err)
{
	bb_auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return bb_err_set(err, -errno, "netlink: %s", strerror(errno));
	return set_up(fd, err);
}
