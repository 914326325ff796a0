/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_DNS_INT_H
#define BB_WIRE_DNS_INT_H
#include "wire/dns.h"

/**
 * DOC: dns_int - the parts of a message that dns.c and dns_answer.c share
 *
 * Layer:     wire
 * Used by:   wire/dns.c, wire/dns_answer.c
 */
#define DNS_CLASS_IN 1
#define DNS_OPT_BYTES                                                                              \
	11 /* root owner 1, type 2, size 2, rcode 1, version 1, flags 2, length 2                  \
	    */

/* Flags word, RFC 1035 section 4.1.1 and RFC 4035 section 3.2 */
#define DNS_FLAG_QR     0x8000u
#define DNS_MASK_OPCODE 0x7800u
#define DNS_FLAG_AA     0x0400u
#define DNS_FLAG_TC     0x0200u
#define DNS_FLAG_RD     0x0100u
#define DNS_FLAG_RA     0x0080u
#define DNS_FLAG_CD     0x0010u

/* Octet offsets in the header */
enum dns_hdr_at {
	DNS_AT_ID = 0,
	DNS_AT_FLAGS = 2,
	DNS_AT_QD = 4,
	DNS_AT_AN = 6,
	DNS_AT_NS = 8,
	DNS_AT_AR = 10
};

/** dns_put_header() - Header and question; counts of records are set by who adds some */
size_t dns_put_header(const struct dns_query *q, enum dns_rcode rcode, uint8_t *out);

/** dns_put_record() - Type, class, TTL and length behind an owner name that ends at @at */
size_t dns_put_record(uint8_t *out, size_t at, enum dns_type type, uint32_t ttl,
		      size_t rdata_bytes);

/** dns_put_opt() - An OPT when the query had one. Return: the whole length */
size_t dns_put_opt(const struct dns_query *q, enum dns_rcode rcode, uint8_t *out, size_t at);
#endif
