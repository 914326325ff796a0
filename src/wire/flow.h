/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_FLOW_H
#define BB_WIRE_FLOW_H
#include "base/base.h"

/**
 * DOC: flow - the header that opens a flow on vsock port 6003, and its reply
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   guest relay (writes headers), gate (reads them); fuzz/flow.c; tests/unit/wire/flow.c
 * Trust:     the header is guest-controlled, the reply is ours
 * Ownership: borrows everything for the call
 * Limits:    fixed sizes; one encoding per meaning, anything else is malformed
 * Source:    docs/protocol/flow.md
 */
#define FLOW_HEADER_BYTES 24
#define FLOW_REPLY_BYTES  4
#define FLOW_MAGIC        0x4246u
#define FLOW_VERSION      1
#define FLOW_PROTO_TCP    6

/** enum flow_status - First octet of the reply */
enum flow_status {
	FLOW_STATUS_OK = 0,
	FLOW_STATUS_DENIED,
	FLOW_STATUS_UNREACHABLE,
	FLOW_STATUS_REFUSED,
	FLOW_STATUS_TIMEOUT,
	FLOW_STATUS_MALFORMED,
	FLOW_STATUS_LIMIT,

	FLOW_NUM_STATUSES,
};
extern const char *const flow_status_str[FLOW_NUM_STATUSES];

/** enum flow_result - Why a header or a reply was not accepted */
enum flow_result {
	FLOW_RESULT_OK = 0,
	FLOW_RESULT_SHORT, /* more octets are needed; not an error before EOF */
	FLOW_RESULT_BAD_MAGIC,
	FLOW_RESULT_BAD_VERSION,
	FLOW_RESULT_BAD_FAMILY,
	FLOW_RESULT_BAD_PROTO,
	FLOW_RESULT_BAD_RESERVED, /* flags, or octets behind an IPv4 address */
	FLOW_RESULT_BAD_PORT,     /* port 0 */
	FLOW_RESULT_BAD_STATUS,

	FLOW_NUM_RESULTS,
};
extern const char *const flow_result_str[FLOW_NUM_RESULTS];

/**
 * struct flow_header - Where the guest wants to go
 * @family:	4 or 6
 * @port:	TCP port, host order, never 0
 * @addr:	Network order; IPv4 in the first four octets, the rest zero
 */
struct flow_header {
	uint8_t family;
	uint16_t port;
	uint8_t addr[16];
};

/**
 * struct flow_reply - What became of it
 * @status:	0 = the stream now carries the flow's octets
 * @err:	errno of the host's connect() for unreachable, refused and timeout; else 0
 */
struct flow_reply {
	enum flow_status status;
	uint16_t err;
};

/** flow_header_write() - Encode; @h must hold valid values (BB_BUG_ON) */
void flow_header_write(uint8_t out[static FLOW_HEADER_BYTES], const struct flow_header *h);

/**
 * flow_header_read() - Decode the first FLOW_HEADER_BYTES of @in
 * @ret:	Written only on FLOW_RESULT_OK
 *
 * Return: FLOW_RESULT_OK, FLOW_RESULT_SHORT while octets are missing and those present are
 * possible, or the reason
 */
BB_MUST_USE enum flow_result flow_header_read(struct bb_span in, struct flow_header *ret);

/** flow_reply_write() - Encode */
void flow_reply_write(uint8_t out[static FLOW_REPLY_BYTES], struct flow_reply r);

/** flow_reply_read() - Decode the first FLOW_REPLY_BYTES; returns as flow_header_read() */
BB_MUST_USE enum flow_result flow_reply_read(struct bb_span in, struct flow_reply *ret);
#endif
