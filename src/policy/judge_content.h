/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_JUDGE_CONTENT_H
#define BB_POLICY_JUDGE_CONTENT_H
#include "content/content.h"
#include "policy/reason.h"

/**
 * DOC: judge_content - does a route admit this path, method and header, and is it git?
 *
 * Layer:     policy (pure; regular expressions are bounded, see content.h)
 * Used by:   egress, `check --url`
 * Trust:     the request is guest-controlled
 */

/**
 * struct content_request - What is judged
 * @path:	Origin-form target, with its query
 * @field:	The @i-th field of the head; false past the last one
 */
struct content_request {
	struct bb_span method;
	struct bb_span path;
	bool (*field)(const void *arg, size_t i, struct bb_span *ret_name,
		      struct bb_span *ret_value);
	const void *arg;
};

/**
 * content_judge() - Steps "git" and "matches"
 * @explain:	NULL, or called with a line per rule that was looked at
 *
 * Return: REASON_OK; REASON_GIT_PUSH, REASON_GIT, REASON_BAD_PATH, REASON_NO_MATCH
 */
enum policy_reason content_judge(const struct content *c, const struct content_request *rq,
				 void (*explain)(void *arg, const char *line), void *arg);

/** content_is_lfs_batch() - May the body ask git-lfs for an upload? It has to be looked at then */
bool content_is_lfs_batch(struct bb_span method, struct bb_span target);
#endif
