/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_SHOVEL_H
#define BB_PROC_GATE_SHOVEL_H
#include "proc/gate/transport.h"
#include <event2/buffer.h>
#include <event2/event.h>

/**
 * DOC: shovel - octets between a guest stream and a socket, both ways, until both ends are done
 *
 * Layer:     proc/gate
 * Used by:   flow.c, stream_open.c
 * Trust:     octets are opaque: written from guest memory and read into it
 * Ownership: takes the fd; frees itself after @done
 * Limits:    holds at most the stream's window; nothing in the other direction
 *
 * Half-close goes through: the guest's end becomes shutdown(SHUT_WR), the socket's end a
 * stream_shutdown(). A stream that the guest closed is drained to the socket for DRAIN_MS at most.
 */
struct shovel;

/**
 * struct shovel_result - How it went
 * @orderly:	Both directions ended by themselves
 * @bytes_out:	Octets from the guest that the socket took
 * @bytes_in:	Octets from the socket that the guest got
 */
struct shovel_result {
	bool orderly;
	uint64_t bytes_out;
	uint64_t bytes_in;
};
typedef void (*shovel_done_fn)(const struct shovel_result *r, void *arg);

/**
 * shovel_new() - Start; becomes the stream's service
 * @fd:		connected stream socket, made non-blocking
 * @early:	octets that came before (moved out of it), or NULL
 * @eof:	the guest has already ended its direction
 * @done:	called once, never from inside shovel_new()
 *
 * Return: the shovel; NULL without memory: @fd is closed, the stream is untouched
 */
BB_MUST_USE struct shovel *shovel_new(struct event_base *base, struct stream *s, int fd,
				      struct evbuffer *early, bool eof, shovel_done_fn done,
				      void *arg);

/** shovel_abort() - End it now, with a reset on both sides; calls @done */
void shovel_abort(struct shovel *sh);
#endif
