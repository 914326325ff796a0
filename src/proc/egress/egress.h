/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_EGRESS_H
#define BB_EGRESS_EGRESS_H
#include "ipc/peer.h"
#include "ipc/reload.h"
#include "policy/authority.h"
#include "policy/judge_content.h"
#include "proc/egress/leaf.h"
#include "proc/egress/mask.h"
#include "proc/egress/minted.h"
#include "proc/egress/outbound.h"
#include "proc/egress/secrets.h"
#include "proc/egress/stream.h"
#include "proc/egress/websocket.h"
#include "scan/injection.h"
#include "wire/http1.h"
#include <sys/queue.h>

/**
 * DOC: egress - the HTTP proxy that every allowed request passes
 *
 * The life of a request. gate sends FLOW_OPEN with the guest's byte stream: conn_open(). The head
 * is read and parsed (request.c), then judged step by step (judge.c): name, route; the later steps
 * have their place there. A refusal is recorded and answered in JSON (reply.c). An admitted CONNECT
 * is answered when the leaf certificate is there (leaf.c), after which the first octet says whether
 * TLS or plain HTTP follows, and requests are read from inside. An admitted request is recorded;
 * only when the recorder has acknowledged does dialer get to connect (exchange.c), and the request
 * is written afresh. Bodies are pumped both ways through buffers of fixed size; then one more
 * record, and the next request, on the same upstream connection if it is for the same place.
 *
 * Everything that can happen to a connection ends in conn_run(), which flushes and steps until
 * nothing moves any more. A step never frees; it sets CONN_DEAD and conn_run() cleans up.
 *
 * Trust:     the guest and the upstream are hostile; keyd, dialer, gate, recorder are peers
 * Limits:    EGRESS_CONNS_MAX connections, and streams of HTTP/2 that hold an answer; per
 * connection and direction one head (64 KiB) or 48 KiB of body
 */
#define EGRESS_CONNS_MAX    4096
#define EGRESS_CONN_BUCKETS 1024

/* Milliseconds. What waits for the guest is long: translated, on a busy host, it may take more
 * than 10 s for its part of a TLS handshake, and a connection that is held costs only its bottle */
#define EGRESS_FIRST_OCTET_MS  60000  /* after the 200: who says nothing speaks no HTTP */
#define EGRESS_HEAD_MS         60000  /* first to last octet of a request head */
#define EGRESS_KEEP_ALIVE_MS   120000 /* between requests */
#define EGRESS_BODY_MS         60000  /* between two pieces of a body that is collected */
#define EGRESS_LEAF_MS         30000
#define EGRESS_HANDSHAKE_MS    60000
#define EGRESS_ACK_MS          30000
#define EGRESS_DIAL_MS         60000
#define EGRESS_UPSTREAM_TLS_MS 30000
#define EGRESS_IDLE_MS         3600000 /* from the last octet of an exchange, as in gate */
#define EGRESS_LINGER_MS       5000
#define EGRESS_LINGER_BYTES    (64u << 20)

/* Idle upstream connections that are kept for the next request, in all, and for how long */
#define UPSTREAM_IDLE_MAX 32
#define UPSTREAM_IDLE_MS  60000

/* 1xx responses that one request may get */
#define EGRESS_INFORMATIONAL_MAX 16

/* Decoders of responses, all together */
#define INBOUND_DECODERS_MAX (64u << 20)
/* Of a request's body that streams, how much is compared with what the response hands out; and
 * octets that are compared for one response */
#define INBOUND_SAID_MAX  (64u << 10)
#define INBOUND_SAID_WORK (64u << 20)
/* Of a response, how much is looked at for tokens that it hands out */
#define INBOUND_TAP_MAX (64u << 10)

LIST_HEAD(conn_list, conn);
LIST_HEAD(upstream_list, upstream);

/** struct route_use - What has gone through a route, against its limits */
struct route_use {
	uint64_t minute; /* bb_now_ms() / 60000 */
	uint32_t requests;
	uint64_t uploaded;
	uint64_t opaque; /* octets of it that nobody could search */
};

/**
 * struct renewal - A policy that is to come, with all that it needs
 * @more:	The secrets that came with it
 * @secrets:	Those and the old ones; empty when there is nothing new
 * @searcher:	... and what looks for them
 * @used:	One per route of the new policy
 * @map:	For each route of the old one, where it is in the new one, or SIZE_MAX
 */
