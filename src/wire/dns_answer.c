/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_answer.h"
#include "wire/dns_int.h"
#include <assert.h>

const char *const dns_answer_result_str[] = {
	[DNS_ANSWER_OK] = "ok",
	[DNS_ANSWER_FOREIGN] = "not an answer to the question",
	[DNS_ANSWER_TRUNCATED] = "truncated",
	[DNS_ANSWER_ERROR] = "the resolver reports an error",
	[DNS_ANSWER_MALFORMED] = "malformed answer",
};
static_assert(BB_ARRAY_LEN(dns_answer_result_str) == DNS_NUM_ANSWER_RESULTS,
	      "dns_answer_result_str[] doesn't match enum dns_answer_result");
static_assert(DNS_REPLY_MAX + DNS_ANSWER_NAMES * (12 + DNS_NAME_WIRE_MAX) + DNS_ANSWER_ADDRS * 28 <=
		      DNS_ANSWER_REPLY_MAX,
	      "the largest answer fits");

/* One record of the answer section */
struct record {
	bool named; /* @owner is a host name's */
	char owner[DNS_NAME_TEXT_MAX];
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	size_t rdata; /* offset */
	size_t len;
};

void dns_ask_write(struct dns_ask *ask, const char *name, uint16_t qtype,
		   const uint8_t random[static DNS_ASK_RANDOM])
{
	uint8_t *q = ask->msg + DNS_HDR_BYTES, *opt;
	size_t n = dns_name_write(name, q);

	for (size_t i = 0; i < n; i++) {
		if (q[i] >= 'a' && q[i] <= 'z' && (random[i / 8] >> (i % 8) & 1))
			q[i] = (uint8_t)(q[i] & ~0x20);
	}
	bb_put_be16(q + n, qtype);
	bb_put_be16(q + n + 2, DNS_CLASS_IN);
	opt = q + n + 4;
	memset(ask->msg, 0, DNS_HDR_BYTES);
	memcpy(ask->msg + DNS_AT_ID, random + 32, 2);
	bb_put_be16(ask->msg + DNS_AT_FLAGS, DNS_FLAG_RD);
	bb_put_be16(ask->msg + DNS_AT_QD, 1);
	bb_put_be16(ask->msg + DNS_AT_AR, 1);
	memset(opt, 0, DNS_OPT_BYTES);
	bb_put_be16(opt + 1, DNS_TYPE_OPT);
	bb_put_be16(opt + 3, DNS_ASK_UDP_SIZE);
	ask->qtype = qtype;
	memcpy(ask->name, name, strlen(name) + 1);
	ask->question_len = n + 4;
	ask->len = DNS_HDR_BYTES + n + 4 + DNS_OPT_BYTES;
}

/* RFC 5452 section 9.1; the peer is the socket's to match */
static bool is_ours(struct bb_span msg, const struct dns_ask *ask)
{
	uint16_t flags;

	if (msg.len < DNS_HDR_BYTES + ask->question_len)
		return false;
	flags = bb_get_be16(msg.p + DNS_AT_FLAGS);
	return (flags & DNS_FLAG_QR) && !(flags & DNS_MASK_OPCODE) &&
	       memcmp(msg.p, ask->msg, 2) == 0 && bb_get_be16(msg.p + DNS_AT_QD) == 1 &&
	       memcmp(msg.p + DNS_HDR_BYTES, ask->msg + DNS_HDR_BYTES, ask->question_len) == 0;
}

/* The record at *@off. Return: false when it does not decode */
static bool read_record(struct bb_span msg, size_t *off, struct record *r)
{
	size_t len;
	enum dns_name_result name = dns_name_read_packed(msg, off, r->owner, &len);

	if ((name != DNS_NAME_OK && name != DNS_NAME_BAD_OCTET) || msg.len - *off < 10)
		return false;
	r->named = name == DNS_NAME_OK;
	r->type = bb_get_be16(msg.p + *off);
	r->class = bb_get_be16(msg.p + *off + 2);
	r->ttl = bb_get_be32(msg.p + *off + 4);
	r->len = bb_get_be16(msg.p + *off + 8);
	r->rdata = *off + 10;
	if (r->len > msg.len - r->rdata)
		return false;
	*off = r->rdata + r->len;
	return true;
}

/* RFC 2181 section 8: a TTL with its top bit set counts as zero */
static void take_ttl(struct dns_answer *a, uint32_t ttl)
{
	ttl = ttl & 0x80000000u ? 0 : ttl;
	if (ttl < a->ttl)
		a->ttl = ttl;
}

/* An address of the name that we follow; what has another size is none. Return: was it one? */
static bool take_addr(struct bb_span msg, const struct record *r, uint16_t qtype,
		      struct dns_answer *a)
{
	size_t size = qtype == DNS_TYPE_A ? 4 : 16;

	if (r->type != qtype || qtype == DNS_TYPE_CNAME || r->len != size)
		return false;
	if (a->n_addrs < DNS_ANSWER_ADDRS) {
		memset(a->addrs[a->n_addrs], 0, 16);
		memcpy(a->addrs[a->n_addrs++], msg.p + r->rdata, size);
		take_ttl(a, r->ttl);
	}
	return true;
}

