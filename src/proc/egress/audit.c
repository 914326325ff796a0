/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "proc/egress/egress.h"
#include <stdio.h>

/* Octets waiting for recorder above which no connection may cause another record */
#define AUDIT_QUEUE_HIGH (256u << 10)
/* Of a path, in an end: the verdict has it whole. All connections may end at once, and their ends
 * have to fit into the queue (IPC_PEER_QUEUE_MAX) */
#define END_PATH_MAX 512

static struct bb_span capped(struct bb_span s, size_t cap)
{
	return (struct bb_span){ s.p, s.len < cap ? s.len : cap };
}

static bool names_in_target(const struct request *rq)
{
	return rq &&
	       (rq->http.form == HTTP1_FORM_AUTHORITY || rq->http.form == HTTP1_FORM_ABSOLUTE);
}

struct bb_span request_host(const struct conn *c)
{
	const struct request *rq = c->rq;
	struct bb_span host;

	if (rq && rq->to.name[0])
		return BB_SPAN_STR(rq->to.name);
	if (c->tunnel || c->name.name[0])
		return BB_SPAN_STR(c->name.name);
	if (names_in_target(rq)) {
		(void)authority_shown(rq->http.target, &host);
		return capped(host, POLICY_NAME_MAX);
	}
	return rq && rq->http.host.p ? capped(rq->http.host, POLICY_NAME_MAX)
				     : (struct bb_span){ 0 };
}

static uint16_t request_port(const struct conn *c)
{
	const struct request *rq = c->rq;
	struct bb_span host;

	if (rq && rq->to.port)
		return rq->to.port;
	if (c->name.port || !names_in_target(rq))
		return c->name.port;
	return authority_shown(rq->http.target, &host);
}

bool audit_is_behind(struct conn *c)
{
	if (ipc_peer_queued(c->eg->recorder) < AUDIT_QUEUE_HIGH)
		return false;
	c->eg->audit_awaited = true;
	return true;
}

void audit_go_on(struct egress *eg)
{
	struct conn *c;

	if (!eg->audit_awaited)
		return;
	eg->audit_awaited = false;
	for (size_t i = 0; i < EGRESS_CONN_BUCKETS; i++) {
		LIST_FOREACH(c, &eg->conns[i], link)
		{
			(void)event_add(c->again, &(struct timeval){ 0 });
		}
	}
}

static void send_record(struct conn *c, struct ipc_msg *msg, const char *text)
{
	struct request *rq = c->rq;
	struct ipc_record *r = &msg->u.record;
	const struct policy_route *route;
	uint8_t host[OUTBOUND_SHOW_MAX], path[OUTBOUND_SHOW_MAX];
	char rule[POLICY_NAME_MAX + 2] = "";

	msg->type = IPC_RECORD;
	msg->fd = -1;
	msg->flow = c->flow;
	r->host = request_host(c);
	r->port = request_port(c);
	r->text = capped(BB_SPAN_STR(text), IPC_TEXT_MAX);
	if (rq) {
		r->method = rq->http.method;
		r->path = outbound_show(c, rq, rq->path, path);
		if (r->kind == IPC_RECORD_END)
			r->path = capped(r->path, END_PATH_MAX);
		r->host = outbound_show(c, rq, r->host, host);
	}
	if (rq && rq->admitted) {
		route = &c->eg->policy.routes[rq->route];
		(void)snprintf(rule, sizeof(rule), "%s%s", route->wildcard ? "*." : "",
			       route->host);
	}
	r->rule = BB_SPAN_STR(rule);
	if (ipc_peer_send(c->eg->recorder, msg) < 0)
		c->state = CONN_DEAD; /* what cannot be recorded does not happen */
}

void audit_verdict(struct conn *c, enum policy_verdict verdict, enum policy_reason reason,
		   unsigned int status, const char *text, bool ack)
{
	struct ipc_msg msg = { .u.record = {
				       .ack = ack,
				       .kind = IPC_RECORD_VERDICT,
				       .verdict = (uint8_t)verdict,
				       .reason = (uint8_t)reason,
				       .status = (uint16_t)status,
			       } };

	if (ack)
		msg.u.record.seq = c->ack_seq = conn_call_id(c);
	send_record(c, &msg, text);
}

/* Refused behind its verdict: by what was found in a body, or by the end of a budget */
static bool is_refusal(enum policy_reason reason)
{
	return reason >= REASON_FOREIGN_CREDENTIAL || reason == REASON_BAD_REQUEST;
}

void audit_end(struct conn *c, enum policy_reason reason, const char *text)
{
	struct request *rq = c->rq;
	char said[160] = "";
	struct ipc_msg msg = { .u.record = {
				       .kind = IPC_RECORD_END,
				       .verdict = is_refusal(reason) ? POLICY_DENY : POLICY_ALLOW,
				       .reason = (uint8_t)reason,
				       .status = (uint16_t)rq->status,
				       .duration_ms = (uint32_t)(bb_now_ms() - rq->started_ms),
				       .bytes_out = rq->bytes_out,
				       .bytes_in = rq->bytes_in,
				       .addr = c->up_addr,
				       .proxied = c->up_proxied,
			       } };

	if (rq->spoken && !text[0])
		(void)snprintf(said, sizeof(said), "the response speaks to the agent: %.80s",
			       rq->spoken);
	send_record(c, &msg, said[0] ? said : text);
	rq->admitted = false; /* one end per request */
}
