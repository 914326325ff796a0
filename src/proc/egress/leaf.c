/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/leaf.h"
#include "base/log.h"
#include "proc/egress/tls.h"
#include <errno.h>
#include <time.h>

/* Asked again when less than this is left of it; far more than a connection's set-up takes */
#define RENEW_BEFORE_S 3600

/* Octets waiting for keyd above which it is asked for no more names: it signs them one after the
 * other, and a guest may ask and go */
#define KEYD_QUEUE_HIGH (128u << 10)

struct leaf {
	TAILQ_ENTRY(leaf) link;
	uint64_t id; /* flow of SIGN_LEAF */
	SSL_CTX *ctx;
	bool asked;
	time_t not_after;
	TAILQ_HEAD(, leaf_wait) waiting;
	char name[POLICY_NAME_MAX];
};

struct leaf_store {
	struct ipc_peer *keyd;
	EVP_PKEY *key;
	X509 *chain;
	uint32_t generation;
	uint8_t *csr;
	size_t csr_len;
	uint64_t last_id;
	size_t n;
	TAILQ_HEAD(leaf_list, leaf) leafs; /* most recently used first */
};

struct leaf_store *leaf_store_new(uint32_t generation, struct bb_err *err)
{
	struct leaf_store *st = calloc(1, sizeof(*st));

	if (!st) {
		(void)bb_err_set(err, -ENOMEM, "leaf store: out of memory");
		return NULL;
	}
	TAILQ_INIT(&st->leafs);
	st->generation = generation;
	st->key = tls_key_new(err);
	if (st->key)
		st->csr = tls_csr_new(st->key, &st->csr_len, err);
	if (!st->csr) {
		leaf_store_free(st);
		return NULL;
	}
	return st;
}

static void leaf_free(struct leaf_store *st, struct leaf *l)
{
	TAILQ_REMOVE(&st->leafs, l, link);
	st->n--;
	SSL_CTX_free(l->ctx);
	free(l);
}

void leaf_store_free(struct leaf_store *st)
{
	struct leaf *l;

	if (!st)
		return;
	while ((l = TAILQ_FIRST(&st->leafs)))
		leaf_free(st, l);
	X509_free(st->chain);
	EVP_PKEY_free(st->key);
	free(st->csr);
	free(st);
}

void leaf_store_connect(struct leaf_store *st, struct ipc_peer *keyd)
{
	st->keyd = keyd;
}

static struct leaf *find_name(struct leaf_store *st, const char *name)
{
	struct leaf *l;

