/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_RECORDER_JOURNAL_H
#define BB_PROC_RECORDER_JOURNAL_H
#include "proc/recorder/format.h"
#include "state/audit_chain.h"
#include "state/audit_files.h"

/**
 * DOC: journal - the append-only audit file of one bottle, and how fast it may grow
 *
 * Layer:     proc/recorder
 * Used by:   recorder
 * Trust:     records may be caused by the guest at any rate: denials past JOURNAL_DENIALS in one
 *            second become one "dropped" line for that second; past JOURNAL_BYTES each second
 *            becomes one "summary" line. Records of bottled are always written
 * Ownership: owns its fd; journal_release()
 * Chain:     each line vouches for those before it (state/audit_chain.h)
 * Limits:    one write(2) a record; a failed or short write is an error from which the caller must
 *            not go on, because an allow would take effect unrecorded
 */
#define JOURNAL_NAME       "audit.jsonl"
#define JOURNAL_DENIALS    100
#define JOURNAL_BYTES      (256ull << 20) /* all files */
#define JOURNAL_FILE_BYTES (16ull << 20)  /* then another one is asked for */

struct journal {
	int fd;
	const char *bottle; /* borrowed */
	uint64_t size;      /* all files */
	uint64_t max_size;
	uint64_t file_size; /* the one that is written to */
	uint64_t max_file;
	bool next_asked;    /* and not here yet */
	uint64_t window_ms; /* start of the current second */
	unsigned int window_denied;
	bool window_counted;   /* one that stands for many was written: there is one a second */
	uint64_t dropped;      /* denials not written in this window */
	uint64_t summed_allow; /* records not written because the file is full */
	uint64_t summed_deny;
	struct audit_chain chain;
	int head_fd; /* audit.head, written at the end */
	bool dirty;  /* written since the last journal_sync() */
	struct bb_buf line;
};

/** struct journal_clock - Now, by both clocks */
struct journal_clock {
	uint64_t wall_ms; /* for "time" */
	uint64_t mono_ms; /* for rates */
};

/**
 * journal_open() - Open or create audit.jsonl below @dirfd; a line that a crash cut is ended first,
 * and the chain goes on from the last record of all files
 *
 * Return: 0 with @j owned, or -errno with @err
 */
BB_MUST_USE int journal_open(int dirfd, const char *bottle, struct journal *j, struct bb_err *err);
void journal_release(struct journal *j);

/**
 * journal_add() - Write or count one valid record
 *
 * Return: 0: it is in the file or in a count, an acknowledgement may go out; -errno with @err
 */
BB_MUST_USE int journal_add(struct journal *j, const struct journal_clock *now, enum ipc_role from,
			    uint64_t flow, const struct ipc_record *rec, struct bb_err *err);

/** journal_wants_next() - Has the file its size? True once for each */
bool journal_wants_next(struct journal *j);

/**
 * journal_next() - Go on in another, empty file
 * @fd:	taken
 *
 * Return: 0, or -errno with @err when the old one cannot be synced
 */
BB_MUST_USE int journal_next(struct journal *j, int fd, struct bb_err *err);

/** journal_has_counts() - Is there a count that journal_flush() has to write? */
bool journal_has_counts(const struct journal *j);

/** journal_flush() - Write the counts. Return: 0 or -errno with @err */
BB_MUST_USE int journal_flush(struct journal *j, const struct journal_clock *now,
			      struct bb_err *err);

/** journal_end() - Nothing more will be added: write what the head is signed by. Return: 0 or
 * -errno
 */
BB_MUST_USE int journal_end(struct journal *j, struct bb_err *err);

/** journal_sync() - fdatasync() what was written. Return: 0 or -errno with @err */
BB_MUST_USE int journal_sync(struct journal *j, struct bb_err *err);
#endif
