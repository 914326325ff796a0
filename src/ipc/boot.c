/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/boot.h"
#include "ipc/sock.h"
#include <errno.h>
#include <fcntl.h>

void ipc_boot_init(struct ipc_boot *boot)
{
	for (size_t i = 0; i < IPC_NUM_ROLES; i++)
		boot->peers[i] = -1;
	for (size_t i = 0; i < IPC_NUM_FD_KINDS; i++)
		boot->fds[i] = -1;
	for (size_t i = 0; i < IPC_NUM_BLOB_KINDS; i++)
		boot->blobs[i] = -1;
	boot->lasting = boot->lasting_tty = false;
}

/* Store one handed-over fd in its slot; a slot is filled once */
static int boot_store(struct ipc_boot *boot, struct ipc_msg *msg, struct bb_err *err)
{
	int *slot;

	if (msg->type == IPC_PEER)
		slot = &boot->peers[msg->u.peer.role];
	else if (msg->type == IPC_BLOB)
		slot = &boot->blobs[msg->u.kind.kind];
	else if (msg->type == IPC_FD)
		slot = &boot->fds[msg->u.kind.kind];
	else
		return bb_err_set(err, -EBADMSG, "%s before START", ipc_type_name(msg->type));
	if (*slot >= 0)
		return bb_err_set(err, -EBADMSG, "%s given twice", ipc_type_name(msg->type));
	*slot = BB_TAKE_FD(msg->fd);
	return 0;
}

static bool role_needs_policy(enum ipc_role role)
{
	return role == IPC_ROLE_GATE || role == IPC_ROLE_EGRESS || role == IPC_ROLE_DIALER ||
	       role == IPC_ROLE_KEYD;
}

int ipc_boot_receive(enum ipc_role self, struct ipc_boot *ret, struct bb_err *err)
{
	uint8_t buf[IPC_MSG_MAX];

	ipc_boot_init(ret);
	if (fcntl(IPC_BOOT_FD, F_SETFD, FD_CLOEXEC) < 0)
		return bb_err_set(err, -errno, "fd 3: %s", strerror(errno));
	for (;;) {
		struct ipc_msg msg = { .fd = -1 };
		int r = ipc_recv(IPC_BOOT_FD, buf, &msg, err);

		if (r < 0)
			return r == -EAGAIN ? bb_err_set(err, r, "fd 3 is non-blocking") : r;
		if (!ipc_permitted(IPC_ROLE_BOTTLED, self, msg.type)) {
			bb_closep(&msg.fd);
			return bb_err_set(err, -EBADMSG, "%s is not for us",
					  ipc_type_name(msg.type));
		}
		if (msg.type == IPC_START)
			break;
		if (msg.type == IPC_LASTING) {
			ret->lasting = true;
			ret->lasting_tty = msg.u.main_open.tty;
			continue;
		}
		r = boot_store(ret, &msg, err);
		bb_closep(&msg.fd);
		if (r < 0)
			return r;
	}
	if (role_needs_policy(self) && ret->blobs[IPC_BLOB_POLICY] < 0)
		return bb_err_set(err, -EINVAL, "no policy was given: refusing to start");
	ret->peers[IPC_ROLE_BOTTLED] = IPC_BOOT_FD;
	return 0;
}

int ipc_boot_ready(struct bb_err *err)
{
	return ipc_send(IPC_BOOT_FD, &(struct ipc_msg){ .type = IPC_READY, .fd = -1 }, err);
}

void ipc_boot_failed(const struct bb_err *why)
{
	struct bb_err err = { 0 };
	struct ipc_msg msg = { .type = IPC_FAILED, .fd = -1, .u.text.text = BB_SPAN_STR(why->msg) };

	if (ipc_send(IPC_BOOT_FD, &msg, &err) < 0)
		return; /* bottled sees our exit instead */
}
