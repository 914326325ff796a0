/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_STREAM_H
#define BB_EGRESS_STREAM_H
#include "base/buf.h"
#include <event2/event.h>
#include <openssl/ssl.h>

/**
 * DOC: stream - one byte stream over a non-blocking socket, plain or TLS
 *
 * Used by:   conn (the guest's side and the upstream side)
 * Ownership: owns its fd, SSL and buffers
 * Limits:    @in never holds more than the caller asks for in stream_fill(); @out as much as the
 *            caller puts in, which is why callers look at stream_out_full() first
 *
 * The socket is registered once, edge-triggered, for both directions; @readable and @writable
 * remember the edges until a read or write comes back with EAGAIN. So nothing has to be re-armed,
 * and a side that nobody wants to read causes no wake-ups. The owner's callback runs its state
 * machine until no step makes progress. TLS sits on a BIO of our own that first returns what was
 * already read from the socket before TLS began, and sends with MSG_NOSIGNAL.
 */
#define STREAM_CHUNK    (16u << 10)
#define STREAM_OUT_HIGH (32u << 10)
/* To a socket, where a large write costs little more than a small one */
#define STREAM_OUT_GATHER (64u << 10)

typedef void (*stream_fn)(void *arg);

/**
 * struct stream_far - Instead of a socket: a stream inside another connection (mux.h)
 * @fill:	Move octets to the stream's @in, up to @limit; may set @eof, @error
 * @flush:	Take octets from its @out; may set @write_error
 * @close:	The stream goes
 */
struct stream_far {
	bool (*fill)(void *arg, size_t limit);
	bool (*flush)(void *arg);
	void (*close)(void *arg);
};

/**
 * struct stream - One socket
 * @fd:		-1 = not open, or @far
 * @in:		Received and not yet used
 * @out:	To be sent
 * @early:	TLS: octets that came before the handshake began, @early_off of them given to it
 * @eof:	The peer ended its direction properly
 * @more:	Another record follows at once: the socket need not send a short packet for this one
 * @error:	-errno after which the stream is of no use; -EPROTO for TLS
 * @write_error: sending failed; reading may still work
 * @why:	Text for @error and @write_error of TLS
 */
struct stream {
	int fd;
	const struct stream_far *far;
	SSL *ssl;
	struct event *ev;
	stream_fn on_ready;
	void *arg;
	struct bb_buf in;
	struct bb_buf out;
	struct bb_buf early;
	size_t early_off;
	bool readable;
	bool writable;
	bool eof;
	bool shut;
	bool more;
	int error;
	int write_error;
	char why[120];
};

/**
 * stream_open() - Start with a connected socket; takes @fd
 *
 * Return: 0 or -ENOMEM (the fd is closed then)
 */
BB_MUST_USE int stream_open(struct stream *s, struct event_base *base, int fd, stream_fn on_ready,
			    void *arg);
/** stream_close() - Close and free; a closed or zeroed stream with fd -1 is fine */
void stream_close(struct stream *s);
static inline bool stream_is_open(const struct stream *s)
{
	return s->fd >= 0 || s->far;
}
/** stream_open_far() - Start without a socket */
void stream_open_far(struct stream *s, const struct stream_far *far, void *arg);
/** stream_move() - @to becomes what @from was, for another owner. Return: 0, or -ENOMEM and both
 * are closed */
BB_MUST_USE int stream_move(struct stream *to, struct stream *from, struct event_base *base,
			    stream_fn on_ready, void *arg);
/** stream_speaks_h2() - ALPN has chosen HTTP/2 */
bool stream_speaks_h2(const struct stream *s);

/** stream_start_tls() - Put @ssl (taken) on top; what is in @in goes to it. Return: 0 or -ENOMEM */
BB_MUST_USE int stream_start_tls(struct stream *s, SSL *ssl);
/** stream_handshake() - Return: 1 done, 0 wait, -EPROTO failed */
BB_MUST_USE int stream_handshake(struct stream *s);

/** stream_fill() - Read once so that @in holds at most @limit. Return: something was read? */
bool stream_fill(struct stream *s, size_t limit);
/** stream_flush() - Send of @out what the socket takes. Return: something was sent? */
bool stream_flush(struct stream *s);
/** stream_out_full() - Enough is waiting: produce no more */
static inline bool stream_out_full(const struct stream *s)
{
	return s->out.len >= (s->far ? STREAM_OUT_HIGH : STREAM_OUT_GATHER);
}

/** stream_slim() - Between messages: give back empty buffers */
void stream_slim(struct stream *s);
/** stream_shutdown() - End our direction: close_notify, FIN. Once */
void stream_shutdown(struct stream *s);
/** stream_drain() - Read raw octets and forget them. Return: octets read; sets @eof, @error */
size_t stream_drain(struct stream *s);
/** stream_peer_gone() - The other end has closed both directions */
bool stream_peer_gone(const struct stream *s);

/** stream_bio_init() - Make the BIO method; once per process. Return: 0 or -ENOMEM */
BB_MUST_USE int stream_bio_init(void);
#endif
