/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbours GATE RECORDER: what one bottle's storm does to another's paced requests. Two bottles
 * without machines: each is a process in a session of its own, as bottled is, that plays its guest
 * before a real gate and a real recorder. One of them asks every two milliseconds, a DNS name and a
 * connect in turn, both denied and recorded; the other does nothing, or storms, or only computes.
 *
 * A noisy host moves a p99 by more than what is looked for. So these take turns many times in a
 * run, half a second each and there and back, and what counts is the median of the turns' p99s:
 * what hits some turns only does not move it, what lasts hits all three alike. What a storm may do
 * at once (GATE_WORK_BURST) is over before its turn is measured: this is about what goes on.
 *
 * A processor that sleeps takes longer to wake, the longer it has slept and the more so where the
 * host is itself a guest: an idle neighbour then is slower than one beside a storm. So in all three
 * modes the processors are kept awake, by processes of the class that runs only where nothing else
 * wants to (SCHED_IDLE).
 *
 * JSON lines: of each, the latencies of the first bottle (p99 of all turns as one; median and
 * quartiles of the turns' own; that median of every other turn, and of the rest: no comparison
 * resolves less than these two differ), and of the storm its rate.
 */
#include "base/io.h"
#include "tests/unit/proc/gate/gate.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS    36u
#define SAMPLES   250u
#define SETTLE_US 100000u
#define PACE_NS   2000000L
#define PIPELINE  64u

enum mode { IDLE = 0, STORM, COMPUTES, NUM_MODES, QUIT };
static const char *const mode_str[] = { "idle", "storm", "computes" };

struct bottle {
	struct role gate, recorder;
	struct driver d;
	uint32_t port;
	struct driver_conn dns;
};

static const char *recorder_exe;
static const struct policy policy = {
	.identity = "bench-00000",
	.alias = { .family = 4, .a = { 127, 64, 0, 1 } },
	.generation = 1,
};

static void join(struct role *a, enum ipc_role a_is, struct role *b, enum ipc_role b_is)
{
	struct bb_err err = { 0 };
	int fds[2];

	assert_int_equal(ipc_pair(fds, &err), 0);
	role_send(
		a->bottled,
		&(struct ipc_msg){ .type = IPC_PEER, .fd = fds[0], .u.peer.role = (uint8_t)b_is });
	role_send(
		b->bottled,
		&(struct ipc_msg){ .type = IPC_PEER, .fd = fds[1], .u.peer.role = (uint8_t)a_is });
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static int stream(struct role *r, enum ipc_fd_kind kind)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	role_give_fd(r, kind, fds[1]);
	return fds[0];
}

static void begin(struct role *r)
{
	role_send(r->bottled, &(struct ipc_msg){ .type = IPC_START, .fd = -1 });
	assert_int_equal(role_recv(r, r->bottled), IPC_READY);
}

