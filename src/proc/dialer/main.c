/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/log.h"
#include "ipc/boot.h"
#include "ipc/policy_json.h"
#include "proc/dialer/dial.h"
#include "proc/dialer/forward.h"
#include "proc/dialer/network.h"
#include "proc/dialer/rules.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

/*
 * Start-up: policy, hosts file, resolvers, the host's own addresses; then lock. From then on this
 * process can open IPv4 and IPv6 sockets and no file, no AF_UNIX and no further netlink socket.
 */

/* Requests wait, unread, while bottled changes the policy of the others */
static void hold(struct dialer *dl, bool on)
{
	ipc_peer_pause(dl->gate, on);
	ipc_peer_pause(dl->egress, on);
}

/*
 * Ours is the last SWITCH. Each dial under way was asked for under the old policy: gate and egress
 * have given it up, or have asked once more, and that is among what waits to be read. The policy's
 * resolvers are those of the start.
 */
static void switch_policy(struct dialer *dl)
{
	dial_cancel_all(dl);
	policy_release(&dl->policy);
	dl->policy = staged_take(&dl->staged);
	staged_forget(&dl->staged);
	hold(dl, false);
	reload_answer(dl->bottled, NULL);
}

static void on_bottled(struct dialer *dl, struct ipc_msg *msg)
{
	struct bb_err err = { 0 };

	if (msg->type == IPC_BLOB && msg->u.kind.kind == IPC_BLOB_POLICY) {
		staged_blob(&dl->staged, msg);
	} else if (msg->type == IPC_BLOB) { /* the host's network is another */
		if (network_take(dl, (enum ipc_blob_kind)msg->u.kind.kind, msg->fd, &err) < 0)
			bb_log("%s", err.msg);
	} else if (msg->type == IPC_RELOAD) {
		hold(dl, true);
		reload_answer(dl->bottled,
			      staged_read(&dl->staged, &dl->policy, &err) < 0 ? &err : NULL);
	} else if (msg->type == IPC_FORGET) {
		staged_forget(&dl->staged);
		hold(dl, false);
	} else if (msg->type == IPC_SWITCH && dl->staged.ready) {
		switch_policy(dl);
	} else {
		bb_log("%s at the wrong time", ipc_type_name(msg->type));
		dl->failed = true;
		(void)event_base_loopbreak(dl->base);
	}
}

/* The permit table has already dropped whatever is not this peer's to send */
static void on_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct dialer *dl = arg;

	if (peer == dl->bottled)
		on_bottled(dl, msg);
	if (peer != dl->gate && peer != dl->egress)
		return;
	if (msg->type == IPC_DIAL_CANCEL)
		dial_cancel(dl, peer, msg->flow);
	else if (msg->type == IPC_DNS_ASK)
		forward_request(dl, msg);
	else
		dial_request(dl, peer, msg);
}

/* Without any one of its peers dialer is of no use: bottled ends the bottle when we go */
static void on_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct dialer *dl = arg;

	if (why != -ENODATA) {
		bb_log("%s: %s", ipc_role_str[ipc_peer_remote(peer)], text);
		dl->failed = true;
	}
	(void)event_base_loopbreak(dl->base);
}

/* Connections from it do not carry anything any more, whatever their far end believes: egress hears
 * of it before there is an answer to what was under way */
static void on_addr_gone(void *arg, const struct ip_addr *addr)
{
	struct dialer *dl = arg;
	struct ipc_msg msg = { .type = IPC_ADDR_GONE, .fd = -1, .u.addr_gone.addr = *addr };

	if (dl->egress && ipc_peer_send(dl->egress, &msg) < 0)
		bb_log("egress is not told of an address that is gone");
	dial_addr_gone(dl, addr);
}

static void on_own(evutil_socket_t fd, short what, void *arg)
{
	struct dialer *dl = arg;
	struct bb_err err = { 0 };

	(void)fd;
	(void)what;
	if (own_read(&dl->own, &err) == 0)
		return;
	bb_log("%s", err.msg); /* not knowing our own addresses, we could dial ourselves */
	dl->failed = true;
	(void)event_base_loopbreak(dl->base);
}

static int connect_peer(struct dialer *dl, struct ipc_boot *boot, enum ipc_role role,
			struct ipc_peer **ret, struct bb_err *err)
{
	if (boot->peers[role] < 0)
		return bb_err_set(err, -EINVAL, "no connection to %s", ipc_role_str[role]);
	*ret = ipc_peer_new(dl->base, IPC_ROLE_DIALER, role, BB_TAKE_FD(boot->peers[role]), on_msg,
			    on_dead, dl);
	return *ret ? 0 : bb_err_set(err, -ENOMEM, "out of memory");
}

