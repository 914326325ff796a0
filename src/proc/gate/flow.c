/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows: HEADER (24 octets from the guest) → judged by policy → RECORD (an allow waits until it is
 * written) → ASK (egress takes its end, or dialer connects) → the reply, and octets both ways.
 */
#include "wire/flow.h"
#include "base/io.h"
#include "policy/reason.h"
#include "proc/gate/gate.h"
#include "proc/gate/shovel.h"
#include <errno.h>
#include <event2/buffer.h>
#include <sys/socket.h>

enum flow_state { FLOW_HEADER = 0, FLOW_RECORD, FLOW_ASK, FLOW_OPEN };

struct flow {
	LIST_ENTRY(flow) link;
	struct gate *gate;
	uint64_t id;
	enum flow_state state;
	struct stream *stream; /* NULL once it is gone or handed on */
	uint8_t header[FLOW_HEADER_BYTES];
	size_t have;
	struct evbuffer *early; /* octets behind the header, or NULL */
	bool eof;
	struct flow_header asked;
	struct policy_flow judged;
	struct ip_addr dialled; /* what dialer connected to */
	bool proxied;           /* ... but for the upstream proxy, which knows the address */
	struct shovel *shovel;  /* while FLOW_OPEN */
	int fd;                 /* our end of a service's socketpair */
	uint64_t start_ms;
	struct event *deadline;
};

static struct flow_list *bucket_of(struct gate *g, uint64_t id)
{
	return &g->flows[id % GATE_FLOW_BUCKETS];
}

static struct flow *flow_find(struct gate *g, uint64_t id)
{
	struct flow *f;

	LIST_FOREACH(f, bucket_of(g, id), link)
	{
		if (f->id == id)
			return f;
	}
	return NULL;
}

static void flow_free(struct flow *f)
{
	LIST_REMOVE(f, link);
	f->gate->n_flows--;
	if (f->state != FLOW_OPEN)
		f->gate->n_half_open--;
	if (f->deadline)
		event_free(f->deadline);
	if (f->early)
		evbuffer_free(f->early);
	bb_closep(&f->fd);
	free(f);
}

static void fill_record(const struct flow *f, struct ipc_record *r)
{
	r->kind = IPC_RECORD_FLOW;
	r->method = BB_SPAN_STR("tcp");
	r->verdict = (uint8_t)f->judged.verdict;
	r->reason = (uint8_t)f->judged.reason;
	r->addr = f->judged.addr;
	r->port = f->asked.port;
	if (f->judged.name)
		r->host = BB_SPAN_STR(f->judged.name);
}

static void cancel_dial(struct flow *f)
{
	struct ipc_msg msg = { .type = IPC_DIAL_CANCEL, .fd = -1, .flow = f->id };

	if (f->state == FLOW_ASK && f->judged.target != POLICY_TARGET_EGRESS)
		(void)ipc_peer_send(f->gate->dialer, &msg);
}

/* Answer and end: the guest reads the reason, then the end */
static void flow_answer(struct flow *f, enum flow_status status, uint16_t err)
{
	uint8_t reply[FLOW_REPLY_BYTES];

	flow_reply_write(reply, (struct flow_reply){ status, err });
	if (f->stream && stream_write(f->stream, reply, sizeof(reply)) == 0)
		stream_close(f->stream);
	else if (f->stream)
		stream_reset(f->stream);
	f->stream = NULL;
	flow_free(f);
}

static void flow_deny(struct flow *f, enum flow_status status)
{
	struct ipc_record r = { 0 };

	fill_record(f, &r);
	gate_record(f->gate, f->id, false, &r);
	flow_answer(f, status, 0);
}