struct renewal {
	struct staged staged;
	struct secrets more;
	struct secrets secrets;
	struct searcher searcher;
	struct route_use *used;
	size_t *map;
};

struct egress {
	struct event_base *base;
	struct policy policy;
	struct renewal renewal;
	struct ipc_peer *bottled;
	struct ipc_peer *gate;
	struct ipc_peer *dialer;
	struct ipc_peer *keyd;
	struct ipc_peer *recorder;
	struct leaf_store *leafs;
	struct secrets secrets;
	struct minted minted;
	struct searcher searcher;
	struct coding_budget response_decoders;
	struct route_use *used; /* one per route */
	SSL_CTX *upstream_tls;
	uint64_t last_id;
	size_t n_conns;
	size_t max_conns; /* EGRESS_CONNS_MAX, or what RLIMIT_NOFILE allows */
	struct conn_list conns[EGRESS_CONN_BUCKETS]; /* by id */
	struct upstream_list upstreams;
	struct conn_list leaders;   /* dial an upstream that may come to be shared */
	struct conn_list followers; /* wait for one of them */
	size_t n_idle;
	unsigned int fast_streams;
	size_t orphans;     /* streams of HTTP/2 whose answer the guest has not taken, and without a
			       conn */
	bool audit_awaited; /* connections wait for recorder */
	struct event *sweep;
	uint8_t scratch[HTTP1_WRITE_MAX]; /* a head being written */
};

enum conn_state {
	CONN_HEAD = 0,  /* read a request head */
	CONN_LEAF,      /* wait for the certificate of the tunnel's name */
	CONN_FIRST,     /* tunnel: wait for its first octet */
	CONN_HANDSHAKE, /* tunnel: TLS with the guest */
	CONN_H2,        /* frames; its streams are conns of their own */
	CONN_COLLECT,   /* read a body that is judged whole */
	CONN_ACK,       /* admitted: wait until the verdict is on record */
	CONN_FOLLOW,    /* wait for another conn's dial of the same upstream */
	CONN_DIAL,      /* wait for dialer */
	CONN_UP_TLS,    /* TLS with the upstream */
	CONN_EXCHANGE,  /* bodies both ways */
	CONN_WEBSOCKET, /* frames both ways */
	CONN_LINGER,    /* answered and half-closed: read the rest and forget it */
	CONN_DEAD,      /* conn_run() frees it */

	CONN_NUM_STATES,
};

enum response_state {
	RESPONSE_HEAD = 0,
	RESPONSE_BODY,
	RESPONSE_DONE,
};

/**
 * struct request - One request from its head to its end record
 * @http:	Parsed head; its spans borrow @head
 * @to:		Whom it is for, port included
 * @path:	Origin-form target or "*", inside @head or @own_path
 * @route:	Index of the route that admitted it
 * @admitted:	The verdict was "allow"
 */
struct request {
	struct bb_buf head;
	struct bb_buf own_path;
	struct http1_request http;
	struct authority to;
	struct bb_span path;
	size_t route;
	bool admitted;
	bool retried;
	uint8_t followed;                  /* others' dials that it has waited for */
	const struct secret_token *inject; /* put in on the way out, or NULL */
	struct bb_buf injected;            /* the field's value; wiped at the end */
	uint64_t started_ms;
	uint64_t bytes_out;
	uint64_t bytes_in;
	/* what the search found, and its place */
	enum policy_reason why;
	char detail[200];
	bool cleaned;
	bool sensitive;             /* secrets are in the head, allowed or not: records mask them */
	struct scan_stream *search; /* of a streaming body */
	struct scan_stream *search_decoded;
	struct scan_stream *search_message; /* of a WebSocket, where one comes in pieces */
	struct scan_stream *search_control; /* of a WebSocket */
	struct fields *fields;              /* of a body that is protobuf */
	struct coding *decoder;             /* of a streaming body that is coded */
	struct opaque opaque;               /* of the body, decoded */
	struct bb_buf said;                 /* beginning of a streaming body, for inbound.c */
	struct across_piece added;          /* of it to what is read across requests */
	/* request body */
	bool sent;
	uint64_t left;
	uint64_t uploaded;
	struct bb_buf body; /* collected before the verdict, or empty */
	size_t whole_off;
	size_t reserved;       /* of searcher.kept */
	struct bb_buf waiting; /* searched, and not yet let go */
	uint64_t waiting_since;
	bool holding;
	struct websocket *ws; /* NULL: not a WebSocket handshake */
	struct http1_chunked chunks;
	/* response */
	enum response_state response;
	struct http1_scan scan;
	unsigned int status;
	unsigned int informational;
	bool head_written; /* towards the guest: no other answer is possible any more */
	bool keep_guest;
	bool keep_upstream;
	enum http1_body body_in;
	enum http1_body body_out;
	uint64_t response_left;
	struct http1_chunked response_chunks;
	struct mask mask;
	struct bb_buf trailers; /* section after the response */
	struct bb_buf held;     /* end of the response that may begin a credential */
	bool tapping;
	struct coding *response_decoder; /* NULL: the content passes as it is */
	struct bb_buf coded_in;          /* content that is to be decoded */
	bool decoding;                   /* the decoder has more than was taken */
	bool arrived;                    /* all of the content */
	struct bb_buf tap;
	bool reading; /* text, looked at for what speaks to an agent */
	struct injection injection;
	const char *spoken; /* the first phrase of that, or NULL */
};

