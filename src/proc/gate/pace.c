/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest makes gate do has a price, and the guest a share of it per second. One that has used
 * it up waits: its packets stay in its ring, its connects in the queue of the socket, its kicks
 * unheard, until there is a slice of the share again. Nothing is dropped, and nothing is done
 * meanwhile. What others do for it (answers, octets from servers) goes on.
 */
#include "base/io.h"
#include "proc/gate/gate.h"

static void pause_guest(struct gate *g, bool on)
{
	if (g->vsock)
		vsock_pause(g->vsock, on);
	if (g->listen)
		listen_hold(g->listen, LISTEN_PACED, on);
}

static void wait_for_slice(struct gate *g)
{
	uint64_t ms = bucket_wait_ms(&g->work, GATE_WORK_SLICE);
	const struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
				    .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (event_add(g->paced, &tv) < 0)
		gate_stop(g, "no timer");
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	(void)what;
	if (bucket_spend(&g->work, 0, bb_now_ms()))
		pause_guest(g, false);
	else
		wait_for_slice(g); /* more was done meanwhile, for what it had begun */
}

bool pace_init(struct gate *g)
{
	bucket_init(&g->work, GATE_WORK_PER_S, GATE_WORK_BURST, bb_now_ms());
	g->paced = event_new(g->base, -1, 0, on_slice, g);
	return g->paced;
}

void pace_work(struct gate *g, uint32_t work)
{
	if (bucket_spend(&g->work, work, bb_now_ms()) || event_pending(g->paced, EV_TIMEOUT, NULL))
		return;
	wait_for_slice(g);
	pause_guest(g, true);
}

void pace_on_work(uint32_t work, void *arg)
{
	pace_work(arg, work);
}
