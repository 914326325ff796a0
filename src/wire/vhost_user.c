/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vhost_user.h"
#include "wire/le.h"
#include <assert.h>

const char *const vhost_user_result_str[] = {
	[VHOST_USER_OK] = "ok",
	[VHOST_USER_SHORT] = "short",
	[VHOST_USER_BAD_REQUEST] = "unknown request",
	[VHOST_USER_BAD_FLAGS] = "bad flags",
	[VHOST_USER_BAD_LENGTH] = "bad size",
	[VHOST_USER_BAD_FDS] = "bad number of fds",
	[VHOST_USER_BAD_VALUE] = "field out of range",
};
static_assert(BB_ARRAY_LEN(vhost_user_result_str) == VHOST_USER_NUM_RESULTS,
	      "vhost_user_result_str[] doesn't match enum vhost_user_result");

#define FLAG_VERSION    1u /* bits 0 and 1 */
#define FLAG_REPLY      4u
#define FLAG_NEED_REPLY 8u

#define REGION_BYTES        32u
#define MEMORY_HEADER_BYTES 8u
#define CONFIG_HEADER_BYTES 12u
#define FD_NONE             0x100u /* bit 8 of a kick, call or error message */

/* What each request looks like; one row per request that we serve */
struct row {
	enum vhost_user_request request;
	enum vhost_user_shape shape;
	const char *name;
};

static const struct row rows[] = {
	{ VHOST_USER_GET_FEATURES, VHOST_USER_SHAPE_NONE, "GET_FEATURES" },
	{ VHOST_USER_SET_FEATURES, VHOST_USER_SHAPE_U64, "SET_FEATURES" },
	{ VHOST_USER_SET_OWNER, VHOST_USER_SHAPE_NONE, "SET_OWNER" },
	{ VHOST_USER_RESET_OWNER, VHOST_USER_SHAPE_NONE, "RESET_OWNER" },
	{ VHOST_USER_SET_MEM_TABLE, VHOST_USER_SHAPE_MEMORY, "SET_MEM_TABLE" },
	{ VHOST_USER_SET_VRING_NUM, VHOST_USER_SHAPE_STATE, "SET_VRING_NUM" },
	{ VHOST_USER_SET_VRING_ADDR, VHOST_USER_SHAPE_ADDR, "SET_VRING_ADDR" },
	{ VHOST_USER_SET_VRING_BASE, VHOST_USER_SHAPE_STATE, "SET_VRING_BASE" },
	{ VHOST_USER_GET_VRING_BASE, VHOST_USER_SHAPE_STATE, "GET_VRING_BASE" },
	{ VHOST_USER_SET_VRING_KICK, VHOST_USER_SHAPE_FD, "SET_VRING_KICK" },
	{ VHOST_USER_SET_VRING_CALL, VHOST_USER_SHAPE_FD, "SET_VRING_CALL" },
	{ VHOST_USER_SET_VRING_ERR, VHOST_USER_SHAPE_FD, "SET_VRING_ERR" },
	{ VHOST_USER_GET_PROTOCOL_FEATURES, VHOST_USER_SHAPE_NONE, "GET_PROTOCOL_FEATURES" },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_USER_SHAPE_U64, "SET_PROTOCOL_FEATURES" },
	{ VHOST_USER_SET_VRING_ENABLE, VHOST_USER_SHAPE_STATE, "SET_VRING_ENABLE" },
	{ VHOST_USER_GET_CONFIG, VHOST_USER_SHAPE_CONFIG, "GET_CONFIG" },
	{ VHOST_USER_SET_CONFIG, VHOST_USER_SHAPE_CONFIG, "SET_CONFIG" },
};

static const struct row *find(uint32_t request)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++)
		if ((uint32_t)rows[i].request == request)
			return &rows[i];
	return NULL;
}

const char *vhost_user_name(enum vhost_user_request request)
{
	const struct row *row = find(request);

	return row ? row->name : "?";
}

static bool size_fits(enum vhost_user_shape shape, uint32_t size)
{
	switch (shape) {
	case VHOST_USER_SHAPE_NONE:
		return size == 0;
	case VHOST_USER_SHAPE_U64:
	case VHOST_USER_SHAPE_STATE:
	case VHOST_USER_SHAPE_FD:
		return size == 8;
	case VHOST_USER_SHAPE_ADDR:
		return size == 40;
	case VHOST_USER_SHAPE_MEMORY:
		/* the table may be sent at its full size with fewer regions in it */
		return size >= MEMORY_HEADER_BYTES && size <= VHOST_USER_PAYLOAD_MAX &&
		       (size - MEMORY_HEADER_BYTES) % REGION_BYTES == 0;
	case VHOST_USER_SHAPE_CONFIG:
		return size >= CONFIG_HEADER_BYTES && size <= VHOST_USER_PAYLOAD_MAX;
	case VHOST_USER_NUM_SHAPES:
		break;
	}
	return false;
}

