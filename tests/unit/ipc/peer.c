/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/peer.h"
#include "ipc/sock.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>

struct side {
	struct ipc_peer *peer;
	unsigned int n_msgs;
	int fd;
	int why;
	bool free_on_msg;
};

static struct event_base *base;

static void on_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct side *s = arg;

	s->n_msgs++;
	if (msg->fd >= 0) {
		bb_closep(&s->fd);
		s->fd = BB_TAKE_FD(msg->fd);
	}
	if (s->free_on_msg) {
		ipc_peer_free(peer);
		s->peer = NULL;
	}
}

static void on_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct side *s = arg;

	(void)text;
	s->why = why;
	ipc_peer_free(peer);
	s->peer = NULL;
}

static void open_pair(struct side *a, struct side *b, int fds[2])
{
	struct bb_err err = { 0 };

	*a = (struct side){ .fd = -1 };
	*b = (struct side){ .fd = -1 };
	base = event_base_new();
	assert_int_equal(ipc_pair(fds, &err), 0);
	a->peer = ipc_peer_new(base, IPC_ROLE_GATE, IPC_ROLE_EGRESS, fds[0], on_msg, on_dead, a);
	if (b)
		b->peer = ipc_peer_new(base, IPC_ROLE_EGRESS, IPC_ROLE_GATE, fds[1], on_msg,
				       on_dead, b);
}

static void close_pair(struct side *a, struct side *b)
{
	ipc_peer_free(a->peer);
	ipc_peer_free(b->peer);
	bb_closep(&a->fd);
	bb_closep(&b->fd);
	event_base_free(base);
}

/* Far more than the socket holds: the queue keeps order and every fd */
/* More than a socket takes, each with a descriptor: fewer than a plain user may have (1,024) */
#define MANY 700u

static void queue_keeps_everything(void **state)
{
	struct ipc_msg m = { .type = IPC_FLOW_OPEN, .fd = 0 };
	struct side a, b;
	int fds[2];

	(void)state;
	open_pair(&a, &b, fds);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(ipc_peer_send(a.peer, &m), 0);
	assert_true(ipc_peer_queued(a.peer) > 0);
	while (b.n_msgs < MANY && b.peer)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(b.n_msgs, MANY);
	assert_true(b.fd >= 0 && fcntl(b.fd, F_GETFD) == FD_CLOEXEC);
	assert_int_equal(ipc_peer_queued(a.peer), 0);
	close_pair(&a, &b);
}

static void unpermitted_kills_pair(void **state)
{
	struct ipc_msg m = { .type = IPC_READY, .fd = -1 };
	struct bb_err err = { 0 };
	struct side a, b;
	int fds[2], raw;

	(void)state;
	open_pair(&a, &b, fds);
	raw = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(ipc_send(raw, &m, &err), 0);
	while (a.peer)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(a.why, -EBADMSG);
	assert_int_equal(a.n_msgs, 0);
	(void)close(raw);
	close_pair(&a, &b);
}

static void garbage_kills_pair_and_eof_is_told(void **state)
{
	struct side a, b;
	int fds[2], raw;

	(void)state;
	open_pair(&a, &b, fds);
	raw = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(write(raw, "nonsense", 8), 8);
	(void)close(raw);
	while (a.peer || b.peer)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(a.why, -EBADMSG);
	assert_int_equal(b.why, -ENODATA);
	close_pair(&a, &b);
}

static void owner_may_free_in_callback(void **state)
{
	struct ipc_msg m = { .type = IPC_FLOW_READY, .fd = -1 };
	struct side a, b;
	int fds[2];

	(void)state;
	open_pair(&a, &b, fds);
	a.free_on_msg = true;
	assert_int_equal(ipc_peer_send(b.peer, &m), 0);
	assert_int_equal(ipc_peer_send(b.peer, &m), 0);
	while (b.peer)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(a.n_msgs, 1);
	close_pair(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_keeps_everything),
		cmocka_unit_test(unpermitted_kills_pair),
		cmocka_unit_test(garbage_kills_pair_and_eof_is_told),
		cmocka_unit_test(owner_may_free_in_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