/* The target fills its data to the octet and is a host name */
static bool take_target(struct bb_span msg, const struct record *r, struct dns_answer *a)
{
	size_t at = r->rdata, len;

	if (a->n_names == DNS_ANSWER_NAMES ||
	    dns_name_read_packed(msg, &at, a->names[a->n_names], &len) != DNS_NAME_OK || len == 0 ||
	    at != r->rdata + r->len)
		return false;
	a->n_names++;
	take_ttl(a, r->ttl);
	return true;
}

/*
 * One pass over the section for @owner: its addresses, or the name that it is an alias of.
 * Return: 1 when there is another name to follow, 0 at the end of the chain, -1 when malformed
 */
static int follow_name(struct bb_span msg, size_t off, const char *owner, uint16_t qtype,
		       struct dns_answer *a)
{
	size_t n = bb_get_be16(msg.p + DNS_AT_AN), alias_at = 0;
	struct record r, alias = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (!read_record(msg, &off, &r))
			return -1;
		if (r.class != DNS_CLASS_IN || !r.named || strcmp(r.owner, owner) != 0)
			continue;
		if (!take_addr(msg, &r, qtype, a) && r.type == DNS_TYPE_CNAME && !alias_at) {
			alias = r;
			alias_at = r.rdata;
		}
	}
	if (a->n_addrs || !alias_at)
		return 0;
	return take_target(msg, &alias, a) ? qtype != DNS_TYPE_CNAME : -1;
}

enum dns_answer_result dns_answer_read(struct bb_span msg, const struct dns_ask *ask,
				       struct dns_answer *ret)
{
	struct dns_answer a = { .ttl = DNS_ANSWER_TTL_MAX };
	const char *owner = ask->name;
	uint16_t flags;
	int more = 1;

	if (!is_ours(msg, ask))
		return DNS_ANSWER_FOREIGN;
	flags = bb_get_be16(msg.p + DNS_AT_FLAGS);
	if (flags & DNS_FLAG_TC)
		return DNS_ANSWER_TRUNCATED;
	a.rcode = (enum dns_rcode)(flags & 0xfu);
	if (a.rcode != DNS_RCODE_NOERROR && a.rcode != DNS_RCODE_NXDOMAIN)
		return DNS_ANSWER_ERROR;
	if (msg.len > DNS_MSG_MAX || bb_get_be16(msg.p + DNS_AT_AN) > DNS_ANSWER_RECORDS)
		return DNS_ANSWER_MALFORMED;
	while (more > 0) {
		more = follow_name(msg, DNS_HDR_BYTES + ask->question_len, owner, ask->qtype, &a);
		if (more > 0)
			owner = a.names[a.n_names - 1];
	}
	if (more < 0 || (a.rcode == DNS_RCODE_NXDOMAIN && a.n_addrs))
		return DNS_ANSWER_MALFORMED;
	*ret = a;
	return DNS_ANSWER_OK;
}

/* An owner name that stands at @from already, then a record's head */
static size_t put_owned(uint8_t *out, size_t at, size_t from, enum dns_type type, uint32_t ttl,
			size_t len)
{
	bb_put_be16(out + at, (uint16_t)(0xc000u | from));
	return dns_put_record(out, at + 2, type, ttl, len);
}

size_t dns_reply_answer(const struct dns_query *q, const struct dns_answer *a,
			uint8_t out[static DNS_ANSWER_REPLY_MAX])
{
	size_t at, owner = DNS_HDR_BYTES, len = q->qtype == DNS_TYPE_A ? 4 : 16;

	BB_BUG_ON(a->n_names > DNS_ANSWER_NAMES || a->n_addrs > DNS_ANSWER_ADDRS ||
		  !q->question.len);
	if (a->n_names == 0 && a->n_addrs == 0) {
		at = dns_reply_negative(q, a->rcode, out);
		out[DNS_AT_FLAGS] &= (uint8_t) ~(DNS_FLAG_AA >> 8);
		return at;
	}
	at = dns_put_header(q, a->rcode, out);
	out[DNS_AT_FLAGS] &= (uint8_t) ~(DNS_FLAG_AA >> 8);
	bb_put_be16(out + DNS_AT_AN, (uint16_t)(a->n_names + a->n_addrs));
	for (size_t i = 0; i < a->n_names; i++) {
		uint8_t name[DNS_NAME_WIRE_MAX];
		size_t n = dns_name_write(a->names[i], name);

		at = put_owned(out, at, owner, DNS_TYPE_CNAME, a->ttl, n);
		memcpy(out + at, name, n);
		owner = at;
		at += n;
	}
	for (size_t i = 0; i < a->n_addrs; i++) {
		at = put_owned(out, at, owner, (enum dns_type)q->qtype, a->ttl, len);
		memcpy(out + at, a->addrs[i], len);
		at += len;
	}
	return dns_put_opt(q, a->rcode, out, at);
}
