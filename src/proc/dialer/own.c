/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/own.h"
#include "base/io.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define DGRAM_MAX 65536

static int no_memory(struct bb_err *err)
{
	return bb_err_set(err, -ENOMEM, "own addresses: out of memory");
}

static struct own_entry *find(struct own *own, const struct ip_addr *addr, uint32_t index)
{
	for (size_t i = 0; i < own->n; i++) {
		if (own->entries[i].index == index && ip_addr_eq(&own->entries[i].addr, addr))
			return &own->entries[i];
	}
	return NULL;
}

static int add(struct own *own, const struct ip_addr *addr, uint32_t index, struct bb_err *err)
{
	struct own_entry *e = find(own, addr, index);

	if (e) {
		e->seen = own->dump;
		return 0;
	}
	if (own->n == OWN_MAX)
		return bb_err_set(err, -E2BIG, "this host has more than %d addresses", OWN_MAX);
	if (own->n == own->alloc) {
		size_t alloc = own->alloc ? 2 * own->alloc : 16;

		e = reallocarray(own->entries, alloc, sizeof(*e));
		if (!e)
			return no_memory(err);
		own->entries = e;
		own->alloc = alloc;
	}
	own->entries[own->n++] = (struct own_entry){ *addr, index, own->dump };
	return 0;
}

static void tell_gone(const struct own *own, const struct ip_addr *addr)
{
	if (own->on_gone)
		own->on_gone(own->arg, addr);
}

/* Is it in the last list, on whichever interface? */
static bool is_seen(const struct own *own, const struct ip_addr *addr)
{
	for (size_t i = 0; i < own->n; i++) {
		if (own->entries[i].seen == own->dump && ip_addr_eq(&own->entries[i].addr, addr))
			return true;
	}
	return false;
}

/* At the end of a list: what it did not have is gone */
static void forget_unseen(struct own *own)
{
	size_t n = 0;

	for (size_t i = 0; i < own->n; i++) {
		if (own->entries[i].seen != own->dump && !is_seen(own, &own->entries[i].addr))
			tell_gone(own, &own->entries[i].addr);
	}
	for (size_t i = 0; i < own->n; i++) {
		if (own->entries[i].seen == own->dump)
			own->entries[n++] = own->entries[i];
	}
	own->n = n;
	own->dumping = false;
}

/* IFA_LOCAL is ours, IFA_ADDRESS the peer's where both are there (point-to-point) */
static bool message_addr(const struct nlmsghdr *h, const struct ifaddrmsg *ifa, struct ip_addr *ret)
{
	size_t want = ifa->ifa_family == AF_INET ? 4 : 16;
	unsigned int len = (unsigned int)IFA_PAYLOAD(h);
	bool local = false;

	*ret = (struct ip_addr){ 0 };
	for (const struct rtattr *a = IFA_RTA(ifa); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if ((a->rta_type != IFA_LOCAL && (a->rta_type != IFA_ADDRESS || local)) ||
		    RTA_PAYLOAD(a) != want)
			continue;
		memcpy(ret->a, RTA_DATA(a), want);
		ret->family = ifa->ifa_family == AF_INET ? 4 : 6;
		local = a->rta_type == IFA_LOCAL;
	}
	return ret->family != 0;
}

static int take_addr(struct own *own, const struct nlmsghdr *h, struct bb_err *err)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(h);
	struct own_entry *e;
	struct ip_addr addr;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*ifa)) ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
	    !message_addr(h, ifa, &addr))
		return 0;
	if (h->nlmsg_type == RTM_NEWADDR)
		return add(own, &addr, ifa->ifa_index, err);
	/* One that went soon after it came may never have been announced, and still have been used
	 */
	e = find(own, &addr, ifa->ifa_index);
	if (e)
		*e = own->entries[--own->n];
	if (!own_has(own, &addr))
		tell_gone(own, &addr);
	return 0;
}

int own_take(struct own *own, struct bb_span dgram, struct bb_err *err)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)dgram.p;
	unsigned int len = (unsigned int)dgram.len;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		const struct nlmsgerr *e = NLMSG_DATA(h);
		int r = 0;

		if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR)
			r = take_addr(own, h, err);
		else if (h->nlmsg_type == NLMSG_DONE && h->nlmsg_seq == own->dump)
			forget_unseen(own);
		else if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) &&
			 e->error)
			r = bb_err_set(err, e->error < 0 ? e->error : -EPROTO, "netlink: %s",
				       strerror(e->error < 0 ? -e->error : EPROTO));
		if (r < 0)
			return r;
	}
	return 0;
}

static int ask(struct own *own, struct bb_err *err)
{
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg ifa;
	} req = { .h = { .nlmsg_len = sizeof(req),
			 .nlmsg_type = RTM_GETADDR,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			 .nlmsg_seq = ++own->dump } };

	own->dumping = true;
	if (send(own->fd, &req, sizeof(req), 0) < 0)
		return bb_err_set(err, -errno, "netlink: %s", strerror(errno));
	return 0;
}

int own_read(struct own *own, struct bb_err *err)
{
	static _Alignas(struct nlmsghdr) uint8_t buf[DGRAM_MAX];

	for (;;) {
		ssize_t n = recv(own->fd, buf, sizeof(buf), MSG_TRUNC);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != ENOBUFS)
			return bb_err_set(err, -errno, "netlink: %s", strerror(errno));
		/* the kernel dropped something, here or there: start over */
		if (n < 0 || (size_t)n > sizeof(buf))
			r = ask(own, err);
		else
			r = own_take(own, (struct bb_span){ buf, (size_t)n }, err);
		if (r < 0)
			return r;
	}
}

int own_init(struct own *own, struct bb_err *err)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK,
				     .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval wait = { .tv_sec = 5 };
	int r;

	*own = (struct own){ .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) };
	if (own->fd < 0 || bind(own->fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    connect(own->fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ||
	    setsockopt(own->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return bb_err_set(err, -errno, "netlink: %s", strerror(errno));
	r = ask(own, err);
	while (r == 0 && own->dumping) {
		_Alignas(struct nlmsghdr) uint8_t buf[DGRAM_MAX];
		ssize_t n = recv(own->fd, buf, sizeof(buf), 0);

		if (n <= 0)
			return bb_err_set(err, -EIO, "netlink: no list of addresses");
		r = own_take(own, (struct bb_span){ buf, (size_t)n }, err);
	}
	if (r == 0 && bb_set_nonblock(own->fd, true) < 0)
		r = bb_err_set(err, -EIO, "netlink: cannot set non-blocking");
	return r;
}

bool own_has(const struct own *own, const struct ip_addr *canonical)
{
	for (size_t i = 0; i < own->n; i++) {
		if (ip_addr_eq(&own->entries[i].addr, canonical))
			return true;
	}
	return false;
}

void own_release(struct own *own)
{
	bb_closep(&own->fd);
	free(own->entries);
	*own = (struct own){ .fd = -1 };
}
