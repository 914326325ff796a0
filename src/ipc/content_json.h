/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IPC_CONTENT_JSON_H
#define BB_IPC_CONTENT_JSON_H
#include "content/content.h"
#include <jansson.h>

/**
 * DOC: content_json - a route's content rules as JSON, inside the policy
 *
 * Layer:     ipc
 * Used by:   policy_json.c
 * Source:    docs/protocol/policy.md
 */

/** content_to_json() - New reference, or NULL without memory; @c NULL: the defaults */
BB_MUST_USE json_t *content_to_json(const struct content *c);

/**
 * content_from_json() - Read it back; every key is required, unknown keys are an error
 *
 * Return: 0 with one reference in @ret; -EINVAL or -ENOMEM with @err
 */
BB_MUST_USE int content_from_json(const json_t *json, struct content **ret, struct bb_err *err);
#endif
