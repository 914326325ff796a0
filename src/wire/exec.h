/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_EXEC_H
#define BB_WIRE_EXEC_H
#include "base/base.h"

/**
 * DOC: exec - frames between the host and the guest's exec agent (vsock port 5000)
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   guest exec agent, porter, cli; fuzz/exec.c; tests/unit/wire/exec.c
 * Trust:     what comes from the guest is hostile; payloads of STDOUT, STDERR and TAR_OUT are
 *            opaque octets
 * Ownership: borrows everything for the call
 * Limits:    EXEC_JSON_MAX for EXEC, EXEC_DATA_MAX for streams, exact lengths for the rest
 * Source:    docs/protocol/exec.md
 */
#define EXEC_HEADER_BYTES 5
#define EXEC_JSON_MAX     (1u << 20)
#define EXEC_DATA_MAX     65536u

/** enum exec_type - Fifth octet of a frame. H = sent by the host, G = sent by the guest */
enum exec_type {
	EXEC_TYPE_EXEC = 1,      /* H: JSON, first frame of a session; docs/protocol/exec.md */
	EXEC_TYPE_STDIN = 2,     /* H: 1..EXEC_DATA_MAX octets */
	EXEC_TYPE_STDIN_EOF = 3, /* H: empty */
	EXEC_TYPE_STDOUT = 4,    /* G: 1..EXEC_DATA_MAX octets; a pty's output is STDOUT */
	EXEC_TYPE_STDERR = 5,    /* G: 1..EXEC_DATA_MAX octets */
	EXEC_TYPE_RESIZE = 6,    /* H: rows u16, cols u16 */
	EXEC_TYPE_SIGNAL = 7,    /* H: number u8, 1..64 */
	EXEC_TYPE_EXIT = 8,      /* G: struct exec_exit, last frame of a session */
	EXEC_TYPE_TAR_IN = 9,    /* H: archive octets; empty = end of archive */
	EXEC_TYPE_TAR_OUT = 10,  /* G: archive octets; empty = end of archive */
	EXEC_TYPE_PING = 11, /* H: host's time, u64 µs since 1970; G: the guest's, before a step */
	EXEC_TYPE_POWEROFF = 12, /* H: empty; the guest syncs and switches itself off */

	EXEC_NUM_TYPES,
};
extern const char *const exec_type_str[EXEC_NUM_TYPES];

/** enum exec_side - Who wrote a frame */
enum exec_side {
	EXEC_SIDE_HOST = 1,
	EXEC_SIDE_GUEST = 2,
};

/** enum exec_result - Outcome of reading */
enum exec_result {
	EXEC_RESULT_OK = 0,
	EXEC_RESULT_SHORT, /* more octets are needed; not an error before EOF */
	EXEC_RESULT_BAD_TYPE,
	EXEC_RESULT_BAD_SIDE, /* a type that this side never sends */
	EXEC_RESULT_BAD_LENGTH,
	EXEC_RESULT_BAD_VALUE,

	EXEC_NUM_RESULTS,
};
extern const char *const exec_result_str[EXEC_NUM_RESULTS];

/**
 * struct exec_frame - One frame
 * @type:	What it is
 * @payload:	Borrowed from the input
 */
struct exec_frame {
	enum exec_type type;
	struct bb_span payload;
};

/**
 * struct exec_exit - How a session ended
 * @code:	Exit status when @signal is 0 (126 not executable, 127 not found)
 * @signal:	Signal that ended it, or 0
 * @oom:	The guest kernel's OOM killer did it
 */
struct exec_exit {
	uint8_t code;
	uint8_t signal;
	bool oom;
};

/** struct exec_winsize - Terminal size */
struct exec_winsize {
	uint16_t rows, cols;
};

/**
 * exec_header_read() - Judge a frame's five octets before its payload is there
 * @from:	Who wrote it
 * @ret_len:	Payload octets that follow, within the limit of the type
 *
 * Return: EXEC_RESULT_OK with @ret_type and @ret_len written, EXEC_RESULT_SHORT, or the reason
 */
BB_MUST_USE enum exec_result exec_header_read(struct bb_span in, enum exec_side from,
					      enum exec_type *ret_type, uint32_t *ret_len);

/**
 * exec_frame_read() - Take one whole frame off the front of @in
 * @in:		Advanced past the frame on EXEC_RESULT_OK, else unchanged
 * @from:	Who wrote it
 * @ret:	Written on EXEC_RESULT_OK; payload borrowed from @in
 */
BB_MUST_USE enum exec_result exec_frame_read(struct bb_span *in, enum exec_side from,
					     struct exec_frame *ret);

/** exec_header_write() - Header for @len octets of payload (BB_BUG_ON over the type's limit) */
void exec_header_write(uint8_t out[static EXEC_HEADER_BYTES], enum exec_type type, uint32_t len);

/* Payloads with a fixed form. Readers return EXEC_RESULT_OK or EXEC_RESULT_BAD_VALUE. */
#define EXEC_RESIZE_BYTES 4
#define EXEC_SIGNAL_BYTES 1
#define EXEC_EXIT_BYTES   3
#define EXEC_PING_BYTES   8
void exec_resize_write(uint8_t out[static EXEC_RESIZE_BYTES], struct exec_winsize w);
BB_MUST_USE enum exec_result exec_resize_read(struct bb_span in, struct exec_winsize *ret);
BB_MUST_USE enum exec_result exec_signal_read(struct bb_span in, uint8_t *ret_signal);
void exec_exit_write(uint8_t out[static EXEC_EXIT_BYTES], const struct exec_exit *e);
BB_MUST_USE enum exec_result exec_exit_read(struct bb_span in, struct exec_exit *ret);
void exec_ping_write(uint8_t out[static EXEC_PING_BYTES], uint64_t unix_us);
BB_MUST_USE enum exec_result exec_ping_read(struct bb_span in, uint64_t *ret_unix_us);
#endif
