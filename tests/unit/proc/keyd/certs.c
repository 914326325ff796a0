/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/keyd/certs.h"
#include "base/io.h"
#include "proc/keyd/csr.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/wait.h>

static char tmp[] = "/tmp/bb-certs-XXXXXX";
static const char long_name[] =
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.wild.test";
static struct policy_route routes[] = {
	{ .host = "api.allowed.test", .n_ports = 1, .ports = { 443 } },
	{ .host = "wild.test", .wildcard = true, .n_ports = 1, .ports = { 443 } },
	{ .host = "deep.wild.test", .n_ports = 1, .ports = { 443 } },
	{ .host = "port.test", .n_ports = 1, .ports = { 8443 } },
};
static const struct policy policy = {
	.identity = "demo-a1b2c",
	.generation = 1,
	.routes = routes,
	.n_routes = BB_ARRAY_LEN(routes),
};

static int make_tmp(void **state)
{
	(void)state;
	return mkdtemp(tmp) && chdir(tmp) == 0 ? 0 : -1;
}

static int drop_tmp(void **state)
{
	char cmd[64];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	return chdir("/") == 0 ? system(cmd) : -1;
}

/* A request like the egress guard's, or for another kind of key */
static void make_csr(EVP_PKEY *key, struct bb_buf *out)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	int len;

	assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, &der);
	assert_true(len > 0);
	assert_int_equal(bb_buf_add(out, der, (size_t)len), 0);
	OPENSSL_free(der);
	X509_REQ_free(req);
}

static X509 *parse(const struct bb_buf *der)
{
	const unsigned char *p = der->p;
	X509 *cert = d2i_X509(NULL, &p, (long)der->len);

	assert_non_null(cert);
	assert_ptr_equal(p, der->p + der->len);
	return cert;
}

static X509 *leaf_for(const struct certs *c, const char *name, EVP_PKEY *key, time_t now)
{
	struct bb_err err = { 0 };
	struct bb_buf csr, der;
	X509 *cert;

	bb_buf_init(&csr, CSR_MAX);
	bb_buf_init(&der, 16384);
	make_csr(key, &csr);
	assert_int_equal(certs_leaf(c, BB_SPAN_STR(name), bb_buf_span(&csr), now, &der, &err), 0);
	cert = parse(&der);
	bb_buf_release(&csr);
	bb_buf_release(&der);
	return cert;
}

static void write_pem(const char *name, X509 *cert, X509 *next, EVP_PKEY *key)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	if (key)
		assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	if (cert)
		assert_int_equal(PEM_write_X509(f, cert), 1);
	if (next)
		assert_int_equal(PEM_write_X509(f, next), 1);
	(void)fclose(f);
}

static X509 *intermediate_of(const struct certs *c)
{
	struct bb_err err = { 0 };
	struct bb_buf der;
	X509 *cert;

	bb_buf_init(&der, CERTS_INTERMEDIATE_MAX);
	assert_int_equal(certs_intermediate(c, &der, &err), 0);
	cert = parse(&der);
	bb_buf_release(&der);
	return cert;
}

static void write_root(const struct certs *c, const char *name)
{
	struct bb_err err = { 0 };
	struct bb_buf pem;
	int fd;

	bb_buf_init(&pem, 16384);
	assert_int_equal(certs_root_pem(c, &pem, &err), 0);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(bb_write_full(fd, pem.p, pem.len), 0);
	(void)close(fd);
	bb_buf_release(&pem);
}

