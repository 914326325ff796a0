/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_KEYD_CSR_H
#define BB_PROC_KEYD_CSR_H
#include "base/base.h"
#include <openssl/evp.h>

/**
 * DOC: csr - the public key in a hostile signing request
 *
 * Layer:     proc/keyd (no I/O)
 * Used by:   certs.c; fuzz/csr.c
 * Trust:     any octets. Subject, attributes and signature are ignored: what decides is the policy,
 *            and proof of possession protects nobody here, since a key that the asker does not
 *            have gives it a certificate that it cannot use
 * Source:    RFC 2986 section 4, RFC 5480 section 2
 */
#define CSR_MAX 4096

/**
 * csr_public_key() - Decode, insist on a named-curve P-256 key, and rebuild that key from its point
 * @csr:	exactly one DER CertificationRequest, at most CSR_MAX octets
 *
 * Return: owned key, or NULL with @err (-EINVAL)
 */
BB_MUST_USE EVP_PKEY *csr_public_key(struct bb_span csr, struct bb_err *err);

/** csr_p256_from_point() - Key from 65 octets, uncompressed; NULL when it is not on the curve */
BB_MUST_USE EVP_PKEY *csr_p256_from_point(const uint8_t point[static 65]);
#endif
