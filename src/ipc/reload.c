/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/reload.h"
#include "ipc/policy_json.h"
#include <errno.h>

void staged_blob(struct staged *s, struct ipc_msg *msg)
{
	int *slot = msg->u.kind.kind == IPC_BLOB_POLICY    ? &s->policy_fd
		    : msg->u.kind.kind == IPC_BLOB_SECRETS ? &s->secrets_fd
							   : NULL;

	if (!slot)
		return;
	bb_closep(slot);
	*slot = BB_TAKE_FD(msg->fd);
}

int staged_read(struct staged *s, const struct policy *now, struct bb_err *err)
{
	policy_auto struct policy next = { 0 };
	int r;

	if (s->policy_fd < 0)
		return bb_err_set(err, -EINVAL, "no policy was given");
	r = policy_from_memfd(s->policy_fd, &next, err);
	if (r < 0)
		return r;
	if (strcmp(next.identity, now->identity) != 0 || !ip_addr_eq(&next.alias, &now->alias))
		return bb_err_set(err, -EINVAL, "the policy is another bottle's");
	if (next.generation != now->generation + 1)
		return bb_err_set(err, -ESTALE,
				  "the policy was reloaded meanwhile: generation %u is in force",
				  (unsigned int)now->generation);
	policy_release(&s->next);
	s->next = next;
	s->ready = true;
	next = (struct policy){ 0 };
	return 0;
}

struct policy staged_take(struct staged *s)
{
	struct policy next = s->next;

	BB_BUG_ON(!s->ready);
	s->next = (struct policy){ 0 };
	s->ready = false;
	return next;
}

void staged_forget(struct staged *s)
{
	bb_closep(&s->policy_fd);
	bb_closep(&s->secrets_fd);
	policy_release(&s->next);
	*s = (struct staged)STAGED_NONE;
}

void reload_answer(struct ipc_peer *peer, const struct bb_err *why)
{
	struct ipc_msg msg = { .type = IPC_RELOADED, .fd = -1 };

	msg.u.reloaded.ok = !why;
	if (why)
		msg.u.reloaded.text = BB_SPAN_STR(why->msg);
	(void)ipc_peer_send(peer, &msg);
}

bool policy_route_same(const struct policy_route *a, const struct policy_route *b)
{
	json_auto_t *ja = policy_route_to_json(a), *jb = policy_route_to_json(b);

	return ja && jb && json_equal(ja, jb);
}

bool policy_tcp_same(const struct policy_tcp *a, const struct policy_tcp *b)
{
	if (a->port != b->port || strcmp(a->host, b->host) != 0)
		return false;
	return a->host[0] ||
	       (a->cidr.bits == b->cidr.bits && ip_addr_eq(&a->cidr.addr, &b->cidr.addr));
}

const struct policy_route *policy_route_twin(const struct policy *p, const struct policy_route *r)
{
	for (size_t i = 0; i < p->n_routes; i++) {
		if (p->routes[i].wildcard == r->wildcard && strcmp(p->routes[i].host, r->host) == 0)
			return &p->routes[i];
	}
	return NULL;
}

bool policy_tcp_has(const struct policy *p, const struct policy_tcp *t)
{
	for (size_t i = 0; i < p->n_tcp; i++) {
		if (policy_tcp_same(&p->tcp[i], t))
			return true;
	}
	return false;
}

void policy_map_routes(const struct policy *now, const struct policy *next, size_t *ret)
{
	for (size_t i = 0; i < now->n_routes; i++) {
		const struct policy_route *r = policy_route_twin(next, &now->routes[i]);

		ret[i] = r && policy_route_same(r, &now->routes[i]) ? (size_t)(r - next->routes)
								    : SIZE_MAX;
	}
}