static int run(const char *cmd)
{
	int status = system(cmd);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Other people's verifiers: OpenSSL's own tool, GnuTLS where installed, Python's ssl in a handshake
 */
static const char handshake_py[] =
	"import ssl, sys\n"
	"def shake(name, chain):\n"
	"    s = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); s.load_cert_chain(chain)\n"
	"    c = ssl.create_default_context(cafile='root.pem')\n"
	"    c.verify_flags |= ssl.VERIFY_X509_STRICT\n"
	"    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()\n"
	"    cl = c.wrap_bio(a, b, server_hostname=name)\n"
	"    sv = s.wrap_bio(b, a, server_side=True)\n"
	"    for _ in range(8):\n"
	"        for side in (cl, sv):\n"
	"            try: side.do_handshake()\n"
	"            except ssl.SSLWantReadError: pass\n"
	"    return dict(cl.getpeercert()['subjectAltName'])\n"
	"assert shake('api.allowed.test', 'chain.pem') == {'DNS': 'api.allowed.test'}\n"
	"try: shake('other.test', 'chain.pem')\n"
	"except ssl.SSLCertVerificationError: pass\n"
	"else: sys.exit('accepted for another name')\n";

static void others_verify(void **state)
{
	time_t now = time(NULL);
	struct bb_err err = { 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct certs *c = NULL;
	X509 *leaf, *inter;
	FILE *f;

	(void)state;
	assert_int_equal(certs_new(&policy, now, &c, &err), 0);
	leaf = leaf_for(c, "api.allowed.test", key, now);
	inter = intermediate_of(c);
	write_root(c, "root.pem");
	write_pem("leaf.pem", leaf, NULL, NULL);
	write_pem("inter.pem", inter, NULL, NULL);
	write_pem("chain.pem", leaf, inter, key);
	assert_int_equal(run("openssl verify -x509_strict -CAfile root.pem -untrusted inter.pem "
			     "-verify_hostname api.allowed.test -purpose sslserver leaf.pem "
			     ">openssl.log 2>&1"),
			 0);
	assert_int_not_equal(run("openssl verify -CAfile root.pem -untrusted inter.pem "
				 "-verify_hostname other.test leaf.pem >openssl.log 2>&1"),
			     0);
	f = fopen("shake.py", "w");
	assert_non_null(f);
	assert_true(fputs(handshake_py, f) >= 0);
	(void)fclose(f);
	assert_int_equal(run("/usr/bin/python3 shake.py"), 0);
	if (run("command -v certtool >/dev/null") == 0) {
		assert_int_equal(run("cat leaf.pem inter.pem >gnutls.pem && certtool --verify "
				     "--load-ca-certificate root.pem --verify-hostname "
				     "api.allowed.test --infile gnutls.pem >gnutls.log 2>&1"),
				 0);
	} else {
		print_message("certtool is not installed: GnuTLS not asked\n");
	}
	X509_free(leaf);
	X509_free(inter);
	EVP_PKEY_free(key);
	certs_free(c);
}

static void leaf_is_as_promised(void **state)
{
	static const char *const names[] = { "api.allowed.test", "x.wild.test", "deep.wild.test",
					     "port.test", long_name };
	time_t now = time(NULL);
	struct bb_err err = { 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct certs *c = NULL;

	(void)state;
	assert_int_equal(certs_new(&policy, now, &c, &err), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		X509 *leaf = leaf_for(c, names[i], key, now), *inter = intermediate_of(c);
		GENERAL_NAMES *alt;
		int critical, days, secs;
		char cn[256];

		alt = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
		assert_int_equal(sk_GENERAL_NAME_num(alt), 1);
		assert_int_equal(critical, strlen(names[i]) > 64);
		assert_int_equal(X509_check_host(leaf, names[i], 0, 0, NULL), 1);
		assert_int_equal(X509_check_host(leaf, "y.wild.test", 0, 0, NULL), 0);
		assert_int_equal(X509_check_ca(leaf), 0);
		assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
		assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
		assert_non_null(X509_get0_subject_key_id(leaf));
		assert_non_null(X509_get0_authority_key_id(leaf));
		assert_int_equal(X509_NAME_get_text_by_NID(X509_get_subject_name(leaf),
							   NID_commonName, cn, sizeof(cn)) > 0,
				 strlen(names[i]) <= 64);
		assert_int_equal(
			ASN1_TIME_compare(X509_get0_notBefore(leaf), X509_get0_notBefore(inter)),
			0);
		assert_int_equal(ASN1_TIME_diff(&days, &secs, X509_get0_notBefore(leaf),
						X509_get0_notAfter(leaf)),
				 1);
		assert_true(days == 7 && secs == 3600);
		assert_int_equal(X509_get_pathlen(inter), 0);
		GENERAL_NAMES_free(alt);
		X509_free(leaf);
		X509_free(inter);
	}
	EVP_PKEY_free(key);
	certs_free(c);
}

static void only_listed_names(void **state)
{
	static const struct {
		const char *name;
		int want;
	} cases[] = {
		{ "api.allowed.test", 0 },       { "x.wild.test", 0 },
		{ "a.b.wild.test", 0 },          { "wild.test", -EPERM },
		{ "allowed.test", -EPERM },      { "x.api.allowed.test", -EPERM },
		{ "evilwild.test", -EPERM },     { "", -EINVAL },
		{ "API.allowed.test", -EINVAL }, { "api.allowed.test.", -EINVAL },
		{ "*.wild.test", -EINVAL },      { "127.0.0.1", -EINVAL },
		{ "x wild.test", -EINVAL },
	};
	time_t now = time(NULL);
	struct bb_err err = { 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct certs *c = NULL;
	struct bb_buf csr, der;

	(void)state;
	bb_buf_init(&csr, CSR_MAX);
	bb_buf_init(&der, 1u << 20);
	make_csr(key, &csr);
	assert_int_equal(certs_new(&policy, now, &c, &err), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		size_t before = der.len;

		err = (struct bb_err){ 0 };
		assert_int_equal(certs_leaf(c, BB_SPAN_STR(cases[i].name), bb_buf_span(&csr), now,
					    &der, &err),
				 cases[i].want);
		assert_int_equal(der.len > before, cases[i].want == 0);
	}
	/* a NUL does not end the comparison */
	err = (struct bb_err){ 0 };
	assert_int_equal(certs_leaf(c,
				    (struct bb_span){ (const uint8_t *)"api.allowed.test\0x", 18 },
				    bb_buf_span(&csr), now, &der, &err),
			 -EINVAL);
	bb_buf_release(&csr);
	bb_buf_release(&der);
	EVP_PKEY_free(key);
	certs_free(c);
}

static void refuse_csr(struct bb_span csr)
{
	uint8_t *copy = malloc(csr.len ? csr.len : 1);
	struct bb_err err = { 0 };

	assert_non_null(copy);
	if (csr.len)
		memcpy(copy, csr.p, csr.len);
	assert_null(csr_public_key((struct bb_span){ copy, csr.len }, &err));
	assert_int_equal(err.code, -EINVAL);
	free(copy);
}

static void hostile_requests(void **state)
{
	EVP_PKEY *good = EVP_EC_gen("P-256"), *key;
	struct bb_err err = { 0 };
	struct bb_buf csr;

	(void)state;
	bb_buf_init(&csr, 2 * CSR_MAX);
	make_csr(good, &csr);
	for (size_t n = 0; n < csr.len; n++)
		refuse_csr((struct bb_span){ csr.p, n });
	key = csr_public_key(bb_buf_span(&csr), &err);
	assert_int_equal(EVP_PKEY_eq(key, good), 1);
	EVP_PKEY_free(key);
	/* one octet more */
	assert_int_equal(bb_buf_add(&csr, "", 1), 0);
	refuse_csr(bb_buf_span(&csr));

	/* other keys */
	key = EVP_EC_gen("P-384");
	csr.len = 0;
	make_csr(key, &csr);
	refuse_csr(bb_buf_span(&csr));
	EVP_PKEY_free(key);
	key = EVP_RSA_gen(2048);
	csr.len = 0;
	make_csr(key, &csr);
	refuse_csr(bb_buf_span(&csr));
	EVP_PKEY_free(key);
	/* P-256 spelled out as explicit parameters */
	key = EVP_EC_gen("P-256");
	assert_int_equal(EVP_PKEY_set_utf8_string_param(key, "encoding", "explicit"), 1);
	csr.len = 0;
	make_csr(key, &csr);
	refuse_csr(bb_buf_span(&csr));
	EVP_PKEY_free(key);
	EVP_PKEY_free(good);
	bb_buf_release(&csr);
}

static void points_off_the_curve(void **state)
{
	uint8_t point[65] = { 0x04 };

	(void)state;
	assert_null(csr_p256_from_point(point));
	memset(point + 1, 0xff, 64);
	assert_null(csr_p256_from_point(point));
}

/* The names are constrained, and a policy without names constrains to none */
static void constraints_hold(void **state)
{
	NAME_CONSTRAINTS *nc;
	struct policy empty = { .identity = "none-00000", .generation = 3 };
	struct bb_err err = { 0 };
	struct certs *c = NULL;
	int critical = 0;
	X509 *inter;

	(void)state;
	assert_int_equal(certs_new(&policy, time(NULL), &c, &err), 0);
	inter = intermediate_of(c);
	nc = X509_get_ext_d2i(inter, NID_name_constraints, &critical, NULL);
	assert_int_equal(critical, 1);
	/* deep.wild.test stands below wild.test */
	assert_int_equal(sk_GENERAL_SUBTREE_num(nc->permittedSubtrees), 3);
	assert_int_equal(sk_GENERAL_SUBTREE_num(nc->excludedSubtrees), 2);
	NAME_CONSTRAINTS_free(nc);
	X509_free(inter);
	certs_free(c);

	assert_int_equal(certs_new(&empty, time(NULL), &c, &err), 0);
	inter = intermediate_of(c);
	nc = X509_get_ext_d2i(inter, NID_name_constraints, &critical, NULL);
	assert_int_equal(sk_GENERAL_SUBTREE_num(nc->permittedSubtrees), 1);
	NAME_CONSTRAINTS_free(nc);
	X509_free(inter);
	certs_free(c);
}

static void dates(void **state)
{
	time_t start = time(NULL), late = start + 88 * 86400;
	struct bb_err err = { 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct certs *c = NULL;
	X509 *inter, *leaf, *before;
	int days, secs;

	(void)state;
	assert_int_equal(certs_new(&policy, start, &c, &err), 0);
	before = intermediate_of(c);
	assert_int_equal(certs_renew(c, late, &err), 0);
	inter = intermediate_of(c);
	leaf = leaf_for(c, "api.allowed.test", key, late);
	/* nothing outlives the root */
	assert_int_equal(
		ASN1_TIME_diff(&days, &secs, X509_get0_notBefore(inter), X509_get0_notAfter(leaf)),
		1);
	assert_true(days == 90 && secs == 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(before), X509_get0_pubkey(inter)), 1);
	assert_int_not_equal(
		ASN1_INTEGER_cmp(X509_get0_serialNumber(before), X509_get0_serialNumber(inter)), 0);
	X509_free(leaf);
	X509_free(inter);
	X509_free(before);
	EVP_PKEY_free(key);
	certs_free(c);
}

/* Another policy: nothing changes before the switch, root and key never */
static void another_generation(void **state)
{
	struct policy_route before[] = { { .host = "old.test", .n_ports = 1, .ports = { 443 } } };
	struct policy_route after[] = { { .host = "new.test", .n_ports = 1, .ports = { 443 } } };
	const struct policy one = {
		.identity = "demo-a1b2c", .generation = 1, .n_routes = 1, .routes = before
	};
	const struct policy two = {
		.identity = "demo-a1b2c", .generation = 2, .n_routes = 1, .routes = after
	};
	bb_auto_buf struct bb_buf first, same, second, root, root_after, leaf;
	struct certs *c = NULL;
	struct bb_err err = { 0 };

	(void)state;
	bb_buf_init(&first, 65536);
	bb_buf_init(&same, 65536);
	bb_buf_init(&second, 65536);
	bb_buf_init(&root, 65536);
	bb_buf_init(&root_after, 65536);
	bb_buf_init(&leaf, 65536);
	assert_int_equal(certs_new(&one, time(NULL), &c, &err), 0);
	assert_int_equal(certs_intermediate(c, &first, &err), 0);
	assert_int_equal(certs_root_pem(c, &root, &err), 0);
	assert_false(certs_is_staged(c));
	assert_int_equal(certs_stage(c, &two, time(NULL), &err), 0);
	assert_int_equal(certs_intermediate(c, &same, &err), 0);
	assert_true(bb_span_eq(bb_buf_span(&first), bb_buf_span(&same)));
	assert_int_equal(certs_leaf(c, BB_SPAN_STR("new.test"), (struct bb_span){ 0 }, time(NULL),
				    &leaf, &err),
			 -EPERM);
	certs_unstage(c);
	assert_false(certs_is_staged(c));
	assert_int_equal(certs_stage(c, &two, time(NULL), &err), 0);
	certs_switch(c, &two);
	assert_false(certs_is_staged(c));
	assert_int_equal(certs_intermediate(c, &second, &err), 0);
	assert_false(bb_span_eq(bb_buf_span(&first), bb_buf_span(&second)));
	assert_int_equal(certs_root_pem(c, &root_after, &err), 0);
	assert_true(bb_span_eq(bb_buf_span(&root), bb_buf_span(&root_after)));
	err = (struct bb_err){ 0 };
	assert_int_equal(certs_leaf(c, BB_SPAN_STR("old.test"), (struct bb_span){ 0 }, time(NULL),
				    &leaf, &err),
			 -EPERM);
	err = (struct bb_err){ 0 };
	assert_int_equal(certs_leaf(c, BB_SPAN_STR("new.test"), (struct bb_span){ 0 }, time(NULL),
				    &leaf, &err),
			 -EINVAL);
	certs_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_generation),  cmocka_unit_test(others_verify),
		cmocka_unit_test(leaf_is_as_promised), cmocka_unit_test(only_listed_names),
		cmocka_unit_test(hostile_requests),    cmocka_unit_test(points_off_the_curve),
		cmocka_unit_test(constraints_hold),    cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
