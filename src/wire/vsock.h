/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_VSOCK_H
#define BB_WIRE_VSOCK_H
#include "base/base.h"

/**
 * DOC: vsock - the packet header of the virtio socket device
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   gate (both directions); fuzz/vsock.c; tests/unit/wire/vsock.c
 * Trust:     headers from the guest are hostile; here only their shape is judged. Whether the
 *            addresses and the credit make sense is the connection table's business
 * Ownership: borrows everything for the call
 * Limits:    fixed size; payload of one packet at most VSOCK_PAYLOAD_MAX
 * Source:    virtio 1.2, section 5.10.6; docs/protocol/vhost-user-vsock.md
 */
#define VSOCK_HEADER_BYTES 44
#define VSOCK_PAYLOAD_MAX  65536
#define VSOCK_TYPE_STREAM  1
#define VSOCK_CID_HOST     2
#define VSOCK_CID_GUEST    3 /* ours: one guest per device */

/* Flags of VSOCK_OP_SHUTDOWN: what the sender will not do any more */
#define VSOCK_SHUTDOWN_RECEIVE 1u
#define VSOCK_SHUTDOWN_SEND    2u
#define VSOCK_SHUTDOWN_BOTH    3u

enum vsock_op {
	VSOCK_OP_INVALID = 0,
	VSOCK_OP_REQUEST,
	VSOCK_OP_RESPONSE,
	VSOCK_OP_RST,
	VSOCK_OP_SHUTDOWN,
	VSOCK_OP_RW,
	VSOCK_OP_CREDIT_UPDATE,
	VSOCK_OP_CREDIT_REQUEST,

	VSOCK_NUM_OPS,
};
extern const char *const vsock_op_str[VSOCK_NUM_OPS];

/** enum vsock_result - Why a header was not accepted */
enum vsock_result {
	VSOCK_RESULT_OK = 0,
	VSOCK_RESULT_SHORT,
	VSOCK_RESULT_BAD_OP,
	VSOCK_RESULT_BAD_LENGTH, /* past VSOCK_PAYLOAD_MAX, or a payload where there is none */
	VSOCK_RESULT_BAD_FLAGS,  /* flags that the operation does not have */

	VSOCK_NUM_RESULTS,
};
extern const char *const vsock_result_str[VSOCK_NUM_RESULTS];

/**
 * struct vsock_header - One packet's header
 * @len:	Octets of payload behind it
 * @type:	VSOCK_TYPE_STREAM, or whatever the guest wrote
 * @flags:	VSOCK_SHUTDOWN_* for VSOCK_OP_SHUTDOWN, else 0
 * @buf_alloc:	The sender's receive buffer for this stream
 * @fwd_cnt:	Octets of it that the sender has consumed, modulo 2^32
 */
struct vsock_header {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len;
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
};

/** vsock_header_write() - Encode */
void vsock_header_write(uint8_t out[static VSOCK_HEADER_BYTES], const struct vsock_header *h);

/**
 * vsock_header_read() - Decode the first VSOCK_HEADER_BYTES of @in
 * @ret:	Written except on VSOCK_RESULT_SHORT: a refused packet still names whom to reset
 *
 * A type other than stream is not judged here (the answer to it is a reset, not an end).
 */
BB_MUST_USE enum vsock_result vsock_header_read(struct bb_span in, struct vsock_header *ret);
#endif
