/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/tls.h"
#include "policy/authority.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static const uint8_t alpn[] = "\x02h2\x08http/1.1";
#define ALPN_LEN   (sizeof(alpn) - 1)
#define ALPN_HTTP1 3 /* from here on without h2 */

static void *fail(struct bb_err *err, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	(void)bb_err_set(err, -EINVAL, "%s: %s", what, text);
	return NULL;
}

static void set_common(SSL_CTX *ctx)
{
	BB_BUG_ON(!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION));
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
}

static size_t load_roots(X509_STORE *store, struct bb_span roots)
{
	BIO *bio = BIO_new_mem_buf(roots.p, (int)roots.len);
	size_t n = 0;
	X509 *x;

	while (bio && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the input is an error to OpenSSL */
	return n;
}

/* ---- sessions with upstreams ---- */

/*
 * The last session of each name and port: the next handshake with it is short. The server's
 * certificate was verified for this very name when the session was made; sessions live ten minutes.
 */
#define SESSIONS        64
#define SESSION_SECONDS 600

struct session {
	char name[POLICY_NAME_MAX];
	uint16_t port;
	SSL_SESSION *session;
};
static struct session sessions[SESSIONS]; /* one guard, one thread */

static struct session *session_slot(const char *name, uint16_t port)
{
	uint32_t h = 2166136261u ^ port;

	for (const char *c = name; *c; c++)
		h = (h ^ (uint8_t)*c) * 16777619u;
	return &sessions[h % SESSIONS];
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	uint16_t port = (uint16_t)(uintptr_t)SSL_get_app_data(ssl);
	struct session *s;

	if (!name || strlen(name) >= sizeof(s->name) || SSL_get_verify_result(ssl) != X509_V_OK)
		return 0;
	s = session_slot(name, port);
	SSL_SESSION_free(s->session);
	memcpy(s->name, name, strlen(name) + 1);
	s->port = port;
	s->session = session;
	return 1; /* the reference is ours now */
}

/* Used until the server gives another: not all do when one is resumed */
static void resume(SSL *ssl, const char *name, uint16_t port)
{
	struct session *s = session_slot(name, port);

	if (s->session && s->port == port && strcmp(s->name, name) == 0)
		(void)SSL_set_session(ssl, s->session);
}

void tls_sessions_forget(void)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		SSL_SESSION_free(sessions[i].session);
		sessions[i] = (struct session){ 0 };
	}
}

SSL_CTX *tls_upstream_new(struct bb_span roots, struct bb_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return fail(err, "upstream TLS context");
	set_common(ctx);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	(void)SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* No roots at all is a host's choice, unreadable ones are a mistake */
	if (load_roots(SSL_CTX_get_cert_store(ctx), roots) == 0 && roots.len &&
	    memmem(roots.p, roots.len, "-----BEGIN", 10)) {
		SSL_CTX_free(ctx);
		(void)bb_err_set(err, -EINVAL, "unreadable root certificates for upstream TLS");
		return NULL;
	}
	return ctx;
}

SSL *tls_upstream_ssl(SSL_CTX *ctx, const char *name, uint16_t port, bool h2)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl)
		return NULL;
	SSL_set_connect_state(ssl);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* set_alpn_protos() returns 0 for success */
	if (SSL_set_alpn_protos(ssl, alpn + (h2 ? 0 : ALPN_HTTP1),
				ALPN_LEN - (h2 ? 0 : ALPN_HTTP1)) != 0 ||
	    !SSL_set1_host(ssl, name) || !SSL_set_tlsext_host_name(ssl, name)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_app_data(ssl, (void *)(uintptr_t)port);
	resume(ssl, name, port);
	return ssl;
}

/* No SNI is fine (the CONNECT name counts); another name is not */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const char *want = SSL_get_app_data(ssl);
	char name[POLICY_NAME_MAX];

	(void)arg;
	if (!sni)
		return SSL_TLSEXT_ERR_NOACK;
	if (authority_name(BB_SPAN_STR(sni), name) == REASON_OK && strcmp(name, want) == 0)
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		   const unsigned char *in, unsigned int inlen, void *arg)
{
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, outlen, alpn, ALPN_LEN, in, inlen) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool set_identity(SSL_CTX *ctx, struct bb_span cert, X509 *chain, EVP_PKEY *key)
{
	const uint8_t *p = cert.p;
	X509 *leaf = d2i_X509(NULL, &p, (long)cert.len);
	bool ok = leaf && p == cert.p + cert.len && SSL_CTX_use_certificate(ctx, leaf) == 1 &&
		  SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1 &&
		  SSL_CTX_add1_chain_cert(ctx, chain) == 1;

	X509_free(leaf);
	return ok;
}

SSL_CTX *tls_guest_new(struct bb_span cert, X509 *chain, EVP_PKEY *key, const char *name,
		       uint32_t generation, struct bb_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char context[POLICY_NAME_MAX + 16];
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	int n;

	if (!ctx)
		return fail(err, "guest TLS context");
	set_common(ctx);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	(void)SSL_CTX_set_num_tickets(ctx, 1);
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	n = snprintf(context, sizeof(context), "%u:%s", generation, name);
	if (!set_identity(ctx, cert, chain, key) ||
	    !EVP_Digest(context, (size_t)n, digest, &len, EVP_sha256(), NULL) ||
	    !SSL_CTX_set_session_id_context(ctx, digest, SSL_MAX_SID_CTX_LENGTH)) {
		SSL_CTX_free(ctx);
		return fail(err, "leaf certificate");
	}
	return ctx;
}

SSL *tls_guest_ssl(SSL_CTX *ctx, const char *name)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl)
		return NULL;
	SSL_set_accept_state(ssl);
	SSL_set_app_data(ssl, (char *)(uintptr_t)name);
	return ssl;
}

void tls_error_text(const SSL *ssl, char *out, size_t cap)
{
	long verify = SSL_get_verify_result(ssl);
	unsigned long e = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(e);

	if (!SSL_is_server(ssl) && verify != X509_V_OK)
		(void)snprintf(out, cap, "certificate: %s", X509_verify_cert_error_string(verify));
	else
		(void)snprintf(out, cap, "%s", reason ? reason : "connection closed");
	ERR_clear_error();
}

EVP_PKEY *tls_key_new(struct bb_err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	return key ? key : fail(err, "leaf key");
}

uint8_t *tls_csr_new(EVP_PKEY *key, size_t *ret_len, struct bb_err *err)
{
	X509_REQ *req = X509_REQ_new();
	uint8_t *der = NULL, *copy = NULL;
	int len = -1;

	if (req && X509_REQ_set_version(req, X509_REQ_VERSION_1) && X509_REQ_set_pubkey(req, key) &&
	    X509_REQ_sign(req, key, EVP_sha256()))
		len = i2d_X509_REQ(req, &der);
	X509_REQ_free(req);
	if (len > 0)
		copy = malloc((size_t)len);
	if (!copy) {
		OPENSSL_free(der);
		return fail(err, "certificate request");
	}
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	*ret_len = (size_t)len;
	return copy;
}