static void on_shovel_done(const struct shovel_result *res, void *arg)
{
	struct flow *f = arg;
	struct ipc_record r = { 0 };

	if (f->judged.target != POLICY_TARGET_EGRESS) { /* requests have records of their own */
		fill_record(f, &r);
		r.kind = IPC_RECORD_END;
		r.proxied = f->proxied;
		r.bytes_out = res->bytes_out;
		r.bytes_in = res->bytes_in;
		r.duration_ms = (uint32_t)(bb_now_ms() - f->start_ms);
		gate_record(f->gate, f->id, false, &r);
	}
	flow_free(f);
}

/* The other side is there: answer ok and let octets pass; takes @fd */
static void flow_open(struct flow *f, int fd)
{
	uint8_t reply[FLOW_REPLY_BYTES];
	struct stream *s = f->stream;

	flow_reply_write(reply, (struct flow_reply){ FLOW_STATUS_OK, 0 });
	if (stream_write(s, reply, sizeof(reply)) < 0) {
		(void)close(fd);
		flow_answer(f, FLOW_STATUS_LIMIT, 0);
		return;
	}
	f->state = FLOW_OPEN;
	f->gate->n_half_open--;
	(void)event_del(f->deadline);
	s->grow = true;
	s->idle_ms = GATE_IDLE_MS;
	f->shovel = shovel_new(f->gate->base, s, fd, f->early, f->eof, on_shovel_done, f);
	if (!f->shovel) {
		stream_reset(s);
		flow_free(f);
		return;
	}
	f->stream = NULL; /* the shovel's */
}

static int ask_egress(struct flow *f)
{
	struct ipc_msg msg = { .type = IPC_FLOW_OPEN, .flow = f->id };
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	f->fd = fds[0];
	msg.fd = fds[1];
	msg.u.flow.addr = f->judged.addr;
	msg.u.flow.port = f->asked.port;
	if (f->judged.name)
		msg.u.flow.name = BB_SPAN_STR(f->judged.name);
	r = ipc_peer_send(f->gate->egress, &msg);
	(void)close(fds[1]);
	return r;
}

static int ask_dialer(struct flow *f)
{
	struct ipc_msg msg = { .type = IPC_DIAL_ADDR, .fd = -1, .flow = f->id };

	if (f->judged.target == POLICY_TARGET_DIAL_NAME) {
		msg.type = IPC_DIAL_NAME;
		msg.u.dial_name.rule = f->judged.rule;
		msg.u.dial_name.port = f->asked.port;
		msg.u.dial_name.name = BB_SPAN_STR(f->judged.name);
	} else {
		msg.u.flow.addr = f->judged.addr;
		msg.u.flow.port = f->asked.port;
	}
	return ipc_peer_send(f->gate->dialer, &msg);
}

static void flow_ask(struct flow *f)
{
	int r;

	f->state = FLOW_ASK;
	r = f->judged.target == POLICY_TARGET_EGRESS ? ask_egress(f) : ask_dialer(f);
	if (r < 0) {
		f->judged.verdict = POLICY_DENY;
		f->judged.reason = REASON_LIMIT;
		flow_deny(f, FLOW_STATUS_LIMIT);
	}
}

/* The header is complete: decide */
static void flow_judge(struct flow *f)
{
	struct bb_span in = { f->header, sizeof(f->header) };
	struct ip_addr addr = { 0 };
	struct ipc_record r = { 0 };

	if (flow_header_read(in, &f->asked) != FLOW_RESULT_OK) {
		f->judged =
			(struct policy_flow){ .verdict = POLICY_DENY, .reason = REASON_MALFORMED };
		flow_deny(f, FLOW_STATUS_MALFORMED);
		return;
	}
	addr.family = f->asked.family;
	memcpy(addr.a, f->asked.addr, sizeof(addr.a));
	policy_judge_flow(&f->gate->policy, f->gate->filter, &addr, f->asked.port, &f->judged);
	if (f->judged.verdict != POLICY_ALLOW) {
		flow_deny(f, FLOW_STATUS_DENIED);
		return;
	}
	if (f->judged.target == POLICY_TARGET_EGRESS) {
		flow_ask(f); /* the guard records each request before its effect */
		return;
	}
	f->state = FLOW_RECORD;
	fill_record(f, &r);
	gate_record(f->gate, f->id, true, &r);
}

