/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_MUX_H
#define BB_EGRESS_MUX_H
#include "proc/egress/stream.h"
#include "wire/http2.h"
#include <nghttp2/nghttp2.h>
#include <sys/queue.h>

/**
 * DOC: mux - one HTTP/2 connection, whose streams look like connections of HTTP/1.1
 *
 * A guest's connection that speaks HTTP/2 has a conn of its own for each of its streams: the
 * stream's fields and content are handed to it as the text of an HTTP/1.1 request (see
 * wire/http2.h), and the text that it answers with goes back as fields and content. So every
 * decision is made in one place, by the code that reads HTTP/1.1. With the upstream it is the
 * same thing turned round.
 *
 * Used by:   h2_guest.c, h2_upstream.c
 * Trust:     the peer is hostile: guest or upstream
 * Ownership: a mux belongs to its connection. A mux_stream lives until nghttp2 has closed it and
 *            its conn has let go of it, in whatever order
 * Limits:    MUX_STREAMS_MAX streams; per stream and direction one head, MUX_WINDOW of content
 *            from the peer (MUX_WINDOW_FAST for MUX_FAST_MAX streams that have shown that they
 *            are read), STREAM_OUT_HIGH and a piece towards it
 * Source:    RFC 9113; nghttp2 does frames, HPACK, flow control
 */
#define MUX_STREAMS_MAX 100
#define MUX_WINDOW      65535
#define MUX_WINDOW_FAST (1 << 20)
#define MUX_FAST_AFTER  (256u << 10)
#define MUX_FAST_MAX    64
/* The connection's window: never withheld, so it only has to be large */
#define MUX_WINDOW_ALL (16 << 20)
/* Content of a request that has its answer already */
#define MUX_DISCARD_MAX (64u << 20)
/* Resets, theirs and ours, that one connection may cause in MUX_RESETS_MS */
#define MUX_RESETS_MAX 400
#define MUX_RESETS_MS  10000

LIST_HEAD(mux_stream_list, mux_stream);

struct mux;
struct mux_stream;

/** struct mux_fields - A field section being received */
struct mux_fields {
	struct bb_buf text; /* names and values one after the other */
	struct {
		uint32_t name;
		uint32_t value;
	} len[HTTP2_FIELDS_MAX];
	size_t n;
	size_t size;   /* as RFC 9113 section 6.5.2 counts */
	bool too_long; /* what did not fit is gone */
	bool invalid;  /* nghttp2 has reset the stream for it */
};

enum mux_text {
	MUX_HEAD = 0, /* a head is to come */
	MUX_BODY,
	MUX_DONE, /* END_STREAM follows the content that is left */
};

/**
 * struct mux_stream - One stream
 * @end:	The conn's side of it; NULL when that has gone
 * @wake:	The conn's event, run when there is something to do
 * @fields:	Section being received, or NULL
 * @head:	Text for @end: a head, not yet taken
 * @data:	Content for @end; the first @data_off octets have been taken
 * @tail:	Last chunk and trailers
 * @ended:	The peer has sent END_STREAM
 * @closed:	nghttp2 knows it no more
 */
struct mux_stream {
	LIST_ENTRY(mux_stream) link;
	struct mux *mux;
	int32_t id;
	struct stream *end;
	struct event *wake;
	/* peer to text */
	struct mux_fields *fields;
	struct bb_buf head;
	struct bb_buf data;
	size_t data_off;
	struct bb_buf tail;
	bool chunked;
	bool got_head;
	bool ended;
	bool closed;
	bool fast;
	uint64_t taken;
	uint64_t discarded;
	/* text to peer */
	enum mux_text text;
	struct http1_scan scan;
	enum http1_body body;
	uint64_t left;
	struct http1_chunked chunks;
	struct bb_buf content;
	struct bb_buf trailers;
	bool orphan; /* the conn has left, and the peer has not got all of it */
	bool broken; /* the conn has left in the middle: a reset follows the content that is left */
	bool waits;  /* nghttp2 has asked for content, and there was none */
	bool head_request;
};

/**
 * struct mux_role - What differs between the two sides
 * @on_section:	A whole section has arrived in @s->fields; @ended: END_STREAM with it
 * @send_head:	@s->end->out holds the head of @len octets: submit it, set @s->body and @s->left.
 *		Return: 0, or negative when the stream is of no more use
 * @on_begin:	The peer opens a stream. Return: it, or NULL when it is refused
 */
struct mux_role {
	bool server;
	void (*on_section)(struct mux_stream *s, bool ended);
	int (*send_head)(struct mux_stream *s, size_t len);
	struct mux_stream *(*on_begin)(struct mux *m, int32_t id);
};

/**
 * struct mux - One connection
 * @io:		Its octets; of the conn or upstream that owns us
 * @wake:	The owner's event: run when there is something to send
 * @fast:	Streams with large windows, counted over all connections
 * @orphans:	Streams that hold an answer and have no conn any more, counted in the same way
 */
struct mux {
	const struct mux_role *role;
	void *owner;
	nghttp2_session *session;
	struct stream *io;
	struct event *wake;
	unsigned int *fast;
	size_t *orphans;
	struct mux_stream_list streams;
	size_t n_streams;
	bool in_section; /* between the first and the last frame of one */
	bool failed;
	uint64_t resets_since;
	unsigned int resets;
};

/** mux_new() - Begin; the preface and SETTINGS are the first to be sent. Return: it, or NULL */
struct mux *mux_new(const struct mux_role *role, void *owner, struct stream *io, struct event *wake,
		    unsigned int *fast, size_t *orphans);
/** mux_free() - Every conn that still has a stream sees it fail */
void mux_free(struct mux *m);

/**
 * mux_run() - Feed what @io has received, and fill what it sends
 * @read:	false: only the latter
 *
 * Return: something was done? @m->failed: the connection is of no more use
 */
bool mux_run(struct mux *m, bool read);
/** mux_fail() - It is over: no stream whose message is not complete gets any more of it */
void mux_fail(struct mux *m);
/** mux_is_used() - A conn has a stream of it? */
bool mux_is_used(const struct mux *m);
/** mux_has_unsent() - Of what its conns have written, something is not on its way to the peer? */
bool mux_has_unsent(const struct mux *m);
/** mux_is_over() - Nothing to read or send any more */
bool mux_is_over(const struct mux *m);

/** mux_stream_new() - Return: it, or NULL without memory */
struct mux_stream *mux_stream_new(struct mux *m, int32_t id);
/** mux_attach() - @end becomes the conn's side of @s */
void mux_attach(struct mux_stream *s, struct stream *end, struct event *wake);
/** mux_reset() - End the stream with this error; the conn is not told */
void mux_reset(struct mux_stream *s, uint32_t error);
/**
 * struct mux_scratch - Room for one section, shared by all; nothing in it outlives a call
 * @names:	For http2_request_section() and its like
 */
struct mux_scratch {
	struct http2_section section;
	uint8_t names[HTTP1_WRITE_MAX];
	uint8_t text[HTTP1_HEAD_MAX];
	nghttp2_nv nva[HTTP2_FIELDS_MAX];
};
extern struct mux_scratch mux_scratch;
/** mux_section() - The section that has arrived, in mux_scratch */
const struct http2_section *mux_section(struct mux_stream *s);
/** mux_nva() - The section in mux_scratch for nghttp2, in mux_scratch */
const nghttp2_nv *mux_nva(void);
/** mux_provider() - Content of @s for nghttp2 */
nghttp2_data_provider mux_provider(struct mux_stream *s);
#endif
