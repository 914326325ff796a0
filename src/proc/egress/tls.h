/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_TLS_H
#define BB_EGRESS_TLS_H
#include "base/base.h"
#include "policy/policy.h"
#include <openssl/ssl.h>

/**
 * DOC: tls - the two kinds of TLS context of the egress guard
 *
 * Used by:   leaf (towards the guest), conn (towards the upstream), main (at start)
 * Trust:     towards the guest nothing is verified, we prove our name; towards the upstream the
 *            certificate must verify against the given roots for the request's name
 *
 * Both: TLS 1.2 at least, no renegotiation, no compression, no early data. ALPN: h2 and http/1.1
 * towards the guest; towards the upstream h2 only for a request that came over HTTP/2.
 */

/**
 * tls_upstream_new() - The one context for upstream connections
 * @roots:	PEM certificates; without any no upstream is trusted
 *
 * Return: owned context, or NULL with @err
 */
BB_MUST_USE SSL_CTX *tls_upstream_new(struct bb_span roots, struct bb_err *err);

/**
 * tls_upstream_ssl() - Client for @name (SNI, verified host name), with the last session of @name
 * and
 * @port where there is one
 * @h2:		Offer HTTP/2 as well
 *
 * Return: owned or NULL
 */
BB_MUST_USE SSL *tls_upstream_ssl(SSL_CTX *ctx, const char *name, uint16_t port, bool h2);

/**
 * tls_guest_new() - Server context for one name
 * @cert:	Leaf, DER
 * @chain:	Intermediate (borrowed)
 * @generation:	Of the policy, part of the session id context
 *
 * Each name has its own context, and with it its own ticket keys: no ticket outlives its route.
 *
 * Return: owned context, or NULL with @err
 */
BB_MUST_USE SSL_CTX *tls_guest_new(struct bb_span cert, X509 *chain, EVP_PKEY *key,
				   const char *name, uint32_t generation, struct bb_err *err);

/** tls_guest_ssl() - Server that insists on @name (borrowed while it lives) as SNI */
BB_MUST_USE SSL *tls_guest_ssl(SSL_CTX *ctx, const char *name);

/** tls_error_text() - Why the last operation on @ssl failed; the verification result first */
void tls_error_text(const SSL *ssl, char *out, size_t cap);

/** tls_key_new() - P-256 key. Return: owned or NULL with @err */
BB_MUST_USE EVP_PKEY *tls_key_new(struct bb_err *err);

/**
 * tls_csr_new() - Certificate request for @key, DER, with an empty subject
 *
 * The name is not in it: keyd is asked for one by SIGN_LEAF.
 *
 * Return: octets (free with free()), or NULL with @err
 */
BB_MUST_USE uint8_t *tls_csr_new(EVP_PKEY *key, size_t *ret_len, struct bb_err *err);

/** tls_sessions_forget() - The next handshake with each upstream is a whole one */
void tls_sessions_forget(void);
#endif
