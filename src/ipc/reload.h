/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IPC_RELOAD_H
#define BB_IPC_RELOAD_H
#include "ipc/peer.h"
#include "policy/policy.h"

/**
 * DOC: reload - a policy that has come and is not in force yet, and what differs in it
 *
 * Layer:     ipc
 * Used by:   bottled, gate, egress, dialer, keyd; policy_*_same() also by cli
 * Trust:     the operator's; checked in full by every reader
 * Ownership: a staged policy owns its descriptors and @next; staged_forget() lets go of both
 * Source:    docs/protocol/ipc.md, "Another policy while the bottle runs"
 *
 * BLOBs are kept by staged_blob(), read by staged_read() at RELOAD, and taken over by the caller at
 * SWITCH. A generation follows the one in force, so that of two reloads at a time one fails.
 */

/** struct staged - @ready: @next is a whole policy */
struct staged {
	int policy_fd;
	int secrets_fd;
	bool ready;
	struct policy next;
};
#define STAGED_NONE                                                                                \
	{                                                                                          \
		.policy_fd = -1, .secrets_fd = -1                                                  \
	}

/** staged_blob() - Takes the descriptor of a BLOB; one of another kind stays the message's */
void staged_blob(struct staged *s, struct ipc_msg *msg);

/**
 * staged_read() - Read and check the policy that has come against the one in force
 *
 * Return: 0 with @s->ready; -EINVAL, -ESTALE (another generation was expected) or -ENOMEM with @err
 */
BB_MUST_USE int staged_read(struct staged *s, const struct policy *now, struct bb_err *err);

/** staged_take() - Move the policy out, for the one in force. Call with @s->ready */
struct policy staged_take(struct staged *s);

/** staged_forget() - As new */
void staged_forget(struct staged *s);

/** reload_answer() - RELOADED to @peer; @why NULL: ok */
void reload_answer(struct ipc_peer *peer, const struct bb_err *why);

/** policy_route_same() - Do they admit the same in the same way? */
bool policy_route_same(const struct policy_route *a, const struct policy_route *b);
/** policy_tcp_same() - Same range or name, same port? */
bool policy_tcp_same(const struct policy_tcp *a, const struct policy_tcp *b);
/** policy_route_twin() - The route of @p for the same host, or NULL */
const struct policy_route *policy_route_twin(const struct policy *p, const struct policy_route *r);
/** policy_tcp_has() - Does @p list this very rule? */
bool policy_tcp_has(const struct policy *p, const struct policy_tcp *t);

/**
 * policy_map_routes() - Where each route of @now is in @next
 * @ret:	one for each route of @now: index of the same route, or SIZE_MAX when it has gone or
 *		changed
 */
void policy_map_routes(const struct policy *now, const struct policy *next, size_t *ret);
#endif
