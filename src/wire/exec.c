/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/exec.h"
#include <assert.h>

const char *const exec_type_str[] = {
	[0] = "none",
	[EXEC_TYPE_EXEC] = "exec",
	[EXEC_TYPE_STDIN] = "stdin",
	[EXEC_TYPE_STDIN_EOF] = "stdin-eof",
	[EXEC_TYPE_STDOUT] = "stdout",
	[EXEC_TYPE_STDERR] = "stderr",
	[EXEC_TYPE_RESIZE] = "resize",
	[EXEC_TYPE_SIGNAL] = "signal",
	[EXEC_TYPE_EXIT] = "exit",
	[EXEC_TYPE_TAR_IN] = "tar-in",
	[EXEC_TYPE_TAR_OUT] = "tar-out",
	[EXEC_TYPE_PING] = "ping",
	[EXEC_TYPE_POWEROFF] = "poweroff",
};
static_assert(BB_ARRAY_LEN(exec_type_str) == EXEC_NUM_TYPES,
	      "exec_type_str[] doesn't match enum exec_type");

const char *const exec_result_str[] = {
	[EXEC_RESULT_OK] = "ok",
	[EXEC_RESULT_SHORT] = "short",
	[EXEC_RESULT_BAD_TYPE] = "unknown type",
	[EXEC_RESULT_BAD_SIDE] = "type from the wrong side",
	[EXEC_RESULT_BAD_LENGTH] = "bad length",
	[EXEC_RESULT_BAD_VALUE] = "bad value",
};
static_assert(BB_ARRAY_LEN(exec_result_str) == EXEC_NUM_RESULTS,
	      "exec_result_str[] doesn't match enum exec_result");

/* Who may send a type, and how long its payload may be */
struct rule {
	uint8_t sides;
	uint32_t min, max;
};
#define H EXEC_SIDE_HOST
#define G EXEC_SIDE_GUEST
static const struct rule rules[EXEC_NUM_TYPES] = {
	[EXEC_TYPE_EXEC] = { H, 2, EXEC_JSON_MAX },
	[EXEC_TYPE_STDIN] = { H, 1, EXEC_DATA_MAX },
	[EXEC_TYPE_STDIN_EOF] = { H, 0, 0 },
	[EXEC_TYPE_STDOUT] = { G, 1, EXEC_DATA_MAX },
	[EXEC_TYPE_STDERR] = { G, 1, EXEC_DATA_MAX },
	[EXEC_TYPE_RESIZE] = { H, EXEC_RESIZE_BYTES, EXEC_RESIZE_BYTES },
	[EXEC_TYPE_SIGNAL] = { H, EXEC_SIGNAL_BYTES, EXEC_SIGNAL_BYTES },
	[EXEC_TYPE_EXIT] = { G, EXEC_EXIT_BYTES, EXEC_EXIT_BYTES },
	[EXEC_TYPE_TAR_IN] = { H, 0, EXEC_DATA_MAX },
	[EXEC_TYPE_TAR_OUT] = { G, 0, EXEC_DATA_MAX },
	[EXEC_TYPE_PING] = { H | G, EXEC_PING_BYTES, EXEC_PING_BYTES },
	[EXEC_TYPE_POWEROFF] = { H, 0, 0 },
};

enum exec_result exec_header_read(struct bb_span in, enum exec_side from, enum exec_type *ret_type,
				  uint32_t *ret_len)
{
	const struct rule *rule;
	uint32_t len;

	if (in.len < EXEC_HEADER_BYTES)
		return EXEC_RESULT_SHORT;
	len = bb_get_be32(in.p);
	if (in.p[4] == 0 || in.p[4] >= EXEC_NUM_TYPES)
		return EXEC_RESULT_BAD_TYPE;
	rule = &rules[in.p[4]];
	if (!(rule->sides & (unsigned int)from))
		return EXEC_RESULT_BAD_SIDE;
	if (len < rule->min || len > rule->max)
		return EXEC_RESULT_BAD_LENGTH;
	*ret_type = (enum exec_type)in.p[4];
	*ret_len = len;
	return EXEC_RESULT_OK;
}

enum exec_result exec_frame_read(struct bb_span *in, enum exec_side from, struct exec_frame *ret)
{
	enum exec_type type;
	uint32_t len;
	enum exec_result r = exec_header_read(*in, from, &type, &len);

	if (r != EXEC_RESULT_OK)
		return r;
	if (in->len - EXEC_HEADER_BYTES < len)
		return EXEC_RESULT_SHORT;
	ret->type = type;
	ret->payload = (struct bb_span){ in->p + EXEC_HEADER_BYTES, len };
	in->p += EXEC_HEADER_BYTES + len;
	in->len -= EXEC_HEADER_BYTES + len;
	return EXEC_RESULT_OK;
}

void exec_header_write(uint8_t out[static EXEC_HEADER_BYTES], enum exec_type type, uint32_t len)
{
	BB_BUG_ON(type == 0 || type >= EXEC_NUM_TYPES);
	BB_BUG_ON(len < rules[type].min || len > rules[type].max);
	bb_put_be32(out, len);
	out[4] = (uint8_t)type;
}

void exec_resize_write(uint8_t out[static EXEC_RESIZE_BYTES], struct exec_winsize w)
{
	bb_put_be16(out, w.rows);
	bb_put_be16(out + 2, w.cols);
}

enum exec_result exec_resize_read(struct bb_span in, struct exec_winsize *ret)
{
	if (in.len != EXEC_RESIZE_BYTES)
		return EXEC_RESULT_BAD_VALUE;
	ret->rows = bb_get_be16(in.p);
	ret->cols = bb_get_be16(in.p + 2);
	return EXEC_RESULT_OK;
}

enum exec_result exec_signal_read(struct bb_span in, uint8_t *ret_signal)
{
	if (in.len != EXEC_SIGNAL_BYTES || in.p[0] < 1 || in.p[0] > 64)
		return EXEC_RESULT_BAD_VALUE;
	*ret_signal = in.p[0];
	return EXEC_RESULT_OK;
}

void exec_exit_write(uint8_t out[static EXEC_EXIT_BYTES], const struct exec_exit *e)
{
	out[0] = e->code;
	out[1] = e->signal;
	out[2] = e->oom ? 1 : 0;
}

enum exec_result exec_exit_read(struct bb_span in, struct exec_exit *ret)
{
	if (in.len != EXEC_EXIT_BYTES || in.p[1] > 64 || in.p[2] > 1)
		return EXEC_RESULT_BAD_VALUE;
	*ret = (struct exec_exit){ .code = in.p[0], .signal = in.p[1], .oom = in.p[2] == 1 };
	return EXEC_RESULT_OK;
}

void exec_ping_write(uint8_t out[static EXEC_PING_BYTES], uint64_t unix_us)
{
	bb_put_be32(out, (uint32_t)(unix_us >> 32));
	bb_put_be32(out + 4, (uint32_t)unix_us);
}

enum exec_result exec_ping_read(struct bb_span in, uint64_t *ret_unix_us)
{
	if (in.len != EXEC_PING_BYTES)
		return EXEC_RESULT_BAD_VALUE;
	*ret_unix_us = (uint64_t)bb_get_be32(in.p) << 32 | bb_get_be32(in.p + 4);
	return EXEC_RESULT_OK;
}
