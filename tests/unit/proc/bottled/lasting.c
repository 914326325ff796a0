/* SPDX-License-Identifier: Apache-2.0 */
/* A session that outlives its CLI, with this file as the rest of bottled: when the bottle ends */
#include "ipc/sock.h"
#include "proc/bottled/bottle.h"
#include "state/bottle.h"
#include "tests/unit/unit.h"

static struct porter porter, clock_porter;
static bool ended;
static bool failed;
static unsigned int timer_s;

int porters_open(struct bottle *b, const struct ipc_main_open *lasting, int *ret_cli,
		 struct porter **ret, struct bb_err *err)
{
	(void)lasting;
	(void)err;
	porter.bottle = b;
	*ret_cli = -1;
	*ret = &porter;
	return 0;
}

int porters_give_cli(struct porter *p, int *ret_cli, struct bb_err *err)
{
	(void)p;
	(void)err;
	*ret_cli = -1;
	return 0;
}

void bottle_record(struct bottle *b, const char *event, const char *text)
{
	(void)b;
	(void)event;
	(void)text;
}

void bottle_end(struct bottle *b, const char *event)
{
	assert_string_equal(event, "exit");
	b->phase = BOTTLE_ENDING;
	ended = true;
}

void bottle_fail(struct bottle *b, uint8_t exit_code, const struct bb_err *why)
{
	assert_int_equal(exit_code, 125);
	assert_int_not_equal(why->code, 0);
	b->phase = BOTTLE_ENDING;
	failed = true;
}

void bottle_timer(struct bottle *b, unsigned int seconds)
{
	(void)b;
	timer_s = seconds;
}

int state_file_write(int dirfd, const char *name, struct bb_span data, struct bb_err *err)
{
	(void)dirfd;
	(void)data;
	(void)err;
	assert_string_equal(name, STATE_EXIT_FILE);
	return 0;
}

static void open_session(struct bottle *b)
{
	struct bb_err err = { 0 };
	int cli;

	*b = (struct bottle){ .phase = BOTTLE_UP };
	b->clients[0].bottle = b->clients[1].bottle = b;
	ended = failed = false;
	timer_s = 0;
	assert_int_equal(lasting_open(&b->clients[0], true, &cli, &err), 0);
}

static const struct ipc_exit with_nine = { .code = 9 };

static void goes_on_and_ends_with_its_command(void **state)
{
	static struct bottle b;

	(void)state;
	open_session(&b);
	assert_true(lasting_client_gone(&b.clients[0]));
	assert_false(ended || failed);
	lasting_exit(&porter, &with_nine);
	assert_true(ended);
}

/* Killed between the command's end and its own STOP, as one that waits for a stopped terminal */
static void ends_where_the_cli_goes_after_the_command(void **state)
{
	static struct bottle b;
	struct bb_err err = { 0 };
	int cli;

	(void)state;
	open_session(&b);
	lasting_exit(&porter, &with_nine);
	assert_false(ended); /* that CLI does it */
	assert_true(lasting_client_gone(&b.clients[0]));
	assert_true(ended);

	open_session(&b); /* the same of one that has come back */
	assert_true(lasting_client_gone(&b.clients[0]));
	assert_int_equal(lasting_attach(&b.clients[1], &cli, &err), 0);
	lasting_exit(&porter, &with_nine);
	lasting_porter_gone(&porter);
	assert_false(ended);
	assert_true(lasting_client_gone(&b.clients[1]));
	assert_true(ended);

	open_session(&b); /* or after the loss of the session */
	lasting_porter_gone(&porter);
	assert_false(ended || failed);
	(void)lasting_client_gone(&b.clients[0]);
	assert_true(ended);
}

static void a_kept_disk_first(void **state)
{
	struct event_base *base = event_base_new();
	struct bb_err err = { 0 };
	static struct bottle b;
	int fds[2];

	(void)state;
	open_session(&b);
	assert_int_equal(ipc_pair(fds, &err), 0);
	clock_porter.peer =
		ipc_peer_new(base, IPC_ROLE_BOTTLED, IPC_ROLE_PORTER, fds[0], NULL, NULL, NULL);
	assert_non_null(clock_porter.peer);
	b.clock = &clock_porter;
	b.spec.keep_disk = true;
	lasting_exit(&porter, &with_nine);
	assert_true(lasting_client_gone(&b.clients[0]));
	assert_false(ended);
	assert_true(b.lasting.off);
	assert_true(timer_s > 0);
	assert_true(lasting_timeout(&b)); /* the guest does not do as it is told */
	assert_true(ended);
	ipc_peer_free(clock_porter.peer);
	(void)close(fds[1]);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_and_ends_with_its_command),
		cmocka_unit_test(ends_where_the_cli_goes_after_the_command),
		cmocka_unit_test(a_kept_disk_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