static void start(struct bottle *b, const char *dir)
{
	const struct timeval limit = { .tv_sec = 5 };
	int vhost;

	role_spawn(&b->recorder, recorder_exe);
	role_spawn(&b->gate, gate_exe);
	role_give_peer(&b->gate, IPC_ROLE_EGRESS);
	role_give_peer(&b->gate, IPC_ROLE_DIALER);
	join(&b->gate, IPC_ROLE_GATE, &b->recorder, IPC_ROLE_RECORDER);
	role_give_policy(&b->gate, &policy);
	role_give_policy(&b->recorder, &policy);
	role_give_fd(&b->recorder, IPC_FD_AUDIT_DIR, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	(void)stream(&b->recorder, IPC_FD_CONSOLE);
	(void)stream(&b->recorder, IPC_FD_QMP);
	vhost = stream(&b->gate, IPC_FD_VHOST);
	assert_int_equal(setsockopt(vhost, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	begin(&b->recorder);
	begin(&b->gate);
	assert_int_equal(driver_init(&b->d, vhost, F_SEAL_SHRINK), 0);
	assert_true(driver_negotiate(&b->d) != 0);
	b->port = 10;
	assert_true(driver_connect(&b->d, &b->dns, b->port++, PORT_DNS));
}

static void ask_flow(struct bottle *b, struct driver_conn *c)
{
	uint8_t header[FLOW_HEADER_BYTES];
	struct vsock_header h;

	*c = (struct driver_conn){ .guest_port = b->port++, .host_port = PORT_FLOW };
	gate_header(header, 203, 0, 113, 99, 443);
	h = driver_header(c, VSOCK_OP_REQUEST, 0);
	assert_true(driver_send(&b->d, &h, NULL));
	h = driver_header(c, VSOCK_OP_RW, sizeof(header));
	assert_true(driver_send(&b->d, &h, header));
}

/* @n denials, then the guest's part of their end */
static void take_flows(struct bottle *b, struct driver_conn *c, unsigned int n)
{
	uint8_t payload[RX];
	struct vsock_header h;
	unsigned int answers = 0;

	while (answers < n) {
		assert_true(driver_recv(&b->d, &h, payload, 5000));
		answers += h.op == VSOCK_OP_RW && payload[0] == FLOW_STATUS_DENIED;
	}
	for (unsigned int i = 0; i < n; i++) {
		h = driver_header(&c[i], VSOCK_OP_RST, 0);
		assert_true(driver_send(&b->d, &h, NULL));
	}
}

static void ask_name(struct bottle *b)
{
	static uint8_t carry[4 * RX];
	uint8_t query[128];
	size_t have = 0, len = gate_query(query, 7, "x.evil.test");
	uint16_t id;

	assert_true(driver_write(&b->d, &b->dns, query, len));
	assert_int_equal(gate_rcode(&b->d, &b->dns, carry, &have, &id), 3);
}

static bool has_word(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

struct storm {
	uint64_t flows;
	uint64_t host_us; /* of gate's and recorder's processor time */
};

/* Until the next word comes */
static struct storm storm(struct bottle *b, int words)
{
	static struct driver_conn c[PIPELINE];
	uint64_t before = role_cpu_us(&b->gate) + role_cpu_us(&b->recorder), n = 0;

	while (!has_word(words)) {
		for (unsigned int i = 0; i < PIPELINE; i++)
			ask_flow(b, &c[i]);
		take_flows(b, c, PIPELINE);
		n += PIPELINE;
	}
	return (struct storm){ n, role_cpu_us(&b->gate) + role_cpu_us(&b->recorder) - before };
}

_Noreturn static void spin(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (volatile uint64_t x = 0;;)
		x = x + 1;
}

/* The session's share (sched(7), autogroup) counts where sessions have one, not the class */
_Noreturn static void keep_awake(void)
{
	const struct sched_param none = { 0 };
	int share;

	(void)setsid();
	share = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if ((share >= 0 && bb_write_full(share, "19", 2) < 0) ||
	    sched_setscheduler(0, SCHED_IDLE, &none) < 0)
		_exit(1);
	spin();
}

struct spinners {
	pid_t pids[64];
	long n;
};

/* One for each processor of the host */
static void spinners_start(struct spinners *s, void (*work)(void))
{
	s->n = sysconf(_SC_NPROCESSORS_ONLN);
	s->n = s->n < 64 ? s->n : 64;
	for (long i = 0; i < s->n; i++) {
		s->pids[i] = fork();
		if (s->pids[i] == 0)
			work();
	}
}

static void spinners_stop(struct spinners *s)
{
	for (long i = 0; i < s->n; i++) {
		(void)kill(s->pids[i], SIGKILL);
		(void)waitpid(s->pids[i], NULL, 0);
	}
}

/* On all processors of the host, as a guest may that has as many */
static void compute(int words)
{
	struct pollfd p = { .fd = words, .events = POLLIN };
	struct spinners s;

	spinners_start(&s, spin);
	(void)poll(&p, 1, -1);
	spinners_stop(&s);
}

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void paced(struct bottle *b, uint32_t us[static SAMPLES])
{
	static struct driver_conn c;
	struct timespec next;

	(void)clock_gettime(CLOCK_MONOTONIC, &next);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t t;

		next.tv_nsec += PACE_NS;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		t = now_us();
		if (i % 2) {
			ask_flow(b, &c);
			take_flows(b, &c, 1);
		} else {
			ask_name(b);
		}
		us[i] = (uint32_t)(now_us() - t);
	}
}

/* A bottle: does as @words says, and answers on it */
_Noreturn static void run_bottle(int words, const char *dir)
{
	static struct bottle b;
	static uint32_t us[SAMPLES];
	struct storm s = { 0 };
	uint8_t word;

	(void)setsid();
	start(&b, dir);
	while (read(words, &word, 1) == 1 && word != QUIT) {
		if (word == STORM)
			s = storm(&b, words);
		else if (word == COMPUTES)
			compute(words);
		else if (word == NUM_MODES)
			paced(&b, us);
		if (word == NUM_MODES)
			assert_int_equal(write(words, us, sizeof(us)), sizeof(us));
		else if (word == STORM)
			assert_int_equal(write(words, &s, sizeof(s)), sizeof(s));
	}
	role_close(&b.gate);
	role_close(&b.recorder);
	driver_release(&b.d);
	_exit(0);
}

static pid_t fork_bottle(int *ret, const char *dir)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fds[0]);
		run_bottle(fds[1], dir);
	}
	(void)close(fds[1]);
	*ret = fds[0];
	return pid;
}

