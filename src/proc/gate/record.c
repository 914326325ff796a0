/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to recorder. Nothing that the guest does is without its record, and a guest can do more
 * than recorder can write: then the guest waits. Above GATE_RECORDS_HIGH nothing more is taken from
 * it, until recorder has taken all. What can still come without the guest are ends of what it has
 * begun, and those are bounded.
 */
#include "proc/gate/gate.h"

static void hold(struct gate *g, bool on)
{
	g->held = on;
	if (g->vsock)
		vsock_hold(g->vsock, on);
	if (g->listen)
		listen_hold(g->listen, LISTEN_HELD, on);
	if (!on)
		dns_service_go_on(g);
}

static void send_on(struct gate *g, const struct ipc_msg *msg)
{
	if (ipc_peer_send(g->recorder, msg) < 0)
		gate_stop(g, "a record could not be sent");
	else if (!g->held && ipc_peer_queued(g->recorder) > GATE_RECORDS_HIGH)
		hold(g, true);
}

static void on_drain(struct ipc_peer *peer, void *arg)
{
	struct gate *g = arg;

	(void)peer;
	if (g->held)
		hold(g, false);
}

void record_init(struct gate *g)
{
	ipc_peer_on_drain(g->recorder, on_drain);
}

void gate_record(struct gate *g, uint64_t flow, bool ack, struct ipc_record *r)
{
	struct ipc_msg msg = { .type = IPC_RECORD, .fd = -1, .flow = flow };

	if (r->verdict == POLICY_DENY && g->said_hello && !g->said_probe && !r->text.len)
		r->text = BB_SPAN_STR(IPC_RECORD_TEXT_PROBE);
	r->ack = ack;
	r->seq = flow;
	msg.u.record = *r;
	send_on(g, &msg);
	pace_work(g, GATE_WORK_RECORD);
}

void gate_log_line(struct gate *g, struct bb_span line)
{
	struct ipc_msg msg = { .type = IPC_LOG_LINE, .fd = -1, .u.text.text = line };

	send_on(g, &msg);
}