enum vhost_user_result vhost_user_header_read(struct bb_span in, struct vhost_user_header *ret)
{
	const struct row *row;
	uint32_t flags, size;

	if (in.len < VHOST_USER_HEADER_BYTES)
		return VHOST_USER_SHORT;
	row = find(le_get32(in.p));
	flags = le_get32(in.p + 4);
	size = le_get32(in.p + 8);
	if (!row)
		return VHOST_USER_BAD_REQUEST;
	if ((flags & ~FLAG_NEED_REPLY) != FLAG_VERSION)
		return VHOST_USER_BAD_FLAGS;
	if (!size_fits(row->shape, size))
		return VHOST_USER_BAD_LENGTH;
	*ret = (struct vhost_user_header){ row->request, flags & FLAG_NEED_REPLY, size };
	return VHOST_USER_OK;
}

static enum vhost_user_result memory_read(struct bb_span in, size_t n_fds,
					  struct vhost_user_memory *ret)
{
	ret->n = le_get32(in.p);
	if (ret->n == 0 || ret->n > VHOST_USER_REGIONS_MAX ||
	    in.len < MEMORY_HEADER_BYTES + ret->n * REGION_BYTES)
		return VHOST_USER_BAD_VALUE;
	if (n_fds != ret->n)
		return VHOST_USER_BAD_FDS;
	for (size_t i = 0; i < ret->n; i++) {
		const uint8_t *p = in.p + MEMORY_HEADER_BYTES + i * REGION_BYTES;

		ret->regions[i] = (struct vhost_user_region){ le_get64(p), le_get64(p + 8),
							      le_get64(p + 16), le_get64(p + 24) };
	}
	return VHOST_USER_OK;
}

static enum vhost_user_result config_read(struct bb_span in, struct vhost_user_config *ret)
{
	ret->offset = le_get32(in.p);
	ret->size = le_get32(in.p + 4);
	ret->flags = le_get32(in.p + 8);
	if (ret->size != in.len - CONFIG_HEADER_BYTES || ret->offset > VHOST_USER_CONFIG_MAX ||
	    ret->size > VHOST_USER_CONFIG_MAX - ret->offset)
		return VHOST_USER_BAD_VALUE;
	memset(ret->data, 0, sizeof(ret->data));
	memcpy(ret->data, in.p + CONFIG_HEADER_BYTES, ret->size);
	return VHOST_USER_OK;
}

static enum vhost_user_result vring_fd_read(struct bb_span in, size_t n_fds,
					    struct vhost_user_vring_fd *ret)
{
	uint64_t v = le_get64(in.p);

	if (v & ~(uint64_t)(0xff | FD_NONE))
		return VHOST_USER_BAD_VALUE;
	ret->index = (uint32_t)(v & 0xff);
	ret->has_fd = !(v & FD_NONE);
	if (ret->index >= VHOST_USER_QUEUES)
		return VHOST_USER_BAD_VALUE;
	return n_fds == (ret->has_fd ? 1 : 0) ? VHOST_USER_OK : VHOST_USER_BAD_FDS;
}

static enum vhost_user_result addr_read(struct bb_span in, struct vhost_user_addr *ret)
{
	*ret = (struct vhost_user_addr){ le_get32(in.p),      le_get32(in.p + 4),
					 le_get64(in.p + 8),  le_get64(in.p + 16),
					 le_get64(in.p + 24), le_get64(in.p + 32) };
	/* flag 0 asks for a log of dirty pages, for migration: we offered none */
	return ret->index < VHOST_USER_QUEUES && ret->flags == 0 ? VHOST_USER_OK
								 : VHOST_USER_BAD_VALUE;
}

/* The shapes that never have fds */
static enum vhost_user_result plain_read(enum vhost_user_shape shape, struct bb_span in,
					 struct vhost_user_msg *msg)
{
	switch (shape) {
	case VHOST_USER_SHAPE_U64:
		msg->u.u64 = le_get64(in.p);
		return VHOST_USER_OK;
	case VHOST_USER_SHAPE_STATE:
		msg->u.state = (struct vhost_user_state){ le_get32(in.p), le_get32(in.p + 4) };
		return msg->u.state.index < VHOST_USER_QUEUES ? VHOST_USER_OK
							      : VHOST_USER_BAD_VALUE;
	case VHOST_USER_SHAPE_ADDR:
		return addr_read(in, &msg->u.addr);
	case VHOST_USER_SHAPE_CONFIG:
		return config_read(in, &msg->u.config);
	case VHOST_USER_SHAPE_NONE:
	case VHOST_USER_SHAPE_FD:
	case VHOST_USER_SHAPE_MEMORY:
	case VHOST_USER_NUM_SHAPES:
		break;
	}
	return VHOST_USER_OK;
}

