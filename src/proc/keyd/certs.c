/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/keyd/certs.h"
#include "policy/authority.h"
#include "proc/keyd/csr.h"
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define HOUR       3600
#define DAY        (24 * HOUR)
#define SERIAL_LEN 16
#define CN_MAX     64 /* RFC 5280 appendix A: ub-common-name */

struct certs {
	const struct policy *policy;
	EVP_PKEY *root_key;
	X509 *root;
	EVP_PKEY *key; /* of the intermediate */
	X509 *intermediate;
	X509 *staged; /* of the policy that is to come, or NULL */
};

static int ssl_err(struct bb_err *err, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	return bb_err_set(err, -EIO, "%s: %s", what, text);
}

/* One certificate being made: issuer NULL = signs itself */
struct draft {
	X509 *cert;
	X509 *issuer;
	EVP_PKEY *issuer_key;
};

static bool set_serial(X509 *cert)
{
	uint8_t raw[SERIAL_LEN];
	BIGNUM *n;
	bool ok;

	if (RAND_bytes(raw, sizeof(raw)) != 1)
		return false;
	raw[0] = (uint8_t)((raw[0] & 0x7f) | 0x40); /* positive, never short */
	n = BN_bin2bn(raw, sizeof(raw), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return ok;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)value,
					  -1, -1, 0) == 1;
}

/* @org and @unit may be NULL, @cn too when it would be over-long */
static bool set_subject(X509 *cert, const char *org, const char *unit, const char *cn)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return (!org || add_name(name, "O", org)) && (!unit || add_name(name, "OU", unit)) &&
	       (!cn || strlen(cn) > CN_MAX || add_name(name, "CN", cn));
}

static bool set_times(X509 *cert, time_t from, time_t until)
{
	return ASN1_TIME_set(X509_getm_notBefore(cert), from) &&
	       ASN1_TIME_set(X509_getm_notAfter(cert), until);
}

