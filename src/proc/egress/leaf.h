/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_LEAF_H
#define BB_EGRESS_LEAF_H
#include "ipc/peer.h"
#include "policy/policy.h"
#include <openssl/ssl.h>
#include <sys/queue.h>

/**
 * DOC: leaf - one certificate and TLS context per name, asked of keyd once
 *
 * Used by:   conn
 * Ownership: the store owns contexts and the intermediate; an SSL keeps its context alive by itself
 * Limits:    LEAF_MAX names, least recently used goes first (a wildcard route lets the guest ask
 * for any number of names)
 *
 * keyd sends INTERMEDIATE before the first LEAF and again with each new one; the leafs made under
 * the old one are dropped then. The key is made here and never leaves this process.
 */
#define LEAF_MAX 256

struct leaf_store;

/**
 * leaf_fn - The answer to leaf_get(), never called from inside it
 * @ctx:	borrowed, or NULL when keyd refused or the answer was of no use
 */
typedef void (*leaf_fn)(SSL_CTX *ctx, void *arg);

/** struct leaf_wait - One waiter, inside the waiting object; start with zeroes */
struct leaf_wait {
	TAILQ_ENTRY(leaf_wait) link;
	void *leaf; /* NULL = not waiting */
	leaf_fn fn;
	void *arg;
};

/** leaf_store_new() - Makes the key. Return: owned, or NULL with @err */
BB_MUST_USE struct leaf_store *leaf_store_new(uint32_t generation, struct bb_err *err);
void leaf_store_free(struct leaf_store *st);
/** leaf_store_connect() - Where to ask (borrowed); before the first leaf_get() */
void leaf_store_connect(struct leaf_store *st, struct ipc_peer *keyd);

/**
 * leaf_get() - The context for a name
 * @wait:	Used when the answer is not there yet
 *
 * Return: the context (borrowed); NULL: @fn will be called, unless leaf_cancel() comes first
 */
BB_MUST_USE SSL_CTX *leaf_get(struct leaf_store *st, const char *name, struct leaf_wait *wait,
			      leaf_fn fn, void *arg);
/** leaf_cancel() - Forget a waiter; one that does not wait is fine */
void leaf_cancel(struct leaf_wait *wait);

/** leaf_on_msg() - INTERMEDIATE, LEAF or LEAF_REFUSED from keyd */
void leaf_on_msg(struct leaf_store *st, const struct ipc_msg *msg);

/** leaf_store_renew() - Another policy is in force: no certificate and no ticket outlives it */
void leaf_store_renew(struct leaf_store *st, uint32_t generation);
#endif
