/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BOTTLED_JAVA_TRUST_H
#define BB_BOTTLED_JAVA_TRUST_H
#include "base/base.h"
#include "base/buf.h"

/**
 * DOC: java_trust - a bundle of certificates as Java's trust store
 *
 * Java reads neither the system's bundle nor a PEM file. A PKCS#12 file whose certificates carry
 * the attribute trustedKeyUsage is a trust store for Java 8 and later; without it they are read,
 * and not trusted. Nothing in it is secret: the password is the customary one, and only the MAC
 * uses it.
 *
 * Layer:     proc/bottled (libcrypto does the encoding)
 * Limits:    JAVA_TRUST_CERTS_MAX certificates
 * Source:    RFC 7292; the attribute is Oracle's 2.16.840.1.113894.746875.1.1
 */
#define JAVA_TRUST_PASSWORD  "changeit"
#define JAVA_TRUST_CERTS_MAX 1000

/** java_trust_make() - Every certificate in @pem, as PKCS#12, added to @ret. Return: 0 or negative
 */
BB_MUST_USE int java_trust_make(struct bb_span pem, struct bb_buf *ret, struct bb_err *err);
#endif
