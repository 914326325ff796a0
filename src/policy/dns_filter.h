/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_DNS_FILTER_H
#define BB_POLICY_DNS_FILTER_H
#include "policy/policy.h"
#include "policy/reason.h"
#include "wire/dns_answer.h"

/**
 * DOC: dns_filter - which names the guest may know, and the addresses they get
 *
 * Layer:     policy (pure; time and randomness are given)
 * Used by:   gate; policy/flow.c
 * Trust:     names and messages are guest-controlled
 * Ownership: one struct dns_filter in the caller's zeroed memory, nothing else
 * Limits:    DNS_FILTER_NAMES names in a bottle's life, DNS_FILTER_NEW_PER_MINUTE new ones a
 *            minute under wildcard routes; a query costs at most 128 table look-ups, no allocation
 * Source:    docs/protocol/dns.md; RFC 2544 (198.18.0.0/15)
 *
 * No query is ever relayed. With `egress.dns: forward` the address questions of listed names are
 * for dialer to look up, in a query of its own; else a listed name gets a synthetic address: the
 * number of its entry added to 198.18.0.0. The address means nothing but the name: a flow to it is
 * judged by that name (policy/flow.h). Entries are never removed, so an address never changes its
 * name.
 */
#define DNS_FILTER_NAMES          4096u
#define DNS_FILTER_NEW_PER_MINUTE 120u
#define DNS_FILTER_SLOTS          (2 * DNS_FILTER_NAMES)

/**
 * struct dns_filter_name - One known name
 * @hash:	Of @name, keyed
 * @flags:	DNS_FILTER_*
 * @name:	Normalised
 */
struct dns_filter_name {
	uint32_t hash;
	uint8_t flags;
	char name[DNS_NAME_TEXT_MAX];
};
#define DNS_FILTER_EXACT    1u /* a route or tcp rule names it */
#define DNS_FILTER_WILDCARD 2u /* names below it are listed */
#define DNS_FILTER_SEEN     4u /* asked for below a wildcard */
#define DNS_FILTER_TCP      8u /* an egress.tcp rule names it: its address stays synthetic */

/**
 * struct dns_filter - Read it only through the functions below
 * @n:		Names in use
 * @slots:	Hash table: 0 = empty, else index into @names plus 1
 */
struct dns_filter {
	uint64_t key;
	bool forward;
	uint64_t window_ms;
	uint32_t window_new;
	uint32_t n;
	uint16_t slots[DNS_FILTER_SLOTS];
	struct dns_filter_name names[DNS_FILTER_NAMES];
};

enum dns_action {
	DNS_ACTION_NXDOMAIN = 0, /* not listed */
	DNS_ACTION_NODATA,       /* listed, a type that we have nothing for */
	DNS_ACTION_ADDRESS,      /* @addr */
	DNS_ACTION_POINTER,      /* @name */
	DNS_ACTION_REFUSED,      /* listed, a type that is never answered */
	DNS_ACTION_SERVFAIL,     /* a limit: may be asked again */
	DNS_ACTION_FORWARD,      /* ask dialer: there is no reply yet */

	DNS_NUM_ACTIONS,
};

/**
 * struct dns_decision - What a question gets
 * @verdict:	POLICY_ALLOW when the name is listed and the question is answered
 * @reason:	REASON_SYNTHETIC; REASON_FORWARDED; REASON_NOT_LISTED; REASON_QTYPE; REASON_LIMIT
 * @action:	The answer
 * @addr:	DNS_ACTION_ADDRESS: IPv4
 * @name:	DNS_ACTION_POINTER: borrowed from the filter
 */
struct dns_decision {
	enum policy_verdict verdict;
	enum policy_reason reason;
	enum dns_action action;
	struct ip_addr addr;
	const char *name;
};

/**
 * struct dns_outcome - One message, answered
 * @result:	DNS_QUERY_OK when there is a decision; DNS_QUERY_DROP: no reply at all
 * @query:	Name and type for the record; borrows the message
 * @decision:	With @result DNS_QUERY_OK; else verdict deny, reason malformed
 * @rcode:	Of the reply
 */
struct dns_outcome {
	enum dns_query_result result;
	struct dns_query query;
	struct dns_decision decision;
	enum dns_rcode rcode;
};

/**
 * dns_filter_init() - Enter the names of a policy
 * @f:		All octets zero
 * @key:	Random, so that a guest cannot choose names that collide
 *
 * The policy's limits leave room for names seen later (BB_BUG_ON).
 */
void dns_filter_init(struct dns_filter *f, const struct policy *policy, uint64_t key);

/**
 * dns_filter_reserve() - Make room for the names of a policy that is to come; lists none of them
 *
 * Return: false when the table is full: names are never removed
 */
BB_MUST_USE bool dns_filter_reserve(struct dns_filter *f, const struct policy *policy);

/**
 * dns_filter_relist() - From now on the names of @policy are listed and no others
 *
 * Addresses stay with their names. Call dns_filter_reserve() before (BB_BUG_ON).
 */
void dns_filter_relist(struct dns_filter *f, const struct policy *policy);

/**
 * dns_filter_judge() - Decide one question
 * @name:	As dns_name_read() leaves it
 * @now_ms:	Any clock that never goes back
 */
void dns_filter_judge(struct dns_filter *f, const char *name, uint16_t qtype, uint64_t now_ms,
		      struct dns_decision *ret);

/**
 * dns_filter_answer() - Decode, decide and answer one message
 * @out:	The reply
 *
 * Return: octets of the reply; 0 = say nothing, or nothing yet (DNS_ACTION_FORWARD)
 */
size_t dns_filter_answer(struct dns_filter *f, struct bb_span msg, uint64_t now_ms,
			 uint8_t out[static DNS_REPLY_MAX], struct dns_outcome *ret);

/** dns_filter_is_synthetic() - Does the address belong to 198.18.0.0/15? */
bool dns_filter_is_synthetic(const struct ip_addr *canonical);

/** dns_filter_name_of() - The name that was given this address, borrowed, or NULL */
const char *dns_filter_name_of(const struct dns_filter *f, const struct ip_addr *canonical);
#endif
