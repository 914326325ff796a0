/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_WEBSOCKET_H
#define BB_WIRE_WEBSOCKET_H
#include "base/base.h"

/**
 * DOC: websocket - frames of RFC 6455, read strictly and written afresh
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   fuzz/websocket.c; tests/unit/wire/websocket.c
 * Trust:     both sides are hostile; no extension is negotiated, so RSV bits are an error
 * Ownership: payload of data is borrowed from the input, which is unmasked in place; payload of
 *            control frames is borrowed from the reader until the next call
 * Limits:    control payloads WS_CONTROL_MAX; data of any length, in pieces as it comes
 * Source:    docs/protocol/websocket.md, RFC 6455
 */
#define WS_CONTROL_MAX  125
#define WS_HEAD_MAX     14
#define WS_MASK_BYTES   4
#define WS_KEY_CHARS    24
#define WS_ACCEPT_BYTES 29 /* 28 characters and NUL */
#define WS_GUID         "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_HASHED_BYTES (WS_KEY_CHARS + sizeof(WS_GUID) - 1)

/** enum ws_result - Outcome of reading; each error is final for its reader */
enum ws_result {
	WS_OK = 0,             /* an event was written */
	WS_MORE,               /* all input is used; more octets are needed */
	WS_CLOSED,             /* a close frame was read before; nothing after it is read */
	WS_BAD_RSV,            /* 5.2: a reserved bit without an extension */
	WS_BAD_OPCODE,         /* 5.2: 3 to 7, 11 to 15 */
	WS_BAD_MASK,           /* 5.1: a client's frame unmasked, or a server's masked */
	WS_BAD_LENGTH,         /* 5.2: not the shortest form, or over 2^63-1 */
	WS_CONTROL_TOO_LONG,   /* 5.5: over 125 octets */
	WS_CONTROL_FRAGMENTED, /* 5.5: FIN is not set */
	WS_BAD_CONTINUATION,   /* 5.4: without a message, or a new message inside another */
	WS_BAD_CLOSE,          /* 5.5.1, 7.4: one octet, or a code that is never sent */
	WS_BAD_UTF8,           /* 8.1: in a text message or a close reason */

	WS_NUM_RESULTS,
};
extern const char *const ws_result_str[WS_NUM_RESULTS];

/** enum ws_opcode - Low four bits of a frame's first octet */
enum ws_opcode {
	WS_OP_CONTINUATION = 0,
	WS_OP_TEXT = 1,
	WS_OP_BINARY = 2,
	WS_OP_CLOSE = 8,
	WS_OP_PING = 9,
	WS_OP_PONG = 10,
};

/** enum ws_role - Who wrote the frames */
enum ws_role {
	WS_FROM_CLIENT, /* every frame is masked */
	WS_FROM_SERVER, /* no frame is masked */
};

/**
 * struct ws_event - A control frame, or a piece of a data frame
 * @opcode:	TEXT or BINARY (also of continuation frames), CLOSE, PING, PONG
 * @begin:	Data: first piece of its message
 * @frame_end:	Data: last piece of its frame
 * @end:	Data: last piece of its message
 * @code:	Close: status code, 0 when the payload is empty
 * @payload:	Unmasked; of a close the reason without the code
 *
 * Only a data frame without payload gives an empty piece. Control frames stand between the pieces
 * of a message, never inside a frame.
 */
struct ws_event {
	enum ws_opcode opcode;
	bool begin, frame_end, end;
	uint16_t code;
	struct bb_span payload;
};

/** struct ws_utf8 - Between two octets of a text: octets still due, range of the next one */
struct ws_utf8 {
	uint8_t due, lo, hi;
};

/** struct ws_reader - State of one direction; the fields are the reader's own */
struct ws_reader {
	enum ws_role role;
	enum ws_result over; /* WS_OK until the direction has ended */
	enum ws_opcode message;
	bool in_message, begun, in_payload;
	struct ws_utf8 utf8;
	uint64_t left;    /* payload octets of the frame still to come */
	uint8_t phase;    /* which octet of the mask is next */
	uint8_t head_len; /* octets of @head that are there */
	uint8_t control_len;
	uint8_t head[WS_HEAD_MAX];
	uint8_t control[WS_CONTROL_MAX];
};

/** ws_reader_init() - Ready for the first octet after the handshake */
void ws_reader_init(struct ws_reader *r, enum ws_role role);

/**
 * ws_reader_next() - Read up to the next event
 * @in:		Next octets of the direction; payload among the used ones is unmasked in place
 * @len:	Octets at @in
 * @ret_used:	Octets to drop before the next call; written always
 * @ret:	Written on WS_OK
 *
 * Where the input is cut changes only how data is cut into pieces: what precedes the octet that
 * breaks a rule is always delivered. A frame without payload may be complete at the end of input,
 * so call until WS_MORE.
 *
 * Return: WS_OK, WS_MORE, WS_CLOSED, or the rule that was broken (again on each later call)
 */
BB_MUST_USE enum ws_result ws_reader_next(struct ws_reader *r, uint8_t *in, size_t len,
					  size_t *ret_used, struct ws_event *ret);

/** ws_reader_is_between() - Between two frames, outside a message, so that an end is no cut? */
bool ws_reader_is_between(const struct ws_reader *r);

/** ws_close_code() - Status to close with after @result: 1007 for text, else 1002 (7.4.1) */
uint16_t ws_close_code(enum ws_result result);

/**
 * ws_write_head() - Head of a frame, its length in the shortest form
 * @length:	Payload octets, at most 2^63-1; control frames 125 with @fin (BB_BUG_ON)
 * @mask:	Key that the payload is masked with, or NULL
 * @ret_len:	Octets written, 2 to WS_HEAD_MAX
 */
void ws_write_head(enum ws_opcode opcode, bool fin, uint64_t length, const uint8_t *mask,
		   uint8_t out[static WS_HEAD_MAX], size_t *ret_len);

/**
 * ws_write_piece_head() - Head to send a data event on as a frame of its own
 * @ev:		Data event; its first piece keeps the opcode, later ones are continuations
 * @mask, @out, @ret_len: As for ws_write_head()
 */
void ws_write_piece_head(const struct ws_event *ev, const uint8_t *mask,
			 uint8_t out[static WS_HEAD_MAX], size_t *ret_len);

/**
 * ws_mask() - Mask or unmask in place (5.3)
 * @phase:	Octets of the frame's payload before @p; only the low two bits count
 */
void ws_mask(uint8_t *p, size_t len, const uint8_t mask[static WS_MASK_BYTES], uint64_t phase);

/** ws_key_is_ok() - Is a Sec-WebSocket-Key the base64 of 16 octets, in its one spelling (4.1)? */
bool ws_key_is_ok(struct bb_span key);

/** ws_accept_input() - What is hashed with SHA-1 for the answer to a key that is ok (4.2.2) */
void ws_accept_input(struct bb_span key, uint8_t out[static WS_HASHED_BYTES]);

/** ws_accept_text() - Sec-WebSocket-Accept of that hash, NUL-terminated */
void ws_accept_text(const uint8_t sha1[static 20], char out[static WS_ACCEPT_BYTES]);
#endif
