/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_int.h"
#include <assert.h>
#include <stdio.h>

const char *const dns_query_result_str[] = {
	[DNS_QUERY_OK] = "ok",           [DNS_QUERY_DROP] = "drop",
	[DNS_QUERY_FORMERR] = "formerr", [DNS_QUERY_NOTIMP] = "notimp",
	[DNS_QUERY_REFUSED] = "refused", [DNS_QUERY_BADVERS] = "badvers",
};
static_assert(BB_ARRAY_LEN(dns_query_result_str) == DNS_NUM_QUERY_RESULTS,
	      "dns_query_result_str[] doesn't match enum dns_query_result");

#define EDNS_DO 0x8000u

/* RFC 6891 section 6.1.2: options fill the data to the octet */
static bool options_are_ok(struct bb_span data)
{
	while (data.len) {
		size_t len;

		if (data.len < 4)
			return false;
		len = bb_get_be16(data.p + 2);
		if (len > data.len - 4)
			return false;
		data = (struct bb_span){ data.p + 4 + len, data.len - 4 - len };
	}
	return true;
}

/* The additional section holds one OPT that ends the message */
static enum dns_query_result read_opt(struct bb_span rr, struct dns_query *q)
{
	struct bb_span data;

	if (rr.len < DNS_OPT_BYTES || rr.p[0] != 0 || bb_get_be16(rr.p + 1) != DNS_TYPE_OPT)
		return DNS_QUERY_FORMERR;
	data = (struct bb_span){ rr.p + DNS_OPT_BYTES, rr.len - DNS_OPT_BYTES };
	if (bb_get_be16(rr.p + 9) != data.len || !options_are_ok(data))
		return DNS_QUERY_FORMERR;
	q->edns = true;
	q->edns_do = bb_get_be16(rr.p + 7) & EDNS_DO;
	return rr.p[6] == 0 ? DNS_QUERY_OK : DNS_QUERY_BADVERS;
}

/* The question at @off, and how it is to be answered if the rest decodes */
static enum dns_query_result read_question(struct bb_span msg, size_t *off, struct dns_query *q)
{
	enum dns_name_result name = dns_name_read(msg, off, q->name, &q->name_len);

	if ((name != DNS_NAME_OK && name != DNS_NAME_BAD_OCTET) || msg.len - *off < 4)
		return DNS_QUERY_FORMERR;
	q->qtype = bb_get_be16(msg.p + *off);
	*off += 4;
	q->question = (struct bb_span){ msg.p + DNS_HDR_BYTES, *off - DNS_HDR_BYTES };
	if (q->qtype == DNS_TYPE_OPT)
		return DNS_QUERY_FORMERR;
	if (name != DNS_NAME_OK || bb_get_be16(msg.p + *off - 2) != DNS_CLASS_IN)
		return DNS_QUERY_REFUSED;
	return DNS_QUERY_OK;
}

static enum dns_query_result read_sections(struct bb_span msg, struct dns_query *q)
{
	size_t off = DNS_HDR_BYTES;
	enum dns_query_result question, opt = DNS_QUERY_OK;
	uint16_t additional = bb_get_be16(msg.p + DNS_AT_AR);

	if (msg.len > DNS_MSG_MAX || bb_get_be16(msg.p + DNS_AT_QD) != 1 ||
	    bb_get_be16(msg.p + DNS_AT_AN) != 0 || bb_get_be16(msg.p + DNS_AT_NS) != 0 ||
	    additional > 1)
		return DNS_QUERY_FORMERR;
	question = read_question(msg, &off, q);
	if (question == DNS_QUERY_FORMERR)
		return question;
	if (additional)
		opt = read_opt((struct bb_span){ msg.p + off, msg.len - off }, q);
	else if (off != msg.len)
		return DNS_QUERY_FORMERR;
	return opt != DNS_QUERY_OK ? opt : question;
}

enum dns_query_result dns_query_read(struct bb_span msg, struct dns_query *ret)
{
	struct dns_query q;
	enum dns_query_result r;
	uint16_t flags;