	TAILQ_FOREACH(l, &st->leafs, link)
	{
		if (strcmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

static struct leaf *find_id(struct leaf_store *st, uint64_t id)
{
	struct leaf *l;

	TAILQ_FOREACH(l, &st->leafs, link)
	{
		if (l->id == id)
			return l;
	}
	return NULL;
}

/* Make room: the least recently used that nobody waits for */
static void evict(struct leaf_store *st)
{
	struct leaf *l;

	TAILQ_FOREACH_REVERSE(l, &st->leafs, leaf_list, link)
	{
		if (TAILQ_EMPTY(&l->waiting)) {
			leaf_free(st, l);
			return;
		}
	}
}

static struct leaf *leaf_new(struct leaf_store *st, const char *name)
{
	struct leaf *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	if (st->n >= LEAF_MAX)
		evict(st);
	TAILQ_INIT(&l->waiting);
	memcpy(l->name, name, strlen(name) + 1);
	TAILQ_INSERT_HEAD(&st->leafs, l, link);
	st->n++;
	return l;
}

static void ask(struct leaf_store *st, struct leaf *l)
{
	struct ipc_msg msg;

	if (ipc_peer_queued(st->keyd) > KEYD_QUEUE_HIGH)
		return; /* ask_next() does */
	msg = (struct ipc_msg){
		.type = IPC_SIGN_LEAF,
		.fd = -1,
		.flow = l->id = ++st->last_id,
		.u.sign_leaf = { BB_SPAN_STR(l->name), { st->csr, st->csr_len } },
	};

	l->asked = true;
	/* Out of memory here leaves the waiters to their time-outs */
	if (ipc_peer_send(st->keyd, &msg) < 0)
		l->asked = false;
}

/* Keyd has answered: the one that has waited for longest without its being asked */
static void ask_next(struct leaf_store *st)
{
	struct leaf *l;

	TAILQ_FOREACH_REVERSE(l, &st->leafs, leaf_list, link)
	{
		if (!l->asked && !TAILQ_EMPTY(&l->waiting)) {
			ask(st, l);
			return;
		}
	}
}

static bool is_fresh(const struct leaf *l)
{
	return l->ctx && time(NULL) < l->not_after - RENEW_BEFORE_S;
}

SSL_CTX *leaf_get(struct leaf_store *st, const char *name, struct leaf_wait *wait, leaf_fn fn,
		  void *arg)
{
	struct leaf *l = find_name(st, name);

	if (!l)
		l = leaf_new(st, name);
	if (!l)
		return NULL; /* the caller's time-out ends it */
	TAILQ_REMOVE(&st->leafs, l, link);
	TAILQ_INSERT_HEAD(&st->leafs, l, link);
	if (is_fresh(l))
		return l->ctx;
	*wait = (struct leaf_wait){ .leaf = l, .fn = fn, .arg = arg };
	TAILQ_INSERT_TAIL(&l->waiting, wait, link);
	if (!l->asked)
		ask(st, l);
	return NULL;
}

void leaf_cancel(struct leaf_wait *wait)
{
	struct leaf *l = wait->leaf;

	if (!l)
		return;
	TAILQ_REMOVE(&l->waiting, wait, link);
	wait->leaf = NULL;
}

static void answer_all(struct leaf *l, SSL_CTX *ctx)
{
	struct leaf_wait *w;

	while ((w = TAILQ_FIRST(&l->waiting))) {
		leaf_cancel(w);
		w->fn(ctx, w->arg);
	}
}

static time_t not_after(SSL_CTX *ctx)
{
	const ASN1_TIME *t = X509_get0_notAfter(SSL_CTX_get0_certificate(ctx));
	int days = 0, seconds = 0;

	if (!ASN1_TIME_diff(&days, &seconds, NULL, t))
		return 0;
	return time(NULL) + (time_t)days * 86400 + seconds;
}

static void on_leaf(struct leaf_store *st, const struct ipc_msg *msg)
{
	struct leaf *l = find_id(st, msg->flow);
	struct bb_err err = { 0 };
	SSL_CTX *ctx = NULL;

	if (!l || !l->asked)
		return; /* evicted meanwhile */
	l->asked = false;
	if (msg->type == IPC_LEAF_REFUSED)
		(void)bb_err_set(&err, -EACCES, "keyd: %.*s", (int)msg->u.text.text.len,
				 (const char *)msg->u.text.text.p);
	else if (!st->chain)
		(void)bb_err_set(&err, -EINVAL, "no intermediate yet");
	else
		ctx = tls_guest_new(msg->u.cert.cert, st->chain, st->key, l->name, st->generation,
				    &err);
	if (!ctx)
		bb_log("leaf %s: %s", l->name, err.msg);
	SSL_CTX_free(l->ctx);
	l->ctx = ctx;
	l->not_after = ctx ? not_after(ctx) : 0;
	answer_all(l, ctx);
}

static void drop_all(struct leaf_store *st)
{
	struct leaf *l;

	TAILQ_FOREACH(l, &st->leafs, link)
	{
		SSL_CTX_free(l->ctx);
		l->ctx = NULL;
	}
}

void leaf_store_renew(struct leaf_store *st, uint32_t generation)
{
	st->generation = generation;
	drop_all(st);
}

/* A new intermediate: everything signed by the old one goes */
static void on_intermediate(struct leaf_store *st, struct bb_span der)
{
	const uint8_t *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	if (!x || p != der.p + der.len) {
		X509_free(x);
		bb_log("keyd sent an intermediate that is no certificate");
		return;
	}
	X509_free(st->chain);
	st->chain = x;
	drop_all(st);
}

void leaf_on_msg(struct leaf_store *st, const struct ipc_msg *msg)
{
	if (msg->type == IPC_INTERMEDIATE)
		on_intermediate(st, msg->u.cert.cert);
	else
		on_leaf(st, msg);
	ask_next(st);
}