/**
 * struct conn - One flow of the guest
 * @id:		Ours; in the flow of DIAL_NAME and the seq of RECORD above a counter
 * @flow:	gate's, for records
 * @tunnel:	Requests come from inside a tunnel to @name
 * @tls:	... and that tunnel is TLS
 * @opened:	The tunnel's 200 was sent, or there is none (transparent)
 * @inside:	A stream of HTTP/2 inside another connection
 * @mux:	Those of this connection, or NULL
 * @leaf:	Context for @name, own reference
 * @up:		Upstream connection for @up_name, @up_route, if open
 * @up_h2_offered: When it was opened; what speaks HTTP/1.1 all the same knows nothing else
 * @leads:	Others wait for what comes of its dial; they are its @followers
 * @up_used:	It has carried a request before the one in hand
 */
struct conn {
	LIST_ENTRY(conn) link;
	struct egress *eg;
	uint64_t id;
	uint64_t flow;
	uint32_t calls; /* counter for dial and record ids */
	uint64_t dial_id;
	uint64_t ack_seq;
	enum conn_state state;
	struct event *timer;
	struct event *again;
	uint64_t deadline_ms;
	uint64_t timer_ms; /* when @timer fires */
	uint64_t rest_ms;  /* what the state may last once @guest.out is empty; 0 = it lasts already
			    */
	struct stream guest;
	struct http1_scan scan;
	bool head_begun;
	bool tunnel;
	bool tls;
	bool opened;
	bool inside;
	struct mux *mux;
	unsigned int unread; /* of it: times in a row that answers were unsent, and nothing else */
	bool spoke;          /* a request head was parsed inside the tunnel */
	struct authority name;
	struct leaf_wait wait;
	SSL_CTX *leaf;
	bool leaf_failed;
	struct request *rq;
	struct stream up;
	struct authority up_name;
	size_t up_route;
	bool up_tls;
	bool up_h2_offered;
	bool up_used;
	LIST_ENTRY(conn) dialling; /* in leaders or followers */
	bool leads;
	unsigned int followers;
	uint64_t leader; /* id of the conn that is waited for, or 0 */
	struct ip_addr up_addr;
	struct ip_addr up_source; /* our end's */
	bool up_stale;            /* ... which this host has lost: not for a next request */
	bool up_proxied;          /* no address: the upstream proxy has it */
	size_t drained;
};

/* conn.c: life of a connection */

/**
 * conn_open() - Take over a guest's flow
 * @fd:		taken
 * @name:	empty, or the name of a transparent flow to @port
 *
 * Return: REASON_OK, REASON_LIMIT, REASON_BAD_NAME
 */
BB_MUST_USE enum policy_reason conn_open(struct egress *eg, uint64_t flow, int fd,
					 struct bb_span name, uint16_t port);
/** conn_open_inside() - A stream of the HTTP/2 connection @parent; its guest stream is not open
 * yet. Return: it, or NULL when there are too many */
struct conn *conn_open_inside(struct conn *parent);
/** conn_run() - Flush and step until nothing moves; may free @c */
void conn_run(struct conn *c);
/** conn_find() - By id, or NULL */
struct conn *conn_find(struct egress *eg, uint64_t id);
/** conn_deadline() - The current state may last @ms from now */
void conn_deadline(struct conn *c, uint64_t ms);
/** conn_rest() - An answer is written: the state may last @ms from when the guest has taken it. As
 * long as it takes, it may be as slow as during the exchange */
