/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/flow.h"
#include <assert.h>

const char *const flow_status_str[] = {
	[FLOW_STATUS_OK] = "ok",
	[FLOW_STATUS_DENIED] = "denied",
	[FLOW_STATUS_UNREACHABLE] = "unreachable",
	[FLOW_STATUS_REFUSED] = "refused",
	[FLOW_STATUS_TIMEOUT] = "timeout",
	[FLOW_STATUS_MALFORMED] = "malformed",
	[FLOW_STATUS_LIMIT] = "limit",
};
static_assert(BB_ARRAY_LEN(flow_status_str) == FLOW_NUM_STATUSES,
	      "flow_status_str[] doesn't match enum flow_status");

const char *const flow_result_str[] = {
	[FLOW_RESULT_OK] = "ok",
	[FLOW_RESULT_SHORT] = "short",
	[FLOW_RESULT_BAD_MAGIC] = "bad magic",
	[FLOW_RESULT_BAD_VERSION] = "bad version",
	[FLOW_RESULT_BAD_FAMILY] = "bad family",
	[FLOW_RESULT_BAD_PROTO] = "bad protocol",
	[FLOW_RESULT_BAD_RESERVED] = "reserved field not zero",
	[FLOW_RESULT_BAD_PORT] = "port 0",
	[FLOW_RESULT_BAD_STATUS] = "bad status",
};
static_assert(BB_ARRAY_LEN(flow_result_str) == FLOW_NUM_RESULTS,
	      "flow_result_str[] doesn't match enum flow_result");

/* Octet offsets of the header's fields (docs/protocol/flow.md) */
enum { AT_MAGIC = 0, AT_VERSION = 2, AT_FAMILY = 3, AT_PROTO = 4, AT_FLAGS = 5, AT_PORT = 6 };
enum { AT_ADDR = 8 };

void flow_header_write(uint8_t out[static FLOW_HEADER_BYTES], const struct flow_header *h)
{
	BB_BUG_ON((h->family != 4 && h->family != 6) || h->port == 0);
	memset(out, 0, FLOW_HEADER_BYTES);
	bb_put_be16(out + AT_MAGIC, FLOW_MAGIC);
	out[AT_VERSION] = FLOW_VERSION;
	out[AT_FAMILY] = h->family;
	out[AT_PROTO] = FLOW_PROTO_TCP;
	bb_put_be16(out + AT_PORT, h->port);
	memcpy(out + AT_ADDR, h->addr, h->family == 4 ? 4 : 16);
}

enum flow_result flow_header_read(struct bb_span in, struct flow_header *ret)
{
	const uint8_t *p = in.p;
	size_t tail;

	/* what is there must be right, so that noise is refused before 24 octets of it came */
	if ((in.len > 0 && p[0] != FLOW_MAGIC >> 8) || (in.len > 1 && p[1] != (FLOW_MAGIC & 0xff)))
		return FLOW_RESULT_BAD_MAGIC;
	if (in.len > AT_VERSION && p[AT_VERSION] != FLOW_VERSION)
		return FLOW_RESULT_BAD_VERSION;
	if (in.len < FLOW_HEADER_BYTES)
		return FLOW_RESULT_SHORT;
	if (p[AT_FAMILY] != 4 && p[AT_FAMILY] != 6)
		return FLOW_RESULT_BAD_FAMILY;
	if (p[AT_PROTO] != FLOW_PROTO_TCP)
		return FLOW_RESULT_BAD_PROTO;
	if (p[AT_FLAGS] != 0)
		return FLOW_RESULT_BAD_RESERVED;
	tail = p[AT_FAMILY] == 4 ? AT_ADDR + 4 : FLOW_HEADER_BYTES;
	for (size_t i = tail; i < FLOW_HEADER_BYTES; i++)
		if (p[i] != 0)
			return FLOW_RESULT_BAD_RESERVED;
	if (bb_get_be16(p + AT_PORT) == 0)
		return FLOW_RESULT_BAD_PORT;

	ret->family = p[AT_FAMILY];
	ret->port = bb_get_be16(p + AT_PORT);
	memcpy(ret->addr, p + AT_ADDR, sizeof(ret->addr));
	return FLOW_RESULT_OK;
}

void flow_reply_write(uint8_t out[static FLOW_REPLY_BYTES], struct flow_reply r)
{
	BB_BUG_ON(r.status >= FLOW_NUM_STATUSES);
	out[0] = (uint8_t)r.status;
	out[1] = 0;
	bb_put_be16(out + 2, r.err);
}

enum flow_result flow_reply_read(struct bb_span in, struct flow_reply *ret)
{
	if (in.len > 0 && in.p[0] >= FLOW_NUM_STATUSES)
		return FLOW_RESULT_BAD_STATUS;
	if (in.len > 1 && in.p[1] != 0)
		return FLOW_RESULT_BAD_RESERVED;
	if (in.len < FLOW_REPLY_BYTES)
		return FLOW_RESULT_SHORT;
	ret->status = (enum flow_status)in.p[0];
	ret->err = bb_get_be16(in.p + 2);
	return FLOW_RESULT_OK;
}
