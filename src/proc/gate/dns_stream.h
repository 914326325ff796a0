/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_DNS_STREAM_H
#define BB_PROC_GATE_DNS_STREAM_H
#include "policy/dns_filter.h"

/**
 * DOC: dns_stream - framed queries in, framed replies out, without I/O
 *
 * Layer:     proc/gate
 * Used by:   dns_service.c; bench/dns_gate.c
 * Trust:     octets are the guest's
 * Limits:    DNS_STREAM_MAX octets in (a stream's window), DNS_STREAM_OUT out
 * Source:    docs/protocol/dns.md (framing as RFC 1035 section 4.2.2)
 */
#define DNS_STREAM_MAX (64u << 10)
#define DNS_STREAM_OUT (64u << 10)

struct dns_stream {
	size_t in_len;
	size_t out_len;
	uint8_t in[DNS_STREAM_MAX];
	uint8_t out[DNS_STREAM_OUT];
};

/** dns_stream_add() - Octets from the guest. Return: false when they do not fit */
BB_MUST_USE bool dns_stream_add(struct dns_stream *d, const void *p, size_t len);

/**
 * struct dns_stream_user - Whose stream it is; a NULL function is never called
 * @may_answer:	false: over the rate; the query gets SERVFAIL unjudged
 * @on_outcome:	told of every judged query
 * @forward:	DNS_ACTION_FORWARD: true when a reply will come by another way, else SERVFAIL
 */
struct dns_stream_user {
	bool (*may_answer)(void *arg);
	void (*on_outcome)(const struct dns_outcome *o, void *arg);
	bool (*forward)(const struct dns_query *q, void *arg);
};

/**
 * dns_stream_run() - Answer what is complete, as long as replies fit
 * @ret_used:	octets of @in that are done with
 *
 * Return: 0; -1 when the framing is broken
 */
BB_MUST_USE int dns_stream_run(struct dns_stream *d, struct dns_filter *filter, uint64_t now_ms,
			       const struct dns_stream_user *user, void *arg, size_t *ret_used);
#endif