void conn_rest(struct conn *c, uint64_t ms);
/** conn_call_id() - New id for a question to a peer; conn_find(eg, id >> CONN_CALL_BITS) finds us
 */
uint64_t conn_call_id(struct conn *c);
#define CONN_CALL_BITS 24
/** conn_next() - The request is over: read the next head */
void conn_next(struct conn *c);
/** conn_guest_left() - Both directions closed: nobody waits for an answer. Aborts then */
bool conn_guest_left(struct conn *c);
/** conn_abort() - End at once, without an answer; records the end of an admitted request */
void conn_abort(struct conn *c, enum policy_reason reason, const char *text);
void request_free(struct request *rq);
/** conn_drop_request() - Forget the request in hand, and what it has reserved */
void conn_drop_request(struct conn *c);

/* tunnel.c: CONNECT, first octet, TLS with the guest */
void tunnel_begin(struct conn *c);
void tunnel_no_leaf(struct conn *c, const char *text);
bool step_leaf(struct conn *c);
bool step_first(struct conn *c);
bool step_handshake(struct conn *c);

/* h2_guest.c: guests that speak HTTP/2 */
void h2_begin(struct conn *c);
bool step_h2(struct conn *c);
void h2_timeout(struct conn *c);
/** h2_goaway() - In CONN_H2: say that it ends, and end it */
void h2_goaway(struct conn *c);

/* h2_upstream.c: upstream connections that belong to no conn */

/** exchange_wants_h2() - Is HTTP/2 to be spoken with the upstream, if it can? */
bool exchange_wants_h2(const struct conn *c);
/** upstream_adopt() - c->up speaks HTTP/2: it becomes shared, and c->up a stream of it. Return:
 * false without memory */
BB_MUST_USE bool upstream_adopt(struct conn *c);
/** upstream_reuse() - Open c->up for c->rq without dialling. Return: done? */
BB_MUST_USE bool upstream_reuse(struct conn *c, stream_fn on_up_ready);
/** upstream_follow() - Somebody is dialling what c->rq needs: wait for that. Return: is it so? */
BB_MUST_USE bool upstream_follow(struct conn *c);
/** upstream_lead() - @c begins to dial */
void upstream_lead(struct conn *c);
/** upstream_led() - Its dial is over, whatever came of it, or @c is; also forgets whom it followed
 */
void upstream_led(struct conn *c);
/** upstream_keep() - c->up is idle and @c goes: keep it for others, or close it */
void upstream_keep(struct conn *c);
/** upstream_sweep() - Close what has been idle for long; now and then */
void upstream_sweep(struct egress *eg);
/** upstream_addr_gone() - This host has lost @source: what is idle from there is closed, what is in
 * use serves no further request */
void upstream_addr_gone(struct egress *eg, const struct ip_addr *source);
/** upstream_rejudge() - @keep says whether one for (@name, connected to @addr) may stay, and sets
 * its route; the others are closed */
void upstream_rejudge(struct egress *eg,
		      bool (*keep)(void *arg, const struct authority *name,
				   const struct ip_addr *addr, size_t *route),
		      void *arg);

/* request.c: heads */
bool step_head(struct conn *c);
/** request_timeout() - In CONN_HEAD */
void request_timeout(struct conn *c);
/** request_admit() - Everything that is decided before the dial has been: record, then dial */
void request_admit(struct conn *c);
/** request_on_ack() - The verdict is on record: the request may have effects */
void request_on_ack(struct conn *c);

/**
 * struct judgement - What the steps before the dial came to
 * @status:	0 = admitted, else the answer
 * @text:	Detail for the record and the hint, or ""
 */
struct judgement {
	unsigned int status;
	enum policy_reason reason;
	const char *text;
};
/** route_is_tls() - judge.c: does a request of @c for this route go over TLS? */
bool route_is_tls(const struct conn *c, size_t route);
/** judge_request() - judge.c: every step that decides; fills @rq->to, path, route */
struct judgement judge_request(const struct conn *c, struct request *rq);

/* credential.c: step 6, and step 8 */

/** credential_judge() - Takes fields out of @rq->http that must not go upstream */
struct judgement credential_judge(const struct conn *c, struct request *rq);
/** credential_add_field() - The route's own, as the head's last field, borrowing @text.
 * Return: 0, or negative without room */
