/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/log.h"
#include "policy/flow.h"
#include "proc/egress/egress.h"
#include "proc/egress/fields.h"
#include "proc/egress/tls.h"
#include <errno.h>

/*
 * Another policy while requests are under way.
 *
 * RELOAD makes everything that the new policy needs beside the old one, and changes nothing. SWITCH
 * goes through all connections once: what a route admits that is the same in both goes on, with
 * the route's new index; everything else ends, with the word that its protocol has for that
 * (GOAWAY, close 1001, a 403 where no answer has begun). Idle upstream connections, upstream TLS
 * sessions, certificates and tickets for the guest go the same way. A token that is new, or has
 * another value, is looked for from now on; a search that is under way does not know it, so its
 * request ends as well.
 *
 * Dialer reads nothing meanwhile: what it has been asked is asked once more, with new indexes.
 */
static const char text[] = "the policy was reloaded";

static void forget(struct renewal *r)
{
	staged_forget(&r->staged);
	searcher_drop(&r->searcher);
	secrets_release(&r->secrets);
	secrets_release(&r->more);
	free(r->used);
	free(r->map);
	r->used = NULL;
	r->map = NULL;
}

/* Return: 0 or -errno with @err */
static int prepare_secrets(struct egress *eg, struct renewal *r, struct bb_err *err)
{
	int n = secrets_load(r->staged.secrets_fd, &r->more, err);

	if (n == 0)
		n = secrets_merge(&eg->secrets, &r->more, &r->secrets, err);
	if (n > 0)
		n = searcher_renew(&eg->searcher, &r->secrets, &r->searcher, err);
	return n;
}

/* What a route has used of its limits, it has used */
static int prepare_routes(struct egress *eg, struct renewal *r, struct bb_err *err)
{
	const struct policy *next = &r->staged.next;

	r->used = calloc(next->n_routes + 1, sizeof(*r->used));
	r->map = calloc(eg->policy.n_routes + 1, sizeof(*r->map));
	if (!r->used || !r->map)
		return bb_err_set(err, -ENOMEM, "no memory");
	policy_map_routes(&eg->policy, next, r->map);
	for (size_t i = 0; i < eg->policy.n_routes; i++) {
		const struct policy_route *twin = policy_route_twin(next, &eg->policy.routes[i]);

		if (twin)
			r->used[twin - next->routes] = eg->used[i];
	}
	return 0;
}

static void prepare(struct egress *eg, struct renewal *r)
{
	struct bb_err err = { 0 };

	if (staged_read(&r->staged, &eg->policy, &err) == 0 && prepare_secrets(eg, r, &err) == 0)
		(void)!prepare_routes(eg, r, &err);
	if (err.code)
		r->staged.ready = false;
	reload_answer(eg->bottled, err.code ? &err : NULL);
}

/* A tcp rule may have opened the private range that a route's name led to, and be gone */
static bool lost_its_range(const struct egress *eg, size_t was, size_t is,
			   const struct ip_addr *addr, uint16_t port)
{
	const struct policy *now = &eg->policy, *next = &eg->renewal.staged.next;

	return addr->family &&
	       policy_judge_resolved(now, &now->routes[was], addr, port) == REASON_OK &&
	       policy_judge_resolved(next, &next->routes[is], addr, port) != REASON_OK;
}

/* May what was admitted for @name go on? @route: its index in the new policy */
static bool keeps(void *arg, const struct authority *name, const struct ip_addr *addr,
		  size_t *route)
{
	struct egress *eg = arg;
	size_t was, is;

	if (authority_route(&eg->policy, name->name, name->port, &was) != REASON_ROUTE ||
	    authority_route(&eg->renewal.staged.next, name->name, name->port, &is) !=
		    REASON_ROUTE ||
	    eg->renewal.map[was] != is || lost_its_range(eg, was, is, addr, name->port))
		return false;
	*route = is;
	return true;
}

static bool is_searched_for_less(const struct conn *c)
{
	return c->eg->renewal.searcher.all.db && c->rq && c->rq->search;
}

