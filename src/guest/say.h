/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_SAY_H
#define BB_GUEST_SAY_H
#include "base/base.h"

/**
 * DOC: say - one line about the guest itself, for the host's record
 *
 * Layer:     guest
 * Used by:   every role; lines go to init over a datagram socket, and from there to port 5001.
 *            Until that exists, and when it is gone, to the console.
 * Limits:    SAY_MAX octets a line; a full socket drops the line
 */
#define SAY_MAX 1024

/** say_init() - Name the role and the socket to init (borrowed; -1 = console only) */
void say_init(const char *role, int fd);

/** say() - One line, "role: text"; control octets become '?' */
BB_PRINTF(1, 2) void say(const char *fmt, ...);
#endif
