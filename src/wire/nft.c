/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/nft.h"
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#define REG       NFT_REG_1
#define ATTR_HEAD ((size_t)sizeof(struct nlattr))
enum { V4_DADDR_AT = 16, V6_DADDR_AT = 24, DPORT_AT = 2 };

/* Room for @len octets, zeroed, aligned as netlink has it. Return: offset */
static size_t grow(struct nft_batch *b, size_t len)
{
	size_t at = b->len, total = NLMSG_ALIGN(len);

	if (b->overflow || total > b->cap - b->len) {
		b->overflow = true;
		return 0;
	}
	memset(b->p + at, 0, total);
	b->len += total;
	return at;
}

static void message_begin(struct nft_batch *b, uint16_t type, uint16_t flags, uint8_t family,
			  uint16_t resource)
{
	size_t at = grow(b, NLMSG_HDRLEN + sizeof(struct nfgenmsg));
	struct nlmsghdr h = {
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = b->seq++,
	};
	struct nfgenmsg g = {
		.nfgen_family = family,
		.version = NFNETLINK_V0,
		.res_id = htons(resource),
	};

	b->message = at;
	if (b->overflow)
		return;
	memcpy(b->p + at, &h, sizeof(h));
	memcpy(b->p + at + NLMSG_HDRLEN, &g, sizeof(g));
}

static void message_end(struct nft_batch *b)
{
	uint32_t len = (uint32_t)(b->len - b->message);

	if (!b->overflow)
		memcpy(b->p + b->message, &len, sizeof(len));
}

static void attr(struct nft_batch *b, uint16_t type, const void *p, size_t len)
{
	size_t at = grow(b, ATTR_HEAD + len);
	struct nlattr a = { .nla_len = (uint16_t)(ATTR_HEAD + len), .nla_type = type };

	if (b->overflow)
		return;
	memcpy(b->p + at, &a, sizeof(a));
	memcpy(b->p + at + ATTR_HEAD, p, len);
}

static void attr_text(struct nft_batch *b, uint16_t type, const char *text)
{
	attr(b, type, text, strlen(text) + 1);
}

static void attr_u32(struct nft_batch *b, uint16_t type, uint32_t v)
{
	uint8_t be[4];

	bb_put_be32(be, v);
	attr(b, type, be, sizeof(be));
}

static size_t nest_begin(struct nft_batch *b, uint16_t type)
{
	size_t at = b->len;

	attr(b, (uint16_t)(type | NLA_F_NESTED), "", 0);
	return at;
}

static void nest_end(struct nft_batch *b, size_t at)
{
	uint16_t len = (uint16_t)(b->len - at);

	if (!b->overflow)
		memcpy(b->p + at, &len, sizeof(len));
}

static uint16_t nft_type(unsigned int msg)
{
	return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | msg);
}