static void say(int fd, uint8_t word)
{
	assert_int_equal(write(fd, &word, 1), 1);
}

static void read_all(int fd, void *to, size_t len)
{
	for (uint8_t *at = to; len;) {
		ssize_t n = read(fd, at, len);

		assert_true(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t median(uint32_t *v, size_t n)
{
	qsort(v, n, sizeof(v[0]), by_size);
	return v[n / 2];
}

/* Of turns of SAMPLES; sorts them into each other */
static void report(const char *what, uint32_t us[static ROUNDS * SAMPLES])
{
	uint32_t p99[ROUNDS], half[2][ROUNDS / 2];
	size_t n = sizeof(us[0]);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		qsort(us + i * SAMPLES, SAMPLES, n, by_size);
		p99[i] = half[i % 2][i / 2] = us[i * SAMPLES + SAMPLES * 99 / 100];
	}
	qsort(us, ROUNDS * SAMPLES, n, by_size);
	(void)printf("{\"what\": \"%s\", \"p50_us\": %u, \"p99_us\": %u, \"turn_p99_us\": %u, ",
		     what, us[ROUNDS * SAMPLES / 2], us[ROUNDS * SAMPLES * 99 / 100],
		     median(p99, ROUNDS));
	(void)printf("\"turn_p99_q1_us\": %u, \"turn_p99_q3_us\": %u, \"halves_us\": [%u, %u]}\n",
		     p99[ROUNDS / 4], p99[ROUNDS * 3 / 4], median(half[0], ROUNDS / 2),
		     median(half[1], ROUNDS / 2));
}

static void neighbours(void **state)
{
	static uint32_t us[NUM_MODES][ROUNDS * SAMPLES];
	char dirs[2][32] = { "/tmp/bb-bench-XXXXXX", "/tmp/bb-bench-XXXXXX" }, cmd[80];
	uint64_t storm_us = 0, t;
	struct storm s, all = { 0 };
	struct spinners awake;
	int loud, quiet;
	pid_t pids[2];

	(void)state;
	assert_non_null(mkdtemp(dirs[0]));
	assert_non_null(mkdtemp(dirs[1]));
	pids[0] = fork_bottle(&loud, dirs[0]);
	pids[1] = fork_bottle(&quiet, dirs[1]);
	spinners_start(&awake, keep_awake);
	for (uint8_t i = 0; i < ROUNDS * NUM_MODES; i++) {
		uint8_t mode = i % NUM_MODES;

		if (i / NUM_MODES % 2)
			mode = (uint8_t)(NUM_MODES - 1 - mode);
		say(loud, mode);
		t = now_us();
		(void)usleep(SETTLE_US);
		say(quiet, NUM_MODES);
		read_all(quiet, &us[mode][i / NUM_MODES * SAMPLES], SAMPLES * sizeof(us[0][0]));
		say(loud, IDLE);
		if (mode != STORM)
			continue;
		read_all(loud, &s, sizeof(s));
		all.flows += s.flows;
		all.host_us += s.host_us;
		storm_us += now_us() - t;
	}
	for (unsigned int m = 0; m < NUM_MODES; m++)
		report(mode_str[m], us[m]);
	(void)printf("{\"what\": \"rate\", \"flows_per_s\": %.0f, \"host_cores\": %.2f}\n",
		     1e6 * (double)all.flows / (double)storm_us,
		     (double)all.host_us / (double)storm_us);
	spinners_stop(&awake);
	say(loud, QUIT);
	say(quiet, QUIT);
	for (int i = 0; i < 2; i++) {
		(void)waitpid(pids[i], NULL, 0);
		(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dirs[i]);
		assert_int_equal(system(cmd), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(neighbours) };

	if (argc != 3)
		return 2;
	gate_exe = argv[1];
	recorder_exe = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
