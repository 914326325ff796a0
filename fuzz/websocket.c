/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/websocket.h"
#include "base/buf.h"

/*
 * First octet: role in the lowest bit, size of the pieces in the others. Invariants: cuts never
 * change the events or the result; what is written afresh is read back the same.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct bb_buf *to, const void *p, size_t len)
{
	BB_BUG_ON(bb_buf_add(to, p, len) != 0);
}

/* Marks that do not depend on how a payload is cut */
static void say(struct bb_buf *log, const struct ws_event *ev)
{
	const uint8_t head[3] = { (uint8_t)ev->opcode, (uint8_t)(ev->code >> 8),
				  (uint8_t)ev->code };
	bool control = ev->opcode >= WS_OP_CLOSE;

	if (control || ev->begin)
		add(log, head, sizeof(head));
	add(log, ev->payload.p, ev->payload.len);
	if (control || ev->end)
		add(log, ")", 1);
}

/* The event as frames of a client */
static void write_afresh(struct bb_buf *out, const struct ws_event *ev)
{
	static const uint8_t mask[WS_MASK_BYTES] = { 0x5a, 0x01, 0xff, 0x80 };
	uint8_t head[WS_HEAD_MAX], code[2];
	bool has_code = ev->code != 0;
	size_t n, at;

	if (ev->opcode >= WS_OP_CLOSE)
		ws_write_head(ev->opcode, true, ev->payload.len + (has_code ? 2 : 0), mask, head,
			      &n);
	else
		ws_write_piece_head(ev, mask, head, &n);
	add(out, head, n);
	at = out->len;
	bb_put_be16(code, ev->code);
	if (has_code)
		add(out, code, 2);
	add(out, ev->payload.p, ev->payload.len);
	ws_mask(out->p + at, out->len - at, mask, 0);
}

static enum ws_result run(enum ws_role role, const uint8_t *data, size_t size, size_t step,
			  struct bb_buf *log, struct bb_buf *afresh)
{
	bb_auto_free uint8_t *copy = malloc(size + 1);
	enum ws_result res = WS_MORE;
	struct ws_reader r;

	BB_BUG_ON(!copy);
	if (size)
		memcpy(copy, data, size);
	ws_reader_init(&r, role);
	for (size_t at = 0; at < size && res == WS_MORE;) {
		size_t n = size - at < step ? size - at : step, used;
		struct ws_event ev;

		while ((res = ws_reader_next(&r, copy + at, n, &used, &ev)) == WS_OK) {
			BB_BUG_ON(used > n);
			BB_BUG_ON(ev.opcode >= WS_OP_CLOSE && ev.payload.len > WS_CONTROL_MAX);
			say(log, &ev);
			if (afresh)
				write_afresh(afresh, &ev);
			at += used;
			n -= used;
		}
		BB_BUG_ON(res == WS_MORE && used != n);
		at += used;
	}
	return res;
}

static void same(const struct bb_buf *a, const struct bb_buf *b)
{
	BB_BUG_ON(a->len != b->len || (a->len && memcmp(a->p, b->p, a->len) != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bb_buf whole, cut, afresh, again;
	enum ws_result res, back;
	enum ws_role role;

	if (size == 0 || size > 65536)
		return 0;
	role = data[0] & 1 ? WS_FROM_SERVER : WS_FROM_CLIENT;
	bb_buf_init(&whole, 1u << 20);
	bb_buf_init(&cut, 1u << 20);
	bb_buf_init(&afresh, 1u << 21);
	bb_buf_init(&again, 1u << 20);
	res = run(role, data + 1, size - 1, size, &whole, NULL);
	BB_BUG_ON(run(role, data + 1, size - 1, 1 + (data[0] >> 1), &cut, &afresh) != res);
	same(&whole, &cut);
	back = run(WS_FROM_CLIENT, afresh.p, afresh.len, 7, &again, NULL);
	BB_BUG_ON(back != (res == WS_CLOSED ? WS_CLOSED : WS_MORE));
	same(&whole, &again);
	bb_buf_release(&whole);
	bb_buf_release(&cut);
	bb_buf_release(&afresh);
	bb_buf_release(&again);
	return 0;
}
