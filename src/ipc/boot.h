/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IPC_BOOT_H
#define BB_IPC_BOOT_H
#include "ipc/msg.h"

/**
 * DOC: boot - how a role starts: what bottled hands it over fd 3
 *
 * Layer:     ipc
 * Used by:   main() of gate, egress, dialer, keyd, recorder, porter
 * Ownership: the role owns every fd in struct ipc_boot
 *
 * bottled sends PEER, BLOB and FD messages (a porter may get LASTING) and then START. The role
 * builds its state, locks itself in (src/jail), calls ipc_boot_ready() and enters its loop. Policy
 * is mandatory where the role decides by it: ipc_boot_receive() refuses to return without it.
 */
#define IPC_BOOT_FD 3

struct ipc_boot {
	int peers[IPC_NUM_ROLES];      /* -1 = not given; [IPC_ROLE_BOTTLED] is fd 3 */
	int fds[IPC_NUM_FD_KINDS];     /* -1 = not given */
	int blobs[IPC_NUM_BLOB_KINDS]; /* sealed memfds, -1 = not given */
	bool lasting;                  /* LASTING was said, to a porter */
	bool lasting_tty;              /* of a session with a terminal */
};

/**
 * ipc_boot_receive() - Blocking: take everything up to START
 * @self:	our role; gate, egress, dialer and keyd must have been given a policy
 *
 * Return: 0; -errno with @err (then say so with ipc_boot_failed() and exit)
 */
BB_MUST_USE int ipc_boot_receive(enum ipc_role self, struct ipc_boot *ret, struct bb_err *err);

/** ipc_boot_ready() - Tell bottled that we are locked and serve. Return: 0 or -errno with @err */
BB_MUST_USE int ipc_boot_ready(struct bb_err *err);

/** ipc_boot_failed() - Tell bottled why we cannot start */
void ipc_boot_failed(const struct bb_err *why);

/** ipc_boot_init() - All -1 */
void ipc_boot_init(struct ipc_boot *boot);
#endif
