/* SPDX-License-Identifier: Apache-2.0 */
/* A bottle's phases, with this file as all that is behind them */
#include "proc/bottled/bottle.h"
#include "ipc/sock.h"
#include "tests/unit/unit.h"

static unsigned int machines;
static bool ready;

int children_start(struct bottle *b, struct bb_err *err)
{
	(void)b;
	(void)err;
	return 0;
}

int children_start_vmm(struct bottle *b, struct bb_err *err)
{
	(void)b;
	(void)err;
	machines++;
	return 0;
}

bool children_all_ready(const struct bottle *b)
{
	(void)b;
	return ready;
}

int probes_start(struct bottle *b, struct bb_err *err)
{
	(void)b;
	(void)err;
	return 0;
}

int porters_open(struct bottle *b, const struct ipc_main_open *lasting, int *ret_cli,
		 struct porter **ret, struct bb_err *err)
{
	(void)b;
	(void)lasting;
	(void)ret_cli;
	(void)ret;
	(void)err;
	return 0;
}

bool lasting_timeout(struct bottle *b)
{
	(void)b;
	return false;
}

void control_progress(struct bottle *b, const char *fmt, ...)
{
	(void)b;
	(void)fmt;
}

#define NOTHING(name)                                                                              \
	void name(struct bottle *b)                                                                \
	{                                                                                          \
		(void)b;                                                                           \
	}
NOTHING(children_kill)
NOTHING(children_release)
NOTHING(porters_release)
NOTHING(probes_release)
NOTHING(engine_hello)
NOTHING(reload_timeout)
NOTHING(control_up)

static struct bottle begun(void)
{
	struct bottle b = { .base = event_base_new(), .spec.engine = "" };

	machines = 0;
	ready = false;
	bottle_advance(&b);
	return b;
}

static void end(struct bottle *b)
{
	event_free(b->timer);
	event_base_free(b->base);
}

/* No word of a role is taken for the probe's */
static void no_machine_before_the_host_probe(void **state)
{
	struct bottle b = begun();

	(void)state;
	bottle_probed(&b);
	assert_int_equal(b.phase, BOTTLE_ROLES);
	ready = true;
	bottle_advance(&b);
	assert_int_equal(b.phase, BOTTLE_PROBE);
	bottle_advance(&b); /* as when a role says READY once more */
	assert_int_equal(b.phase, BOTTLE_PROBE);
	assert_int_equal(machines, 0);
	bottle_probed(&b);
	assert_int_equal(b.phase, BOTTLE_BOOT);
	bottle_probed(&b);
	assert_int_equal(machines, 1);
	end(&b);
}

/* Why a bottle ends goes to the terminal of whoever started it */
static void what_a_guest_says_is_escaped(void **state)
{
	struct bottle b = begun();

	(void)state;
	b.phase = BOTTLE_GUEST;
	bottle_guest_probe(&b, false,
			   BB_SPAN_STR("probe \033]52;c;ZXZpbA==\007\r\xc2\x9b"
				       "2J\xe2\x80\xae\n"));
	assert_int_equal(b.phase, BOTTLE_ENDING);
	assert_string_equal(b.why.msg,
			    "guest probe: probe \\x1b]52;c;ZXZpbA==\\x07\\x0d\\xc2\\x9b2J"
			    "\\xe2\\x80\\xae\\x0a");
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_machine_before_the_host_probe),
		cmocka_unit_test(what_a_guest_says_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
