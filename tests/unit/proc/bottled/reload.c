/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bottled's side of a reload with this file as its guards: who is told what, in which order, and
 * what becomes of the bottle when one of them, or the host probe, says something else.
 */
#include "ipc/policy_json.h"
#include "ipc/sock.h"
#include "policy/reason.h"
#include "proc/bottled/bottle.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static struct content plain = { .refs = 1000 };
static char events[4096]; /* life records */
static struct bb_err failed;

void bottle_record(struct bottle *b, const char *event, const char *text)
{
	size_t at = strlen(events);

	(void)b;
	(void)text;
	(void)snprintf(events + at, sizeof(events) - at, "%s ", event);
}

void bottle_fail(struct bottle *b, uint8_t exit_code, const struct bb_err *why)
{
	assert_int_equal(exit_code, 125);
	b->phase = BOTTLE_ENDING;
	failed = *why;
}

struct rig {
	struct bottle b;
	int ours[IPC_NUM_ROLES]; /* CLI: the client's */
	uint8_t buf[IPC_MSG_MAX];
	struct ipc_msg msg;
};

static void on_role(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct rig *r = arg;
	struct bb_err err = { 0 };
	int n;

	switch ((int)msg->type) {
	case IPC_RELOADED:
		reload_on_answer(&r->b, ipc_peer_remote(peer), msg->u.reloaded.ok != 0,
				 msg->u.reloaded.text);
		break;
	case IPC_PROBE_RESULT:
		n = probes_result(&r->b, msg, &err);
		reload_on_probe(&r->b, n, &err);
		break;
	case IPC_RECORD_ACK:
		reload_on_ack(&r->b, msg->u.record_ack.seq);
		break;
	default:
		fail_msg("unexpected %s", ipc_type_name(msg->type));
	}
}

static void on_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	(void)peer;
	(void)why;
	(void)text;
	(void)arg;
}

static struct policy policy_of(uint32_t generation, const char *host)
{
	struct policy p = { .identity = "demo-a1b2c",
			    .alias = { 4, { 127, 83, 7, 1 } },
			    .generation = generation };

	p.routes = calloc(1, sizeof(*p.routes));
	assert_non_null(p.routes);
	p.n_routes = 1;
	p.routes[0] = (struct policy_route){ .n_ports = 1, .ports = { 443 } };
	p.routes[0].content = content_ref(&plain);
	(void)snprintf(p.routes[0].host, sizeof(p.routes[0].host), "%s", host);
	return p;
}

static struct rig *rig_new(void)
{
	static const enum ipc_role who[] = { IPC_ROLE_CLI,    IPC_ROLE_GATE, IPC_ROLE_EGRESS,
					     IPC_ROLE_DIALER, IPC_ROLE_KEYD, IPC_ROLE_RECORDER };
	struct rig *r = calloc(1, sizeof(*r));
	struct bb_err err = { 0 };

	assert_non_null(r);
	events[0] = '\0';
	failed = (struct bb_err){ 0 };
	r->b.base = event_base_new();
	r->b.phase = BOTTLE_UP;
	r->b.timer = event_new(r->b.base, -1, 0, NULL, NULL);
	r->b.spec.policy = policy_of(1, "old.test");
	r->b.spec.policy_fd = policy_to_memfd(&r->b.spec.policy, &err);
	r->b.reload.staged = (struct staged)STAGED_NONE;
	for (size_t i = 0; i < BB_ARRAY_LEN(who); i++) {
		int fds[2];
		struct ipc_peer *peer;

		assert_int_equal(ipc_pair(fds, &err), 0);
		r->ours[who[i]] = fds[0];
		peer = ipc_peer_new(r->b.base, IPC_ROLE_BOTTLED, who[i], fds[1], on_role, on_dead,
				    r);
		if (who[i] == IPC_ROLE_CLI)
			r->b.clients[1] = (struct client){ &r->b, peer, STAGED_NONE };
		else
			r->b.children[who[i]].peer = peer;
	}
	return r;
}

