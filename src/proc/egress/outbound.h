/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_OUTBOUND_H
#define BB_EGRESS_OUTBOUND_H
#include "base/buf.h"
#include "proc/egress/searcher.h"
#include "scan/opaque.h"

/**
 * DOC: outbound - nothing leaves that has not been searched
 *
 * A head, and a body of known length up to OUTBOUND_WHOLE_MAX, is decided as a whole before an
 * octet of it leaves: it can be cleaned (`redact`) as well as refused. A longer body, or one whose
 * length nobody knows, is searched as it streams; a find ends the request before the piece that
 * completes it. Only what may be the beginning of a vendor's token is held back, for
 * OUTBOUND_HOLD_MS at most, and what a decoder cannot decode before more has come, until it has.
 *
 * Layer:     proc/egress
 * Limits:    OUTBOUND_WHOLE_TOTAL octets of whole bodies at a time, above which they stream
 */
#define OUTBOUND_WHOLE_MAX   (1u << 20)
#define OUTBOUND_WHOLE_TOTAL (64u << 20)
#define OUTBOUND_HOLD_MS     50
#define OUTBOUND_HOLD_MAX    (192u << 10) /* CODING_INSIDE_MAX, and a piece */
#define OUTBOUND_HOLD_TAIL   (16u << 10)  /* four times a vendor's longest token, for its escapes */

struct conn;
struct request;
struct judgement;

/** outbound_judge_head() - Step 7 for the head */
struct judgement outbound_judge_head(const struct conn *c, struct request *rq);
/** outbound_show() - Text of a request for a record: secrets in it masked, and credentials in a
 * query
 *
 * @text is returned when there is nothing to mask, else @out, which has room for OUTBOUND_SHOW_MAX
 */
#define OUTBOUND_SHOW_MAX 2048
struct bb_span outbound_show(const struct conn *c, struct request *rq, struct bb_span text,
			     uint8_t *out);
/** request_is_grpc() - Its body is gRPC messages, or those of gRPC-Web */
bool request_is_grpc(const struct request *rq);
/** outbound_wants_whole() - Is this body to be collected before the verdict? */
bool outbound_wants_whole(const struct conn *c, const struct request *rq);
/** outbound_judge_body() - Step 7 for the collected body; may clean it */
struct judgement outbound_judge_body(const struct conn *c, struct request *rq);
/** outbound_judge_stream() - Before a body streams: can it be searched? */
struct judgement outbound_judge_stream(const struct conn *c, struct request *rq);
/** outbound_feed() - Step 7 for the next octets of a streaming body, @end: the last.
 * Return: status 0 with @ret_hold false: all fed so far may leave; true: what was fed since the
 * last false has to wait */
struct judgement outbound_feed(struct conn *c, struct bb_span data, bool end, bool *ret_hold);
/** outbound_feed_message() - As outbound_feed(), of a WebSocket's messages: as one text, so that
 * nothing passes in pieces, and each by itself: what stands at its beginning and end is not led to
 * nor followed by its neighbours */
struct judgement outbound_feed_message(struct conn *c, struct bb_span data, bool begin, bool end,
				       bool *ret_hold);
/** outbound_feed_control() - The same of a WebSocket's control frames: they stand between the
 * frames of a message, which goes on behind them as if they were not there */
struct judgement outbound_feed_control(struct conn *c, struct bb_span data, bool *ret_hold);
/** outbound_drop() - The request ends, be its body whole or not: what was sent of it was read */
void outbound_drop(const struct conn *c, struct request *rq);
/** outbound_account() - Against the route's limits; the octets are about to leave */
struct judgement outbound_account(struct conn *c, size_t n);
#endif