/* Whom the connection is for: NULL when that is not said before the next request */
static const struct authority *place_of(const struct conn *c)
{
	if (c->rq)
		return &c->rq->to;
	return c->tunnel ? &c->name : NULL;
}

static void end(struct conn *c)
{
	if (c->state == CONN_WEBSOCKET) {
		websocket_leave(c, REASON_RELOAD, text);
	} else if (c->state == CONN_H2) {
		h2_goaway(c);
	} else if (c->rq) {
		reply_error(c, 403, REASON_RELOAD, text);
	} else {
		stream_shutdown(&c->guest);
		c->state = CONN_DEAD;
	}
	stream_close(&c->up);
	if (c->state == CONN_HEAD && c->tunnel && !c->inside)
		c->state = CONN_DEAD; /* it would have to be told once more */
}

/* A search borrows the table of secrets, which is about to go */
static void close_search(struct request *rq)
{
	scan_close(rq->search);
	scan_close(rq->search_decoded);
	scan_close(rq->search_message);
	scan_close(rq->search_control);
	fields_free(rq->fields);
	rq->search = rq->search_decoded = rq->search_message = rq->search_control = NULL;
	rq->fields = NULL;
}

static void rejudge(struct conn *c)
{
	static const struct ip_addr none;
	struct egress *eg = c->eg;
	const struct authority *place = place_of(c);
	bool open = stream_is_open(&c->up), mine = open && c->rq && c->state >= CONN_UP_TLS;
	size_t route = 0;

	if (c->state == CONN_DEAD)
		return;
	if (c->state == CONN_LINGER) {
		conn_drop_request(c); /* answered; its route may not be there any more */
		return;
	}
	if (place &&
	    (!keeps(eg, place, mine ? &c->up_addr : &none, &route) || is_searched_for_less(c)))
		end(c);
	else if (c->rq)
		c->rq->route = route;
	if (c->rq && eg->renewal.searcher.all.db)
		close_search(c->rq);
	if (c->state == CONN_LINGER)
		conn_drop_request(c);
	if (stream_is_open(&c->up) && !keeps(eg, &c->up_name, &c->up_addr, &c->up_route))
		stream_close(&c->up);
	if (c->state == CONN_DIAL)
		exchange_redial(c);
	(void)event_add(c->again, &(struct timeval){ 0 });
}

static void switch_policy(struct egress *eg)
{
	struct renewal *r = &eg->renewal;
	struct conn *c;

	/* Nothing is freed here: that is the loop's, when it runs them again */
	for (size_t i = 0; i < EGRESS_CONN_BUCKETS; i++) {
		LIST_FOREACH(c, &eg->conns[i], link)
		{
			rejudge(c);
		}
	}
	upstream_rejudge(eg, keeps, eg);
	if (r->searcher.all.db) {
		searcher_replace(&eg->searcher, &r->searcher);
		/* Texts and lists of before stay: requests under way point to their tokens */
		eg->secrets = r->secrets;
		r->secrets = r->more = (struct secrets){ 0 };
	} else {
		across_clear(eg->searcher.across); /* by route index */
	}
	free(eg->used);
	eg->used = r->used;
	r->used = NULL;
	policy_release(&eg->policy);
	eg->policy = staged_take(&r->staged);
	forget(r);
	leaf_store_renew(eg->leafs, eg->policy.generation);
	tls_sessions_forget();
	reload_answer(eg->bottled, NULL);
}

void reload_on_msg(struct egress *eg, struct ipc_msg *msg)
{
	struct renewal *r = &eg->renewal;

	if (msg->type == IPC_BLOB) {
		staged_blob(&r->staged, msg);
	} else if (msg->type == IPC_RELOAD) {
		prepare(eg, r);
	} else if (msg->type == IPC_FORGET) {
		forget(r);
	} else if (msg->type == IPC_SWITCH && r->staged.ready) {
		switch_policy(eg);
	} else {
		bb_log("%s at the wrong time", ipc_type_name(msg->type));
		(void)event_base_loopbreak(eg->base);
	}
}
