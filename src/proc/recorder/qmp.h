/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_RECORDER_QMP_H
#define BB_PROC_RECORDER_QMP_H
#include "base/buf.h"

/**
 * DOC: qmp - what QEMU's monitor says, as hostile lines
 *
 * Layer:     proc/recorder (pure: no I/O, no clock)
 * Used by:   recorder; fuzz/qmp.c
 * Trust:     QEMU may have been taken over by the guest
 * Ownership: owns its buffer; qmp_release()
 * Limits:    a line of QMP_LINE_MAX octets; a longer one is skipped to its end and counts as bad
 * Source:    QEMU docs/interop/qmp-spec.txt section 2
 */
#define QMP_LINE_MAX 16384
#define QMP_NAME_MAX 48
#define QMP_DATA_MAX 1024

/**
 * struct qmp_event - One event, or an error answer to one of our commands
 * @name:	"vm_" and the lower-cased event name ([a-z0-9_]), NUL-terminated
 * @data:	its data as compact JSON, cut at QMP_DATA_MAX
 */
struct qmp_event {
	char name[QMP_NAME_MAX];
	struct bb_span data;
	bool no_space; /* BLOCK_IO_ERROR: the host's file system is full */
};

struct qmp {
	struct bb_buf line;
	bool skipping;
};

/** qmp_event_fn - Called for each event; spans are valid during the call */
typedef void (*qmp_event_fn)(const struct qmp_event *event, void *arg);

void qmp_init(struct qmp *q);
void qmp_release(struct qmp *q);

/** qmp_feed() - Take what came in, whole lines or not; bad lines give the event "vm_bad_line" */
void qmp_feed(struct qmp *q, struct bb_span in, qmp_event_fn fn, void *arg);
#endif
