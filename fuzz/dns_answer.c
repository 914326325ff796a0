/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_answer.h"

static const uint8_t random_octets[DNS_ASK_RANDOM] = { 0x55, 0xaa, 0x55, [32] = 0x12, 0x34 };

static struct dns_query query_of(const struct dns_ask *ask)
{
	struct dns_query q = { .id = 7, .edns = true, .qtype = ask->qtype };

	q.question = (struct bb_span){ ask->msg + DNS_HDR_BYTES, ask->question_len };
	return q;
}

/* Names and addresses of @got are those of @want: what we wrote reads as what we meant */
static void check_same(const struct dns_answer *want, const struct dns_answer *got)
{
	BB_BUG_ON(got->rcode != want->rcode || got->n_names != want->n_names ||
		  got->n_addrs != want->n_addrs);
	for (size_t i = 0; i < want->n_names; i++)
		BB_BUG_ON(strcmp(want->names[i], got->names[i]) != 0);
	BB_BUG_ON(memcmp(want->addrs, got->addrs, want->n_addrs * sizeof(want->addrs[0])) != 0);
	BB_BUG_ON(want->n_names + want->n_addrs && got->ttl != want->ttl);
}

/*
 * The first octet chooses the type. Invariants: limits hold; a name is one that can be written;
 * what is passed on decodes to the same; an answer to another question, id or case is never taken.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = { DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME };
	uint8_t reply[DNS_ANSWER_REPLY_MAX];
	struct dns_answer a, again;
	struct dns_query q;
	struct dns_ask ask;
	struct bb_span msg;
	size_t n;

	if (size < 1)
		return 0;
	dns_ask_write(&ask, "www.a.test", types[data[0] % BB_ARRAY_LEN(types)], random_octets);
	msg = (struct bb_span){ data + 1, size - 1 };
	if (dns_answer_read(msg, &ask, &a) != DNS_ANSWER_OK)
		return 0;
	BB_BUG_ON(msg.len > DNS_MSG_MAX || memcmp(msg.p, ask.msg, 2) != 0);
	BB_BUG_ON(memcmp(msg.p + DNS_HDR_BYTES, ask.msg + DNS_HDR_BYTES, ask.question_len) != 0);
	BB_BUG_ON(a.n_names > DNS_ANSWER_NAMES || a.n_addrs > DNS_ANSWER_ADDRS);
	BB_BUG_ON(a.ttl > DNS_ANSWER_TTL_MAX || (ask.qtype == DNS_TYPE_CNAME && a.n_addrs));
	BB_BUG_ON(a.rcode != DNS_RCODE_NOERROR && (a.rcode != DNS_RCODE_NXDOMAIN || a.n_addrs));
	q = query_of(&ask);
	n = dns_reply_answer(&q, &a, reply);
	BB_BUG_ON(n > sizeof(reply));
	memcpy(reply, ask.msg, 2);
	BB_BUG_ON(dns_answer_read((struct bb_span){ reply, n }, &ask, &again) != DNS_ANSWER_OK);
	check_same(&a, &again);
	return 0;
}
