/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/log.h"
#include "ipc/boot.h"
#include "ipc/policy_json.h"
#include "policy/reason.h"
#include "proc/gate/dns_forward.h"
#include "proc/gate/rules.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

void gate_stop(struct gate *g, const char *why)
{
	bb_log("%s", why);
	g->failed = true;
	(void)event_base_loopbreak(g->base);
}

/* A denial of a whole port of the device, which may be one that no other kind of port is */
static void record_port(struct gate *g, uint32_t port, enum policy_reason reason)
{
	struct ipc_record r = { .kind = IPC_RECORD_FLOW,
				.verdict = POLICY_DENY,
				.reason = (uint8_t)reason,
				.method = BB_SPAN_STR("vsock") };
	char text[32];

	if (port <= UINT16_MAX) {
		r.port = (uint16_t)port;
	} else {
		(void)snprintf(text, sizeof(text), "port %u", port);
		r.text = BB_SPAN_STR(text);
	}
	gate_record(g, 0, false, &r);
}

bool gate_on_accept(struct stream *s, uint32_t port, void *arg)
{
	struct gate *g = arg;

	pace_work(g, GATE_WORK_STREAM);
	switch (port) {
	case GATE_PORT_FLOW:
		return flow_accept(g, s);
	case GATE_PORT_DNS:
		return dns_service_accept(g, s);
	case GATE_PORT_LOG:
		return guest_log_accept(g, s);
	default:
		record_port(g, port, REASON_SERVICE_OFF);
		return false;
	}
}

void gate_on_limit(uint32_t port, void *arg)
{
	record_port(arg, port, REASON_LIMIT);
}

static void on_device_dead(const char *why, void *arg)
{
	struct gate *g = arg;
	struct ipc_record r = { .kind = IPC_RECORD_LIFE,
				.method = BB_SPAN_STR("device_ended"),
				.text = BB_SPAN_STR(why) };

	gate_record(g, 0, false, &r);
	gate_stop(g, why);
}

static void on_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct gate *g = arg;

	(void)peer;
	switch ((int)msg->type) {
	case IPC_STREAM_OPEN:
		control_stream_open(g, msg);
		break;
	case IPC_PROBE_FLOW:
		control_probe_flow(g, msg);
		break;
	case IPC_PROBE_DNS:
		control_probe_dns(g, msg);
		break;
	case IPC_BLOB:
	case IPC_RELOAD:
	case IPC_SWITCH:
	case IPC_FORGET:
		control_reload(g, msg);
		break;
	case IPC_FLOW_READY:
	case IPC_FLOW_REFUSED:
	case IPC_DIAL_OK:
	case IPC_DIAL_FAIL:
	case IPC_RECORD_ACK:
		flow_on_msg(g, msg);
		break;
	case IPC_DNS_ANSWER:
		dns_forward_answer(g, msg);
		break;
	default:
		gate_stop(g, "a message that belongs to start-up");
	}
}

static void on_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	char line[200];

	(void)why;
	(void)snprintf(line, sizeof(line), "%s: %s", ipc_role_str[ipc_peer_remote(peer)], text);
	gate_stop(arg, line);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	(void)what;
	vsock_tick(g->vsock);
}

static struct ipc_peer *peer_of(struct gate *g, struct ipc_boot *boot, enum ipc_role role)
{
	if (boot->peers[role] < 0)
		return NULL;
	return ipc_peer_new(g->base, IPC_ROLE_GATE, role, boot->peers[role], on_msg, on_dead, g);
}

static int init_peers(struct gate *g, struct ipc_boot *boot, struct bb_err *err)
{
	g->base = event_base_new();
	if (!g->base)
		return bb_err_set(err, -ENOMEM, "no event loop");
	g->bottled = peer_of(g, boot, IPC_ROLE_BOTTLED);
	g->egress = peer_of(g, boot, IPC_ROLE_EGRESS);
	g->dialer = peer_of(g, boot, IPC_ROLE_DIALER);
	g->recorder = peer_of(g, boot, IPC_ROLE_RECORDER);
	if (!g->bottled || !g->egress || !g->dialer || !g->recorder)
		return bb_err_set(err, -EINVAL, "a peer was not given");
	if (!pace_init(g))
		return bb_err_set(err, -ENOMEM, "no memory");
	record_init(g);
	return 0;
}