enum vhost_user_result vhost_user_payload_read(const struct vhost_user_header *h, struct bb_span in,
					       size_t n_fds, struct vhost_user_msg *ret)
{
	struct vhost_user_msg msg = { .request = h->request, .need_reply = h->need_reply };
	const struct row *row = find(h->request);
	enum vhost_user_result r;

	if (!row || in.len != h->size || !size_fits(row->shape, h->size))
		return VHOST_USER_BAD_LENGTH;
	if (row->shape == VHOST_USER_SHAPE_MEMORY)
		r = memory_read(in, n_fds, &msg.u.memory);
	else if (row->shape == VHOST_USER_SHAPE_FD)
		r = vring_fd_read(in, n_fds, &msg.u.fd);
	else
		r = n_fds == 0 ? plain_read(row->shape, in, &msg) : VHOST_USER_BAD_FDS;
	if (r == VHOST_USER_OK)
		*ret = msg;
	return r;
}

static uint32_t memory_write(uint8_t *p, const struct vhost_user_memory *m)
{
	le_put32(p, m->n);
	le_put32(p + 4, 0);
	for (size_t i = 0; i < m->n; i++) {
		uint8_t *q = p + MEMORY_HEADER_BYTES + i * REGION_BYTES;

		le_put64(q, m->regions[i].guest);
		le_put64(q + 8, m->regions[i].bytes);
		le_put64(q + 16, m->regions[i].user);
		le_put64(q + 24, m->regions[i].offset);
	}
	return MEMORY_HEADER_BYTES + m->n * REGION_BYTES;
}

static uint32_t addr_write(uint8_t *p, const struct vhost_user_addr *a)
{
	le_put32(p, a->index);
	le_put32(p + 4, a->flags);
	le_put64(p + 8, a->desc);
	le_put64(p + 16, a->used);
	le_put64(p + 24, a->avail);
	le_put64(p + 32, a->log);
	return 40;
}

static uint32_t payload_write(uint8_t *p, const struct vhost_user_msg *msg,
			      enum vhost_user_shape shape)
{
	switch (shape) {
	case VHOST_USER_SHAPE_U64:
		le_put64(p, msg->u.u64);
		return 8;
	case VHOST_USER_SHAPE_STATE:
		le_put32(p, msg->u.state.index);
		le_put32(p + 4, msg->u.state.num);
		return 8;
	case VHOST_USER_SHAPE_FD:
		le_put64(p, msg->u.fd.index | (msg->u.fd.has_fd ? 0 : FD_NONE));
		return 8;
	case VHOST_USER_SHAPE_ADDR:
		return addr_write(p, &msg->u.addr);
	case VHOST_USER_SHAPE_MEMORY:
		return memory_write(p, &msg->u.memory);
	case VHOST_USER_SHAPE_CONFIG:
		BB_BUG_ON(msg->u.config.size > VHOST_USER_CONFIG_MAX);
		le_put32(p, msg->u.config.offset);
		le_put32(p + 4, msg->u.config.size);
		le_put32(p + 8, msg->u.config.flags);
		memcpy(p + CONFIG_HEADER_BYTES, msg->u.config.data, msg->u.config.size);
		return CONFIG_HEADER_BYTES + msg->u.config.size;
	case VHOST_USER_SHAPE_NONE:
	case VHOST_USER_NUM_SHAPES:
		break;
	}
	return 0;
}

static size_t message_write(uint8_t *out, const struct vhost_user_msg *msg,
			    enum vhost_user_shape shape, uint32_t flags)
{
	uint32_t size = payload_write(out + VHOST_USER_HEADER_BYTES, msg, shape);

	le_put32(out, msg->request);
	le_put32(out + 4, FLAG_VERSION | flags);
	le_put32(out + 8, size);
	return VHOST_USER_HEADER_BYTES + size;
}

size_t vhost_user_request_write(uint8_t *out, const struct vhost_user_msg *msg)
{
	const struct row *row = find(msg->request);

	BB_BUG_ON(!row);
	return message_write(out, msg, row->shape, msg->need_reply ? FLAG_NEED_REPLY : 0);
}

size_t vhost_user_reply_write(uint8_t *out, const struct vhost_user_msg *msg,
			      enum vhost_user_shape shape)
{
	return message_write(out, msg, shape, FLAG_REPLY);
}
