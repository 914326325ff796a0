/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's own look at its way out: what gate and our DNS proxy may say, and what it makes of
 * that. */
#include "guest/probe.h"
#include "base/io.h"
#include "guest/net.h"
#include "tests/unit/unit.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SILENT  0xff /* closes without an answer */
#define NO_NAME 0xfe /* is not asked */

static char dir[] = "/tmp/bb-probe-XXXXXX";
static const struct host_link host = { .dir = dir };
static struct guest_config config = {
	.probe = { .on = true,
		   .services = { .n = 1 },
		   .denied = { .family = 4, .port = 9, .addr = { 192, 0, 2, 1 } } }
};

/* gate: one status a flow; the name's answer has @rcode */
static pid_t serve(int flows, int dns, const uint8_t status[static 2], uint8_t rcode)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (int i = 0; i < 2; i++) {
		int fd = i == 1 && rcode != NO_NAME ? dns : -1;
		uint8_t header[FLOW_HEADER_BYTES], query[512], reply[4] = { status[i] };
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n;

		if (fd >= 0 && (n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from,
					     &len)) > 0) {
			query[2] |= 0x80;
			query[3] = rcode;
			(void)sendto(fd, query, (size_t)n, 0, (struct sockaddr *)&from, len);
		}
		fd = host_accept(&host, flows);
		if (fd < 0 || bb_read_full(fd, header, sizeof(header)) < 0)
			_exit(1);
		if (status[i] != SILENT)
			(void)!bb_write_full(fd, reply, sizeof(reply));
		(void)close(fd);
	}
	_exit(0);
}

static int bound(int type, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	return bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

static void what_it_is_told(void **state)
{
	static const struct {
		uint8_t status[2]; /* of the service, of the denied address */
		uint8_t rcode;
		int r;
		const char *says;
	} rows[] = {
		{ { FLOW_STATUS_OK, FLOW_STATUS_DENIED }, NO_NAME, 0, "" },
		{ { FLOW_STATUS_OK, FLOW_STATUS_DENIED }, 3, 0, "" },
		{ { FLOW_STATUS_DENIED }, NO_NAME, -EACCES, "service " },
		{ { FLOW_STATUS_OK, FLOW_STATUS_OK }, NO_NAME, -EACCES, "denied address: ok" },
		{ { FLOW_STATUS_OK, FLOW_STATUS_REFUSED }, NO_NAME, -EACCES, "address: refused" },
		{ { FLOW_STATUS_OK, FLOW_STATUS_TIMEOUT }, 3, -EACCES, "address: timeout" },
		{ { FLOW_STATUS_OK, SILENT }, NO_NAME, -ECONNRESET, "denied address: " },
		{ { FLOW_STATUS_OK, 77 }, NO_NAME, -EBADMSG, "denied address: " },
		{ { FLOW_STATUS_OK, FLOW_STATUS_DENIED }, 0, -EACCES, "rcode 0 for an unlisted" },
		{ { FLOW_STATUS_OK, FLOW_STATUS_DENIED }, 2, -EACCES, "rcode 2 for an unlisted" },
	};
	int flows = host_listen(&host, HOST_PORT_FLOW), relay = bound(SOCK_STREAM, 0);
	int dns = bound(SOCK_DGRAM, 53);
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	(void)state;
	assert_true(flows >= 0 && relay >= 0 && listen(relay, 64) == 0);
	assert_int_equal(getsockname(relay, (struct sockaddr *)&sa, &len), 0);
	config.alias.s_addr = htonl(INADDR_LOOPBACK);
	config.probe.services.port[0] = ntohs(sa.sin_port);
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		bool named = rows[i].rcode != NO_NAME;
		struct bb_err err = { 0 };
		pid_t pid;
		int r;

		if (named && dns < 0)
			continue; /* no network of our own here */
		(void)snprintf(config.probe.name, sizeof(config.probe.name), "%s",
			       named ? "probe.invalid" : "");
		pid = serve(flows, dns, rows[i].status, rows[i].rcode);
		r = probe_run(&host, &config, &err);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		if ((r == 0) != (rows[i].r == 0) || (rows[i].r == -EACCES && r != -EACCES) ||
		    !strstr(err.msg, rows[i].says))
			fail_msg("row %zu: %d, %s", i, r, err.msg);
	}
	(void)close(relay); /* nobody relays */
	config.probe.name[0] = '\0';
	assert_int_equal(probe_run(&host, &config, &(struct bb_err){ 0 }), -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_it_is_told) };
	struct bb_err ignored = { 0 };
	char path[64];
	int r;

	/* where 127.0.0.1:53 is nobody's */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && net_up(&ignored) < 0)
		(void)fprintf(stderr, "%s\n", ignored.msg);
	if (!mkdtemp(dir))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)snprintf(path, sizeof(path), "%s/%u", dir, HOST_PORT_FLOW);
	(void)unlink(path);
	(void)rmdir(dir);
	return r;
}