static int init_listen(struct gate *g, struct ipc_boot *boot, struct bb_err *err)
{
	int fds[LISTEN_NUM_PORTS];

	for (int i = 0; i < LISTEN_NUM_PORTS; i++) {
		fds[i] = BB_TAKE_FD(boot->fds[IPC_FD_LISTEN_EXEC + i]);
		if (fds[i] < 0)
			return bb_err_set(err, -EINVAL, "no way to the guest was given");
	}
	g->listen = listen_new(g, fds);
	return g->listen ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

static int init_device(struct gate *g, struct ipc_boot *boot, struct bb_err *err)
{
	static const struct vsock_user user = { .accept = gate_on_accept,
						.on_limit = gate_on_limit,
						.on_work = pace_on_work,
						.on_dead = on_device_dead };
	const struct timeval second = { .tv_sec = 1 };

	if (boot->fds[IPC_FD_VHOST] < 0)
		return init_listen(g, boot, err);
	g->vsock =
		vsock_new(g->base, BB_TAKE_FD(boot->fds[IPC_FD_VHOST]), GATE_CONNS_MAX, &user, g);
	g->tick = event_new(g->base, -1, EV_PERSIST, on_tick, g);
	if (!g->vsock || !g->tick || event_add(g->tick, &second) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	return 0;
}

static int start(struct gate *g, struct ipc_boot *boot, struct bb_err *err)
{
	uint64_t key;
	int r = ipc_boot_receive(IPC_ROLE_GATE, boot, err);

	if (r == 0)
		r = policy_from_memfd(boot->blobs[IPC_BLOB_POLICY], &g->policy, err);
	if (r < 0)
		return r;
	g->filter = calloc(1, sizeof(*g->filter));
	if (!g->filter || getrandom(&key, sizeof(key), 0) != sizeof(key))
		return bb_err_set(err, -ENOMEM, "no memory or random numbers");
	dns_filter_init(g->filter, &g->policy, key);
	bucket_init(&g->dns_rate, GATE_DNS_PER_S, GATE_DNS_BURST, bb_now_ms());
	bucket_init(&g->forward_rate, GATE_FORWARD_PER_S, GATE_FORWARD_BURST, bb_now_ms());
	bucket_init(&g->line_rate, GATE_LINES_PER_S, GATE_LINES_PER_S, bb_now_ms());
	LIST_INIT(&g->pending);
	TAILQ_INIT(&g->dns_waiting);
	r = init_peers(g, boot, err);
	return r == 0 ? init_device(g, boot, err) : r;
}

/*
 * What a socket does not take at once is kept in pieces of up to 128 KiB. By default each such
 * piece is memory that comes from the kernel, is cleared, and goes back a moment later.
 */
static void keep_some_memory(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, STREAM_WINDOW_MAX);
	(void)mallopt(M_TRIM_THRESHOLD, 2 * STREAM_WINDOW_MAX);
}

int main(void)
{
	static const int keep[] = { IPC_BOOT_FD };
	const struct jail_table tables[] = { jail_common, gate_rules, gate_listen_rules };
	static struct gate g = { .staged = STAGED_NONE };
	struct bb_err err = { 0 };
	struct ipc_boot boot;

	bb_log_init("gate");
	keep_some_memory();
	ipc_boot_init(&boot);
	(void)signal(SIGPIPE, SIG_IGN);
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0 || start(&g, &boot, &err) < 0 ||
	    jail_lock_all(tables, BB_ARRAY_LEN(tables) - (g.listen ? 0 : 1), &err) < 0 ||
	    ipc_boot_ready(&err) < 0) {
		ipc_boot_failed(&err);
		bb_log("%s", err.msg);
		return 1;
	}
	(void)event_base_dispatch(g.base);
	return g.failed ? 1 : 0;
}
