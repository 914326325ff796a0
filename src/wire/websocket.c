/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/websocket.h"
#include <assert.h>

const char *const ws_result_str[] = {
	[WS_OK] = "ok",
	[WS_MORE] = "more",
	[WS_CLOSED] = "closed",
	[WS_BAD_RSV] = "reserved bit",
	[WS_BAD_OPCODE] = "unknown opcode",
	[WS_BAD_MASK] = "wrongly masked",
	[WS_BAD_LENGTH] = "bad length",
	[WS_CONTROL_TOO_LONG] = "control frame too long",
	[WS_CONTROL_FRAGMENTED] = "control frame in fragments",
	[WS_BAD_CONTINUATION] = "bad continuation",
	[WS_BAD_CLOSE] = "bad close",
	[WS_BAD_UTF8] = "bad UTF-8",
};
static_assert(BB_ARRAY_LEN(ws_result_str) == WS_NUM_RESULTS,
	      "ws_result_str[] doesn't match enum ws_result");

#define FIN  0x80u
#define RSV  0x70u
#define MASK 0x80u

static bool is_control(unsigned int opcode)
{
	return opcode & 8;
}

/* One octet of a text (RFC 3629, 4: no overlong form, no surrogate, nothing over U+10FFFF) */
static bool utf8_step(struct ws_utf8 *u, uint8_t c)
{
	if (u->due > 0) {
		if (c < u->lo || c > u->hi)
			return false;
		*u = (struct ws_utf8){ (uint8_t)(u->due - 1), 0x80, 0xbf };
		return true;
	}
	if (c < 0x80)
		return true;
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->due = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	u->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

/* How many octets are good; @end: the text must be whole after the last one */
static size_t utf8_good(struct ws_utf8 *u, const uint8_t *p, size_t len, bool end)
{
	for (size_t i = 0; i < len; i++)
		if (!utf8_step(u, p[i]) || (end && i + 1 == len && u->due > 0))
			return i;
	return len;
}

void ws_reader_init(struct ws_reader *r, enum ws_role role)
{
	*r = (struct ws_reader){ .role = role };
}

bool ws_reader_is_between(const struct ws_reader *r)
{
	return r->head_len == 0 && !r->in_message;
}

static enum ws_result judge_first(const struct ws_reader *r)
{
	unsigned int opcode = r->head[0] & 0x0fu;

	if (r->head[0] & RSV)
		return WS_BAD_RSV;
	if ((opcode & 7) > 2)
		return WS_BAD_OPCODE;
	if (is_control(opcode))
		return r->head[0] & FIN ? WS_OK : WS_CONTROL_FRAGMENTED;
	return (opcode == WS_OP_CONTINUATION) == r->in_message ? WS_OK : WS_BAD_CONTINUATION;
}

static enum ws_result judge_second(const struct ws_reader *r)
{
	if (!(r->head[1] & MASK) != (r->role == WS_FROM_SERVER))
		return WS_BAD_MASK;
	if (is_control(r->head[0] & 0x0fu) && (r->head[1] & 0x7fu) > WS_CONTROL_MAX)
		return WS_CONTROL_TOO_LONG;
	return WS_OK;
}

/* Octets of the length after the second octet */
static size_t length_bytes(const struct ws_reader *r)
{
	unsigned int short_form = r->head[1] & 0x7fu;

	return short_form == 127 ? 8 : short_form == 126 ? 2 : 0;
}

static size_t head_bytes(const struct ws_reader *r)
{
	return 2 + length_bytes(r) + (r->head[1] & MASK ? WS_MASK_BYTES : 0);
}

static enum ws_result read_length(struct ws_reader *r)
{
	switch (length_bytes(r)) {
	case 0:
		r->left = r->head[1] & 0x7fu;
		return WS_OK;
	case 2:
		r->left = bb_get_be16(r->head + 2);
		return r->left < 126 ? WS_BAD_LENGTH : WS_OK;
	default:
		r->left = (uint64_t)bb_get_be32(r->head + 2) << 32 | bb_get_be32(r->head + 6);
		return r->left <= UINT16_MAX || r->left > INT64_MAX ? WS_BAD_LENGTH : WS_OK;
	}
}

/* One more octet of the head; each rule is judged at the first octet that can break it */
static enum ws_result head_octet(struct ws_reader *r, uint8_t c)
{
	enum ws_result res = WS_OK;

	r->head[r->head_len++] = c;
	if (r->head_len == 1)
		return judge_first(r);
	if (r->head_len == 2)
		res = judge_second(r);
	if (res == WS_OK && r->head_len == 2 + length_bytes(r))
		res = read_length(r);
	if (res != WS_OK || r->head_len < head_bytes(r))
		return res;
	r->in_payload = true;
	r->phase = 0;
	r->control_len = 0;
	if (!r->in_message && !is_control(r->head[0] & 0x0fu)) {
		r->message = (enum ws_opcode)(r->head[0] & 0x0fu);
		r->in_message = true;
		r->begun = false;
		r->utf8 = (struct ws_utf8){ 0 };
	}
	return WS_OK;
}

static void unmask(struct ws_reader *r, uint8_t *p, size_t len)
{
	if (r->role == WS_FROM_CLIENT)
		ws_mask(p, len, r->head + 2 + length_bytes(r), r->phase);
	r->phase = (uint8_t)((r->phase + len) & 3);
}

static void frame_done(struct ws_reader *r)
{
	r->head_len = 0;
	r->in_payload = false;
}

/* RFC 6455, 7.4.1 and 7.4.2, and the registry's 1012 to 1014: codes that may be on the wire */
static bool close_code_is_ok(uint16_t code)
{
	if (code >= 1000 && code <= 1014)
		return code < 1004 || code > 1006;
	return code >= 3000 && code <= 4999;
}

static enum ws_result read_close(struct ws_reader *r, struct ws_event *ret)
{
	struct ws_utf8 u = { 0 };
	uint16_t code;
	size_t n;

	if (r->control_len == 0) {
		r->over = WS_CLOSED;
		return WS_OK;
	}
	if (r->control_len == 1)
		return WS_BAD_CLOSE;
	code = bb_get_be16(r->control);
	n = r->control_len - 2u;
	if (!close_code_is_ok(code))
		return WS_BAD_CLOSE;
	if (utf8_good(&u, r->control + 2, n, true) != n)
		return WS_BAD_UTF8;
	ret->code = code;
	ret->payload = (struct bb_span){ r->control + 2, n };
	r->over = WS_CLOSED;
	return WS_OK;
}

/* Collects a control frame's payload; the event when it is whole */
static enum ws_result take_control(struct ws_reader *r, const uint8_t *in, size_t len,
				   size_t *ret_used, struct ws_event *ret)
{
	size_t n = len < r->left ? len : (size_t)r->left;
	struct ws_event ev;

	if (n > 0) {
		memcpy(r->control + r->control_len, in, n);
		unmask(r, r->control + r->control_len, n);
	}
	r->control_len = (uint8_t)(r->control_len + n);
	r->left -= n;
	*ret_used += n;
	if (r->left > 0)
		return WS_MORE;
	ev = (struct ws_event){ .opcode = (enum ws_opcode)(r->head[0] & 0x0fu),
				.payload = { r->control, r->control_len } };
	frame_done(r);
	if (ev.opcode == WS_OP_CLOSE) {
		enum ws_result res = read_close(r, &ev);

		if (res != WS_OK)
			return res;
	}
	*ret = ev;
	return WS_OK;
}

/* Delivers what is there of a data frame's payload */
static enum ws_result take_data(struct ws_reader *r, uint8_t *in, size_t len, size_t *ret_used,
				struct ws_event *ret)
{
	size_t n = len < r->left ? len : (size_t)r->left, good = n;
	bool frame_end = n == r->left, end = frame_end && r->head[0] & FIN;

	if (n == 0 && !frame_end)
		return WS_MORE;
	if (n > 0)
		unmask(r, in, n);
	if (r->message == WS_OP_TEXT) {
		good = utf8_good(&r->utf8, in, n, end);
		if (good < n || (n == 0 && end && r->utf8.due > 0)) {
			r->over = WS_BAD_UTF8;
			frame_end = end = false;
			if (good == 0)
				return WS_BAD_UTF8;
		}
	}
	*ret = (struct ws_event){ .opcode = r->message,
				  .begin = !r->begun,
				  .frame_end = frame_end,
				  .end = end,
				  .payload = { in, good } };
	r->begun = true;
	r->left -= good;
	*ret_used += good;
	if (frame_end)
		frame_done(r);
	if (end)
		r->in_message = false;
	return WS_OK;
}

enum ws_result ws_reader_next(struct ws_reader *r, uint8_t *in, size_t len, size_t *ret_used,
			      struct ws_event *ret)
{
	enum ws_result res = r->over;

	*ret_used = 0;
	if (res != WS_OK)
		return res;
	while (res == WS_OK && !r->in_payload) {
		if (*ret_used == len)
			return WS_MORE;
		res = head_octet(r, in[(*ret_used)++]);
	}
	if (res == WS_OK) {
		size_t at = *ret_used;
		/* an empty input may be NULL */
		uint8_t *p = in ? in + at : NULL;

		res = is_control(r->head[0] & 0x0fu) ? take_control(r, p, len - at, ret_used, ret)
						     : take_data(r, p, len - at, ret_used, ret);
	}
	if (res != WS_OK && res != WS_MORE)
		r->over = res;
	return res;
}

uint16_t ws_close_code(enum ws_result result)
{
	return result == WS_BAD_UTF8 ? 1007 : 1002;
}

void ws_write_head(enum ws_opcode opcode, bool fin, uint64_t length, const uint8_t *mask,
		   uint8_t out[static WS_HEAD_MAX], size_t *ret_len)
{
	size_t n = 2;

	BB_BUG_ON(length > INT64_MAX);
	BB_BUG_ON(is_control(opcode) && (!fin || length > WS_CONTROL_MAX));
	out[0] = (uint8_t)((fin ? FIN : 0) | (unsigned int)opcode);
	if (length < 126) {
		out[1] = (uint8_t)length;
	} else if (length <= UINT16_MAX) {
		out[1] = 126;
		bb_put_be16(out + 2, (uint16_t)length);
		n += 2;
	} else {
		out[1] = 127;
		bb_put_be32(out + 2, (uint32_t)(length >> 32));
		bb_put_be32(out + 6, (uint32_t)length);
		n += 8;
	}
	if (mask) {
		out[1] |= MASK;
		memcpy(out + n, mask, WS_MASK_BYTES);
		n += WS_MASK_BYTES;
	}
	*ret_len = n;
}

void ws_write_piece_head(const struct ws_event *ev, const uint8_t *mask,
			 uint8_t out[static WS_HEAD_MAX], size_t *ret_len)
{
	BB_BUG_ON(is_control(ev->opcode));
	ws_write_head(ev->begin ? ev->opcode : WS_OP_CONTINUATION, ev->end, ev->payload.len, mask,
		      out, ret_len);
}

void ws_mask(uint8_t *p, size_t len, const uint8_t mask[static WS_MASK_BYTES], uint64_t phase)
{
	for (size_t i = 0; i < len; i++)
		p[i] ^= mask[(phase + i) & 3];
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool ws_key_is_ok(struct bb_span key)
{
	if (key.len != WS_KEY_CHARS || key.p[22] != '=' || key.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!memchr(base64, key.p[i], 64))
			return false;
	/* 22 characters are 132 bits: the last four say nothing and are zero */
	return memchr("AQgw", key.p[21], 4) != NULL;
}

void ws_accept_input(struct bb_span key, uint8_t out[static WS_HASHED_BYTES])
{
	BB_BUG_ON(key.len != WS_KEY_CHARS);
	memcpy(out, key.p, WS_KEY_CHARS);
	memcpy(out + WS_KEY_CHARS, WS_GUID, sizeof(WS_GUID) - 1);
}

void ws_accept_text(const uint8_t sha1[static 20], char out[static WS_ACCEPT_BYTES])
{
	for (size_t i = 0, o = 0; i < 20; i += 3, o += 4) {
		uint32_t v = (uint32_t)sha1[i] << 16 | (uint32_t)sha1[i + 1] << 8;

		if (i + 2 < 20)
			v |= sha1[i + 2];
		for (unsigned int k = 0; k < 4; k++)
			out[o + k] = base64[v >> (18 - 6 * k) & 63];
	}
	out[27] = '='; /* 20 octets leave two in the last group */
	out[28] = '\0';
}
