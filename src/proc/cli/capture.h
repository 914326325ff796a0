/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_CAPTURE_H
#define BB_PROC_CLI_CAPTURE_H
#include "base/base.h"
#include <sys/types.h>

/**
 * DOC: capture - a server on loopback that keeps every octet it receives
 *
 * Layer:     proc/cli
 * Used by:   redteam.c
 * Trust:     what it receives is hostile; it is kept, and never interpreted beyond where a
 * request ends
 * Ownership: capture_stop() ends the server's process and frees the record
 * Limits:    CAPTURE_MAX octets are kept; CAPTURE_CONNS_MAX connections at a time
 *
 * A process of its own, which ends with the caller. It answers each HTTP request, once it is
 * there as a whole, with 200 and closes; a request whose path begins with /reflect gets its own
 * head as the body. On a second port nothing is to arrive at all: a connection there is noted as
 * octets received.
 */
#define CAPTURE_MAX       (64u << 20)
#define CAPTURE_CONNS_MAX 256

struct capture {
	pid_t pid;
	int log_fd;
	uint16_t port;
	uint16_t decoy_port;
};

/** capture_start() - Return: 0 with @ret owned, or -errno with @err */
BB_MUST_USE int capture_start(struct capture *ret, struct bb_err *err);
void capture_stop(struct capture *c);
/** capture_size() - Octets received so far */
uint64_t capture_size(const struct capture *c);
/** capture_has() - @text was received behind the first @from octets */
bool capture_has(const struct capture *c, uint64_t from, const char *text);
#endif
