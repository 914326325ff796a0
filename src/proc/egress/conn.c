/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "proc/egress/egress.h"
#include "proc/egress/fields.h"
#include "proc/egress/mux.h"
#include <errno.h>

/* Steps per wake-up; one moves at most 16 KiB each way, so no connection keeps the loop for long */
#define RUN_BUDGET 32

static bool step_dead(struct conn *c)
{
	(void)c;
	return false;
}

bool conn_guest_left(struct conn *c)
{
	/* With a full buffer its end cannot be read, but the socket knows */
	if (!c->guest.eof && c->guest.in.len < STREAM_CHUNK)
		return false;
	if (!stream_peer_gone(&c->guest))
		return false;
	conn_abort(c, REASON_CLOSED, "guest closed");
	return true;
}

/* Nothing to do but wait for a message or the timer, and see the guest leave */
static bool step_wait(struct conn *c)
{
	bool any = stream_fill(&c->guest, STREAM_CHUNK);

	return conn_guest_left(c) || any;
}

static bool (*const steps[CONN_NUM_STATES])(struct conn *c) = {
	[CONN_HEAD] = step_head,
	[CONN_LEAF] = step_leaf,
	[CONN_FIRST] = step_first,
	[CONN_HANDSHAKE] = step_handshake,
	[CONN_H2] = step_h2,
	[CONN_COLLECT] = step_collect,
	[CONN_ACK] = step_wait,
	[CONN_FOLLOW] = step_follow,
	[CONN_DIAL] = step_wait,
	[CONN_UP_TLS] = step_up_tls,
	[CONN_EXCHANGE] = step_exchange,
	[CONN_WEBSOCKET] = step_websocket,
	[CONN_LINGER] = step_linger,
	[CONN_DEAD] = step_dead,
};

void request_free(struct request *rq)
{
	if (!rq)
		return;
	bb_buf_release(&rq->head);
	bb_buf_release(&rq->own_path);
	bb_buf_release(&rq->held);
	bb_buf_release(&rq->trailers);
	bb_buf_release(&rq->tap);
	bb_buf_release(&rq->said);
	bb_buf_release(&rq->body);
	bb_buf_release(&rq->waiting);
	scan_close(rq->search);
	scan_close(rq->search_decoded);
	scan_close(rq->search_message);
	scan_close(rq->search_control);
	fields_free(rq->fields);
	coding_close(rq->decoder);
	coding_close(rq->response_decoder);
	bb_buf_release(&rq->coded_in);
	free(rq->ws);
	if (rq->injected.len)
		explicit_bzero(rq->injected.p, rq->injected.len);
	bb_buf_release(&rq->injected);
	free(rq);
}

void conn_drop_request(struct conn *c)
{
	if (c->rq) {
		c->eg->searcher.kept -= c->rq->reserved;
		outbound_drop(c, c->rq);
	}
	request_free(c->rq);
	c->rq = NULL;
}

static void conn_free(struct conn *c)
{
	LIST_REMOVE(c, link);
	c->eg->n_conns--;
	exchange_cancel_dial(c);
	upstream_led(c);
	leaf_cancel(&c->wait);
	SSL_CTX_free(c->leaf);
	mux_free(c->mux);
	stream_close(&c->guest);
	if (c->rq)
		stream_close(&c->up);
	else
		upstream_keep(c);
	conn_drop_request(c);
	if (c->timer)
		event_free(c->timer);
	if (c->again)
		event_free(c->again);
	free(c);
}

/* One step. @send: send first what there is. While a body comes in and there is room for what comes
 * of it, that waits: few large writes cost less than many. Return: anything left to do now? */
static bool run_step(struct conn *c, bool *send)
{
	enum conn_state was = c->state;
	bool progress = false, sent = *send, moved;

	if (sent) {
		progress = stream_flush(&c->guest);
		progress |= stream_flush(&c->up);
	}
	if (c->rest_ms && c->guest.out.len == 0)
		conn_rest(c, c->rest_ms);
	if (c->guest.error || c->guest.write_error)
		conn_abort(c, REASON_CLOSED, "guest closed");
	moved = steps[c->state](c);
	*send = !moved || c->state != CONN_EXCHANGE || was != CONN_EXCHANGE || c->guest.far ||
		c->up.far || stream_out_full(&c->guest) || stream_out_full(&c->up);
	return progress || moved || !sent;
}

void conn_run(struct conn *c)
{
	unsigned int budget = RUN_BUDGET;
	bool progress = true, send = true;

	while (progress && budget-- && c->state != CONN_DEAD)
		progress = run_step(c, &send);
	if (c->state == CONN_DEAD) {
		conn_free(c);
		return;
	}
	if (c->leads && c->state != CONN_DIAL && c->state != CONN_UP_TLS)
		upstream_led(c);
	if (progress)
		(void)event_add(c->again, &(struct timeval){ 0 });
	if (c->state == CONN_HEAD) {
		stream_slim(&c->guest);
		stream_slim(&c->up);
	}
}

static void on_ready(void *arg)
{
	conn_run(arg);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_run(arg);
}

static void arm_timer(struct conn *c, uint64_t now)
{
	uint64_t ms = c->deadline_ms > now ? c->deadline_ms - now : 0;
	struct timeval tv = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	c->timer_ms = now + ms;
	(void)event_add(c->timer, &tv);
}

void conn_deadline(struct conn *c, uint64_t ms)
{
	uint64_t now = bb_now_ms();

	c->rest_ms = 0;
	c->deadline_ms = now + ms;
	/* A later deadline is noticed when the timer fires: most never come to it */
	if (c->timer_ms == 0 || c->deadline_ms < c->timer_ms)
		arm_timer(c, now);
}

