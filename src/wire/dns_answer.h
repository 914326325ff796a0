/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_DNS_ANSWER_H
#define BB_WIRE_DNS_ANSWER_H
#include "wire/dns.h"

/**
 * DOC: dns_answer - queries to a resolver, what it answers, and what of that is passed on
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   dialer (asks), gate (answers the guest); fuzz/dns_answer.c
 * Trust:     the answer is anybody's: a resolver's, or whoever can send to our port
 * Ownership: nothing borrows the message
 * Limits:    DNS_MSG_MAX octets, DNS_ANSWER_RECORDS records, a chain of DNS_ANSWER_NAMES names,
 *            DNS_ANSWER_ADDRS addresses
 * Source:    RFC 1035, RFC 5452 (what must match), RFC 6891; draft-vixie-dnsext-dns0x20
 *
 * Only the answer section counts, and in it only what the question leads to: CNAME by CNAME, then
 * the addresses of the last name. Everything else of the message is passed over: no other type (so
 * no HTTPS or SVCB record with keys or address hints), no additional record, no authority.
 */
#define DNS_ASK_MAX          (DNS_HDR_BYTES + DNS_QUESTION_MAX + 11)
#define DNS_ASK_UDP_SIZE     1232 /* larger answers come over TCP (DNS flag day 2020) */
#define DNS_ANSWER_RECORDS   256
#define DNS_ANSWER_NAMES     8
#define DNS_ANSWER_ADDRS     32
#define DNS_ANSWER_TTL_MAX   300 /* seconds */
#define DNS_ANSWER_REPLY_MAX DNS_MSG_MAX

/** dns_type_is_forwarded() - A, AAAA and CNAME: all that is asked of a resolver for a guest */
static inline bool dns_type_is_forwarded(uint16_t qtype)
{
	return qtype == DNS_TYPE_A || qtype == DNS_TYPE_AAAA || qtype == DNS_TYPE_CNAME;
}

/** struct dns_ask - One query, as sent: what an answer to it must repeat */
struct dns_ask {
	uint16_t qtype;
	char name[DNS_NAME_TEXT_MAX];
	size_t len;
	size_t question_len;
	uint8_t msg[DNS_ASK_MAX];
};

/**
 * struct dns_answer - What a resolver said, reduced to what may be passed on
 * @rcode:	NOERROR or NXDOMAIN
 * @ttl:	The smallest of the records, DNS_ANSWER_TTL_MAX at most
 * @names:	CNAME targets from the question on, @n_names of them
 * @addrs:	Of the last name, @n_addrs of them; A: the first four octets
 */
struct dns_answer {
	enum dns_rcode rcode;
	uint32_t ttl;
	size_t n_names;
	size_t n_addrs;
	char names[DNS_ANSWER_NAMES][DNS_NAME_TEXT_MAX];
	uint8_t addrs[DNS_ANSWER_ADDRS][16];
};

enum dns_answer_result {
	DNS_ANSWER_OK = 0,
	DNS_ANSWER_FOREIGN,   /* not an answer to this question: somebody else's, or forged */
	DNS_ANSWER_TRUNCATED, /* TC: ask over TCP */
	DNS_ANSWER_ERROR,     /* the resolver says that it cannot (SERVFAIL, REFUSED …) */
	DNS_ANSWER_MALFORMED,

	DNS_NUM_ANSWER_RESULTS,
};
extern const char *const dns_answer_result_str[DNS_NUM_ANSWER_RESULTS];

/**
 * dns_ask_write() - A query with a random id and letters in random case
 * @name:	As dns_name_read() leaves it
 * @random:	32 octets for the case of up to 253 letters, then two for the id
 */
#define DNS_ASK_RANDOM 34
void dns_ask_write(struct dns_ask *ask, const char *name, uint16_t qtype,
		   const uint8_t random[static DNS_ASK_RANDOM]);

/** dns_answer_read() - Decode one answer. @ret is written on DNS_ANSWER_OK only */
BB_MUST_USE enum dns_answer_result dns_answer_read(struct bb_span msg, const struct dns_ask *ask,
						   struct dns_answer *ret);

/**
 * dns_reply_answer() - Pass an answer on to who asked @q
 * @a:	Names as dns_name_read() leaves them; within its limits (BB_BUG_ON)
 *
 * Return: octets written; AA is not set
 */
size_t dns_reply_answer(const struct dns_query *q, const struct dns_answer *a,
			uint8_t out[static DNS_ANSWER_REPLY_MAX]);
#endif
