/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/host.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
/* needs struct sockaddr from above */
#include <linux/vm_sockets.h>

union host_addr {
	struct sockaddr sa;
	struct sockaddr_vm vm;
	struct sockaddr_un un;
};

static int make_addr(const struct host_link *link, uint32_t cid, uint32_t port,
		     union host_addr *ret, socklen_t *ret_len)
{
	memset(ret, 0, sizeof(*ret));
	if (link->dir) {
		int n;

		ret->un.sun_family = AF_UNIX;
		n = snprintf(ret->un.sun_path, sizeof(ret->un.sun_path), "%s/%u", link->dir, port);
		if (n < 0 || (size_t)n >= sizeof(ret->un.sun_path))
			return -ENAMETOOLONG;
		*ret_len = sizeof(ret->un);
	} else {
		ret->vm.svm_family = AF_VSOCK;
		ret->vm.svm_cid = cid;
		ret->vm.svm_port = port;
		*ret_len = sizeof(ret->vm);
	}
	return 0;
}

/* The kernel's own limit of a connect in vsock is 2 s, and the host may be slower */
static void limit_connect(int fd, int limit_ms)
{
	const struct timeval tv = { .tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000 };

	(void)setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &tv, sizeof(tv));
}

int host_connect(const struct host_link *link, uint32_t port, int limit_ms, bool nonblock)
{
	bb_auto_close int fd = -1;
	union host_addr addr;
	socklen_t len;
	int r = make_addr(link, VMADDR_CID_HOST, port, &addr, &len);

	if (r < 0)
		return r;
	fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0),
		    0);
	if (fd < 0)
		return -errno;
	if (!link->dir)
		limit_connect(fd, limit_ms);
	if (connect(fd, &addr.sa, len) < 0 && !(nonblock && errno == EINPROGRESS))
		return -errno;
	return BB_TAKE_FD(fd);
}

int host_listen(const struct host_link *link, uint32_t port)
{
	bb_auto_close int fd = -1;
	union host_addr addr;
	socklen_t len;
	int r = make_addr(link, VMADDR_CID_ANY, port, &addr, &len);

	if (r < 0)
		return r;
	fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &addr.sa, len) < 0 || listen(fd, 128) < 0)
		return -errno;
	return BB_TAKE_FD(fd);
}

int host_accept(const struct host_link *link, int listener)
{
	union host_addr addr = { 0 };
	socklen_t len = sizeof(addr);
	bb_auto_close int fd = accept4(listener, &addr.sa, &len, SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* a loopback transport would let a guest process ask the agent for root */
	if (!link->dir && addr.vm.svm_cid != VMADDR_CID_HOST)
		return -EPERM;
	return BB_TAKE_FD(fd);
}