	if (msg.len < DNS_HDR_BYTES)
		return DNS_QUERY_DROP;
	flags = bb_get_be16(msg.p + DNS_AT_FLAGS);
	if (flags & DNS_FLAG_QR)
		return DNS_QUERY_DROP;
	q.id = bb_get_be16(msg.p + DNS_AT_ID);
	q.flags = flags & (DNS_MASK_OPCODE | DNS_FLAG_RD | DNS_FLAG_CD);
	q.edns = q.edns_do = false;
	q.qtype = 0;
	q.name_len = 0;
	q.name[0] = '\0';
	q.question = (struct bb_span){ NULL, 0 };
	if (flags & DNS_MASK_OPCODE)
		r = DNS_QUERY_NOTIMP;
	else if (flags & DNS_FLAG_TC)
		r = DNS_QUERY_FORMERR;
	else
		r = read_sections(msg, &q);
	if (r != DNS_QUERY_OK) {
		q.name[0] = '\0';
		q.name_len = 0;
	}
	*ret = q;
	return r;
}

enum dns_rcode dns_query_rcode(enum dns_query_result result)
{
	static const enum dns_rcode rcodes[] = {
		[DNS_QUERY_OK] = DNS_RCODE_NOERROR,      [DNS_QUERY_DROP] = DNS_RCODE_FORMERR,
		[DNS_QUERY_FORMERR] = DNS_RCODE_FORMERR, [DNS_QUERY_NOTIMP] = DNS_RCODE_NOTIMP,
		[DNS_QUERY_REFUSED] = DNS_RCODE_REFUSED, [DNS_QUERY_BADVERS] = DNS_RCODE_BADVERS,
	};
	static_assert(BB_ARRAY_LEN(rcodes) == DNS_NUM_QUERY_RESULTS, "rcodes[]");

	BB_BUG_ON(result == DNS_QUERY_DROP);
	return rcodes[result];
}

size_t dns_put_header(const struct dns_query *q, enum dns_rcode rcode, uint8_t *out)
{
	uint16_t flags =
		(uint16_t)(DNS_FLAG_QR | DNS_FLAG_AA | DNS_FLAG_RA | q->flags | (rcode & 0xfu));

	BB_BUG_ON(q->question.len > DNS_QUESTION_MAX);
	memset(out, 0, DNS_HDR_BYTES);
	bb_put_be16(out + DNS_AT_ID, q->id);
	bb_put_be16(out + DNS_AT_FLAGS, flags);
	if (!q->question.len)
		return DNS_HDR_BYTES;
	bb_put_be16(out + DNS_AT_QD, 1);
	memcpy(out + DNS_HDR_BYTES, q->question.p, q->question.len);
	return DNS_HDR_BYTES + q->question.len;
}

size_t dns_put_opt(const struct dns_query *q, enum dns_rcode rcode, uint8_t *out, size_t at)
{
	if (!q->edns)
		return at;
	bb_put_be16(out + DNS_AT_AR, 1);
	out[at] = 0;
	bb_put_be16(out + at + 1, DNS_TYPE_OPT);
	bb_put_be16(out + at + 3, DNS_UDP_SIZE);
	out[at + 5] = (uint8_t)((unsigned int)rcode >> 4);
	out[at + 6] = 0;
	bb_put_be16(out + at + 7, q->edns_do ? EDNS_DO : 0);
	bb_put_be16(out + at + 9, 0);
	return at + DNS_OPT_BYTES;
}

size_t dns_put_record(uint8_t *out, size_t at, enum dns_type type, uint32_t ttl, size_t rdata_bytes)
{
	bb_put_be16(out + at, (uint16_t)type);
	bb_put_be16(out + at + 2, DNS_CLASS_IN);
	bb_put_be32(out + at + 4, ttl);
	bb_put_be16(out + at + 8, (uint16_t)rdata_bytes);
	return at + 10;
}