void nft_begin(struct nft_batch *b, uint8_t *buf, size_t cap, const char *table)
{
	*b = (struct nft_batch){ .p = buf, .cap = cap, .table = table, .seq = 1 };
	message_begin(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	message_end(b);
}

void nft_table(struct nft_batch *b)
{
	message_begin(b, nft_type(NFT_MSG_NEWTABLE), NLM_F_CREATE, NFPROTO_INET, 0);
	attr_text(b, NFTA_TABLE_NAME, b->table);
	message_end(b);
}

void nft_chain(struct nft_batch *b, const struct nft_chain *c)
{
	size_t hook;

	message_begin(b, nft_type(NFT_MSG_NEWCHAIN), NLM_F_CREATE, NFPROTO_INET, 0);
	attr_text(b, NFTA_CHAIN_TABLE, b->table);
	attr_text(b, NFTA_CHAIN_NAME, c->name);
	hook = nest_begin(b, NFTA_CHAIN_HOOK);
	attr_u32(b, NFTA_HOOK_HOOKNUM, c->hook);
	attr_u32(b, NFTA_HOOK_PRIORITY, (uint32_t)c->priority);
	nest_end(b, hook);
	attr_u32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	attr_text(b, NFTA_CHAIN_TYPE, c->type);
	message_end(b);
}

void nft_rule_begin(struct nft_batch *b, const char *chain)
{
	message_begin(b, nft_type(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET, 0);
	attr_text(b, NFTA_RULE_TABLE, b->table);
	attr_text(b, NFTA_RULE_CHAIN, chain);
	b->list = nest_begin(b, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft_batch *b)
{
	nest_end(b, b->list);
	message_end(b);
}

/** struct expr - The two nests that every expression opens */
struct expr {
	size_t element, data;
};

static struct expr expr_begin(struct nft_batch *b, const char *name)
{
	struct expr e = { .element = nest_begin(b, NFTA_LIST_ELEM) };

	attr_text(b, NFTA_EXPR_NAME, name);
	e.data = nest_begin(b, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nft_batch *b, struct expr e)
{
	nest_end(b, e.data);
	nest_end(b, e.element);
}

static void put_value(struct nft_batch *b, uint16_t type, const void *p, size_t len)
{
	size_t nest = nest_begin(b, type);

	attr(b, NFTA_DATA_VALUE, p, len);
	nest_end(b, nest);
}

static void put_meta(struct nft_batch *b, uint32_t key)
{
	struct expr e = expr_begin(b, "meta");

	attr_u32(b, NFTA_META_DREG, REG);
	attr_u32(b, NFTA_META_KEY, key);
	expr_end(b, e);
}

static void put_payload(struct nft_batch *b, uint32_t base, uint32_t at, uint32_t len)
{
	struct expr e = expr_begin(b, "payload");

	attr_u32(b, NFTA_PAYLOAD_DREG, REG);
	attr_u32(b, NFTA_PAYLOAD_BASE, base);
	attr_u32(b, NFTA_PAYLOAD_OFFSET, at);
	attr_u32(b, NFTA_PAYLOAD_LEN, len);
	expr_end(b, e);
}

static void put_cmp(struct nft_batch *b, uint32_t op, const void *p, size_t len)
{
	struct expr e = expr_begin(b, "cmp");

	attr_u32(b, NFTA_CMP_SREG, REG);
	attr_u32(b, NFTA_CMP_OP, op);
	put_value(b, NFTA_CMP_DATA, p, len);
	expr_end(b, e);
}

static void put_mask(struct nft_batch *b, const uint8_t *mask, size_t len)
{
	static const uint8_t zero[16];
	struct expr e = expr_begin(b, "bitwise");

	attr_u32(b, NFTA_BITWISE_SREG, REG);
	attr_u32(b, NFTA_BITWISE_DREG, REG);
	attr_u32(b, NFTA_BITWISE_LEN, (uint32_t)len);
	put_value(b, NFTA_BITWISE_MASK, mask, len);
	put_value(b, NFTA_BITWISE_XOR, zero, len);
	expr_end(b, e);
}

static void match_device(struct nft_batch *b, uint32_t key, bool equal, const char *name)
{
	char padded[16] = { 0 }; /* IFNAMSIZ: the kernel compares the whole register */

	BB_BUG_ON(strlen(name) >= sizeof(padded));
	memcpy(padded, name, strlen(name));
	put_meta(b, key);
	put_cmp(b, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, padded, sizeof(padded));
}

void nft_match_oifname(struct nft_batch *b, bool equal, const char *name)
{
	match_device(b, NFT_META_OIFNAME, equal, name);
}

void nft_match_iifname(struct nft_batch *b, bool equal, const char *name)
{
	match_device(b, NFT_META_IIFNAME, equal, name);
}

void nft_match_family(struct nft_batch *b, unsigned int family)
{
	uint8_t v = family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	put_meta(b, NFT_META_NFPROTO);
	put_cmp(b, NFT_CMP_EQ, &v, sizeof(v));
}

void nft_match_proto(struct nft_batch *b, uint8_t proto)
{
	put_meta(b, NFT_META_L4PROTO);
	put_cmp(b, NFT_CMP_EQ, &proto, sizeof(proto));
}

void nft_match_dport(struct nft_batch *b, uint16_t port)
{
	uint8_t be[2];

	bb_put_be16(be, port);
	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, DPORT_AT, sizeof(be));
	put_cmp(b, NFT_CMP_EQ, be, sizeof(be));
}

void nft_match_daddr(struct nft_batch *b, unsigned int family, const uint8_t *addr,
		     unsigned int prefix)
{
	size_t len = family == 4 ? 4 : 16;
	uint8_t mask[16] = { 0 }, net[16];

	BB_BUG_ON(prefix > len * 8);
	for (unsigned int bit = 0; bit < prefix; bit++)
		mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	for (size_t i = 0; i < len; i++)
		net[i] = addr[i] & mask[i];
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, family == 4 ? V4_DADDR_AT : V6_DADDR_AT,
		    (uint32_t)len);
	if (prefix < len * 8)
		put_mask(b, mask, len);
	put_cmp(b, NFT_CMP_EQ, net, len);
}

void nft_redirect(struct nft_batch *b, uint16_t port)
{
	struct expr e = expr_begin(b, "immediate");
	uint8_t be[2];

	bb_put_be16(be, port);
	attr_u32(b, NFTA_IMMEDIATE_DREG, REG);
	put_value(b, NFTA_IMMEDIATE_DATA, be, sizeof(be));
	expr_end(b, e);
	e = expr_begin(b, "redir");
	attr_u32(b, NFTA_REDIR_REG_PROTO_MIN, REG);
	attr_u32(b, NFTA_REDIR_FLAGS, 0x2); /* NF_NAT_RANGE_PROTO_SPECIFIED */
	expr_end(b, e);
}

void nft_accept(struct nft_batch *b)
{
	struct expr e = expr_begin(b, "immediate");
	size_t data, verdict;

	attr_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nest_begin(b, NFTA_IMMEDIATE_DATA);
	verdict = nest_begin(b, NFTA_DATA_VERDICT);
	attr_u32(b, NFTA_VERDICT_CODE, NF_ACCEPT);
	nest_end(b, verdict);
	nest_end(b, data);
	expr_end(b, e);
}

void nft_reject(struct nft_batch *b, bool tcp_reset)
{
	struct expr e = expr_begin(b, "reject");
	uint8_t code = tcp_reset ? 0 : NFT_REJECT_ICMPX_ADMIN_PROHIBITED;

	attr_u32(b, NFTA_REJECT_TYPE, tcp_reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
	attr(b, NFTA_REJECT_ICMP_CODE, &code, sizeof(code));
	expr_end(b, e);
}

size_t nft_end(struct nft_batch *b)
{
	uint16_t flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK;

	if (!b->overflow) /* the last rule asks for the acknowledgement */
		memcpy(b->p + b->message + offsetof(struct nlmsghdr, nlmsg_flags), &flags,
		       sizeof(flags));
	message_begin(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	message_end(b);
	return b->overflow ? 0 : b->len;
}