static void rig_free(struct rig *r)
{
	reload_release(&r->b);
	probes_release(&r->b);
	for (int i = 0; i < IPC_NUM_ROLES; i++) {
		ipc_peer_free(r->b.children[i].peer);
		if (r->ours[i] > 0)
			(void)close(r->ours[i]);
	}
	ipc_peer_free(r->b.clients[1].peer);
	staged_forget(&r->b.clients[1].staged);
	policy_release(&r->b.spec.policy);
	bb_closep(&r->b.spec.policy_fd);
	event_free(r->b.timer);
	event_base_free(r->b.base);
	free(r);
}

static void turn(struct rig *r)
{
	for (int i = 0; i < 4; i++)
		(void)event_base_loop(r->b.base, EVLOOP_NONBLOCK);
}

/* The next message for @who; IPC_NONE: there is none */
static enum ipc_type next(struct rig *r, enum ipc_role who)
{
	uint8_t peek;
	struct bb_err err = { 0 };

	turn(r);
	if (recv(r->ours[who], &peek, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
		return IPC_NONE;
	assert_int_equal(ipc_recv(r->ours[who], r->buf, &r->msg, &err), 0);
	bb_closep(&r->msg.fd);
	return r->msg.type;
}

static void say(struct rig *r, enum ipc_role who, bool ok)
{
	struct ipc_msg msg = { .type = IPC_RELOADED, .fd = -1 };
	struct bb_err err = { 0 };

	msg.u.reloaded.ok = ok;
	msg.u.reloaded.text = BB_SPAN_STR(ok ? "" : "no room");
	assert_int_equal(ipc_send(r->ours[who], &msg, &err), 0);
	turn(r);
}

static void begin(struct rig *r, uint32_t generation)
{
	struct policy p = policy_of(generation, "new.test");
	struct client *c = &r->b.clients[1];
	struct bb_err err = { 0 };

	c->staged.policy_fd = policy_to_memfd(&p, &err);
	c->staged.secrets_fd = dup(c->staged.policy_fd); /* not read here */
	policy_release(&p);
	reload_begin(c);
}

static const enum ipc_role roles[] = { IPC_ROLE_KEYD, IPC_ROLE_EGRESS, IPC_ROLE_GATE,
				       IPC_ROLE_DIALER };

static void all_look(struct rig *r)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++) {
		assert_int_equal(next(r, roles[i]), IPC_BLOB);
		if (roles[i] == IPC_ROLE_EGRESS)
			assert_int_equal(next(r, roles[i]), IPC_BLOB);
		assert_int_equal(next(r, roles[i]), IPC_RELOAD);
		assert_int_equal(next(r, roles[i]), IPC_NONE);
	}
}

static void all_agree(struct rig *r)
{
	all_look(r);
	for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++) {
		for (size_t j = 0; j < BB_ARRAY_LEN(roles); j++)
			assert_int_equal(next(r, roles[j]), IPC_NONE);
		say(r, roles[i], true);
	}
}

/* One after the other, and only when the one before has answered */
static void switch_up_to_gate(struct rig *r)
{
	all_agree(r);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(next(r, roles[i]), IPC_SWITCH);
		for (size_t j = i + 1; j < BB_ARRAY_LEN(roles); j++)
			assert_int_equal(next(r, roles[j]), IPC_NONE);
		say(r, roles[i], true);
	}
}

