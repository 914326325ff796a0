/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/keyd/csr.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#define POINT_LEN 65

EVP_PKEY *csr_p256_from_point(const uint8_t point[static POINT_LEN])
{
	char group[] = "prime256v1";
	uint8_t copy[POINT_LEN];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, sizeof(copy)),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL), *check = NULL;
	EVP_PKEY *key = NULL;

	memcpy(copy, point, sizeof(copy));
	if (ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) > 0)
		check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	if (!check || EVP_PKEY_public_check(check) <= 0) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* The point, when the SubjectPublicKeyInfo is id-ecPublicKey with the named curve P-256 */
static const uint8_t *p256_point(const X509_REQ *req)
{
	const uint8_t *point = NULL;
	const X509_ALGOR *algor = NULL;
	const ASN1_OBJECT *oid = NULL, *curve;
	ASN1_OBJECT *unused = NULL;
	const void *param = NULL;
	int len = 0, param_type = V_ASN1_UNDEF;
	X509_ALGOR *a = NULL;

	if (!X509_PUBKEY_get0_param(&unused, &point, &len, &a,
				    X509_REQ_get_X509_PUBKEY((X509_REQ *)(uintptr_t)req)))
		return NULL;
	algor = a;
	X509_ALGOR_get0(&oid, &param_type, &param, algor);
	curve = param;
	if (OBJ_obj2nid(oid) != NID_X9_62_id_ecPublicKey || param_type != V_ASN1_OBJECT ||
	    OBJ_obj2nid(curve) != NID_X9_62_prime256v1 || len != POINT_LEN || point[0] != 0x04)
		return NULL;
	return point;
}

EVP_PKEY *csr_public_key(struct bb_span csr, struct bb_err *err)
{
	const unsigned char *p = csr.p;
	EVP_PKEY *key = NULL;
	const uint8_t *point;
	X509_REQ *req;

	if (csr.len == 0 || csr.len > CSR_MAX) {
		(void)bb_err_set(err, -EINVAL, "signing request of %zu octets", csr.len);
		return NULL;
	}
	req = d2i_X509_REQ(NULL, &p, (long)csr.len);
	if (!req || p != csr.p + csr.len) {
		(void)bb_err_set(err, -EINVAL, "not a signing request");
		goto out;
	}
	point = p256_point(req);
	if (point)
		key = csr_p256_from_point(point);
	if (!key)
		(void)bb_err_set(err, -EINVAL, "signing request without a P-256 key");
out:
	X509_REQ_free(req);
	ERR_clear_error();
	return key;
}
