/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_STATE_AUDIT_READ_H
#define BB_STATE_AUDIT_READ_H
#include "base/buf.h"
#include <jansson.h>
#include <stdio.h>

/**
 * DOC: audit_read - read a bottle's audit and logs, and show them on a terminal
 *
 * Layer:     state
 * Used by:   cli (`audit`, `logs`)
 * Trust:     strings in the records came from the guest. The recorder has escaped them; after JSON
 *            is decoded they are hostile again, so everything that goes out passes the escape here
 * Ownership: struct audit_reader owns its fd and buffers; audit_close()
 * Limits:    lines of AUDIT_LINE_MAX octets; longer ones are skipped and counted as bad
 * Source:    docs/protocol/audit.md
 */
#define AUDIT_LINE_MAX (256u << 10)

struct audit_reader {
	int fd;
	int dir;           /* when @fd is open */
	unsigned int file; /* its number (state/audit_files.h) */
	bool is_last;      /* it is audit.jsonl, or was */
	struct bb_buf buf;
	size_t used;    /* octets at the front of @buf that the last line took */
	bool skipping;  /* inside an over-long line */
	uint64_t n_bad; /* lines that are no record: cut by a crash, or foreign */
};

/**
 * audit_open() - Open the first file of one bottle's audit; audit_next() goes on to the others
 * @state_fd:	its state directory
 *
 * Return: 0 with @ret owned; -ENOENT when nothing was recorded; other -errno; with @err
 */
BB_MUST_USE int audit_open(int state_fd, struct audit_reader *ret, struct bb_err *err);
/**
 * audit_count_denied() - Denials, those that a record only counts with them, without those of the
 * guest's own probe; an audit that cannot be read has none
 */
uint64_t audit_count_denied(int state_fd);

void audit_close(struct audit_reader *reader);
#define audit_auto BB_CLEANUP(audit_close)

/**
 * audit_next() - The next whole record
 * @ret:	new reference to an object
 *
 * Return: 1 with @ret; 0 at the end of what is written (ask again to follow); -errno with @err
 */
BB_MUST_USE int audit_next(struct audit_reader *reader, json_t **ret, struct bb_err *err);

/** audit_print_json() - One object on one line, printable ASCII only. Return: 0 or -errno */
BB_MUST_USE int audit_print_json(const json_t *record, FILE *out);

/** audit_print_line() - For a person: time, verdict, kind, what, why. Return: 0 or -errno */
BB_MUST_USE int audit_print_line(const json_t *record, FILE *out);

/**
 * audit_print_text() - Hostile octets on a terminal: printable ASCII, the rest as \xNN
 * @lines:	newlines and tabs pass
 *
 * Return: 0 or -errno
 */
BB_MUST_USE int audit_print_text(struct bb_span text, bool lines, FILE *out);

/**
 * audit_print_log() - A log file of one bottle ("guest.log", "console.log", "host.log")
 *
 * Return: 0; -ENOENT when there is none; other -errno; with @err
 */
BB_MUST_USE int audit_print_log(int state_fd, const char *name, FILE *out, struct bb_err *err);
#endif