static bool add_early(struct flow *f, const uint8_t *p, size_t len)
{
	if (!f->early)
		f->early = evbuffer_new();
	return f->early && evbuffer_add(f->early, p, len) == 0;
}

static void on_data(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg)
{
	struct flow *f = arg;
	size_t header = 0;

	(void)len;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = seg[i].iov_base;
		size_t left = seg[i].iov_len, take = sizeof(f->header) - f->have;

		take = take < left ? take : left;
		memcpy(f->header + f->have, p, take);
		f->have += take;
		header += take;
		/* at most the stream's window: nothing behind the header is credited before its
		 * time */
		if (left > take && !add_early(f, p + take, left - take)) {
			stream_reset(s);
			f->stream = NULL;
			cancel_dial(f);
			flow_free(f);
			return;
		}
	}
	if (header)
		stream_consumed(s, header);
	if (f->state == FLOW_HEADER && f->have == sizeof(f->header))
		flow_judge(f);
}

static void on_eof(struct stream *s, void *arg)
{
	struct flow *f = arg;

	(void)s;
	f->eof = true;
	if (f->state == FLOW_HEADER) {
		stream_reset(f->stream);
		f->stream = NULL;
		flow_free(f);
	}
}

static void on_gone(struct stream *s, bool orderly, void *arg)
{
	struct flow *f = arg;

	(void)s;
	(void)orderly;
	f->stream = NULL;
	cancel_dial(f);
	flow_free(f);
}

static const struct stream_handler flow_handler = {
	.on_data = on_data,
	.on_eof = on_eof,
	.on_gone = on_gone,
};

/* No header in ten seconds, or no answer from our own side in thirty */
static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct flow *f = arg;

	(void)fd;
	(void)what;
	cancel_dial(f);
	f->judged.verdict = POLICY_DENY;
	f->judged.reason = REASON_TIMEOUT;
	flow_deny(f, FLOW_STATUS_TIMEOUT);
}

static void record_limit(struct gate *g)
{
	struct ipc_record r = { .kind = IPC_RECORD_FLOW,
				.verdict = POLICY_DENY,
				.reason = REASON_LIMIT,
				.method = BB_SPAN_STR("tcp") };

	gate_record(g, 0, false, &r);
}

