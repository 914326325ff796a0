/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_RECORDER_FORMAT_H
#define BB_PROC_RECORDER_FORMAT_H
#include "base/buf.h"
#include "ipc/msg.h"

/**
 * DOC: format - audit records and log text as printable ASCII
 *
 * Layer:     proc/recorder (pure: no I/O, no clock)
 * Used by:   journal.c, ring.c
 * Trust:     every string may come from the guest; what goes out holds no control octet but the
 *            newline that ends it, so that even cat(1) on the file is safe
 * Source:    docs/protocol/audit.md, RFC 3339 section 5.6, RFC 8259
 */
#define FORMAT_TIME_MAX 25 /* "2026-01-31T23:59:59.999Z" and NUL */
#define FORMAT_LINE_MAX (128u << 10)

/** struct format_origin - What a record does not say itself */
struct format_origin {
	uint64_t wall_ms;
	const char *bottle;
	enum ipc_role from;
	uint64_t flow; /* 0 = none */
};

/** format_time() - RFC 3339, UTC, milliseconds */
void format_time(uint64_t wall_ms, char out[static FORMAT_TIME_MAX]);

/** format_record_is_valid() - Are verdict and reason in range? (ipc has checked the rest) */
bool format_record_is_valid(const struct ipc_record *rec);

/** format_record() - Append one line with its newline. Returns as bb_buf_add() */
BB_MUST_USE int format_record(const struct format_origin *o, const struct ipc_record *rec,
			      struct bb_buf *out);

/** format_count() - Append a line {time, bottle, kind, ...} that stands for records not written */
BB_MUST_USE int format_count(const struct format_origin *o, const char *kind, uint64_t allowed,
			     uint64_t denied, struct bb_buf *out);

/**
 * format_escape() - Append octets as text: printable ASCII as it is, the rest as \xNN
 * @lines:	newline and tab pass, carriage return vanishes (console); else they are escaped too
 */
BB_MUST_USE int format_escape(struct bb_span s, bool lines, struct bb_buf *out);
#endif
