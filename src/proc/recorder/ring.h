/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_RECORDER_RING_H
#define BB_PROC_RECORDER_RING_H
#include "base/base.h"

/**
 * DOC: ring - a log file that keeps its newest part
 *
 * Layer:     proc/recorder
 * Used by:   recorder, for guest.log and console.log
 * Ownership: owns its fd; ring_release()
 * Limits:    at most RING_MAX octets. A file that would pass that keeps the lines of its newest
 *            half, so it can be read with any tool at any moment
 */
#define RING_MAX (1u << 20)

struct ring {
	const char *name; /* of a string that lasts: errors begin with it */
	int fd;
	size_t len;
};

/** ring_open() - Open or create @name (kept, not copied) below @dirfd, going on after what is in it
 */
BB_MUST_USE int ring_open(int dirfd, const char *name, struct ring *ring, struct bb_err *err);
void ring_release(struct ring *ring);

/** ring_add() - Append printable text. Return: 0 or -errno with @err */
BB_MUST_USE int ring_add(struct ring *ring, struct bb_span text, struct bb_err *err);
#endif