/* gate, as it should answer; @lie: for the new name it says the contrary */
static void answer_probes(struct rig *r, bool lie)
{
	struct bb_err err = { 0 };
	enum ipc_type type;

	while ((type = next(r, IPC_ROLE_GATE)) != IPC_NONE) {
		struct ipc_msg out = { .type = IPC_PROBE_RESULT, .fd = -1, .flow = r->msg.flow };

		out.u.probe_result.verdict = POLICY_DENY;
		if (type == IPC_PROBE_DNS) {
			bool listed = bb_span_eq(r->msg.u.probe_dns.name, BB_SPAN_STR("new.test"));

			out.u.probe_result.rcode = listed != lie ? 0 : 3;
			if (!listed)
				out.u.probe_result.rcode = 3;
		} else {
			assert_int_equal(type, IPC_PROBE_FLOW);
			if (ip_addr_eq(&r->msg.u.flow.addr, &r->b.spec.policy.alias) &&
			    r->msg.u.flow.port == POLICY_PORT_EGRESS)
				out.u.probe_result.verdict = POLICY_ALLOW;
		}
		assert_int_equal(ipc_send(r->ours[IPC_ROLE_GATE], &out, &err), 0);
	}
}

static void in_order(void **state)
{
	struct rig *r = rig_new();
	struct bb_err err = { 0 };
	struct ipc_msg ack = { .type = IPC_RECORD_ACK, .fd = -1, .u.record_ack.seq = 2 };

	(void)state;
	begin(r, 2);
	assert_int_equal(r->b.spec.policy.generation, 1);
	switch_up_to_gate(r);
	answer_probes(r, false);
	/* on record, and not before that does the door open */
	assert_int_equal(next(r, IPC_ROLE_RECORDER), IPC_RECORD);
	assert_int_equal(r->msg.u.record.ack, 1);
	assert_true(bb_span_eq(r->msg.u.record.method, BB_SPAN_STR("reload")));
	assert_string_equal(events, "route_removed route_added ");
	assert_int_equal(next(r, IPC_ROLE_DIALER), IPC_NONE);
	assert_int_equal(next(r, IPC_ROLE_CLI), IPC_NONE);
	assert_int_equal(ipc_send(r->ours[IPC_ROLE_RECORDER], &ack, &err), 0);
	assert_int_equal(next(r, IPC_ROLE_DIALER), IPC_SWITCH);
	assert_int_equal(next(r, IPC_ROLE_CLI), IPC_NONE);
	say(r, IPC_ROLE_DIALER, true);
	assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
	assert_int_equal(r->msg.u.reloaded.ok, 1);
	assert_int_equal(r->b.spec.policy.generation, 2);
	assert_string_equal(r->b.spec.policy.routes[0].host, "new.test");
	assert_int_equal(r->b.reload.step, RELOAD_NONE);
	assert_int_equal(failed.code, 0);
	rig_free(r);
}

/* One of them cannot: all forget it, the old policy is in force, and another reload may come */
static void one_refuses(void **state)
{
	(void)state;
	for (size_t who = 0; who < BB_ARRAY_LEN(roles); who++) {
		struct rig *r = rig_new();

		begin(r, 2);
		all_look(r);
		say(r, roles[who], false);
		for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++)
			assert_int_equal(next(r, roles[i]), IPC_FORGET);
		assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
		assert_int_equal(r->msg.u.reloaded.ok, 0);
		assert_non_null(
			memmem(r->msg.u.reloaded.text.p, r->msg.u.reloaded.text.len, "no room", 7));
		assert_int_equal(r->b.spec.policy.generation, 1);
		assert_string_equal(events, "reload_refused ");
		/* not while answers of that one are to come */
		begin(r, 2);
		assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
		assert_int_equal(r->msg.u.reloaded.ok, 0);
		for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++) {
			if (i != who)
				say(r, roles[i], true);
		}
		begin(r, 2);
		all_look(r);
		assert_int_equal(failed.code, 0);
		rig_free(r);
	}
}

/* The self-test says something else than the new policy: the bottle ends, and dialer stays shut */
static void probe_mismatch(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	begin(r, 2);
	switch_up_to_gate(r);
	answer_probes(r, true);
	assert_int_equal(r->b.phase, BOTTLE_ENDING);
	assert_non_null(strstr(failed.msg, "host probe"));
	assert_non_null(strstr(failed.msg, "new.test is listed but gets no answer"));
	assert_int_equal(next(r, IPC_ROLE_DIALER), IPC_NONE);
	assert_int_equal(next(r, IPC_ROLE_RECORDER), IPC_NONE);
	rig_free(r);
}

