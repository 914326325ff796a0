/* SPDX-License-Identifier: Apache-2.0 */
/* What bottled asks: streams to the guest's exec agent, and the host probe */
#include "base/io.h"
#include "policy/reason.h"
#include "proc/gate/gate.h"
#include "proc/gate/shovel.h"
#include <errno.h>
#include <event2/buffer.h>

/* A stream that waits for the guest to accept it */
struct opening {
	struct gate *gate;
	int fd;
};

static void opening_free(struct opening *o)
{
	bb_closep(&o->fd);
	free(o);
}

static void on_exec_done(const struct shovel_result *r, void *arg)
{
	(void)r;
	(void)arg;
}

static void on_open(struct stream *s, void *arg)
{
	struct opening *o = arg;

	s->grow = true;
	if (!shovel_new(o->gate->base, s, BB_TAKE_FD(o->fd), NULL, false, on_exec_done, NULL))
		stream_reset(s);
	opening_free(o);
}

/* The guest's agent speaks only when it is spoken to */
static void on_data(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg)
{
	(void)seg;
	(void)n;
	(void)len;
	stream_reset(s);
	opening_free(arg);
}

static void on_eof(struct stream *s, void *arg)
{
	stream_reset(s);
	opening_free(arg);
}

static void on_gone(struct stream *s, bool orderly, void *arg)
{
	(void)s;
	(void)orderly;
	opening_free(arg); /* porter sees end of file */
}

static const struct stream_handler opening_handler = {
	.on_open = on_open,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_gone = on_gone,
};

void control_stream_open(struct gate *g, struct ipc_msg *msg)
{
	struct opening *o;

	if (msg->u.stream_open.port != GATE_PORT_EXEC)
		return; /* the fd is closed by our caller: porter sees end of file */
	if (g->listen) {
		listen_want(g->listen, BB_TAKE_FD(msg->fd));
		return;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return;
	o->gate = g;
	o->fd = BB_TAKE_FD(msg->fd);
	if (!vsock_connect(g->vsock, GATE_PORT_EXEC, &opening_handler, o))
		opening_free(o);
}

void control_probe_flow(struct gate *g, const struct ipc_msg *msg)
{
	struct ipc_msg answer = { .type = IPC_PROBE_RESULT, .fd = -1, .flow = msg->flow };
	struct policy_flow judged;

	policy_judge_flow(&g->policy, g->filter, &msg->u.flow.addr, msg->u.flow.port, &judged);
	answer.u.probe_result.verdict = (uint8_t)judged.verdict;
	answer.u.probe_result.reason = (uint8_t)judged.reason;
	(void)ipc_peer_send(g->bottled, &answer);
}

/* A query as the guest would send it, through the same decoder and filter */
static size_t make_query(struct bb_span name, uint16_t qtype, uint8_t out[static 300])
{
	static const uint8_t head[12] = { 0, 1, 1, 0, 0, 1 };
	size_t at = sizeof(head), label = at;

	if (name.len > 253)
		return 0;
	memcpy(out, head, sizeof(head));
	at++;
	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && name.p[i] != '.') {
			out[at++] = name.p[i];
			continue;
		}
		out[label] = (uint8_t)(at - label - 1);
		label = at++;
	}
	out[label] = 0;
	bb_put_be16(out + at, qtype);
	bb_put_be16(out + at + 2, 1);
	return at + 4;
}

void control_probe_dns(struct gate *g, const struct ipc_msg *msg)
{
	struct ipc_msg answer = { .type = IPC_PROBE_RESULT, .fd = -1, .flow = msg->flow };
	uint8_t query[300], reply[DNS_REPLY_MAX];
	struct dns_outcome o;
	size_t n = make_query(msg->u.probe_dns.name, msg->u.probe_dns.qtype, query);

	answer.u.probe_result.rcode = DNS_RCODE_SERVFAIL;
	answer.u.probe_result.verdict = POLICY_DENY;
	/* what would be looked up is not: the decision is what is asked for */
	if (n &&
	    (dns_filter_answer(g->filter, (struct bb_span){ query, n }, bb_now_ms(), reply, &o) ||
	     o.result == DNS_QUERY_OK)) {
		answer.u.probe_result.rcode = (uint8_t)o.rcode;
		answer.u.probe_result.verdict = (uint8_t)o.decision.verdict;
		answer.u.probe_result.reason = (uint8_t)o.decision.reason;
	}
	(void)ipc_peer_send(g->bottled, &answer);
}

/*
 * What could fail for want of room is done at RELOAD, where nothing has changed yet. SWITCH cannot
 * fail; without a policy that was found good it is not bottled who asks.
 */
void control_reload(struct gate *g, struct ipc_msg *msg)
{
	struct bb_err err = { 0 };
	struct policy old = g->policy;

	if (msg->type == IPC_BLOB) {
		staged_blob(&g->staged, msg);
	} else if (msg->type == IPC_FORGET) {
		staged_forget(&g->staged);
	} else if (msg->type == IPC_RELOAD) {
		if (staged_read(&g->staged, &g->policy, &err) == 0 &&
		    !dns_filter_reserve(g->filter, &g->staged.next)) {
			g->staged.ready = false;
			(void)bb_err_set(&err, -ENOSPC,
					 "gate knows as many names as it can; end the bottle");
		}
		reload_answer(g->bottled, err.code ? &err : NULL);
	} else if (!g->staged.ready) {
		gate_stop(g, "SWITCH without a policy");
	} else {
		g->policy = staged_take(&g->staged);
		staged_forget(&g->staged);
		dns_filter_relist(g->filter, &g->policy);
		flow_rejudge_all(g);
		policy_release(&old);
		reload_answer(g->bottled, NULL);
	}
}
