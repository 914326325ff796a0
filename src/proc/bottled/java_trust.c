/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/bottled/java_trust.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>

/* Trusted for what: everything (RFC 5280, anyExtendedKeyUsage) */
#define TRUSTED_KEY_USAGE "2.16.840.1.113894.746875.1.1"
#define ANY_USAGE         "2.5.29.37.0"
/* Java before 8u301 knows no other */
#define MAC_DIGEST     EVP_sha1()
#define MAC_ITERATIONS 2048

static bool add_usage(PKCS12_SAFEBAG *bag, const ASN1_OBJECT *name, ASN1_OBJECT *any)
{
	/* The bag's own stack: it is there, because a name has been added */
	STACK_OF(X509_ATTRIBUTE) *attrs =
		(STACK_OF(X509_ATTRIBUTE) *)(uintptr_t)PKCS12_SAFEBAG_get0_attrs(bag);
	X509_ATTRIBUTE *a = X509_ATTRIBUTE_create_by_OBJ(NULL, name, V_ASN1_OBJECT, any, -1);

	if (attrs && a && sk_X509_ATTRIBUTE_push(attrs, a))
		return true;
	X509_ATTRIBUTE_free(a);
	return false;
}

static bool add_cert(STACK_OF(PKCS12_SAFEBAG) * bags, X509 *cert, const ASN1_OBJECT *name,
		     ASN1_OBJECT *any)
{
	PKCS12_SAFEBAG *bag = PKCS12_SAFEBAG_create_cert(cert);
	char alias[32];

	(void)snprintf(alias, sizeof(alias), "root-%d", sk_PKCS12_SAFEBAG_num(bags));
	if (bag && PKCS12_add_friendlyname_utf8(bag, alias, -1) && add_usage(bag, name, any) &&
	    sk_PKCS12_SAFEBAG_push(bags, bag))
		return true;
	PKCS12_SAFEBAG_free(bag);
	return false;
}

/* Return: false when one cannot be added, or there are too many or none */
static bool add_all(STACK_OF(PKCS12_SAFEBAG) * bags, BIO *pem)
{
	ASN1_OBJECT *name = OBJ_txt2obj(TRUSTED_KEY_USAGE, 1), *any = OBJ_txt2obj(ANY_USAGE, 1);
	bool ok = name && any;
	X509 *cert;

	while (ok && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL))) {
		ok = sk_PKCS12_SAFEBAG_num(bags) < JAVA_TRUST_CERTS_MAX &&
		     add_cert(bags, cert, name, any);
		X509_free(cert);
	}
	ASN1_OBJECT_free(name);
	ASN1_OBJECT_free(any);
	/* The end of the file is reported as an error */
	ok = ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return ok && sk_PKCS12_SAFEBAG_num(bags) > 0;
}

static PKCS12 *pack(STACK_OF(PKCS12_SAFEBAG) * bags)
{
	STACK_OF(PKCS7) *safes = sk_PKCS7_new_null();
	PKCS7 *content = PKCS12_pack_p7data(bags);
	PKCS12 *p12 = NULL;

	if (safes && content && sk_PKCS7_push(safes, content)) {
		content = NULL;
		p12 = PKCS12_add_safes(safes, 0);
	}
	if (p12 &&
	    !PKCS12_set_mac(p12, JAVA_TRUST_PASSWORD, -1, NULL, 0, MAC_ITERATIONS, MAC_DIGEST)) {
		PKCS12_free(p12);
		p12 = NULL;
	}
	PKCS7_free(content);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return p12;
}

int java_trust_make(struct bb_span pem, struct bb_buf *ret, struct bb_err *err)
{
	STACK_OF(PKCS12_SAFEBAG) *bags = sk_PKCS12_SAFEBAG_new_null();
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.len);
	PKCS12 *p12 = NULL;
	uint8_t *der = NULL;
	int len = -1, r;

	if (bags && in && add_all(bags, in))
		p12 = pack(bags);
	if (p12)
		len = i2d_PKCS12(p12, &der);
	r = len > 0 ? bb_buf_add(ret, der, (size_t)len) : -EBADMSG;
	OPENSSL_free(der);
	PKCS12_free(p12);
	BIO_free(in);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	return r < 0 ? bb_err_set(err, r,
				  "the certificate bundle cannot be made a trust store for Java")
		     : 0;
}
