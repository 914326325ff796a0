/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/probe.h"
#include "base/io.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PROBE_MS       60000 /* a crowded host; an answer takes milliseconds */
#define DNS_TRY_MS     1200
#define RCODE_NXDOMAIN 3

static int left_ms(uint64_t until)
{
	uint64_t now = bb_now_ms();

	return now < until ? (int)(until - now) : 0;
}

static void set_timeout(int fd, int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 + 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* The host's answer to a header written straight to its port */
static int ask_flow(const struct host_link *link, const struct flow_header *h, uint64_t until,
		    struct flow_reply *ret)
{
	bb_auto_close int fd = host_connect(link, HOST_PORT_FLOW, left_ms(until), false);
	uint8_t header[FLOW_HEADER_BYTES], reply[FLOW_REPLY_BYTES];
	int r;

	if (fd < 0)
		return fd;
	set_timeout(fd, left_ms(until));
	flow_header_write(header, h);
	if ((r = bb_write_full(fd, header, sizeof(header))) < 0 ||
	    (r = bb_read_full(fd, reply, sizeof(reply))) < 0)
		return r;
	if (flow_reply_read((struct bb_span){ reply, sizeof(reply) }, ret) != FLOW_RESULT_OK)
		return -EBADMSG;
	return 0;
}

static int probe_service(const struct host_link *link, struct in_addr alias, uint16_t port,
			 uint64_t until, struct bb_err *err)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = alias };
	bb_auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct flow_header h = { .family = 4, .port = port };
	struct flow_reply reply;
	int r;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return bb_err_set(err, -errno, "service %u: relay: %s", port, strerror(errno));
	memcpy(h.addr, &alias, sizeof(alias));
	r = ask_flow(link, &h, until, &reply);
	if (r < 0)
		return bb_err_set(err, r, "service %u: %s", port, strerror(-r));
	if (reply.status != FLOW_STATUS_OK)
		return bb_err_set(err, -EACCES, "service %u: %s", port,
				  flow_status_str[reply.status]);
	return 0;
}

/* A query of type A for @name; the caller's buffer holds the largest name. Return: octets or 0 */
static size_t make_query(const char *name, uint8_t out[static 512])
{
	static const uint8_t head[12] = { 0xb0, 0x77, 1, 0, 0, 1 }, tail[4] = { 0, 1, 0, 1 };
	size_t at = sizeof(head);

	memcpy(out, head, sizeof(head));
	while (*name) {
		size_t len = (size_t)(strchrnul(name, '.') - name);

		if (len == 0 || len > 63)
			return 0;
		out[at++] = (uint8_t)len;
		memcpy(out + at, name, len);
		at += len;
		name += len + (name[len] == '.');
	}
	out[at++] = 0;
	memcpy(out + at, tail, sizeof(tail));
	return at + sizeof(tail);
}

static int probe_name(const char *name, uint64_t until, struct bb_err *err)
{
	const struct sockaddr_in sa = { .sin_family = AF_INET,
					.sin_port = htons(53),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bb_auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t query[512], answer[1500];
	size_t len = make_query(name, query);

	if (fd < 0 || !len || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return bb_err_set(err, -EINVAL, "dns: no query");
	while (left_ms(until) > 0) {
		ssize_t n;

		set_timeout(fd, DNS_TRY_MS);
		(void)!send(fd, query, len, MSG_NOSIGNAL);
		n = recv(fd, answer, sizeof(answer), 0);
		if (n < 12)
			continue;
		if ((answer[3] & 0x0f) == RCODE_NXDOMAIN)
			return 0;
		return bb_err_set(err, -EACCES, "dns: rcode %d for an unlisted name",
				  answer[3] & 0x0f);
	}
	return bb_err_set(err, -ETIMEDOUT, "dns: no answer");
}

static int probe_denied(const struct host_link *link, const struct flow_header *h, uint64_t until,
			struct bb_err *err)
{
	struct flow_reply reply;
	int r = ask_flow(link, h, until, &reply);

	if (r < 0)
		return bb_err_set(err, r, "denied address: %s", strerror(-r));
	if (reply.status != FLOW_STATUS_DENIED)
		return bb_err_set(err, -EACCES, "denied address: %s",
				  flow_status_str[reply.status]);
	return 0;
}

int probe_run(const struct host_link *link, const struct guest_config *c, struct bb_err *err)
{
	const struct guest_probe *p = &c->probe;
	uint64_t until = bb_now_ms() + PROBE_MS;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->services.n; i++)
		r = probe_service(link, c->alias, p->services.port[i], until, err);
	if (r == 0 && *p->name)
		r = probe_name(p->name, until, err);
	if (r == 0 && p->denied.family)
		r = probe_denied(link, &p->denied, until, err);
	return r;
}