bool flow_accept(struct gate *g, struct stream *s)
{
	const struct timeval limit = { .tv_sec = 3 * GATE_HEADER_MS / 1000 };
	struct flow *f;

	if (g->n_flows >= GATE_FLOWS_MAX || g->n_half_open >= GATE_HALF_OPEN_MAX) {
		record_limit(g);
		return false;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return false;
	f->gate = g;
	f->id = ++g->next_id;
	f->stream = s;
	f->fd = -1;
	f->start_ms = bb_now_ms();
	LIST_INSERT_HEAD(bucket_of(g, f->id), f, link);
	g->n_flows++;
	g->n_half_open++;
	f->deadline = event_new(g->base, -1, 0, on_deadline, f);
	if (!f->deadline || event_add(f->deadline, &limit) < 0) {
		flow_free(f);
		return false;
	}
	stream_serve(s, &flow_handler, f);
	return true;
}

static void on_dial_fail(struct flow *f, const struct ipc_dial_fail *fail)
{
	struct ipc_record r = { 0 };

	f->judged.verdict = fail->reason == REASON_FLOOR || fail->reason == REASON_PRIVATE
				    ? POLICY_DENY
				    : POLICY_ALLOW;
	f->judged.reason = fail->reason < POLICY_NUM_REASONS ? (enum policy_reason)fail->reason
							     : REASON_UPSTREAM_CONNECT;
	fill_record(f, &r);
	r.kind = IPC_RECORD_END;
	r.text = fail->text;
	gate_record(f->gate, f->id, false, &r);
	flow_answer(f,
		    fail->status < FLOW_NUM_STATUSES && fail->status != FLOW_STATUS_OK
			    ? (enum flow_status)fail->status
			    : FLOW_STATUS_UNREACHABLE,
		    fail->err);
}

void flow_on_msg(struct gate *g, struct ipc_msg *msg)
{
	uint64_t id = msg->type == IPC_RECORD_ACK ? msg->u.record_ack.seq : msg->flow;
	struct flow *f = flow_find(g, id);

	if (!f || !f->stream)
		return; /* it ended meanwhile */
	if (msg->type == IPC_RECORD_ACK) {
		if (f->state == FLOW_RECORD)
			flow_ask(f);
		return;
	}
	if (f->state != FLOW_ASK)
		return;
	switch ((int)msg->type) {
	case IPC_FLOW_READY:
		if (f->judged.target == POLICY_TARGET_EGRESS)
			flow_open(f, BB_TAKE_FD(f->fd));
		break;
	case IPC_FLOW_REFUSED:
		f->judged.verdict = POLICY_DENY;
		f->judged.reason = REASON_LIMIT;
		flow_deny(f, FLOW_STATUS_LIMIT);
		break;
	case IPC_DIAL_OK:
		f->dialled = msg->u.dial_ok.addr;
		f->proxied = !f->dialled.family;
		if (f->judged.target != POLICY_TARGET_EGRESS)
			flow_open(f, BB_TAKE_FD(msg->fd));
		break;
	case IPC_DIAL_FAIL:
		on_dial_fail(f, &msg->u.dial_fail);
		break;
	default:
		break;
	}
}

/* Judged once more. Return: does what was decided still hold? If not it stays, for the record */
static bool still_allowed(struct flow *f)
{
	struct ip_addr addr = { .family = f->asked.family };
	struct policy_flow was = f->judged;
	struct gate *g = f->gate;

	memcpy(addr.a, f->asked.addr, sizeof(addr.a));
	policy_judge_flow(&g->policy, g->filter, &addr, f->asked.port, &f->judged);
	if (f->judged.verdict != POLICY_ALLOW || f->judged.target != was.target) {
		f->judged = was;
		return false;
	}
	return was.target == POLICY_TARGET_EGRESS || !f->dialled.family ||
	       policy_judge_resolved(&g->policy, NULL, &f->dialled, f->asked.port) == REASON_OK;
}

/* Dialer drops what it was asked under the old policy; the answer to that names another flow */
static void ask_again(struct flow *f)
{
	cancel_dial(f);
	LIST_REMOVE(f, link);
	f->id = ++f->gate->next_id;
	LIST_INSERT_HEAD(bucket_of(f->gate, f->id), f, link);
	flow_ask(f);
}

static void rejudge(struct flow *f)
{
	bool service = f->judged.target == POLICY_TARGET_EGRESS, allowed = still_allowed(f);

	if (allowed && f->state == FLOW_ASK && !service) {
		ask_again(f);
		return;
	}
	/* egress has been told before us, and ends what it serves with a word to the guest */
	if (allowed || (service && f->gate->policy.transparent))
		return;
	f->judged.verdict = POLICY_DENY;
	f->judged.reason = REASON_RELOAD;
	if (f->state == FLOW_OPEN) {
		shovel_abort(f->shovel);
		return;
	}
	cancel_dial(f);
	flow_deny(f, FLOW_STATUS_DENIED);
}

void flow_rejudge_all(struct gate *g)
{
	uint64_t last = g->next_id; /* those that are asked for again have come after it */
	struct flow *f, *next;

	for (size_t i = 0; i < GATE_FLOW_BUCKETS; i++) {
		for (f = LIST_FIRST(&g->flows[i]); f; f = next) {
			next = LIST_NEXT(f, link);
			if (f->state != FLOW_HEADER && f->id <= last)
				rejudge(f);
		}
	}
}
