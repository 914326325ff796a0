/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyd - holds the bottle's CA keys and signs for the names of its policy
 *
 * It parses two things from a process that meets guest octets: a name and a signing request. It
 * opens nothing, and no message carries a key out. The intermediate is renewed every day with the
 * same key, so that the egress guard never presents one that is about to end.
 */
#include "base/io.h"
#include "base/log.h"
#include "ipc/boot.h"
#include "ipc/peer.h"
#include "ipc/policy_json.h"
#include "ipc/reload.h"
#include "jail/jail.h"
#include "policy/reason.h"
#include "proc/keyd/certs.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <signal.h>

#define RENEW_AFTER_S (24 * 3600)
#define RENEW_CHECK_S 600
#define SECURE_HEAP   (64u << 10)

struct keyd {
	struct policy policy;
	struct staged staged;
	struct certs *certs;
	time_t renewed;
	struct event_base *base;
	struct event *timer;
	struct ipc_peer *bottled;
	struct ipc_peer *egress;
	struct ipc_peer *recorder;
	bool failed;
};

static void stop(struct keyd *k, const char *why)
{
	bb_log("%s", why);
	k->failed = true;
	(void)event_base_loopbreak(k->base);
}

/* A standing peer that ends, ends the bottle: we exit and bottled sees it */
static void on_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct keyd *k = arg;

	if (peer == k->bottled && why == -ENODATA)
		(void)event_base_loopbreak(k->base);
	else
		stop(k, text);
}

static void record_refusal(struct keyd *k, const struct ipc_sign_leaf *ask, int why,
			   const char *text)
{
	struct ipc_msg msg = { .type = IPC_RECORD, .fd = -1 };

	/* The guard judges names before it asks: a refusal here means that it is not itself */
	msg.u.record = (struct ipc_record){
		.kind = IPC_RECORD_LIFE,
		.verdict = POLICY_DENY,
		.reason = why == -EPERM ? REASON_NOT_LISTED : REASON_LEAF,
		.method = BB_SPAN_STR("sign_leaf"),
		.host = ask->name,
		.text = BB_SPAN_STR(text),
	};
	(void)ipc_peer_send(k->recorder, &msg);
}

static void sign_leaf(struct keyd *k, const struct ipc_msg *ask)
{
	struct ipc_msg msg = { .type = IPC_LEAF, .fd = -1, .flow = ask->flow };
	bb_auto_buf struct bb_buf der;
	struct bb_err err = { 0 };

	bb_buf_init(&der, 16384);
	if (certs_leaf(k->certs, ask->u.sign_leaf.name, ask->u.sign_leaf.csr, time(NULL), &der,
		       &err) < 0) {
		record_refusal(k, &ask->u.sign_leaf, err.code, err.msg);
		msg.type = IPC_LEAF_REFUSED;
		msg.u.text.text = BB_SPAN_STR(err.msg);
	} else {
		msg.u.cert.cert = bb_buf_span(&der);
	}
	(void)ipc_peer_send(k->egress, &msg);
}

static int send_intermediate(struct keyd *k, struct bb_err *err)
{
	struct ipc_msg msg = { .type = IPC_INTERMEDIATE, .fd = -1 };
	bb_auto_buf struct bb_buf der;
	int r;

	bb_buf_init(&der, CERTS_INTERMEDIATE_MAX);
	r = certs_intermediate(k->certs, &der, err);
	if (r < 0)
		return r;
	msg.u.cert.cert = bb_buf_span(&der);
	return ipc_peer_send(k->egress, &msg);
}

/* The new intermediate is made at RELOAD, where it may still turn out to be too large */
static void on_bottled(struct keyd *k, struct ipc_msg *msg)
{
	struct bb_err err = { 0 };

	if (msg->type == IPC_BLOB) {
		staged_blob(&k->staged, msg);
	} else if (msg->type == IPC_FORGET) {
		certs_unstage(k->certs);
		staged_forget(&k->staged);
	} else if (msg->type == IPC_RELOAD) {
		certs_unstage(k->certs);
		if (staged_read(&k->staged, &k->policy, &err) == 0)
			(void)!certs_stage(k->certs, &k->staged.next, time(NULL), &err);
		reload_answer(k->bottled, err.code ? &err : NULL);
	} else if (msg->type == IPC_SWITCH && certs_is_staged(k->certs)) {
		policy_release(&k->policy);
		k->policy = staged_take(&k->staged);
		staged_forget(&k->staged);
		certs_switch(k->certs, &k->policy);
		k->renewed = time(NULL);
		if (send_intermediate(k, &err) < 0)
			stop(k, "the intermediate could not be sent");
		else
			reload_answer(k->bottled, NULL);
	} else {
		stop(k, "a message that belongs to start-up");
	}
}