BB_MUST_USE int credential_add_field(const struct conn *c, struct request *rq, struct bb_buf *text);

/* inbound.c: what comes back */

/** inbound_said() - Content of the request that streams. Return: 0 or negative */
BB_MUST_USE int inbound_said(struct conn *c, struct bb_span data);
/** inbound_begin() - Before the first octet of the response */
void inbound_begin(struct conn *c);
/** inbound_mask_head() - The head, complete and not parsed yet */
void inbound_mask_head(struct conn *c, uint8_t *head, size_t len);
/** inbound_ask() - The codings that the request asks for: such as can be undone here */
void inbound_ask(const struct conn *c, struct http1_fields *f);
/** inbound_on_informational() - Of a 1xx, takes fields out that must not reach the guest */
void inbound_on_informational(struct conn *c, struct http1_response *h);
/** inbound_on_head() - Takes fields out that must not reach the guest, and opens a decoder for
 * content that is looked at. Return: CODING_OK, or why it cannot be looked at though it has to */
BB_MUST_USE enum coding_result inbound_on_head(struct conn *c, struct http1_response *h);
/** inbound_tap() - Content of the response */
void inbound_tap(struct conn *c, struct bb_span data);
/** inbound_end() - The response is complete */
void inbound_end(struct conn *c);

/* upload.c: the request's body */

/** upload_collect() - The body is judged whole */
void upload_collect(struct conn *c);
bool step_collect(struct conn *c);
/** upload_begin() - The head goes upstream now */
void upload_begin(struct request *rq);
/** upload_pump() - During the exchange. Return: something was done? */
bool upload_pump(struct conn *c);
/** egress_put_chunk() - @data as one chunk. Return: 0 or negative */
BB_MUST_USE int egress_put_chunk(struct bb_buf *out, struct bb_span data);

/* exchange.c: upstream connection and bodies */
void exchange_begin(struct conn *c);
/** exchange_watch_idle() - Between requests an upstream that speaks or ends is of no more use */
void exchange_watch_idle(struct conn *c);
/** exchange_cancel_dial() - Nobody waits for dialer's answer any more; without one: nothing */
void exchange_cancel_dial(struct conn *c);
/** exchange_redial() - In CONN_DIAL: ask dialer once more, under the policy of now */
void exchange_redial(struct conn *c);
bool step_follow(struct conn *c);
void exchange_on_dial(struct conn *c, struct ipc_msg *msg);
/** exchange_timeout() - In CONN_DIAL, CONN_UP_TLS or CONN_EXCHANGE */
void exchange_timeout(struct conn *c);
bool step_up_tls(struct conn *c);
bool step_exchange(struct conn *c);

/** exchange_upstream_lost() - No response came: once more, or 502 */
void exchange_upstream_lost(struct conn *c);

/* response.c: what the upstream answers */

/** response_begin() - A request goes out; its response is to come */
void response_begin(struct request *rq);
/** response_pump() - During the exchange. Return: something was done? */
bool response_pump(struct conn *c);

/* reply.c: our own answers */

/**
 * reply_error() - Record, answer in JSON, keep the connection or half-close it
 *
 * When a response head has been sent already there is nothing to answer: as conn_abort().
 */
void reply_error(struct conn *c, unsigned int status, enum policy_reason reason, const char *text);
bool step_linger(struct conn *c);

/* reload.c: another policy while requests are under way */

/** reload_on_msg() - BLOB, RELOAD, SWITCH, FORGET of bottled */
void reload_on_msg(struct egress *eg, struct ipc_msg *msg);

/* audit.c: records */

/** request_host() - Name the request is for; without one, what the guest gave for a name */
struct bb_span request_host(const struct conn *c);

/** audit_is_behind() - Recorder does not keep up: begin nothing, we are run again when it does */
bool audit_is_behind(struct conn *c);
/** audit_go_on() - Recorder has taken everything */
void audit_go_on(struct egress *eg);
/** audit_verdict() - Before any effect; @status for refusals, and with @ack waited for */
void audit_verdict(struct conn *c, enum policy_verdict verdict, enum policy_reason reason,
		   unsigned int status, const char *text, bool ack);
/** audit_end() - An admitted request is over */
void audit_end(struct conn *c, enum policy_reason reason, const char *text);
#endif
