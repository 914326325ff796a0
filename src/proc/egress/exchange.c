/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"
#include "proc/egress/tls.h"
#include "wire/flow.h"
#include <stdio.h>

/*
 * The upstream side of an admitted request: reuse or dial, TLS, head, and both bodies through
 * buffers of fixed size. What is sent on is always decoded and encoded again, never copied through.
 */

/* Methods that may be sent again when a reused connection turns out to be closed (RFC 9110 9.2.2)
 */
static bool may_retry(const struct request *rq)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" };

	for (size_t i = 0; i < BB_ARRAY_LEN(methods); i++) {
		if (bb_span_eq(rq->http.method, BB_SPAN_STR(methods[i])))
			return rq->http.body == HTTP1_BODY_NONE && !rq->retried;
	}
	return false;
}

void exchange_cancel_dial(struct conn *c)
{
	if (c->dial_id)
		(void)ipc_peer_send(
			c->eg->dialer,
			&(struct ipc_msg){ .type = IPC_DIAL_CANCEL, .fd = -1, .flow = c->dial_id });
	c->dial_id = 0;
}

static void dial(struct conn *c)
{
	struct ipc_msg msg = {
		.type = IPC_DIAL_NAME,
		.fd = -1,
		.flow = c->dial_id = conn_call_id(c),
		.u.dial_name = { (uint32_t)c->rq->route, c->rq->to.port,
				 BB_SPAN_STR(c->rq->to.name) },
	};

	stream_close(&c->up);
	c->up_addr = (struct ip_addr){ 0 };
	c->up_proxied = false;
	c->state = CONN_DIAL;
	conn_deadline(c, EGRESS_DIAL_MS);
	if (ipc_peer_send(c->eg->dialer, &msg) < 0)
		reply_error(c, 503, REASON_LIMIT, "out of memory");
}

void exchange_redial(struct conn *c)
{
	exchange_cancel_dial(c);
	dial(c);
}

/* The Host field: the port only where it is not the scheme's own */
static int write_head(struct conn *c)
{
	struct request *rq = c->rq;
	size_t fields = rq->http.fields.n;
	char host[POLICY_NAME_MAX + 8];
	bool plain_port = rq->to.port == (c->tls ? 443 : 80);
	size_t len = 0;

	(void)snprintf(host, sizeof(host), plain_port ? "%s" : "%s:%u", rq->to.name, rq->to.port);
	rq->injected.len = 0;
	if (rq->inject && credential_add_field(c, rq, &rq->injected) < 0)
		return -1;
	if (http1_request_write(&rq->http, rq->path, BB_SPAN_STR(host), c->eg->scratch,
				sizeof(c->eg->scratch), &len) != HTTP1_OK)
		return -1;
	rq->http.fields.n = fields; /* again as it was, should the request be sent once more */
	rq->bytes_out += len;
	if (bb_buf_add(&c->up.out, c->eg->scratch, len) < 0)
		return -1;
	if (rq->inject)
		explicit_bzero(c->eg->scratch, len);
	return 0;
}

static void send_request(struct conn *c)
{
	struct request *rq = c->rq;

	response_begin(rq);
	upload_begin(rq);
	c->state = CONN_EXCHANGE;
	conn_deadline(c, EGRESS_IDLE_MS);
	if (write_head(c) < 0)
		reply_error(c, 503, REASON_LIMIT, "out of memory, or no room for the credential");
	else
		inbound_begin(c);
}

void exchange_watch_idle(struct conn *c)
{
	if (!stream_is_open(&c->up))
		return;
	c->up.readable = true; /* ask: its end may be in the same round of events */
	(void)stream_fill(&c->up, 1);
	if (c->up.in.len || c->up.eof || c->up.error || c->up.write_error)
		stream_close(&c->up);
}

static void on_up_ready(void *arg)
{
	conn_run(arg);
}

void exchange_begin(struct conn *c)
{
	struct request *rq = c->rq;

	exchange_watch_idle(c);
	if (stream_is_open(&c->up) && c->up_route == rq->route &&
	    c->up_tls == route_is_tls(c, rq->route) && c->up_name.port == rq->to.port &&
	    strcmp(c->up_name.name, rq->to.name) == 0) {
		c->up_used = true;
		send_request(c);
		return;
	}
	upstream_keep(c);
	if (upstream_reuse(c, on_up_ready)) {
		c->up_used = true;
		send_request(c);
		return;
	}
	if (upstream_follow(c))
		return;
	c->up_used = false;
	dial(c);
	upstream_lead(c);
}

bool step_follow(struct conn *c)
{
	bool any = stream_fill(&c->guest, STREAM_CHUNK);

	if (conn_guest_left(c))
		return true;
	if (c->leader)
		return any;
	exchange_begin(c);
	return true;
}

/* Without TLS nothing is negotiated: the upstream is spoken to as the guest speaks, or as gRPC has
 * to be */
bool exchange_wants_h2(const struct conn *c)
{
	return c->inside && (route_is_tls(c, c->rq->route) || !c->tls || request_is_grpc(c->rq));
}

