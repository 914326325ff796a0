/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/fence.h"
#include "guest/net.h"
#include "wire/nft.h"
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define DNS_PORT        53
#define BATCH_BASE      16384
#define BATCH_PER_RANGE 1536

static const struct nft_chain redirect = { "redirect", "nat", NF_INET_LOCAL_OUT, -100 };
static const struct nft_chain redirect_nested = { "redirect_nested", "nat", NF_INET_PRE_ROUTING,
						  -100 };
static const struct nft_chain refuse = { "refuse", "filter", NF_INET_LOCAL_OUT, 0 };
static const struct nft_chain refuse_nested = { "refuse_nested", "filter", NF_INET_FORWARD, 0 };

/* Of this machine's own packets by where they go, of a nested one's by where they come from */
static void begin_redirect(struct nft_batch *b, bool nested)
{
	nft_rule_begin(b, nested ? redirect_nested.name : redirect.name);
	if (nested)
		nft_match_iifname(b, false, "lo");
	else
		nft_match_oifname(b, false, "lo");
}

static void redirect_rules(struct nft_batch *b, const struct guest_config *c, bool nested)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };

	for (size_t i = 0; i < BB_ARRAY_LEN(protos); i++) {
		begin_redirect(b, nested);
		nft_match_proto(b, protos[i]);
		nft_match_dport(b, DNS_PORT);
		nft_redirect(b, nested ? FENCE_NESTED_DNS_PORT : DNS_PORT);
		nft_rule_end(b);
	}
	for (size_t i = 0; i < c->n_ranges; i++) {
		const struct guest_range *r = &c->ranges[i];

		begin_redirect(b, nested);
		nft_match_proto(b, IPPROTO_TCP);
		nft_match_family(b, r->family);
		if (r->prefix > 0)
			nft_match_daddr(b, r->family, r->addr, r->prefix);
		nft_redirect(b, c->redirect_port);
		nft_rule_end(b);
	}
}

/* What would leave; what stays among the devices of this machine is its own affair */
static void reject_rules(struct nft_batch *b, const char *chain)
{
	nft_rule_begin(b, chain);
	nft_match_proto(b, IPPROTO_TCP);
	nft_reject(b, true);
	nft_rule_end(b);
	nft_rule_begin(b, chain);
	nft_reject(b, false);
	nft_rule_end(b);
}

static void refuse_rules(struct nft_batch *b)
{
	static const uint8_t loopback4[4] = { 127 }, loopback6[16] = { [15] = 1 };

	/* first: a reset that we cause ourselves must not be rejected again */
	nft_rule_begin(b, refuse.name);
	nft_match_oifname(b, false, NET_DUMMY);
	nft_accept(b);
	nft_rule_end(b);
	/* a redirected packet still shows the device that it was first routed to */
	nft_rule_begin(b, refuse.name);
	nft_match_family(b, 4);
	nft_match_daddr(b, 4, loopback4, 8);
	nft_accept(b);
	nft_rule_end(b);
	nft_rule_begin(b, refuse.name);
	nft_match_family(b, 6);
	nft_match_daddr(b, 6, loopback6, 128);
	nft_accept(b);
	nft_rule_end(b);
	reject_rules(b, refuse.name);
	nft_rule_begin(b, refuse_nested.name);
	nft_match_oifname(b, false, NET_DUMMY);
	nft_accept(b);
	nft_rule_end(b);
	reject_rules(b, refuse_nested.name);
}

size_t fence_encode(uint8_t *buf, size_t cap, const struct guest_config *c)
{
	struct nft_batch b;

	nft_begin(&b, buf, cap, FENCE_TABLE);
	nft_table(&b);
	nft_chain(&b, &redirect);
	nft_chain(&b, &redirect_nested);
	nft_chain(&b, &refuse);
	nft_chain(&b, &refuse_nested);
	redirect_rules(&b, c, false);
	redirect_rules(&b, c, true);
	refuse_rules(&b);
	return nft_end(&b);
}

int fence_up(const struct guest_config *c, struct bb_err *err)
{
	bb_auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	size_t cap = BATCH_BASE + c->n_ranges * BATCH_PER_RANGE, len;
	bb_auto_free uint8_t *buf = malloc(cap);
	int size = (int)(2 * cap);
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[1024];
	} answer = { 0 };
	ssize_t n;

	if (fd < 0 || !buf)
		return bb_err_set(err, -errno, "nf_tables: %s", strerror(errno));
	len = fence_encode(buf, cap, c);
	BB_BUG_ON(len == 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (send(fd, buf, len, 0) < 0 || (n = recv(fd, &answer, sizeof(answer), 0)) < 0)
		return bb_err_set(err, -errno, "nf_tables: %s", strerror(errno));
	if ((size_t)n < NLMSG_LENGTH(sizeof(answer.e)) || answer.h.nlmsg_type != NLMSG_ERROR)
		return bb_err_set(err, -EBADMSG, "nf_tables: unexpected answer");
	if (answer.e.error)
		return bb_err_set(err, answer.e.error, "nf_tables: message %u: %s",
				  answer.e.msg.nlmsg_seq, strerror(-answer.e.error));
	return 0;
}