static void after_the_first_switch(void **state)
{
	(void)state;
	/* a refusal */
	struct rig *r = rig_new();

	begin(r, 2);
	all_agree(r);
	say(r, IPC_ROLE_KEYD, false);
	assert_int_equal(r->b.phase, BOTTLE_ENDING);
	assert_non_null(strstr(failed.msg, "keyd: no room"));
	rig_free(r);
	/* an answer that nobody asked for */
	r = rig_new();
	begin(r, 2);
	all_agree(r);
	say(r, IPC_ROLE_DIALER, true);
	assert_non_null(strstr(failed.msg, "dialer answers what was not asked"));
	rig_free(r);
	/* silence */
	r = rig_new();
	begin(r, 2);
	all_agree(r);
	reload_timeout(&r->b);
	assert_non_null(strstr(failed.msg, "in time from keyd"));
	rig_free(r);
}

static void what_is_not_begun(void **state)
{
	static const uint32_t generations[] = { 1, 3 };
	struct rig *r = rig_new();

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(generations); i++) {
		begin(r, generations[i]);
		assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
		assert_int_equal(r->msg.u.reloaded.ok, 0);
	}
	r->b.phase = BOTTLE_GUEST;
	begin(r, 2);
	assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
	assert_int_equal(r->msg.u.reloaded.ok, 0);
	r->b.phase = BOTTLE_UP;
	begin(r, 2);
	begin(r, 2); /* the second while the first is under way */
	assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
	assert_int_equal(r->msg.u.reloaded.ok, 0);
	all_agree(r);
	rig_free(r);
}

/* The timer of a guest that was told to switch itself off is no reload's to stop */
static void a_bottle_that_ends_keeps_its_timer(void **state)
{
	const struct timeval limit = { .tv_sec = 12 };
	struct ipc_msg ack = { .type = IPC_RECORD_ACK, .fd = -1, .u.record_ack.seq = 2 };
	struct bb_err err = { 0 };
	struct rig *r = rig_new();

	(void)state;
	begin(r, 2);
	switch_up_to_gate(r);
	r->b.lasting.off = true; /* in the middle */
	(void)event_add(r->b.timer, &limit);
	answer_probes(r, false);
	assert_int_equal(next(r, IPC_ROLE_RECORDER), IPC_RECORD);
	assert_int_equal(ipc_send(r->ours[IPC_ROLE_RECORDER], &ack, &err), 0);
	assert_int_equal(next(r, IPC_ROLE_DIALER), IPC_SWITCH);
	say(r, IPC_ROLE_DIALER, true);
	assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
	assert_true(event_pending(r->b.timer, EV_TIMEOUT, NULL));
	rig_free(r);

	r = rig_new(); /* the same where it is refused */
	begin(r, 2);
	all_look(r);
	r->b.lasting.off = true;
	(void)event_add(r->b.timer, &limit);
	say(r, IPC_ROLE_GATE, false);
	assert_true(event_pending(r->b.timer, EV_TIMEOUT, NULL));
	rig_free(r);

	r = rig_new(); /* and none begins then */
	r->b.lasting.off = true;
	begin(r, 2);
	assert_int_equal(next(r, IPC_ROLE_CLI), IPC_RELOADED);
	assert_int_equal(r->msg.u.reloaded.ok, 0);
	assert_false(event_pending(r->b.timer, EV_TIMEOUT, NULL));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(one_refuses),
		cmocka_unit_test(probe_mismatch),
		cmocka_unit_test(after_the_first_switch),
		cmocka_unit_test(what_is_not_begun),
		cmocka_unit_test(a_bottle_that_ends_keeps_its_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
