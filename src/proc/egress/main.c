/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/log.h"
#include "ipc/boot.h"
#include "ipc/policy_json.h"
#include "jail/jail.h"
#include "proc/egress/egress.h"
#include "proc/egress/tls.h"
#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

/*
 * Start-up: take the policy, the roots and the peers; make the leaf key and the upstream context;
 * lock. From then on no file and no socket can be opened here: guest streams come from gate,
 * upstream connections from dialer.
 */

#define CA_STORE_MAX (8u << 20)

/* The streams of gate are refused with a reason, in its own words */
static void on_flow_open(struct egress *eg, struct ipc_msg *msg)
{
	enum policy_reason r =
		conn_open(eg, msg->flow, BB_TAKE_FD(msg->fd), msg->u.flow.name, msg->u.flow.port);
	struct ipc_msg answer = { .type = IPC_FLOW_READY, .fd = -1, .flow = msg->flow };

	if (r != REASON_OK) {
		answer.type = IPC_FLOW_REFUSED;
		answer.u.flow_refused.reason = (uint8_t)r;
	}
	if (ipc_peer_send(eg->gate, &answer) < 0)
		bb_log("flow %llu: answer lost", (unsigned long long)msg->flow);
}

static void on_record_ack(struct egress *eg, const struct ipc_msg *msg)
{
	uint64_t seq = msg->u.record_ack.seq;
	struct conn *c = conn_find(eg, seq >> CONN_CALL_BITS);

	if (!c || c->state != CONN_ACK || c->ack_seq != seq)
		return; /* its connection has gone meanwhile */
	request_on_ack(c);
	conn_run(c);
}

static void on_dial(struct egress *eg, struct ipc_msg *msg)
{
	struct conn *c = conn_find(eg, msg->flow >> CONN_CALL_BITS);

	if (msg->type == IPC_ADDR_GONE)
		upstream_addr_gone(eg, &msg->u.addr_gone.addr);
	if (!c || msg->type == IPC_ADDR_GONE)
		return;
	exchange_on_dial(c, msg);
	conn_run(c);
}

/* The permit table has already dropped whatever is not this peer's to send */
static void on_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct egress *eg = arg;

	if (peer == eg->gate)
		on_flow_open(eg, msg);
	else if (peer == eg->dialer)
		on_dial(eg, msg);
	else if (peer == eg->keyd)
		leaf_on_msg(eg->leafs, msg);
	else if (peer == eg->recorder)
		on_record_ack(eg, msg);
	else
		reload_on_msg(eg, msg);
}

/* Without any one of its peers the guard is of no use: bottled ends the bottle when we go */
static void on_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct egress *eg = arg;

	if (why != -ENODATA)
		bb_log("%s: %s", ipc_role_str[ipc_peer_remote(peer)], text);
	(void)event_base_loopbreak(eg->base);
}

static void on_recorder_drain(struct ipc_peer *peer, void *arg)
{
	(void)peer;
	audit_go_on(arg);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	upstream_sweep(arg);
}

static int connect_peer(struct egress *eg, struct ipc_boot *boot, enum ipc_role role,
			struct ipc_peer **ret, struct bb_err *err)
{
	if (boot->peers[role] < 0)
		return bb_err_set(err, -EINVAL, "no connection to %s", ipc_role_str[role]);
	*ret = ipc_peer_new(eg->base, IPC_ROLE_EGRESS, role, BB_TAKE_FD(boot->peers[role]), on_msg,
			    on_dead, eg);
	return *ret ? 0 : bb_err_set(err, -ENOMEM, "out of memory");
}

static int load_roots(struct egress *eg, int fd, struct bb_err *err)
{
	bb_auto_buf struct bb_buf pem;
	int r;

	bb_buf_init(&pem, CA_STORE_MAX);
	if (fd < 0)
		return bb_err_set(err, -EINVAL, "no root certificates were given");
	r = bb_memfd_read(fd, &pem);
	if (r < 0)
		return bb_err_set(err, r, "root certificates: %s", strerror(-r));
	eg->upstream_tls = tls_upstream_new(bb_buf_span(&pem), err);
	return eg->upstream_tls ? 0 : err->code;
}

