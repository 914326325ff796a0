/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_NFT_H
#define BB_WIRE_NFT_H
#include "base/base.h"

/**
 * DOC: nft - encode one nf_tables netlink batch
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   guest (fence); tests/unit/guest/fence.c
 * Trust:     output only; the kernel is the reader
 * Ownership: writes the caller's buffer; a batch that does not fit is marked and stays unusable
 * Limits:    one table of family inet, the few expressions that the courtesy rules need
 * Source:    linux/netfilter/nf_tables.h
 *
 * Order of calls: nft_begin, nft_table, nft_chain…, then for each rule nft_rule_begin, expressions,
 * nft_rule_end; at last nft_end. Each expression works on register 1.
 */

/** struct nft_batch - Batch under construction; fields are private */
struct nft_batch {
	uint8_t *p;
	size_t len, cap;
	bool overflow;
	const char *table;
	uint32_t seq;
	size_t message, list; /* offsets of what is open: the message, its list of expressions */
};

/** struct nft_chain - A base chain; hook and priority are the kernel's numbers */
struct nft_chain {
	const char *name;
	const char *type; /* "filter" or "nat" */
	uint32_t hook;
	int32_t priority;
};

/** nft_begin() - Start a batch in @buf (borrowed until nft_end) for table inet @table (borrowed) */
void nft_begin(struct nft_batch *b, uint8_t *buf, size_t cap, const char *table);
void nft_table(struct nft_batch *b);
void nft_chain(struct nft_batch *b, const struct nft_chain *c);
void nft_rule_begin(struct nft_batch *b, const char *chain);
void nft_rule_end(struct nft_batch *b);

/* Expressions. A comparison that fails ends the rule. */

/** nft_match_oifname() - Output device is (@equal) or is not @name */
void nft_match_oifname(struct nft_batch *b, bool equal, const char *name);
/** nft_match_iifname() - Input device is (@equal) or is not @name */
void nft_match_iifname(struct nft_batch *b, bool equal, const char *name);
/** nft_match_family() - IPv4 (4) or IPv6 (6) */
void nft_match_family(struct nft_batch *b, unsigned int family);
/** nft_match_proto() - Layer 4 protocol, e.g. IPPROTO_TCP */
void nft_match_proto(struct nft_batch *b, uint8_t proto);
/** nft_match_dport() - Destination port of TCP or UDP, host order */
void nft_match_dport(struct nft_batch *b, uint16_t port);
/** nft_match_daddr() - Destination within @addr/@prefix; match the family first */
void nft_match_daddr(struct nft_batch *b, unsigned int family, const uint8_t *addr,
		     unsigned int prefix);
/** nft_redirect() - To @port of this machine (nat chains) */
void nft_redirect(struct nft_batch *b, uint16_t port);
void nft_accept(struct nft_batch *b);
/** nft_reject() - With a TCP reset, or with ICMP "administratively prohibited" */
void nft_reject(struct nft_batch *b, bool tcp_reset);

/**
 * nft_end() - Finish
 *
 * Return: octets to send, 0 when the buffer was too small. The kernel acknowledges one message:
 * the last before the end.
 */
size_t nft_end(struct nft_batch *b);
#endif
