/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/bottled/java_trust.h"
#include "base/io.h"
#include "tests/unit/unit.h"
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>

/*
 * Without arguments: the tests. With FILE: its certificates as a trust store on the standard
 * output, for tests with Java itself.
 */

static void add_root(BIO *pem, int serial)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	assert_true(X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), serial) &&
		    X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
		    X509_gmtime_adj(X509_getm_notAfter(x), 1000) && X509_set_pubkey(x, key) &&
		    X509_sign(x, key, EVP_sha256()) && PEM_write_bio_X509(pem, x));
	X509_free(x);
	EVP_PKEY_free(key);
}

static struct bb_span roots(BIO *pem, int n)
{
	char *p;
	long len;

	assert_true(BIO_puts(pem, "# some text\n") > 0);
	for (int i = 1; i <= n; i++)
		add_root(pem, i);
	len = BIO_get_mem_data(pem, &p);
	return (struct bb_span){ (const uint8_t *)p, (size_t)len };
}

/* Every certificate is there, and says that it is trusted */
static void every_certificate_is_trusted(void **state)
{
	BIO *pem = BIO_new(BIO_s_mem());
	struct bb_err err = { 0 };
	bb_auto_buf struct bb_buf out;
	STACK_OF(PKCS7) * safes;
	STACK_OF(PKCS12_SAFEBAG) * bags;
	const uint8_t *p;
	PKCS12 *p12;

	(void)state;
	bb_buf_init(&out, 1u << 20);
	assert_int_equal(java_trust_make(roots(pem, 5), &out, &err), 0);
	p = out.p;
	p12 = d2i_PKCS12(NULL, &p, (long)out.len);
	assert_non_null(p12);
	assert_true(PKCS12_verify_mac(p12, JAVA_TRUST_PASSWORD, -1));
	safes = PKCS12_unpack_authsafes(p12);
	assert_int_equal(sk_PKCS7_num(safes), 1);
	bags = PKCS12_unpack_p7data(sk_PKCS7_value(safes, 0));
	assert_int_equal(sk_PKCS12_SAFEBAG_num(bags), 5);
	for (int i = 0; i < 5; i++) {
		const STACK_OF(X509_ATTRIBUTE) *attrs =
			PKCS12_SAFEBAG_get0_attrs(sk_PKCS12_SAFEBAG_value(bags, i));
		ASN1_OBJECT *usage = OBJ_txt2obj("2.16.840.1.113894.746875.1.1", 1);
		int at = X509at_get_attr_by_OBJ(attrs, usage, -1);
		char value[64];

		assert_true(at >= 0);
		OBJ_obj2txt(value, sizeof(value),
			    X509_ATTRIBUTE_get0_type(X509at_get_attr(attrs, at), 0)->value.object,
			    1);
		assert_string_equal(value, "2.5.29.37.0");
		ASN1_OBJECT_free(usage);
	}
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	PKCS12_free(p12);
	BIO_free(pem);
}

static void what_is_no_bundle(void **state)
{
	static const char *const bad[] = {
		"",
		"hello",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n",
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(bad); i++) {
		bb_auto_buf struct bb_buf out;
		struct bb_err err = { 0 };

		bb_buf_init(&out, 1u << 20);
		assert_true(java_trust_make(BB_SPAN_STR(bad[i]), &out, &err) < 0);
		assert_true(out.len == 0 && err.msg[0]);
	}
}

static int convert(const char *path)
{
	bb_auto_buf struct bb_buf pem, out;
	struct bb_err err = { 0 };

	bb_buf_init(&pem, 4u << 20);
	bb_buf_init(&out, 4u << 20);
	if (bb_read_file(path, &pem, &err) < 0 ||
	    java_trust_make(bb_buf_span(&pem), &out, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return fwrite(out.p, 1, out.len, stdout) == out.len ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_certificate_is_trusted),
		cmocka_unit_test(what_is_no_bundle),
	};

	return argc == 2 ? convert(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
