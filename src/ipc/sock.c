/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/sock.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

int ipc_pair(int ret_fds[static 2], struct bb_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return bb_err_set(err, -errno, "socketpair: %s", strerror(errno));
	return 0;
}

int ipc_send_raw(int fd, struct bb_span dgram, int passed_fd, struct bb_err *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)dgram.p, .iov_len = dgram.len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (passed_fd >= 0) {
		struct cmsghdr *c;

		mh.msg_control = control.space;
		mh.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed_fd, sizeof(int));
	}
	do {
		n = sendmsg(fd, &mh, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (n < 0)
		return bb_err_set(err, -errno, "send: %s", strerror(errno));
	return 0;
}

int ipc_send(int fd, const struct ipc_msg *msg, struct bb_err *err)
{
	uint8_t buf[IPC_MSG_MAX];
	enum ipc_result res;
	size_t len;

	res = ipc_encode(msg, buf, &len);
	if (res != IPC_OK)
		return bb_err_set(err, -EINVAL, "message %s: %s", ipc_type_name(msg->type),
				  ipc_result_str[res]);
	return ipc_send_raw(fd, (struct bb_span){ buf, len }, msg->fd, err);
}

/* Take the fd of a received message; more than one is the kernel's MSG_CTRUNC */
static int take_passed_fd(struct msghdr *mh)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(int));
	}
	return fd;
}

int ipc_recv(int fd, uint8_t buf[static IPC_MSG_MAX], struct ipc_msg *ret, struct bb_err *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = IPC_MSG_MAX };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space) };
	bb_auto_close int passed = -1;
	enum ipc_result res;
	ssize_t n;

	do {
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (n < 0)
		return bb_err_set(err, -errno, "receive: %s", strerror(errno));
	passed = take_passed_fd(&mh);
	if (n == 0)
		return bb_err_set(err, -ENODATA, "the other side has gone");
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return bb_err_set(err, -EBADMSG, "truncated message");

	res = ipc_decode((struct bb_span){ buf, (size_t)n }, passed, ret);
	if (res != IPC_OK)
		return bb_err_set(err, -EBADMSG, "undecodable message: %s", ipc_result_str[res]);
	passed = -1; /* moved into @ret */
	return 0;
}
