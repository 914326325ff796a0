/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IPC_POLICY_JSON_H
#define BB_IPC_POLICY_JSON_H
#include "policy/policy.h"
#include <jansson.h>

/**
 * DOC: policy_json - a policy as JSON, for the sealed memfd and for `info --json`
 *
 * Layer:     ipc
 * Used by:   cli (writes), bottled (passes on), gate, egress, dialer, keyd (read it once at start)
 * Trust:     the operator's; still checked in full, because a broken policy must not start
 * Source:    docs/protocol/policy.md
 */

/** policy_to_json() - New reference, or NULL without memory */
BB_MUST_USE json_t *policy_to_json(const struct policy *p);

/** policy_route_to_json() - One route. New reference, or NULL without memory */
BB_MUST_USE json_t *policy_route_to_json(const struct policy_route *r);
/** policy_tcp_to_json() - One tcp rule. New reference, or NULL without memory */
BB_MUST_USE json_t *policy_tcp_to_json(const struct policy_tcp *t);

/**
 * policy_from_json() - Read it back; every key is required, unknown keys are an error
 *
 * Return: 0; -EINVAL or -ENOMEM with @err; @ret is unchanged then
 */
BB_MUST_USE int policy_from_json(const json_t *json, struct policy *ret, struct bb_err *err);

/** policy_to_memfd() - Sealed memfd for IPC_BLOB_POLICY. Return: owned fd or -errno with @err */
BB_MUST_USE int policy_to_memfd(const struct policy *p, struct bb_err *err);

/** policy_from_memfd() - Read and check it; borrows @fd. Return: 0 or -errno with @err */
BB_MUST_USE int policy_from_memfd(int fd, struct policy *ret, struct bb_err *err);
#endif
