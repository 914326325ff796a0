/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/proxy.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

bool proxy_auth_is_valid(struct bb_span auth)
{
	for (size_t i = 0; i < auth.len; i++) {
		if (!isalnum(auth.p[i]) && !memchr("+/=", auth.p[i], 3))
			return false;
	}
	return auth.len < PROXY_AUTH_MAX;
}

void proxy_target(const char *host, const struct ip_addr *addr, uint16_t port,
		  char ret[static PROXY_TARGET_MAX])
{
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(addr, text);
	if (*host)
		(void)snprintf(ret, PROXY_TARGET_MAX, "%s:%u", host, port);
	else if (addr->family == 6)
		(void)snprintf(ret, PROXY_TARGET_MAX, "[%s]:%u", text, port);
	else
		(void)snprintf(ret, PROXY_TARGET_MAX, "%s:%u", text, port);
}

size_t proxy_request(const char *target, const char *auth, char ret[static PROXY_REQUEST_MAX])
{
	int n = snprintf(ret, PROXY_REQUEST_MAX, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n",
			 target, target, *auth ? "Proxy-Authorization: Basic " : "", auth,
			 *auth ? "\r\n" : "");

	BB_BUG_ON(n < 0 || n >= PROXY_REQUEST_MAX);
	return (size_t)n;
}

static enum proxy_result judge(struct proxy_answer *a)
{
	static struct http1_response r;

	if (http1_response_parse(a->head, a->len, BB_SPAN_STR("CONNECT"), &r) != HTTP1_OK)
		return PROXY_GARBAGE;
	a->status = r.status;
	return r.status >= 200 && r.status < 300 ? PROXY_OK : PROXY_REFUSED;
}

/* Looked at first, then taken: up to the head's end and not further */
enum proxy_result proxy_read(struct proxy_answer *a, int fd)
{
	for (;;) {
		size_t room = sizeof(a->head) - a->len, end = 0;
		ssize_t n = recv(fd, a->head + a->len, room, MSG_PEEK | MSG_DONTWAIT);
		enum http1_result r;
		size_t take;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return PROXY_MORE;
		if (n <= 0)
			return PROXY_CLOSED;
		r = http1_scan_response(&a->scan, (struct bb_span){ a->head, a->len + (size_t)n },
					&end);
		if (http1_result_is_bad(r) || (r == HTTP1_MORE && (size_t)n == room))
			return PROXY_GARBAGE;
		take = r == HTTP1_OK ? end - a->len : (size_t)n;
		if (recv(fd, a->head + a->len, take, MSG_DONTWAIT) != (ssize_t)take)
			return PROXY_CLOSED;
		a->len += take;
		if (r == HTTP1_OK)
			return judge(a);
	}
}
