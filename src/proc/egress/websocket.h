/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_WEBSOCKET_H
#define BB_EGRESS_WEBSOCKET_H
#include "policy/reason.h"
#include "proc/egress/mask.h"
#include "wire/http1.h"
#include "wire/websocket.h"

/**
 * DOC: websocket - two WebSocket connections that meet in the guard
 *
 * The guest's handshake and the upstream's are two: each has its own key, no extension is
 * negotiated. Frames are read strictly and written afresh; what the guest sends is searched across
 * frames and messages as one stream, and each message by itself; what comes back is masked. A find
 * closes both sides with 1008.
 *
 * Layer:     proc/egress
 */
struct conn;
struct request;
struct judgement;

/** struct websocket - @offered: the guest's Sec-WebSocket-Protocol, inside its request head */
struct websocket {
	struct ws_reader guest;
	struct ws_reader upstream;
	char accept_guest[WS_ACCEPT_BYTES];
	char accept_upstream[WS_ACCEPT_BYTES];
	char key[WS_KEY_CHARS + 1];
	struct bb_span offered;
	struct ws_event piece; /* of the response, what is held back by the mask belongs to it */
	bool data_holds;       /* what was searched last may be the beginning of a token */
	bool control_holds;
	bool guest_closed;
	bool upstream_closed;
};

/** websocket_judge() - Is it a handshake that can be made? Then @rq->ws is there */
struct judgement websocket_judge(struct request *rq);
/** websocket_edit() - Put our own handshake into the head that goes upstream */
void websocket_edit(struct request *rq);
/** websocket_begin() - The upstream has answered 101 */
void websocket_begin(struct conn *c, const struct http1_response *h);
bool step_websocket(struct conn *c);
/** websocket_leave() - In CONN_WEBSOCKET: close both sides with 1001, going away */
void websocket_leave(struct conn *c, enum policy_reason reason, const char *text);
#endif
