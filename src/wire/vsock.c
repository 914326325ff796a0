/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vsock.h"
#include "wire/le.h"
#include <assert.h>

const char *const vsock_op_str[] = {
	[VSOCK_OP_INVALID] = "INVALID",
	[VSOCK_OP_REQUEST] = "REQUEST",
	[VSOCK_OP_RESPONSE] = "RESPONSE",
	[VSOCK_OP_RST] = "RST",
	[VSOCK_OP_SHUTDOWN] = "SHUTDOWN",
	[VSOCK_OP_RW] = "RW",
	[VSOCK_OP_CREDIT_UPDATE] = "CREDIT_UPDATE",
	[VSOCK_OP_CREDIT_REQUEST] = "CREDIT_REQUEST",
};
static_assert(BB_ARRAY_LEN(vsock_op_str) == VSOCK_NUM_OPS,
	      "vsock_op_str[] doesn't match enum vsock_op");

const char *const vsock_result_str[] = {
	[VSOCK_RESULT_OK] = "ok",
	[VSOCK_RESULT_SHORT] = "short",
	[VSOCK_RESULT_BAD_OP] = "unknown operation",
	[VSOCK_RESULT_BAD_LENGTH] = "bad payload length",
	[VSOCK_RESULT_BAD_FLAGS] = "bad flags",
};
static_assert(BB_ARRAY_LEN(vsock_result_str) == VSOCK_NUM_RESULTS,
	      "vsock_result_str[] doesn't match enum vsock_result");

/* struct virtio_vsock_hdr, little-endian, packed (virtio 1.2, 5.10.6) */
enum { AT_SRC_CID = 0, AT_DST_CID = 8, AT_SRC_PORT = 16, AT_DST_PORT = 20, AT_LEN = 24 };
enum { AT_TYPE = 28, AT_OP = 30, AT_FLAGS = 32, AT_BUF_ALLOC = 36, AT_FWD_CNT = 40 };

void vsock_header_write(uint8_t out[static VSOCK_HEADER_BYTES], const struct vsock_header *h)
{
	le_put64(out + AT_SRC_CID, h->src_cid);
	le_put64(out + AT_DST_CID, h->dst_cid);
	le_put32(out + AT_SRC_PORT, h->src_port);
	le_put32(out + AT_DST_PORT, h->dst_port);
	le_put32(out + AT_LEN, h->len);
	le_put16(out + AT_TYPE, h->type);
	le_put16(out + AT_OP, h->op);
	le_put32(out + AT_FLAGS, h->flags);
	le_put32(out + AT_BUF_ALLOC, h->buf_alloc);
	le_put32(out + AT_FWD_CNT, h->fwd_cnt);
}

enum vsock_result vsock_header_read(struct bb_span in, struct vsock_header *ret)
{
	const uint8_t *p = in.p;

	if (in.len < VSOCK_HEADER_BYTES)
		return VSOCK_RESULT_SHORT;
	ret->src_cid = le_get64(p + AT_SRC_CID);
	ret->dst_cid = le_get64(p + AT_DST_CID);
	ret->src_port = le_get32(p + AT_SRC_PORT);
	ret->dst_port = le_get32(p + AT_DST_PORT);
	ret->len = le_get32(p + AT_LEN);
	ret->type = le_get16(p + AT_TYPE);
	ret->op = le_get16(p + AT_OP);
	ret->flags = le_get32(p + AT_FLAGS);
	ret->buf_alloc = le_get32(p + AT_BUF_ALLOC);
	ret->fwd_cnt = le_get32(p + AT_FWD_CNT);

	if (ret->op == VSOCK_OP_INVALID || ret->op >= VSOCK_NUM_OPS)
		return VSOCK_RESULT_BAD_OP;
	if (ret->op == VSOCK_OP_RW ? ret->len > VSOCK_PAYLOAD_MAX : ret->len != 0)
		return VSOCK_RESULT_BAD_LENGTH;
	/* stream sockets have flags in SHUTDOWN only; Linux leaves the rest zero */
	if (ret->op == VSOCK_OP_SHUTDOWN ? (ret->flags & ~VSOCK_SHUTDOWN_BOTH) != 0
					 : ret->flags != 0)
		return VSOCK_RESULT_BAD_FLAGS;
	return VSOCK_RESULT_OK;
}
