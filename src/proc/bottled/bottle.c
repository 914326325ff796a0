/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/bottled/bottle.h"
#include "base/io.h"
#include "base/log.h"
#include "base/printable.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#define ROLES_TIMEOUT_S 15
#define BOOT_TIMEOUT_S  10
#define GUEST_TIMEOUT_S 10
/*
 * A machine that works past its time is slow, one that does nothing hangs. On a crowded host it
 * gets more: boot_seconds of processors' time, and the second boot so many times that.
 */
#define BOOT_STEP_S     10
#define BOOT_STEP_NS    (BOOT_STEP_S * 20000000ull) /* 2 % of a processor: it works */
#define BOOT_LAST_TIMES 3
#define BOOT_MAX_TIMES  12 /* of the clock */

const char *const bottle_phase_str[] = {
	[BOTTLE_ROLES] = "starting", [BOTTLE_PROBE] = "probing", [BOTTLE_BOOT] = "booting",
	[BOTTLE_GUEST] = "guest",    [BOTTLE_UP] = "up",         [BOTTLE_ENDING] = "ending",
};
static_assert(BB_ARRAY_LEN(bottle_phase_str) == BOTTLE_NUM_PHASES, "bottle_phase_str[]");

void bottle_record(struct bottle *b, const char *event, const char *text)
{
	struct ipc_msg msg = { .type = IPC_RECORD, .fd = -1 };

	if (!b->children[IPC_ROLE_RECORDER].peer)
		return;
	msg.u.record.kind = IPC_RECORD_LIFE;
	msg.u.record.method = BB_SPAN_STR(event);
	msg.u.record.text = BB_SPAN_STR(text);
	(void)ipc_peer_send(b->children[IPC_ROLE_RECORDER].peer, &msg);
}

void bottle_timer(struct bottle *b, unsigned int seconds)
{
	struct timeval tv = { .tv_sec = (time_t)seconds };

	(void)event_add(b->timer, &tv);
}

void bottle_end(struct bottle *b, const char *event)
{
	if (b->phase == BOTTLE_ENDING)
		return;
	b->phase = BOTTLE_ENDING;
	children_kill(b); /* the machine first */
	bottle_record(b, event, "");
	(void)event_base_loopbreak(b->base);
}

void bottle_fail(struct bottle *b, uint8_t exit_code, const struct bb_err *why)
{
	if (b->phase == BOTTLE_ENDING)
		return;
	b->phase = BOTTLE_ENDING;
	children_kill(b);
	b->why = *why;
	b->exit_code = exit_code;
	bb_log("%s", why->msg);
	bottle_record(b, "failed", why->msg);
	(void)event_base_loopbreak(b->base);
}

static void bottle_fail_text(struct bottle *b, int code, const char *text)
{
	struct bb_err why = { 0 };

	(void)bb_err_set(&why, code, "%s", text);
	bottle_fail(b, 125, &why);
}

int bottle_start_attempt(struct bottle *b, struct bb_err *err)
{
	b->phase = BOTTLE_ROLES;
	b->boots++;
	/* what the operator allows a slow machine, a slow host needs for its own processes, too */
	bottle_timer(b, b->spec.boot_seconds > ROLES_TIMEOUT_S ? b->spec.boot_seconds
							       : ROLES_TIMEOUT_S);
	return children_start(b, err);
}