static bool add_ext(const struct draft *d, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx(&ctx, d->issuer ? d->issuer : d->cert, d->cert, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(d->cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool sign(const struct draft *d)
{
	X509 *issuer = d->issuer ? d->issuer : d->cert;

	return X509_set_issuer_name(d->cert, X509_get_subject_name(issuer)) == 1 &&
	       add_ext(d, NID_subject_key_identifier, "hash") &&
	       add_ext(d, NID_authority_key_identifier, "keyid:always") &&
	       X509_sign(d->cert, d->issuer_key, EVP_sha256()) > 0;
}

/* Seconds since 1970 of a date we wrote */
static time_t date_of(const ASN1_TIME *t)
{
	struct tm tm = { 0 };

	BB_BUG_ON(ASN1_TIME_to_tm(t, &tm) != 1);
	return timegm(&tm);
}

static int make_root(struct certs *c, time_t now, struct bb_err *err)
{
	struct draft d = { .cert = X509_new(), .issuer_key = c->root_key };

	c->root = d.cert;
	if (!d.cert || X509_set_version(d.cert, X509_VERSION_3) != 1 || !set_serial(d.cert) ||
	    !set_subject(d.cert, "bot-bottle", NULL, c->policy->identity) ||
	    !set_times(d.cert, now - HOUR, now - HOUR + CERTS_ROOT_DAYS * DAY) ||
	    X509_set_pubkey(d.cert, c->root_key) != 1 ||
	    !add_ext(&d, NID_basic_constraints, "critical,CA:TRUE,pathlen:1") ||
	    !add_ext(&d, NID_key_usage, "critical,keyCertSign,cRLSign") || !sign(&d))
		return ssl_err(err, "root certificate");
	return 0;
}

/* @host and everything below it is permitted once a name at or above it is */
static bool is_covered(const struct policy *p, size_t index)
{
	const char *host = p->routes[index].host;
	size_t len = strlen(host);

	for (size_t i = 0; i < p->n_routes; i++) {
		const char *other = p->routes[i].host;
		size_t n = strlen(other);

		if (n < len && host[len - n - 1] == '.' && strcmp(host + len - n, other) == 0)
			return true;
		if (i < index && n == len && strcmp(host, other) == 0)
			return true;
	}
	return false;
}

static bool push_subtree(STACK_OF(GENERAL_SUBTREE) * *stack, int type, const void *octets,
			 size_t len)
{
	GENERAL_SUBTREE *sub = GENERAL_SUBTREE_new();
	ASN1_STRING *text =
		ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);

	if (!*stack)
		*stack = sk_GENERAL_SUBTREE_new_null();
	if (!sub || !text || !*stack || ASN1_STRING_set(text, octets, (int)len) != 1) {
		GENERAL_SUBTREE_free(sub);
		ASN1_STRING_free(text);
		return false;
	}
	GENERAL_NAME_set0_value(sub->base, type, text);
	if (sk_GENERAL_SUBTREE_push(*stack, sub) <= 0) {
		GENERAL_SUBTREE_free(sub);
		return false;
	}
	return true;
}

static bool add_constraints(X509 *cert, const struct policy *p)
{
	static const uint8_t every_address[32]; /* address and mask, all zero */
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	bool any = false, ok = nc != NULL;

	for (size_t i = 0; i < p->n_routes && ok; i++) {
		if (is_covered(p, i))
			continue;
		any = true;
		ok = push_subtree(&nc->permittedSubtrees, GEN_DNS, p->routes[i].host,
				  strlen(p->routes[i].host));
	}
	/* An empty list would permit every name (RFC 6761: nobody has "invalid") */
	if (ok && !any)
		ok = push_subtree(&nc->permittedSubtrees, GEN_DNS, "invalid", 7);
	ok = ok && push_subtree(&nc->excludedSubtrees, GEN_IPADD, every_address, 8) &&
	     push_subtree(&nc->excludedSubtrees, GEN_IPADD, every_address, 32) &&
	     X509_add1_ext_i2d(cert, NID_name_constraints, nc, 1, X509V3_ADD_DEFAULT) == 1;
	NAME_CONSTRAINTS_free(nc);
	return ok;
}

/* At most CERTS_LEAF_DAYS from now, and never past the issuer */
static time_t until(const X509 *issuer, time_t now)
{
	time_t end = date_of(X509_get0_notAfter(issuer));

	return now + CERTS_LEAF_DAYS * DAY < end ? now + CERTS_LEAF_DAYS * DAY : end;
}

/* Return: 0 with @ret owned, or -errno with @err */
static int make_intermediate(const struct certs *c, const struct policy *policy, time_t now,
			     X509 **ret, struct bb_err *err)
{
	struct draft d = { .cert = X509_new(), .issuer = c->root, .issuer_key = c->root_key };
	char unit[32];
	int r = 0, len;

	(void)snprintf(unit, sizeof(unit), "generation %u", (unsigned int)policy->generation);
	if (!d.cert || X509_set_version(d.cert, X509_VERSION_3) != 1 || !set_serial(d.cert) ||
	    !set_subject(d.cert, "bot-bottle", unit, policy->identity) ||
	    !set_times(d.cert, date_of(X509_get0_notBefore(c->root)), until(c->root, now)) ||
	    X509_set_pubkey(d.cert, c->key) != 1 ||
	    !add_ext(&d, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
	    !add_ext(&d, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_ext(&d, NID_ext_key_usage, "serverAuth") || !add_constraints(d.cert, policy) ||
	    !sign(&d))
		r = ssl_err(err, "intermediate certificate");
	len = r < 0 ? 0 : i2d_X509(d.cert, NULL);
	if (len > CERTS_INTERMEDIATE_MAX)
		r = bb_err_set(err, -E2BIG, "the policy has too many names for one certificate");
	if (r < 0) {
		X509_free(d.cert);
		return r;
	}
	*ret = d.cert;
	return 0;
}

int certs_renew(struct certs *c, time_t now, struct bb_err *err)
{
	X509 *next;
	int r = make_intermediate(c, c->policy, now, &next, err);

	if (r < 0)
		return r;
	X509_free(c->intermediate);
	c->intermediate = next;
	return 0;
}

int certs_stage(struct certs *c, const struct policy *policy, time_t now, struct bb_err *err)
{
	certs_unstage(c);
	return make_intermediate(c, policy, now, &c->staged, err);
}

bool certs_is_staged(const struct certs *c)
{
	return c->staged != NULL;
}

void certs_unstage(struct certs *c)
{
	X509_free(c->staged);
	c->staged = NULL;
}

void certs_switch(struct certs *c, const struct policy *policy)
{
	BB_BUG_ON(!c->staged);
	X509_free(c->intermediate);
	c->intermediate = c->staged;
	c->staged = NULL;
	c->policy = policy;
}

int certs_new(const struct policy *policy, time_t now, struct certs **ret, struct bb_err *err)
{
	struct certs *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c)
		return bb_err_set(err, -ENOMEM, "out of memory");
	c->policy = policy;
	c->root_key = EVP_EC_gen("P-256");
	c->key = EVP_EC_gen("P-256");
	if (!c->root_key || !c->key)
		r = ssl_err(err, "key generation");
	if (r == 0)
		r = make_root(c, now, err);
	if (r == 0)
		r = certs_renew(c, now, err);
	if (r < 0) {
		certs_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void certs_free(struct certs *c)
{
	if (!c)
		return;
	X509_free(c->staged);
	X509_free(c->intermediate);
	X509_free(c->root);
	EVP_PKEY_free(c->key);
	EVP_PKEY_free(c->root_key);
	free(c);
}

static int append_der(const X509 *cert, struct bb_buf *out, struct bb_err *err)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der), r;

	if (len < 0)
		return ssl_err(err, "certificate");
	r = bb_buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	return r < 0 ? bb_err_set(err, r, "certificate of %d octets", len) : 0;
}

int certs_intermediate(const struct certs *c, struct bb_buf *out, struct bb_err *err)
{
	return append_der(c->intermediate, out, err);
}

int certs_root_pem(const struct certs *c, struct bb_buf *out, struct bb_err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;
	int r;

	if (!bio || PEM_write_bio_X509(bio, c->root) != 1) {
		BIO_free(bio);
		return ssl_err(err, "root certificate");
	}
	len = BIO_get_mem_data(bio, &text);
	r = bb_buf_add(out, text, (size_t)len);
	BIO_free(bio);
	return r < 0 ? bb_err_set(err, r, "root certificate of %ld octets", len) : 0;
}

static bool add_alt_name(X509 *cert, const char *name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *gn = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool ok = names && gn && text && ASN1_STRING_set(text, name, -1) == 1;

	if (ok) {
		GENERAL_NAME_set0_value(gn, GEN_DNS, text);
		text = NULL;
		ok = sk_GENERAL_NAME_push(names, gn) > 0;
	}
	if (ok) {
		gn = NULL;
		/* Critical where the subject is empty (RFC 5280 section 4.2.1.6) */
		ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, strlen(name) > CN_MAX,
				       X509V3_ADD_DEFAULT) == 1;
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(gn);
	GENERAL_NAMES_free(names);
	return ok;
}

/* The name must be written as a route's rule would normalise it, and a route must list it */
static int check_name(const struct certs *c, struct bb_span name, char out[static POLICY_NAME_MAX],
		      struct bb_err *err)
{
	enum policy_reason reason = authority_name(name, out);
	size_t index;

	if (reason != REASON_OK || !bb_span_eq(name, BB_SPAN_STR(out)))
		return bb_err_set(err, -EINVAL, "not a normalised host name");
	/* On any port: which one it is used for is the egress guard's decision */
	reason = authority_route(c->policy, out, 443, &index);
	if (reason != REASON_ROUTE && reason != REASON_PORT)
		return bb_err_set(err, -EPERM, "%s: no route lists it", out);
	return 0;
}

int certs_leaf(const struct certs *c, struct bb_span name, struct bb_span csr, time_t now,
	       struct bb_buf *out, struct bb_err *err)
{
	struct draft d = { .issuer = c->intermediate, .issuer_key = c->key };
	char host[POLICY_NAME_MAX];
	EVP_PKEY *key;
	int r = check_name(c, name, host, err);

	if (r < 0)
		return r;
	key = csr_public_key(csr, err);
	if (!key)
		return err->code;
	d.cert = X509_new();
	if (!d.cert || X509_set_version(d.cert, X509_VERSION_3) != 1 || !set_serial(d.cert) ||
	    !set_subject(d.cert, NULL, NULL, host) ||
	    !set_times(d.cert, date_of(X509_get0_notBefore(c->root)),
		       until(c->intermediate, now)) ||
	    X509_set_pubkey(d.cert, key) != 1 ||
	    !add_ext(&d, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_ext(&d, NID_key_usage, "critical,digitalSignature") ||
	    !add_ext(&d, NID_ext_key_usage, "serverAuth") || !add_alt_name(d.cert, host) ||
	    !sign(&d))
		r = ssl_err(err, "leaf certificate");
	else
		r = append_der(d.cert, out, err);
	X509_free(d.cert);
	EVP_PKEY_free(key);
	return r;
}
