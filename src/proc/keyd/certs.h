/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_KEYD_CERTS_H
#define BB_PROC_KEYD_CERTS_H
#include "base/buf.h"
#include "policy/policy.h"
#include <time.h>

/**
 * DOC: certs - one bottle's certificate authority
 *
 *   root          P-256, pathlen 1, at most 90 days; only the guest of this bottle trusts it
 *   intermediate  one per policy generation, pathlen 0, 7 days, critical name constraints:
 * permitted the policy's names, excluded every address. The constraints are here and not in the
 * root, because Java ignores a trust anchor's leaf          one dNSName, the asked one, never a
 * wildcard; 7 days
 *
 * Layer:     proc/keyd
 * Used by:   keyd only; no other process holds a CA key
 * Trust:     the policy is trusted; the name to sign is checked against it, and from the signing
 *            request nothing is taken but the octets of a point on P-256
 * Ownership: struct certs owns keys and certificates; certs_free()
 * Limits:    the intermediate is at most CERTS_INTERMEDIATE_MAX octets, so that it fits a message
 * Source:    RFC 5280 sections 4.1, 4.2; RFC 5480 section 2.1.1; RFC 2986
 */
#define CERTS_INTERMEDIATE_MAX 65000
#define CERTS_ROOT_DAYS        90
#define CERTS_LEAF_DAYS        7

struct certs;

/**
 * certs_new() - A root and the intermediate of @policy
 * @policy:	borrowed until certs_free()
 * @now:	seconds since 1970
 *
 * Return: 0 with @ret owned; -errno with @err
 */
BB_MUST_USE int certs_new(const struct policy *policy, time_t now, struct certs **ret,
			  struct bb_err *err);
void certs_free(struct certs *certs);

/**
 * certs_renew() - New dates for the intermediate; name and key stay, so leafs made before still fit
 *
 * Return: 0 or -errno with @err; the old one stays then
 */
BB_MUST_USE int certs_renew(struct certs *certs, time_t now, struct bb_err *err);

/**
 * certs_stage() - Make the intermediate of a policy that is to come; nothing else changes
 *
 * Key and root stay, so the guest trusts it without being told.
 *
 * Return: 0 or -errno with @err: too many names, or no memory; none is staged then
 */
BB_MUST_USE int certs_stage(struct certs *certs, const struct policy *policy, time_t now,
			    struct bb_err *err);
/** certs_is_staged() - Has certs_stage() been called, and neither of the two below since? */
bool certs_is_staged(const struct certs *certs);
/** certs_unstage() - It does not come */
void certs_unstage(struct certs *certs);
/** certs_switch() - From now on @policy (the staged one; borrowed) says what is signed */
void certs_switch(struct certs *certs, const struct policy *policy);

/** certs_root_pem() - Append the root as PEM. Return: 0 or -errno with @err */
BB_MUST_USE int certs_root_pem(const struct certs *certs, struct bb_buf *out, struct bb_err *err);

/** certs_intermediate() - Append the intermediate as DER. Return: 0 or -errno with @err */
BB_MUST_USE int certs_intermediate(const struct certs *certs, struct bb_buf *out,
				   struct bb_err *err);

/**
 * certs_leaf() - Sign a server certificate
 * @name:	must be normalised and listed by a route of the policy
 * @csr:	PKCS #10, DER, hostile
 * @out:	the certificate is appended as DER
 *
 * Return: 0; -EPERM name not listed; -EINVAL not a name, or not a request for a P-256 key; other
 * -errno; all with @err
 */
BB_MUST_USE int certs_leaf(const struct certs *certs, struct bb_span name, struct bb_span csr,
			   time_t now, struct bb_buf *out, struct bb_err *err);
#endif