void conn_rest(struct conn *c, uint64_t ms)
{
	bool taken = c->guest.out.len == 0;

	conn_deadline(c, taken ? ms : EGRESS_IDLE_MS);
	c->rest_ms = taken ? 0 : ms;
}

static void timed_out(struct conn *c)
{
	switch (c->state) {
	case CONN_HEAD:
		request_timeout(c);
		break;
	case CONN_LEAF:
		tunnel_no_leaf(c, "no certificate in time");
		break;
	case CONN_FIRST:
		audit_verdict(c, POLICY_DENY, REASON_NOT_HTTP, 0, "no octet in time", false);
		c->state = CONN_DEAD;
		break;
	case CONN_HANDSHAKE:
		audit_verdict(c, POLICY_DENY, REASON_GUEST_TLS, 0, "handshake timed out", false);
		c->state = CONN_DEAD;
		break;
	case CONN_H2:
		h2_timeout(c);
		break;
	case CONN_COLLECT:
		reply_error(c, 408, REASON_TIMEOUT, "request body stalled");
		break;
	case CONN_ACK:
		reply_error(c, 503, REASON_TIMEOUT, "the verdict could not be recorded");
		break;
	case CONN_FOLLOW:
	case CONN_DIAL:
	case CONN_UP_TLS:
	case CONN_EXCHANGE:
		exchange_timeout(c);
		break;
	case CONN_WEBSOCKET:
		conn_abort(c, REASON_TIMEOUT, "idle");
		break;
	case CONN_LINGER:
	case CONN_DEAD:
	case CONN_NUM_STATES:
		c->state = CONN_DEAD;
		break;
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	uint64_t now = bb_now_ms();

	(void)fd;
	(void)what;
	c->timer_ms = 0;
	if (now < c->deadline_ms) {
		arm_timer(c, now);
		return;
	}
	timed_out(c);
	conn_run(c);
}

struct conn *conn_find(struct egress *eg, uint64_t id)
{
	struct conn *c;

	LIST_FOREACH(c, &eg->conns[id % EGRESS_CONN_BUCKETS], link)
	{
		if (c->id == id)
			return c;
	}
	return NULL;
}

uint64_t conn_call_id(struct conn *c)
{
	c->calls = (c->calls + 1) & ((1u << CONN_CALL_BITS) - 1);
	return c->id << CONN_CALL_BITS | c->calls;
}

static struct conn *conn_new(struct egress *eg, uint64_t flow)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->eg = eg;
	c->id = ++eg->last_id;
	c->flow = flow;
	c->guest.fd = c->up.fd = -1;
	eg->n_conns++;
	LIST_INSERT_HEAD(&eg->conns[c->id % EGRESS_CONN_BUCKETS], c, link);
	c->timer = evtimer_new(eg->base, on_timer, c);
	c->again = evtimer_new(eg->base, on_again, c);
	if (c->timer && c->again)
		return c;
	conn_free(c);
	return NULL;
}

/* An answer that waits in a stream costs as much as its conn did */
static bool is_full(const struct egress *eg)
{
	return eg->n_conns + eg->orphans >= eg->max_conns;
}

enum policy_reason conn_open(struct egress *eg, uint64_t flow, int fd, struct bb_span name,
			     uint16_t port)
{
	bb_auto_close int owned = fd;
	struct authority to = { .port = port };
	enum policy_reason r = name.len ? authority_name(name, to.name) : REASON_OK;
	struct conn *c;

	if (r != REASON_OK)
		return r;
	if (is_full(eg))
		return REASON_LIMIT;
	c = conn_new(eg, flow);
	if (!c)
		return REASON_LIMIT;
	if (stream_open(&c->guest, eg->base, BB_TAKE_FD(owned), on_ready, c) < 0) {
		conn_free(c);
		return REASON_LIMIT;
	}
	if (name.len) {
		c->tunnel = c->opened = true;
		c->name = to;
		c->state = CONN_FIRST;
		conn_deadline(c, EGRESS_FIRST_OCTET_MS);
	} else {
		conn_deadline(c, EGRESS_KEEP_ALIVE_MS);
	}
	(void)event_add(c->again, &(struct timeval){ 0 });
	return REASON_OK;
}

struct conn *conn_open_inside(struct conn *parent)
{
	struct egress *eg = parent->eg;
	struct conn *c = is_full(eg) ? NULL : conn_new(eg, parent->flow);

	if (!c)
		return NULL;
	c->tunnel = c->opened = c->spoke = c->inside = true;
	c->tls = parent->tls;
	c->name = parent->name;
	conn_deadline(c, EGRESS_KEEP_ALIVE_MS);
	(void)event_add(c->again, &(struct timeval){ 0 });
	return c;
}

void conn_next(struct conn *c)
{
	conn_drop_request(c);
	c->scan = (struct http1_scan){ 0 };
	c->head_begun = false;
	c->state = CONN_HEAD;
	conn_rest(c, EGRESS_KEEP_ALIVE_MS);
}

void conn_abort(struct conn *c, enum policy_reason reason, const char *text)
{
	/* What of a response has been let through is seen to end too early, not to be missing */
	if (c->state == CONN_EXCHANGE)
		(void)stream_flush(&c->guest);
	if (c->state != CONN_DEAD && c->rq && c->rq->admitted)
		audit_end(c, reason, text);
	c->state = CONN_DEAD;
}
