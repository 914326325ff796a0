/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another policy while the bottle runs.
 *
 * Why this order. A connection is opened only when two processes agree: gate or egress asks, dialer
 * connects, and each has exactly one policy. So while they differ, what is possible is what both
 * admit. That is not enough for what a route says beyond its name: a request judged, and given its
 * credential, by the old route must not be connected where the new one of that name leads. So
 * dialer, which holds the door, stops reading at RELOAD and goes last; between the two nothing is
 * connected at all, and what was asked before is forgotten. keyd goes before egress, so that no
 * name is asked for that it would still refuse.
 *
 * The door opens after gate has passed the host probe under the new policy, and after before and
 * after are on record.
 *
 * Up to the first SWITCH nothing has changed, and a refusal leaves the old policy in force, whole.
 * From then on whatever fails ends the bottle: there is no way back that could not fail as well.
 */
#include "base/printable.h"
#include "ipc/policy_json.h"
#include "proc/bottled/bottle.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define RELOAD_TIMEOUT_S 15

static const enum ipc_role roles[] = { IPC_ROLE_KEYD, IPC_ROLE_EGRESS, IPC_ROLE_GATE,
				       IPC_ROLE_DIALER };

/* Who is told to switch in which step */
static const enum ipc_role switches[RELOAD_NUM_STEPS] = {
	[RELOAD_KEYD] = IPC_ROLE_KEYD,
	[RELOAD_EGRESS] = IPC_ROLE_EGRESS,
	[RELOAD_GATE] = IPC_ROLE_GATE,
	[RELOAD_DIALER] = IPC_ROLE_DIALER,
};

static void to_role(struct bottle *b, enum ipc_role role, enum ipc_type type)
{
	(void)ipc_peer_send(b->children[role].peer, &(struct ipc_msg){ .type = type, .fd = -1 });
}

static int give_blob(struct bottle *b, enum ipc_role role, enum ipc_blob_kind kind, int fd)
{
	struct ipc_msg msg = { .type = IPC_BLOB, .fd = fd };

	msg.u.kind.kind = (uint8_t)kind;
	return ipc_peer_send(b->children[role].peer, &msg);
}

static void answer(struct client *c, const struct bb_err *why)
{
	if (c && c->peer)
		reload_answer(c->peer, why);
}

void reload_release(struct bottle *b)
{
	staged_forget(&b->reload.staged);
	policy_release(&b->reload.old);
	b->reload.step = RELOAD_NONE;
	b->reload.client = NULL;
}

/* Unless it is now that of a guest which was told to switch itself off: see lasting.c */
static void timer_off(struct bottle *b)
{
	if (!b->lasting.off)
		(void)event_del(b->timer);
}

/* Nothing has changed yet: nothing does */
static void give_up(struct bottle *b, const struct bb_err *why)
{
	struct client *c = b->reload.client;

	for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++)
		to_role(b, roles[i], IPC_FORGET);
	timer_off(b);
	reload_release(b);
	bottle_record(b, "reload_refused", why->msg);
	answer(c, why);
}

static void fail(struct bottle *b, const struct bb_err *why)
{
	struct bb_err whole = { 0 };

	(void)bb_err_set(&whole, why->code, "reload: %s; the bottle ends", why->msg);
	bottle_fail(b, 125, &whole);
}

static int ask_all(struct bottle *b, struct bb_err *err)
{
	struct reload *r = &b->reload;
	int n = 0;

	for (size_t i = 0; i < BB_ARRAY_LEN(roles) && n == 0; i++) {
		n = give_blob(b, roles[i], IPC_BLOB_POLICY, r->staged.policy_fd);
		if (n == 0 && roles[i] == IPC_ROLE_EGRESS)
			n = give_blob(b, roles[i], IPC_BLOB_SECRETS, r->staged.secrets_fd);
		if (n == 0)
			to_role(b, roles[i], IPC_RELOAD);
		if (n == 0)
			r->missing++;
	}
	return n < 0 ? bb_err_set(err, n, "the policy could not be passed on: %s", strerror(-n))
		     : 0;
}