static int follow_own(struct dialer *dl, struct bb_err *err)
{
	int r = own_init(&dl->own, err);

	if (r < 0)
		return r;
	dl->own.on_gone = on_addr_gone;
	dl->own.arg = dl;
	dl->own_event = event_new(dl->base, dl->own.fd, EV_READ | EV_PERSIST, on_own, dl);
	if (!dl->own_event || event_add(dl->own_event, NULL) < 0)
		return bb_err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int take_proxy_auth(struct dialer *dl, int fd, struct bb_err *err)
{
	bb_auto_buf struct bb_buf text;
	int r = 0;

	bb_buf_init(&text, PROXY_AUTH_MAX);
	if (fd >= 0)
		r = bb_memfd_read(fd, &text);
	if (r < 0 || !proxy_auth_is_valid(bb_buf_span(&text)))
		return bb_err_set(err, -EINVAL, "credentials of the upstream proxy: unusable");
	if (text.len)
		memcpy(dl->proxy_auth, text.p, text.len);
	if (text.len)
		explicit_bzero(text.p, text.len);
	return 0;
}

static int set_up(struct dialer *dl, struct ipc_boot *boot, struct bb_err *err)
{
	int r = policy_from_memfd(boot->blobs[IPC_BLOB_POLICY], &dl->policy, err);

	if (r < 0)
		return r;
	LIST_INIT(&dl->dials);
	LIST_INIT(&dl->lookups);
	dl->base = event_base_new();
	if (!dl->base)
		return bb_err_set(err, -ENOMEM, "out of memory");
	r = network_take(dl, IPC_BLOB_HOSTS, boot->blobs[IPC_BLOB_HOSTS], err);
	if (r == 0)
		r = network_take(dl, IPC_BLOB_RESOLV, boot->blobs[IPC_BLOB_RESOLV], err);
	if (r == 0)
		r = take_proxy_auth(dl, boot->blobs[IPC_BLOB_PROXY_AUTH], err);
	bb_closep(&boot->blobs[IPC_BLOB_PROXY_AUTH]);
	bb_closep(&boot->blobs[IPC_BLOB_POLICY]);
	bb_closep(&boot->blobs[IPC_BLOB_HOSTS]);
	bb_closep(&boot->blobs[IPC_BLOB_RESOLV]);
	if (r == 0)
		r = follow_own(dl, err);
	if (r == 0)
		r = connect_peer(dl, boot, IPC_ROLE_GATE, &dl->gate, err);
	if (r == 0)
		r = connect_peer(dl, boot, IPC_ROLE_EGRESS, &dl->egress, err);
	if (r == 0)
		r = connect_peer(dl, boot, IPC_ROLE_RECORDER, &dl->recorder, err);
	return r;
}

/* bottled is connected last: READY goes out by the blocking call before its fd becomes a peer */
static int start(struct dialer *dl, struct bb_err *err)
{
	const struct jail_table tables[] = { jail_common, dialer_rules };
	struct ipc_boot boot;
	int r = ipc_boot_receive(IPC_ROLE_DIALER, &boot, err);

	if (r == 0)
		r = set_up(dl, &boot, err);
	if (r == 0)
		r = jail_lock_all(tables, BB_ARRAY_LEN(tables), err);
	if (r == 0)
		r = ipc_boot_ready(err);
	if (r == 0)
		r = connect_peer(dl, &boot, IPC_ROLE_BOTTLED, &dl->bottled, err);
	return r;
}

/* Everything that still lives is in use by a dial: a leak checker may hold us to that */
static void release(struct dialer *dl)
{
	dial_cancel_all(dl);
	forward_cancel_all(dl);
	resolver_free(dl->resolver);
	ipc_peer_free(dl->gate);
	ipc_peer_free(dl->egress);
	ipc_peer_free(dl->recorder);
	ipc_peer_free(dl->bottled);
	event_free(dl->own_event);
	own_release(&dl->own);
	hosts_release(&dl->hosts);
	policy_release(&dl->policy);
	staged_forget(&dl->staged);
	event_base_free(dl->base);
}

int main(void)
{
	static const int keep[] = { IPC_BOOT_FD };
	struct dialer dl = { .own = { .fd = -1 }, .staged = STAGED_NONE };
	struct bb_err err = { 0 };

	bb_log_init("dialer");
	(void)signal(SIGPIPE, SIG_IGN);
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0 || start(&dl, &err) < 0) {
		bb_log("%s", err.msg);
		ipc_boot_failed(&err);
		return 1;
	}
	(void)event_base_dispatch(dl.base);
	release(&dl);
	return dl.failed;
}