static void adopt(struct conn *c)
{
	if (upstream_adopt(c))
		send_request(c);
	else
		reply_error(c, 503, REASON_LIMIT, "out of memory");
}

static void on_dialled(struct conn *c, struct ipc_msg *msg)
{
	SSL *ssl;

	c->up_addr = msg->u.dial_ok.addr;
	c->up_proxied = !c->up_addr.family;
	c->up_source = msg->u.dial_ok.source;
	c->up_stale = false;
	c->up_name = c->rq->to;
	c->up_route = c->rq->route;
	c->up_tls = route_is_tls(c, c->rq->route);
	c->up_h2_offered = c->up_tls && exchange_wants_h2(c);
	if (stream_open(&c->up, c->eg->base, BB_TAKE_FD(msg->fd), on_up_ready, c) < 0) {
		reply_error(c, 503, REASON_LIMIT, "out of memory");
		return;
	}
	if (!c->up_tls) {
		if (exchange_wants_h2(c))
			adopt(c);
		else
			send_request(c);
		return;
	}
	ssl = tls_upstream_ssl(c->eg->upstream_tls, c->rq->to.name, c->rq->to.port,
			       c->up_h2_offered);
	if (!ssl || stream_start_tls(&c->up, ssl) < 0) {
		reply_error(c, 503, REASON_LIMIT, "out of memory");
		return;
	}
	c->state = CONN_UP_TLS;
	conn_deadline(c, EGRESS_UPSTREAM_TLS_MS);
}

static void on_dial_failed(struct conn *c, const struct ipc_dial_fail *f)
{
	enum policy_reason reason = REASON_UPSTREAM_CONNECT;
	unsigned int status = 502;
	char text[160];

	(void)snprintf(text, sizeof(text), "%.*s", (int)(f->text.len < 150 ? f->text.len : 150),
		       (const char *)f->text.p);
	if (f->reason > REASON_OK && f->reason < POLICY_NUM_REASONS)
		reason = (enum policy_reason)f->reason;
	if (f->status == FLOW_STATUS_DENIED)
		status = 403;
	else if (f->status == FLOW_STATUS_TIMEOUT)
		status = 504;
	else if (f->status == FLOW_STATUS_LIMIT)
		status = 503;
	reply_error(c, status, reason, text);
}

void exchange_on_dial(struct conn *c, struct ipc_msg *msg)
{
	if (c->state != CONN_DIAL || c->dial_id != msg->flow)
		return; /* an answer that nobody waits for any more; its fd is closed by ipc */
	c->dial_id = 0;
	if (msg->type == IPC_DIAL_OK)
		on_dialled(c, msg);
	else
		on_dial_failed(c, &msg->u.dial_fail);
}

void exchange_timeout(struct conn *c)
{
	if (c->state == CONN_EXCHANGE && !c->rq->sent) {
		reply_error(c, 408, REASON_TIMEOUT, "request body stalled");
		return;
	}
	reply_error(c, 504, REASON_TIMEOUT,
		    c->state == CONN_EXCHANGE ? "no response in time" : "no connection in time");
}

bool step_up_tls(struct conn *c)
{
	bool any = stream_fill(&c->guest, STREAM_CHUNK);
	int r;

	if (conn_guest_left(c))
		return true;
	r = stream_handshake(&c->up);
	if (r == 0)
		return any;
	if (r > 0 && stream_speaks_h2(&c->up))
		adopt(c);
	else if (r > 0)
		send_request(c);
	else
		reply_error(c, 502, REASON_UPSTREAM_TLS, c->up.why);
	return true;
}

void exchange_upstream_lost(struct conn *c)
{
	if (c->up_used && may_retry(c->rq)) {
		c->rq->retried = true;
		c->up_used = false;
		dial(c);
		return;
	}
	reply_error(c, 502, REASON_UPSTREAM_PROTOCOL,
		    c->up.why[0] ? c->up.why : "connection closed before the response");
}

static void exchange_end(struct conn *c)
{
	struct request *rq = c->rq;
	bool keep = rq->keep_guest && rq->sent;

	(void)stream_flush(&c->guest); /* it need not wait for the record */
	audit_end(c, REASON_OK, "");
	if (!rq->keep_upstream || !rq->sent || c->up.far || c->up_stale || c->up.in.len ||
	    c->up.eof || c->up.error || c->up.write_error)
		stream_close(&c->up);
	if (c->state == CONN_DEAD)
		return;
	if (keep) {
		conn_next(c);
		return;
	}
	upstream_keep(c);
	c->state = CONN_LINGER;
	conn_rest(c, EGRESS_LINGER_MS);
}

bool step_exchange(struct conn *c)
{
	bool any = upload_pump(c);

	if (c->state == CONN_EXCHANGE)
		any |= response_pump(c);
	if (c->state != CONN_EXCHANGE)
		return true;
	if (c->rq->response == RESPONSE_DONE) {
		exchange_end(c);
		return true;
	}
	if (any)
		conn_deadline(c, EGRESS_IDLE_MS);
	return any;
}
