/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/proc/role.h"
#include "policy/reason.h"
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>

static const char *exe;
static struct policy_route routes[] = {
	{ .host = "api.allowed.test", .n_ports = 1, .ports = { 443 } },
};
static const struct policy policy = {
	.identity = "demo-a1b2c",
	.alias = { .family = 4, .a = { 127, 64, 0, 1 } },
	.generation = 1,
	.routes = routes,
	.n_routes = 1,
};

static void start(struct role *r)
{
	role_spawn(r, exe);
	role_give_peer(r, IPC_ROLE_EGRESS);
	role_give_peer(r, IPC_ROLE_RECORDER);
	role_give_policy(r, &policy);
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(r, r->bottled), IPC_READY);
}

static X509 *take_der(struct bb_span der)
{
	const unsigned char *p = der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);

	assert_non_null(cert);
	return cert;
}

static X509 *take_pem(struct bb_span pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_non_null(cert);
	BIO_free(bio);
	return cert;
}

static void ask(struct role *r, const char *name, const void *csr, size_t len, uint64_t flow)
{
	struct ipc_msg m = { .type = IPC_SIGN_LEAF, .fd = -1, .flow = flow };

	m.u.sign_leaf.name = BB_SPAN_STR(name);
	m.u.sign_leaf.csr = (struct bb_span){ csr, len };
	role_send(r->peers[IPC_ROLE_EGRESS], &m);
}

static void signs_and_refuses(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *req = X509_REQ_new();
	X509 *root, *inter, *leaf;
	unsigned char *csr = NULL;
	struct role r;
	int len;

	(void)state;
	start(&r);
	assert_int_equal(role_recv(&r, r.bottled), IPC_CA_CERT);
	root = take_pem(r.msg.u.cert.cert);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_INTERMEDIATE);
	inter = take_der(r.msg.u.cert.cert);
	assert_int_equal(X509_verify(inter, X509_get0_pubkey(root)), 1);

	assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, &csr);
	for (uint64_t flow = 1; flow < 4; flow++) {
		ask(&r, "api.allowed.test", csr, (size_t)len, flow);
		assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_LEAF);
		assert_int_equal(r.msg.flow, flow);
		leaf = take_der(r.msg.u.cert.cert);
		assert_int_equal(X509_verify(leaf, X509_get0_pubkey(inter)), 1);
		assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), key), 1);
		X509_free(leaf);
	}
	ask(&r, "other.test", csr, (size_t)len, 9);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_LEAF_REFUSED);
	assert_int_equal(r.msg.flow, 9);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_RECORDER]), IPC_RECORD);
	assert_int_equal(r.msg.u.record.verdict, POLICY_DENY);
	assert_int_equal(r.msg.u.record.reason, REASON_NOT_LISTED);
	assert_true(bb_span_eq(r.msg.u.record.host, BB_SPAN_STR("other.test")));
	ask(&r, "api.allowed.test", "junk", 4, 10);
	assert_int_equal(role_recv(&r, r.peers[IPC_ROLE_EGRESS]), IPC_LEAF_REFUSED);

	OPENSSL_free(csr);
	X509_free(root);
	X509_free(inter);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	assert_int_equal(role_end(&r), 0);
}

static void needs_a_policy(void **state)
{
	struct role r;

	(void)state;
	role_spawn(&r, exe);
	role_give_peer(&r, IPC_ROLE_EGRESS);
	role_give_peer(&r, IPC_ROLE_RECORDER);
	role_send(r.bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(&r, r.bottled), IPC_FAILED);
	assert_non_null(memmem(r.msg.u.text.text.p, r.msg.u.text.text.len, "policy", 6));
	assert_int_equal(role_wait(&r), 1);
	(void)role_recv(&r, r.bottled);
	bb_closep(&r.bottled);
}

/* Undecodable octets, a message that is not permitted, or a peer that is gone: keyd ends */
static void ends_with_its_peers(void **state)
{
	struct role r;

	(void)state;
	start(&r);
	assert_int_equal(write(r.peers[IPC_ROLE_EGRESS], "nonsense", 8), 8);
	assert_int_equal(role_wait(&r), 1);
	start(&r);
	role_send(r.peers[IPC_ROLE_EGRESS], &(struct ipc_msg){ .type = IPC_FLOW_READY, .fd = -1 });
	assert_int_equal(role_wait(&r), 1);
	start(&r);
	bb_closep(&r.peers[IPC_ROLE_RECORDER]);
	assert_int_equal(role_wait(&r), 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_and_refuses),
		cmocka_unit_test(needs_a_policy),
		cmocka_unit_test(ends_with_its_peers),
	};

	if (argc != 2)
		return 2;
	exe = argv[1];
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