void reload_begin(struct client *c)
{
	const struct timeval limit = { .tv_sec = RELOAD_TIMEOUT_S };
	struct bottle *b = c->bottle;
	struct reload *r = &b->reload;
	struct bb_err err = { 0 };

	if (b->phase != BOTTLE_UP)
		(void)bb_err_set(&err, -EAGAIN, "the bottle is not up");
	else if (b->lasting.off)
		(void)bb_err_set(&err, -ESRCH, "what ran in it has just ended");
	else if (r->step != RELOAD_NONE || r->missing)
		(void)bb_err_set(&err, -EBUSY, "another reload is under way");
	else if (c->staged.secrets_fd < 0)
		(void)bb_err_set(&err, -EINVAL, "no secrets were given, not even an empty list");
	else
		(void)!staged_read(&c->staged, &b->spec.policy, &err);
	if (err.code) {
		staged_forget(&c->staged);
		answer(c, &err);
		return;
	}
	*r = (struct reload){ .step = RELOAD_LOOK, .client = c, .staged = c->staged };
	c->staged = (struct staged)STAGED_NONE;
	(void)event_add(b->timer, &limit);
	if (ask_all(b, &err) < 0)
		give_up(b, &err);
}

BB_PRINTF(3, 4)
static void say(struct bottle *b, const char *event, const char *fmt, ...)
{
	char text[IPC_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bottle_record(b, event, text);
}

/* One route or rule, as the policy has it */
static void say_json(struct bottle *b, const char *event, json_t *json)
{
	bb_auto_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	say(b, event, "%s", text ? text : "no memory to say what");
	json_decref(json);
}

static size_t record_routes(struct bottle *b, const struct policy *old, const struct policy *new)
{
	size_t n = 0;

	for (size_t i = 0; i < old->n_routes; i++) {
		const struct policy_route *was = &old->routes[i];
		const struct policy_route *is = policy_route_twin(new, was);

		if (is && policy_route_same(was, is))
			continue;
		say_json(b, is ? "route_before" : "route_removed", policy_route_to_json(was));
		if (is)
			say_json(b, "route_after", policy_route_to_json(is));
		n++;
	}
	for (size_t i = 0; i < new->n_routes; i++) {
		if (policy_route_twin(old, &new->routes[i]))
			continue;
		say_json(b, "route_added", policy_route_to_json(&new->routes[i]));
		n++;
	}
	return n;
}

static size_t record_tcp(struct bottle *b, const char *event, const struct policy *these,
			 const struct policy *those)
{
	size_t n = 0;

	for (size_t i = 0; i < these->n_tcp; i++) {
		if (policy_tcp_has(those, &these->tcp[i]))
			continue;
		say_json(b, event, policy_tcp_to_json(&these->tcp[i]));
		n++;
	}
	return n;
}

/* Before and after; the door opens when the last of these is on disk */
static void record_all(struct bottle *b)
{
	const struct policy *old = &b->reload.old, *new = &b->spec.policy;
	struct ipc_msg msg = { .type = IPC_RECORD, .fd = -1 };
	char text[160];
	size_t n = record_routes(b, old, new);

	n += record_tcp(b, "tcp_removed", old, new);
	n += record_tcp(b, "tcp_added", new, old);
	if (old->transparent != new->transparent || old->dns_forward != new->dns_forward) {
		say(b, "egress_changed", "transparent %d to %d, dns forward %d to %d",
		    old->transparent, new->transparent, old->dns_forward, new->dns_forward);
		n++;
	}
	(void)snprintf(text, sizeof(text), "generation %u to %u, %zu differences",
		       (unsigned int)old->generation, (unsigned int)new->generation, n);
	msg.u.record.kind = IPC_RECORD_LIFE;
	msg.u.record.ack = 1;
	msg.u.record.seq = new->generation;
	msg.u.record.method = BB_SPAN_STR("reload");
	msg.u.record.text = BB_SPAN_STR(text);
	(void)ipc_peer_send(b->children[IPC_ROLE_RECORDER].peer, &msg);
}

/* What bottled itself knows of the policy, and hands out when it is asked */
static void take_over(struct bottle *b)
{
	struct reload *r = &b->reload;

	r->old = b->spec.policy;
	b->spec.policy = staged_take(&r->staged);
	bb_closep(&b->spec.policy_fd);
	b->spec.policy_fd = BB_TAKE_FD(r->staged.policy_fd);
	staged_forget(&r->staged);
}

static void finish(struct bottle *b)
{
	struct client *c = b->reload.client;

	timer_off(b);
	reload_release(b);
	answer(c, NULL);
}

/* The step is done: on to the next */
static void advance(struct bottle *b)
{
	struct reload *r = &b->reload;
	struct bb_err err = { 0 };

	r->step++;
	switch (r->step) {
	case RELOAD_KEYD:
	case RELOAD_EGRESS:
	case RELOAD_GATE:
	case RELOAD_DIALER:
		to_role(b, switches[r->step], IPC_SWITCH);
		break;
	case RELOAD_PROBE:
		take_over(b);
		if (probes_start(b, &err) < 0)
			fail(b, &err);
		break;
	case RELOAD_RECORD:
		probes_release(b);
		record_all(b);
		break;
	case RELOAD_NUM_STEPS:
		finish(b);
		break;
	case RELOAD_NONE:
	case RELOAD_LOOK:
		break;
	}
}

void reload_on_answer(struct bottle *b, enum ipc_role role, bool ok, struct bb_span text)
{
	struct reload *r = &b->reload;
	struct bb_err err = { 0 };
	char said[sizeof(err.msg)];

	if (!ok)
		(void)bb_err_set(&err, -EPERM, "%s: %s", ipc_role_str[role],
				 bb_printable_span(text, said, sizeof(said)));
	if (r->step == RELOAD_NONE && r->missing) {
		r->missing--; /* of a reload that was given up */
		return;
	}
	if (r->step == RELOAD_LOOK && !ok) {
		size_t missing = r->missing - 1;

		give_up(b, &err);
		r->missing = missing;
	} else if (r->step == RELOAD_LOOK && r->missing) {
		if (--r->missing == 0)
			advance(b);
	} else if (r->step != RELOAD_NONE && switches[r->step] == role && ok) {
		advance(b);
	} else {
		if (ok)
			(void)bb_err_set(&err, -EBADMSG, "%s answers what was not asked",
					 ipc_role_str[role]);
		fail(b, &err);
	}
}

void reload_on_probe(struct bottle *b, int result, const struct bb_err *why)
{
	if (b->reload.step != RELOAD_PROBE || result < 0)
		fail(b, why);
	else if (result > 0)
		advance(b);
}

void reload_on_ack(struct bottle *b, uint64_t seq)
{
	if (b->reload.step == RELOAD_RECORD && seq == b->spec.policy.generation)
		advance(b);
}

void reload_timeout(struct bottle *b)
{
	struct bb_err err = { 0 };

	if (b->reload.step == RELOAD_NONE)
		return;
	(void)bb_err_set(&err, -ETIMEDOUT, "no answer in time from %s",
			 b->reload.step == RELOAD_LOOK    ? "a guard"
			 : b->reload.step == RELOAD_PROBE ? "gate (host probe)"
			 : b->reload.step == RELOAD_RECORD
				 ? "recorder"
				 : ipc_role_str[switches[b->reload.step]]);
	fail(b, &err);
}

void reload_client_gone(struct client *c)
{
	staged_forget(&c->staged);
	if (c->bottle->reload.client == c)
		c->bottle->reload.client = NULL; /* it goes on: half a reload would be the end */
}
