/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_gate: gate's DNS framing and filter behind a passed socket, writes of 1 and of 32 queries
 * with 64 in flight, names that are denied and names that get a synthetic address. A child answers;
 * its CPU time counts. JSON lines.
 */
#include "base/io.h"
#include "proc/gate/dns_stream.h"
#include "proc/gate/stream_unix.h"
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ROUTES     1000u
#define MEASURE_MS 1500u
#define IN_FLIGHT  64u /* as dnsperf's -q for the peers */

struct service {
	struct event_base *base;
	struct stream *stream;
	struct dns_filter *filter;
	struct dns_stream core;
};

static void on_data(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg)
{
	static const struct dns_stream_user nobody = { 0 };
	struct service *sv = arg;
	size_t used = 0;

	(void)len;
	for (size_t i = 0; i < n; i++) {
		if (!dns_stream_add(&sv->core, seg[i].iov_base, seg[i].iov_len))
			_exit(3);
	}
	if (dns_stream_run(&sv->core, sv->filter, bb_now_ms(), &nobody, NULL, &used) < 0 ||
	    stream_write(s, sv->core.out, sv->core.out_len) < 0)
		_exit(3);
	sv->core.out_len = 0;
	stream_consumed(s, used);
}

static void on_end(struct stream *s, void *arg)
{
	struct service *sv = arg;

	stream_close(s);
	(void)event_base_loopbreak(sv->base);
}

static void on_gone(struct stream *s, bool orderly, void *arg)
{
	struct service *sv = arg;

	(void)s;
	(void)orderly;
	(void)event_base_loopbreak(sv->base);
}

_Noreturn static void serve(int fd)
{
	static const struct stream_handler handler = { .on_data = on_data,
						       .on_eof = on_end,
						       .on_gone = on_gone };
	static struct policy_route routes[ROUTES];
	static struct service sv;
	struct policy policy = { .routes = routes, .n_routes = ROUTES };

	for (unsigned int i = 0; i < ROUTES; i++)
		(void)snprintf(routes[i].host, sizeof(routes[i].host), "host%u.example.test", i);
	sv.filter = calloc(1, sizeof(*sv.filter));
	sv.base = event_base_new();
	if (!sv.filter || !sv.base || bb_set_nonblock(fd, true) < 0)
		_exit(3);
	dns_filter_init(sv.filter, &policy, 0x0123456789abcdefull);
	sv.stream = stream_unix_new(sv.base, fd, NULL);
	if (!sv.stream)
		_exit(3);
	stream_serve(sv.stream, &handler, &sv);
	(void)event_base_dispatch(sv.base);
	_exit(0);
}

static size_t add_query(uint8_t *out, uint16_t id, const char *name)
{
	uint8_t *msg = out + 2;
	size_t n = DNS_HDR_BYTES;

	memset(msg, 0, DNS_HDR_BYTES);
	bb_put_be16(msg, id);
	msg[2] = 1;
	msg[5] = 1;
	n += dns_name_write(name, msg + n);
	bb_put_be16(msg + n, DNS_TYPE_A);
	bb_put_be16(msg + n + 2, 1);
	bb_put_be16(out, (uint16_t)(n + 4));
	return n + 6;
}

/* Reads @n framed replies; @ret_rcode of the last */
static int read_replies(int fd, unsigned int n, unsigned int *ret_rcode)
{
	static uint8_t in[65536];
	static size_t have;

	while (n) {
		size_t len = have < 2 ? 0 : 2u + (size_t)(in[0] << 8 | in[1]);
		ssize_t got;

		if (have >= 2 && have >= len) {
			*ret_rcode = in[5] & 15;
			memmove(in, in + len, have - len);
			have -= len;
			n--;
			continue;
		}
		got = read(fd, in + have, sizeof(in) - have);
		if (got <= 0)
			return -1;
		have += (size_t)got;
	}
	return 0;
}

static double cpu_of_children(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int measure(const char *what, unsigned int batch, bool listed)
{
	static uint8_t queries[32 * 128];
	double before = cpu_of_children(), wall, cpu;
	unsigned int done = 0, in_flight = 0, rcode = 99, next = 0;
	uint64_t start;
	int fds[2], status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		serve(fds[1]);
	}
	(void)close(fds[1]);
	start = bb_now_ms();
	while (bb_now_ms() - start < MEASURE_MS) {
		for (unsigned int round = 0; round < 64; round++) {
			size_t len = 0;

			for (unsigned int i = 0; i < batch; i++) {
				char name[64];

				(void)snprintf(name, sizeof(name), "host%u.%s", next++ % ROUTES,
					       listed ? "example.test" : "evil.test");
				len += add_query(queries + len, (uint16_t)next, name);
			}
			if (bb_write_full(fds[0], queries, len) < 0)
				return -1;
			in_flight += batch;
			if (in_flight < IN_FLIGHT)
				continue;
			if (read_replies(fds[0], IN_FLIGHT / 2, &rcode) < 0)
				return -1;
			in_flight -= IN_FLIGHT / 2;
			done += IN_FLIGHT / 2;
		}
	}
	wall = (double)(bb_now_ms() - start) / 1000;
	if (read_replies(fds[0], in_flight, &rcode) < 0)
		return -1;
	(void)close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0 || rcode != (listed ? 0u : 3u))
		return -1;
	cpu = cpu_of_children() - before;
	(void)printf(
		"{\"what\": \"%s\", \"batch\": %u, \"q_per_cpu_s\": %.0f, \"q_per_s\": %.0f}\n",
		what, batch, done / cpu, done / wall);
	return 0;
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (measure("denied", 1, false) < 0 || measure("denied", 32, false) < 0 ||
	    measure("synthetic", 1, true) < 0 || measure("synthetic", 32, true) < 0) {
		(void)fprintf(stderr, "dns_gate: a reply was missing or wrong\n");
		return 1;
	}
	return 0;
}
