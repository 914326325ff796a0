/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_DNS_H
#define BB_WIRE_DNS_H
#include "wire/dns_name.h"

/**
 * DOC: dns - the guest's queries, and the answers that we make ourselves
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   policy/dns_filter.c, gate; fuzz/dns_query.c; tests/unit/wire/dns.c
 * Trust:     queries are guest-controlled; replies hold nothing but what the query asked, repeated,
 *            and what the caller gives
 * Ownership: struct dns_query borrows the message
 * Limits:    one question; queries up to DNS_MSG_MAX, replies up to DNS_REPLY_MAX octets
 * Source:    RFC 1035, RFC 2308 (negative answers), RFC 6891 (EDNS); docs/protocol/dns.md
 */
#define DNS_MSG_MAX      4096
#define DNS_HDR_BYTES    12
#define DNS_UDP_SIZE     4096 /* what our OPT offers */
#define DNS_REPLY_MAX    576  /* header 12, question 259, one record 12 + 255, OPT 11 */
#define DNS_TYPE_TEXT    12   /* "TYPE65535" */
#define DNS_LOCAL_TTL    60   /* seconds; of every answer made here, negative ones too */
#define DNS_QUESTION_MAX (DNS_NAME_WIRE_MAX + 4)

enum dns_rcode {
	DNS_RCODE_NOERROR = 0,
	DNS_RCODE_FORMERR = 1,
	DNS_RCODE_SERVFAIL = 2,
	DNS_RCODE_NXDOMAIN = 3,
	DNS_RCODE_NOTIMP = 4,
	DNS_RCODE_REFUSED = 5,
	DNS_RCODE_BADVERS = 16, /* needs an OPT to say it */
};

/* Types that are told apart; every other one is a type like TXT */
enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_NULL = 10,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_IXFR = 251,
	DNS_TYPE_AXFR = 252,
	DNS_TYPE_MAILB = 253,
	DNS_TYPE_MAILA = 254,
	DNS_TYPE_ANY = 255,
};

/** enum dns_query_result - May the query be judged, or which error does it get? */
enum dns_query_result {
	DNS_QUERY_OK = 0,
	DNS_QUERY_DROP,    /* no whole header, or a response: nothing to answer */
	DNS_QUERY_FORMERR, /* does not decode to the octet */
	DNS_QUERY_NOTIMP,  /* opcode other than QUERY */
	DNS_QUERY_REFUSED, /* class other than IN, or a name that cannot be a host's */
	DNS_QUERY_BADVERS, /* EDNS version other than 0 */

	DNS_NUM_QUERY_RESULTS,
};
extern const char *const dns_query_result_str[DNS_NUM_QUERY_RESULTS];

/**
 * struct dns_query - One decoded query
 * @id:		As asked
 * @flags:	Those that a reply repeats: opcode, RD, CD
 * @edns:	There was an OPT: the reply has one
 * @edns_do:	Its DO bit
 * @qtype:	Any value
 * @name_len:	strlen(@name)
 * @name:	As dns_name_read() leaves it
 * @question:	Question section as asked, letter case included; empty when it did not decode
 */
struct dns_query {
	uint16_t id;
	uint16_t flags;
	bool edns;
	bool edns_do;
	uint16_t qtype;
	size_t name_len;
	char name[DNS_NAME_TEXT_MAX];
	struct bb_span question;
};

/**
 * dns_query_read() - Decode one message
 * @ret:	On DNS_QUERY_OK complete; on an error as much as dns_reply_error() needs, with
 *		@ret->name ""; unchanged on DNS_QUERY_DROP
 */
BB_MUST_USE enum dns_query_result dns_query_read(struct bb_span msg, struct dns_query *ret);

/** dns_query_rcode() - RCODE that says @result (not DNS_QUERY_DROP) */
enum dns_rcode dns_query_rcode(enum dns_query_result result);

/*
 * Replies: QR, AA and RA set, id, opcode, RD, CD and question repeated, OPT when the query had one.
 * Each returns the octets written, at most DNS_REPLY_MAX.
 */

/** dns_reply_error() - No records; BADVERS counts as FORMERR when the query had no OPT */
size_t dns_reply_error(const struct dns_query *q, enum dns_rcode rcode,
		       uint8_t out[static DNS_REPLY_MAX]);

/** dns_reply_negative() - With the SOA that lets it be cached; @rcode is NXDOMAIN or NOERROR */
size_t dns_reply_negative(const struct dns_query *q, enum dns_rcode rcode,
			  uint8_t out[static DNS_REPLY_MAX]);

/** dns_reply_a() - One address */
size_t dns_reply_a(const struct dns_query *q, const uint8_t addr[static 4],
		   uint8_t out[static DNS_REPLY_MAX]);

/** dns_reply_ptr() - One name, as dns_name_write() takes it */
size_t dns_reply_ptr(const struct dns_query *q, const char *name,
		     uint8_t out[static DNS_REPLY_MAX]);

/** dns_type_text() - "AAAA", or "TYPE65535" (RFC 3597 section 5) */
void dns_type_text(uint16_t qtype, char out[static DNS_TYPE_TEXT]);
#endif