/* One answer; its owner is a pointer to the question's name */
static size_t reply_answer(const struct dns_query *q, enum dns_type type, struct bb_span rdata,
			   uint8_t *out)
{
	size_t at = dns_put_header(q, DNS_RCODE_NOERROR, out);

	BB_BUG_ON(!q->question.len);
	bb_put_be16(out + DNS_AT_AN, 1);
	bb_put_be16(out + at, 0xc000u | DNS_HDR_BYTES);
	at = dns_put_record(out, at + 2, type, DNS_LOCAL_TTL, rdata.len);
	memcpy(out + at, rdata.p, rdata.len);
	return dns_put_opt(q, DNS_RCODE_NOERROR, out, at + rdata.len);
}

size_t dns_reply_error(const struct dns_query *q, enum dns_rcode rcode,
		       uint8_t out[static DNS_REPLY_MAX])
{
	if (rcode == DNS_RCODE_BADVERS && !q->edns)
		rcode = DNS_RCODE_FORMERR;
	return dns_put_opt(q, rcode, out, dns_put_header(q, rcode, out));
}

size_t dns_reply_negative(const struct dns_query *q, enum dns_rcode rcode,
			  uint8_t out[static DNS_REPLY_MAX])
{
	/* RFC 6303 section 3, for the root: MNAME ".", RNAME "nobody.invalid.", then serial,
	 * refresh, retry, expire, and the TTL of this answer (RFC 2308 section 4) */
	static const uint8_t soa[] = {
		0,
		6,
		'n',
		'o',
		'b',
		'o',
		'd',
		'y',
		7,
		'i',
		'n',
		'v',
		'a',
		'l',
		'i',
		'd',
		0,
		0,
		0,
		0,
		1,
		0,
		0,
		14,
		16,
		0,
		0,
		4,
		176,
		0,
		9,
		58,
		128,
		0,
		0,
		0,
		DNS_LOCAL_TTL,
	};
	size_t at = dns_put_header(q, rcode, out);

	bb_put_be16(out + DNS_AT_NS, 1);
	out[at] = 0;
	at = dns_put_record(out, at + 1, DNS_TYPE_SOA, DNS_LOCAL_TTL, sizeof(soa));
	memcpy(out + at, soa, sizeof(soa));
	return dns_put_opt(q, rcode, out, at + sizeof(soa));
}

size_t dns_reply_a(const struct dns_query *q, const uint8_t addr[static 4],
		   uint8_t out[static DNS_REPLY_MAX])
{
	return reply_answer(q, DNS_TYPE_A, (struct bb_span){ addr, 4 }, out);
}

size_t dns_reply_ptr(const struct dns_query *q, const char *name, uint8_t out[static DNS_REPLY_MAX])
{
	uint8_t rdata[DNS_NAME_WIRE_MAX];

	return reply_answer(q, DNS_TYPE_PTR, (struct bb_span){ rdata, dns_name_write(name, rdata) },
			    out);
}

void dns_type_text(uint16_t qtype, char out[static DNS_TYPE_TEXT])
{
	static const struct {
		uint16_t type;
		const char *text;
	} names[] = {
		{ 1, "A" },      { 2, "NS" },     { 5, "CNAME" },   { 6, "SOA" },
		{ 10, "NULL" },  { 12, "PTR" },   { 13, "HINFO" },  { 15, "MX" },
		{ 16, "TXT" },   { 28, "AAAA" },  { 33, "SRV" },    { 35, "NAPTR" },
		{ 43, "DS" },    { 44, "SSHFP" }, { 48, "DNSKEY" }, { 52, "TLSA" },
		{ 64, "SVCB" },  { 65, "HTTPS" }, { 99, "SPF" },    { 251, "IXFR" },
		{ 252, "AXFR" }, { 255, "ANY" },  { 257, "CAA" },
	};

	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		if (names[i].type == qtype) {
			memcpy(out, names[i].text, strlen(names[i].text) + 1);
			return;
		}
	}
	(void)snprintf(out, DNS_TYPE_TEXT, "TYPE%u", (unsigned int)qtype);
}