static void on_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct keyd *k = arg;

	if (peer == k->egress && msg->type == IPC_SIGN_LEAF)
		sign_leaf(k, msg);
	else
		on_bottled(k, msg);
}

static int send_root(struct keyd *k, struct bb_err *err)
{
	struct ipc_msg msg = { .type = IPC_CA_CERT, .fd = -1 };
	bb_auto_buf struct bb_buf pem;
	int r;

	bb_buf_init(&pem, 16384);
	r = certs_root_pem(k->certs, &pem, err);
	if (r < 0)
		return r;
	msg.u.cert.cert = bb_buf_span(&pem);
	return ipc_peer_send(k->bottled, &msg);
}

/* By the wall clock, because that is what certificates are judged by and it goes on in sleep */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct keyd *k = arg;
	struct bb_err err = { 0 };
	time_t now = time(NULL);

	(void)fd;
	(void)what;
	if (now >= k->renewed && now - k->renewed < RENEW_AFTER_S)
		return;
	if (certs_renew(k->certs, now, &err) < 0 || send_intermediate(k, &err) < 0) {
		stop(k, err.msg);
		return;
	}
	k->renewed = now;
}

static int init_crypto(struct bb_err *err)
{
	uint8_t byte;

	/* No configuration file: nothing outside decides what our crypto does */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return bb_err_set(err, -EIO, "OpenSSL does not start");
	/* Private keys in locked pages; where the limit forbids locking they are still guarded */
	if (CRYPTO_secure_malloc_init(SECURE_HEAP, 16) == 0)
		bb_log("no locked memory for keys");
	if (RAND_bytes(&byte, 1) != 1)
		return bb_err_set(err, -EIO, "no random numbers");
	return 0;
}

static int start(struct keyd *k, struct ipc_boot *boot, struct bb_err *err)
{
	static const struct timeval period = { .tv_sec = RENEW_CHECK_S };
	int r = ipc_boot_receive(IPC_ROLE_KEYD, boot, err);

	if (r == 0)
		r = policy_from_memfd(boot->blobs[IPC_BLOB_POLICY], &k->policy, err);
	if (r < 0)
		return r;
	bb_closep(&boot->blobs[IPC_BLOB_POLICY]);
	if (boot->peers[IPC_ROLE_EGRESS] < 0 || boot->peers[IPC_ROLE_RECORDER] < 0)
		return bb_err_set(err, -EINVAL, "egress or recorder was not given");
	r = init_crypto(err);
	k->renewed = time(NULL);
	if (r == 0)
		r = certs_new(&k->policy, k->renewed, &k->certs, err);
	if (r < 0)
		return r;
	k->base = event_base_new();
	if (!k->base)
		return bb_err_set(err, -ENOMEM, "no event loop");
	k->bottled = ipc_peer_new(k->base, IPC_ROLE_KEYD, IPC_ROLE_BOTTLED, IPC_BOOT_FD, on_msg,
				  on_dead, k);
	k->egress = ipc_peer_new(k->base, IPC_ROLE_KEYD, IPC_ROLE_EGRESS,
				 boot->peers[IPC_ROLE_EGRESS], on_msg, on_dead, k);
	k->recorder = ipc_peer_new(k->base, IPC_ROLE_KEYD, IPC_ROLE_RECORDER,
				   boot->peers[IPC_ROLE_RECORDER], on_msg, on_dead, k);
	k->timer = event_new(k->base, -1, EV_PERSIST, on_timer, k);
	if (!k->bottled || !k->egress || !k->recorder || !k->timer ||
	    event_add(k->timer, &period) < 0)
		return bb_err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* Freeing a key wipes it */
static void release(struct keyd *k)
{
	ipc_peer_free(k->bottled);
	ipc_peer_free(k->egress);
	ipc_peer_free(k->recorder);
	if (k->timer)
		event_free(k->timer);
	if (k->base)
		event_base_free(k->base);
	certs_free(k->certs);
	policy_release(&k->policy);
	staged_forget(&k->staged);
}

int main(void)
{
	static const int keep[] = { IPC_BOOT_FD };
	struct bb_err err = { 0 };
	struct ipc_boot boot;
	static struct keyd k = { .staged = STAGED_NONE }; /* reachable until the end */

	bb_log_init("keyd");
	ipc_boot_init(&boot);
	(void)signal(SIGPIPE, SIG_IGN);
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0 || start(&k, &boot, &err) < 0 ||
	    jail_lock_all(&jail_common, 1, &err) < 0) {
		ipc_boot_failed(&err);
		bb_log("%s", err.msg);
		return 1;
	}
	if (ipc_boot_ready(&err) < 0 || send_root(&k, &err) < 0 ||
	    send_intermediate(&k, &err) < 0) {
		bb_log("%s", err.msg);
		return 1;
	}
	(void)event_base_dispatch(k.base);
	release(&k);
	return k.failed ? 1 : 0;
}