/* Time of processors that the machine has used since its start */
static uint64_t machine_cpu_ns(const struct bottle *b)
{
	const struct child *vmm = &b->children[IPC_ROLE_VMM];
	struct timespec ts;
	clockid_t clock;

	if (vmm->pid <= 0 || vmm->dead || clock_getcpuclockid(vmm->pid, &clock) != 0 ||
	    clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Its time is over; does it still get on? */
static bool is_still_booting(struct bottle *b)
{
	uint64_t used = machine_cpu_ns(b), step = used - b->boot_cpu_ns;
	uint64_t max = b->spec.boot_seconds * 1000ull;
	uint64_t max_ns = max * 1000000u * (b->boots < BOTTLE_BOOTS_MAX ? 1 : BOOT_LAST_TIMES);

	if (used < b->boot_cpu_ns || step < BOOT_STEP_NS || used > max_ns ||
	    bb_now_ms() - b->boot_ms > max * BOOT_MAX_TIMES)
		return false;
	b->boot_cpu_ns = used;
	bottle_timer(b, BOOT_STEP_S);
	return true;
}

/* The guest did not say hello: once more from the start, then give up */
static void boot_again(struct bottle *b)
{
	struct bb_err err = { 0 };

	if (b->boots >= BOTTLE_BOOTS_MAX) {
		bottle_fail_text(
			b, -ETIMEDOUT,
			*b->spec.engine
				? "the engine has not started the container in time, twice: "
				  "if it hangs, sudo systemctl restart docker"
				: "the guest did not start in time, twice; its console is in "
				  "`bot-bottle logs --console`");
		return;
	}
	bottle_record(b, "boot_retry", "the guest did not start in time; trying once more");
	control_progress(b, "the guest did not start in time, trying once more");
	b->phase = BOTTLE_ENDING; /* exits of the old children are not news */
	porters_release(b);
	children_release(b);
	probes_release(b);
	if (b->accel.accel == VMM_ACCEL_KVM && !b->accel.forced) {
		b->accel.accel = VMM_ACCEL_TCG;
		(void)snprintf(b->accel.why, sizeof(b->accel.why),
			       "a machine with /dev/kvm did not start");
	}
	if (bottle_start_attempt(b, &err) < 0)
		bottle_fail(b, 125, &err);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct bottle *b = arg;

	(void)fd;
	(void)what;
	switch (b->phase) {
	case BOTTLE_ROLES:
		bottle_fail_text(b, -ETIMEDOUT, "a guard process did not get ready in time");
		break;
	case BOTTLE_PROBE:
		bottle_fail_text(b, -ETIMEDOUT, "gate did not answer the host probe in time");
		break;
	case BOTTLE_BOOT:
	case BOTTLE_GUEST:
		if (!is_still_booting(b))
			boot_again(b);
		break;
	case BOTTLE_UP:
		if (!lasting_timeout(b))
			reload_timeout(b);
		break;
	case BOTTLE_ENDING:
	case BOTTLE_NUM_PHASES:
		break;
	}
}

void bottle_advance(struct bottle *b)
{
	struct bb_err err = { 0 };

	if (!b->timer)
		b->timer = event_new(b->base, -1, 0, on_timer, b);
	if (b->phase != BOTTLE_ROLES || !children_all_ready(b))
		return;
	b->phase = BOTTLE_PROBE;
	if (probes_start(b, &err) < 0)
		bottle_fail(b, 125, &err);
}

void bottle_probed(struct bottle *b)
{
	struct bb_err err = { 0 };
	int r;

	if (b->phase != BOTTLE_PROBE)
		return;
	probes_release(b);
	bottle_record(b, "host_probe", "ok");
	b->phase = BOTTLE_BOOT;
	if (*b->spec.engine)
		control_progress(b, "starting the container (%s)", b->spec.engine);
	else
		control_progress(b, "booting (%s: %s)", vmm_accel_str[b->accel.accel],
				 b->accel.why);
	r = children_start_vmm(b, &err);
	b->boot_ms = bb_now_ms();
	b->boot_cpu_ns = 0;
	bottle_timer(b, BOOT_TIMEOUT_S);
	if (r < 0)
		bottle_fail(b, 125, &err);
}

void bottle_guest_hello(struct bottle *b, uint32_t version)
{
	if (b->phase != BOTTLE_BOOT)
		return; /* a guest may say what it likes later */
	if (version != 1) {
		bottle_fail_text(b, -EPROTO,
				 "the image's guest program is of another version; "
				 "rebuild it: bot-bottle image build --rebuild base");
		return;
	}
	bottle_record(b, "hello", *b->spec.engine ? "container" : vmm_accel_str[b->accel.accel]);
	if (*b->spec.engine)
		engine_hello(b);
	b->phase = BOTTLE_GUEST;
	bottle_timer(b, GUEST_TIMEOUT_S);
}

void bottle_guest_probe(struct bottle *b, bool ok, struct bb_span text)
{
	struct bb_err err = { 0 };
	char said[sizeof(err.msg)];

	if (b->phase != BOTTLE_GUEST)
		return;
	if (!ok) {
		(void)bb_err_set(&err, -EPERM, "guest probe: %s",
				 bb_printable_span(text, said, sizeof(said)));
		bottle_fail(b, 125, &err);
		return;
	}
	(void)event_del(b->timer);
	bottle_record(b, "guest_probe", "ok");
	if (porters_open(b, NULL, NULL, &b->clock, &err) < 0) {
		bottle_fail(b, 125, &err);
		return;
	}
	b->phase = BOTTLE_UP;
	b->was_up = true;
	bottle_record(b, "jail",
		      b->namespaces && b->landlock ? "seccomp, namespaces, landlock"
		      : b->namespaces              ? "seccomp, namespaces"
		      : b->landlock                ? "seccomp, landlock"
						   : "seccomp");
	bottle_record(b, "up", *b->spec.engine ? b->spec.engine : b->accel.why);
	control_up(b);
}