/* Two fds a connection, and some to spare: an fd that cannot be received would end the bottle */
static size_t max_conns(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur < 512)
		return 128;
	return rl.rlim_cur > EGRESS_CONNS_MAX * 2 + 256 ? EGRESS_CONNS_MAX
							: (size_t)(rl.rlim_cur - 256) / 2;
}

static int set_up(struct egress *eg, struct ipc_boot *boot, struct bb_err *err)
{
	uint8_t seed[32];
	int r;

	tzset(); /* gmtime() would open /etc/localtime later */
	r = policy_from_memfd(boot->blobs[IPC_BLOB_POLICY], &eg->policy, err);

	if (r == 0 && (stream_bio_init() < 0 || RAND_bytes(seed, sizeof(seed)) != 1))
		r = bb_err_set(err, -ENOMEM, "OpenSSL");
	if (r == 0)
		r = load_roots(eg, boot->blobs[IPC_BLOB_CA_STORE], err);
	if (r == 0)
		r = secrets_load(boot->blobs[IPC_BLOB_SECRETS], &eg->secrets, err);
	eg->response_decoders.max = INBOUND_DECODERS_MAX;
	if (r == 0)
		r = searcher_init(&eg->searcher, &eg->secrets, boot->blobs[IPC_BLOB_RULES], err);
	if (r < 0)
		return r;
	bb_closep(&boot->blobs[IPC_BLOB_RULES]);
	bb_closep(&boot->blobs[IPC_BLOB_POLICY]);
	bb_closep(&boot->blobs[IPC_BLOB_CA_STORE]);
	bb_closep(&boot->blobs[IPC_BLOB_SECRETS]);
	eg->used = calloc(eg->policy.n_routes + 1, sizeof(*eg->used));
	eg->leafs = leaf_store_new(eg->policy.generation, err);
	eg->base = event_base_new();
	eg->max_conns = max_conns();
	if (eg->base)
		eg->sweep = event_new(eg->base, -1, EV_PERSIST, on_sweep, eg);
	if (!eg->leafs || !eg->base || !eg->used || !eg->sweep ||
	    event_add(eg->sweep, &(struct timeval){ .tv_sec = UPSTREAM_IDLE_MS / 4000 }) < 0 ||
	    minted_init(&eg->minted) < 0)
		return err->code ? err->code : bb_err_set(err, -ENOMEM, "out of memory");
	r = connect_peer(eg, boot, IPC_ROLE_GATE, &eg->gate, err);
	if (r == 0)
		r = connect_peer(eg, boot, IPC_ROLE_DIALER, &eg->dialer, err);
	if (r == 0)
		r = connect_peer(eg, boot, IPC_ROLE_KEYD, &eg->keyd, err);
	if (r == 0)
		r = connect_peer(eg, boot, IPC_ROLE_RECORDER, &eg->recorder, err);
	if (r == 0) {
		ipc_peer_on_drain(eg->recorder, on_recorder_drain);
		leaf_store_connect(eg->leafs, eg->keyd);
	}
	return r;
}

/* bottled is connected last: READY goes out by the blocking call before its fd becomes a peer */
static int start(struct egress *eg, struct bb_err *err)
{
	struct ipc_boot boot;
	int r = ipc_boot_receive(IPC_ROLE_EGRESS, &boot, err);

	if (r == 0)
		r = set_up(eg, &boot, err);
	if (r == 0)
		r = jail_lock_all(&jail_common, 1, err);
	if (r == 0)
		r = ipc_boot_ready(err);
	if (r == 0)
		r = connect_peer(eg, &boot, IPC_ROLE_BOTTLED, &eg->bottled, err);
	return r;
}

int main(void)
{
	static struct egress eg = {
		.renewal = { .staged = STAGED_NONE }
	}; /* holds the scratch buffer: too large for the stack */
	static const int keep[] = { IPC_BOOT_FD };
	struct bb_err err = { 0 };

	bb_log_init("egress");
	(void)signal(SIGPIPE, SIG_IGN);
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0 || start(&eg, &err) < 0) {
		bb_log("%s", err.msg);
		ipc_boot_failed(&err);
		return 1;
	}
	(void)event_base_dispatch(eg.base);
	return 0; /* the kernel frees everything; what is open is cut */
}
