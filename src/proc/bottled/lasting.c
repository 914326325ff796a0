/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session that `start` opens goes on when its CLI has gone: detached, killed, or with its
 * terminal. The command's end is then the bottle's, and its exit code is in the file `exit`.
 * Whoever attached last has the session.
 */
#include "base/log.h"
#include "proc/bottled/bottle.h"
#include "state/bottle.h"
#include <errno.h>
#include <stdio.h>

#define OFF_TIMEOUT_S 12

int lasting_open(struct client *c, bool tty, int *ret_cli, struct bb_err *err)
{
	struct lasting *l = &c->bottle->lasting;
	int r;

	if (l->porter || l->ended)
		return bb_err_set(err, -EBUSY, "this bottle has its session already");
	r = porters_open(c->bottle, &(struct ipc_main_open){ .tty = tty }, ret_cli, &l->porter,
			 err);
	if (r < 0)
		return r;
	l->client = c;
	l->tty = tty;
	return 0;
}

int lasting_attach(struct client *c, int *ret_cli, struct bb_err *err)
{
	struct lasting *l = &c->bottle->lasting;
	int r;

	if (l->ended)
		return bb_err_set(err, -ESRCH, "what ran in it has just ended");
	if (!l->porter)
		return bb_err_set(err, -ESRCH,
				  "it has no session to attach to: it was not made by start");
	r = porters_give_cli(l->porter, ret_cli, err);
	if (r < 0)
		return r;
	l->client = c;
	bottle_record(c->bottle, "attach", "");
	return 0;
}

/* Nobody is there who would end the bottle. Where the disk is kept, first what is in memory; a
 * reload leaves the timer alone then */
static void end_alone(struct bottle *b)
{
	struct lasting *l = &b->lasting;
	const struct ipc_msg off = { .type = IPC_POWEROFF, .fd = -1 };

	if (l->off || b->phase != BOTTLE_UP)
		return;
	if (!b->spec.keep_disk || !b->clock || ipc_peer_send(b->clock->peer, &off) < 0) {
		bottle_end(b, "exit");
		return;
	}
	l->off = true;
	bottle_timer(b, OFF_TIMEOUT_S);
}

void lasting_exit(struct porter *p, const struct ipc_exit *e)
{
	struct bottle *b = p->bottle;
	struct lasting *l = &b->lasting;
	struct bb_err err = { 0 };
	char text[16];

	if (p != l->porter || l->ended)
		return;
	l->ended = true;
	(void)snprintf(text, sizeof(text), "%u\n", e->signo ? 128u + e->signo : e->code);
	if (state_file_write(b->state_dir, STATE_EXIT_FILE, BB_SPAN_STR(text), &err) < 0)
		bb_log("%s", err.msg);
	if (!l->client)
		end_alone(b);
}

void lasting_porter_gone(struct porter *p)
{
	struct bottle *b = p->bottle;
	struct lasting *l = &b->lasting;
	struct bb_err why = { 0 };

	if (p == b->clock)
		b->clock = NULL;
	if (p != l->porter)
		return;
	l->porter = NULL;
	if (l->ended || l->client || b->phase != BOTTLE_UP)
		return; /* the CLI sees its end of file */
	(void)bb_err_set(&why, -EPIPE, "the session of what ran in it was lost");
	bottle_fail(b, 125, &why);
}

bool lasting_client_gone(struct client *c)
{
	struct bottle *b = c->bottle;
	struct lasting *l = &b->lasting;
	bool had = c == l->client;

	if (had) {
		l->client = NULL;
		if (l->porter && !l->ended)
			bottle_record(b, "detach", "");
		else
			end_alone(b); /* it went before it said STOP */
	}
	return had || l->porter;
}

bool lasting_timeout(struct bottle *b)
{
	if (!b->lasting.off)
		return false;
	bottle_end(b, "exit");
	return true;
}
