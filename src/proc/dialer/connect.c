/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/connect.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int start(int fd, const struct ip_addr *addr, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (addr->family == 4) {
		memcpy(&sin.sin_addr, addr->a, 4);
		return connect(fd, (const struct sockaddr *)&sin, sizeof(sin));
	}
	memcpy(&sin6.sin6_addr, addr->a, 16);
	return connect(fd, (const struct sockaddr *)&sin6, sizeof(sin6));
}

int connect_new(const struct ip_addr *addr, uint16_t port, int type)
{
	const int one = 1;
	int r, fd = socket(addr->family == 4 ? AF_INET : AF_INET6,
			   type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (start(fd, addr, port) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

struct ip_addr connect_source(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = { .any.sa_family = AF_UNSPEC };
	struct ip_addr addr = { 0 };
	socklen_t len = sizeof(name);

	if (getsockname(fd, &name.any, &len) < 0)
		return addr;
	if (name.any.sa_family == AF_INET) {
		addr.family = 4;
		memcpy(addr.a, &name.v4.sin_addr, 4);
	} else if (name.any.sa_family == AF_INET6) {
		addr.family = 6;
		memcpy(addr.a, &name.v6.sin6_addr, 16);
	}
	return addr;
}
