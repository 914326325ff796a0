/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IPC_SOCK_H
#define BB_IPC_SOCK_H
#include "ipc/msg.h"

/**
 * DOC: sock - one message in or out of a SOCK_SEQPACKET socket
 *
 * Layer:     ipc
 * Used by:   start-up code (blocking) and ipc/peer.h (non-blocking)
 */

/** ipc_pair() - Connected SOCK_SEQPACKET pair, CLOEXEC. Return: 0 or -errno with @err */
BB_MUST_USE int ipc_pair(int ret_fds[static 2], struct bb_err *err);

/**
 * ipc_send() - Encode and send one message; borrows @msg->fd
 *
 * Return: 0; -EAGAIN when a non-blocking socket is full (@err untouched); -errno with @err
 */
BB_MUST_USE int ipc_send(int fd, const struct ipc_msg *msg, struct bb_err *err);

/**
 * ipc_recv() - Receive and decode one message
 * @buf:	holds what the spans of @ret point to
 *
 * Return: 0; -EAGAIN (@err untouched); -ENODATA at end of file; -EBADMSG when it does not decode;
 * other -errno. All but -EAGAIN set @err. A received fd is owned by @ret.
 */
BB_MUST_USE int ipc_recv(int fd, uint8_t buf[static IPC_MSG_MAX], struct ipc_msg *ret,
			 struct bb_err *err);

/** ipc_send_raw() - Send an encoded datagram; returns as ipc_send(), -EAGAIN untouched */
BB_MUST_USE int ipc_send_raw(int fd, struct bb_span dgram, int passed_fd, struct bb_err *err);
#endif
