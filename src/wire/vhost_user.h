/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_VHOST_USER_H
#define BB_WIRE_VHOST_USER_H
#include "base/base.h"

/**
 * DOC: vhost_user - messages between a VMM and a device that another process implements
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   gate (back end), its test driver (front end); fuzz/vhost_user.c
 * Trust:     the VMM may have been taken over by the guest: a request that is not in the table, or
 *            has a size, a flag, a number of fds or an index that its kind does not have, is
 *            refused
 * Ownership: borrows everything for the call
 * Limits:    VHOST_USER_PAYLOAD_MAX octets, VHOST_USER_REGIONS_MAX fds; the requests below only
 * Source:    QEMU docs/interop/vhost-user.rst; docs/protocol/vhost-user-vsock.md
 *
 * A message is a 12-octet header {request, flags, size}, little-endian, and @size octets.
 */
#define VHOST_USER_HEADER_BYTES 12
#define VHOST_USER_PAYLOAD_MAX  268
#define VHOST_USER_REGIONS_MAX  8
#define VHOST_USER_CONFIG_MAX   256
#define VHOST_USER_QUEUES       2 /* receive, transmit; the event queue stays in the VMM */

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
};

/** enum vhost_user_shape - What a request's payload is, and its answer's */
enum vhost_user_shape {
	VHOST_USER_SHAPE_NONE = 0,
	VHOST_USER_SHAPE_U64,
	VHOST_USER_SHAPE_STATE,  /* ring index and a number */
	VHOST_USER_SHAPE_ADDR,   /* ring addresses */
	VHOST_USER_SHAPE_FD,     /* ring index, with an eventfd or a bit that says there is none */
	VHOST_USER_SHAPE_MEMORY, /* regions, one fd for each */
	VHOST_USER_SHAPE_CONFIG,

	VHOST_USER_NUM_SHAPES,
};

enum vhost_user_result {
	VHOST_USER_OK = 0,
	VHOST_USER_SHORT,       /* more octets are needed */
	VHOST_USER_BAD_REQUEST, /* not in the table */
	VHOST_USER_BAD_FLAGS,   /* other version, or a flag that a request does not have */
	VHOST_USER_BAD_LENGTH,  /* a size that this request does not have */
	VHOST_USER_BAD_FDS,     /* fds missing, or too many */
	VHOST_USER_BAD_VALUE,   /* a field out of range */

	VHOST_USER_NUM_RESULTS,
};
extern const char *const vhost_user_result_str[VHOST_USER_NUM_RESULTS];

/** struct vhost_user_header - A judged header; @size is one that @request may have */
struct vhost_user_header {
	enum vhost_user_request request;
	bool need_reply;
	uint32_t size;
};

struct vhost_user_state {
	uint32_t index;
	uint32_t num;
};
struct vhost_user_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};
struct vhost_user_vring_fd {
	uint32_t index;
	bool has_fd;
};
struct vhost_user_region {
	uint64_t guest;
	uint64_t bytes;
	uint64_t user;
	uint64_t offset;
};
struct vhost_user_memory {
	uint32_t n;
	struct vhost_user_region regions[VHOST_USER_REGIONS_MAX];
};
struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHOST_USER_CONFIG_MAX];
};

/** struct vhost_user_msg - One decoded message; @u by the request's shape */
struct vhost_user_msg {
	enum vhost_user_request request;
	bool need_reply;
	union {
		uint64_t u64;
		struct vhost_user_state state;
		struct vhost_user_addr addr;
		struct vhost_user_vring_fd fd;
		struct vhost_user_memory memory;
		struct vhost_user_config config;
	} u;
};

/** vhost_user_name() - "SET_MEM_TABLE", or "?" */
const char *vhost_user_name(enum vhost_user_request request);

/**
 * vhost_user_header_read() - Judge the header of a request
 *
 * Return: VHOST_USER_OK with @ret; VHOST_USER_SHORT; or the reason, @ret unchanged
 */
BB_MUST_USE enum vhost_user_result vhost_user_header_read(struct bb_span in,
							  struct vhost_user_header *ret);

/**
 * vhost_user_payload_read() - Decode what follows a judged header
 * @in:		exactly @h->size octets
 * @n_fds:	fds that came with the message
 *
 * Return: VHOST_USER_OK with @ret, or the reason, @ret unchanged
 */
BB_MUST_USE enum vhost_user_result vhost_user_payload_read(const struct vhost_user_header *h,
							   struct bb_span in, size_t n_fds,
							   struct vhost_user_msg *ret);

/**
 * vhost_user_request_write() - Encode a request (front end)
 * @out:	room for header and VHOST_USER_PAYLOAD_MAX
 *
 * Return: octets written
 */
size_t vhost_user_request_write(uint8_t *out, const struct vhost_user_msg *msg);

/**
 * vhost_user_reply_write() - Encode the answer to @msg->request (back end)
 * @shape:	U64, STATE or CONFIG
 *
 * Return: octets written
 */
size_t vhost_user_reply_write(uint8_t *out, const struct vhost_user_msg *msg,
			      enum vhost_user_shape shape);
#endif
