/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_GUEST_LINE_H
#define BB_WIRE_GUEST_LINE_H
#include "base/base.h"

/**
 * DOC: guest_line - what a line of the guest's own log (vsock port 5001) means
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   gate (guest_log.c); fuzz/guest_line.c; tests/unit/wire/guest_line.c
 * Trust:     guest-controlled. Whether a meaning counts (once in a bottle's life, hello first) is
 *            gate's to say; what has none is text for the log
 * Ownership: borrows for the call
 * Limits:    a version of GUEST_LINE_DIGITS digits
 * Source:    docs/protocol/guest-config.md
 */
#define GUEST_LINE_DIGITS 6

/** enum guest_line_kind - "hello N", "probe ok" or "probe WHY", anything else */
enum guest_line_kind {
	GUEST_LINE_TEXT = 0,
	GUEST_LINE_HELLO,
	GUEST_LINE_PROBE,

	GUEST_LINE_NUM_KINDS,
};

/**
 * struct guest_line - One line
 * @version:	of a hello
 * @ok:		of a probe: nothing went through that should not
 */
struct guest_line {
	enum guest_line_kind kind;
	uint32_t version;
	bool ok;
};

/** guest_line_decode() - @line without its newline; every line means something */
BB_MUST_USE struct guest_line guest_line_decode(struct bb_span line);
#endif
