/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TESTS_UNIT_PROC_ROLE_H
#define BB_TESTS_UNIT_PROC_ROLE_H
#include "ipc/boot.h"
#include "ipc/sock.h"
#include "policy/policy.h"
#include "tests/unit/unit.h"

/*
 * Starts a real role executable as bottled does and plays its peers. Receives time out after five
 * seconds, so that a role which says nothing fails the test instead of hanging it.
 */
struct role {
	pid_t pid;
	int bottled;              /* our end of the role's fd 3 */
	int peers[IPC_NUM_ROLES]; /* our ends, -1 = no such pair */
	uint8_t buf[IPC_MSG_MAX]; /* of the last message */
	struct ipc_msg msg;       /* spans point into buf */
};

/** role_spawn() - fork and exec @exe with fd 3; nothing is sent yet */
void role_spawn(struct role *r, const char *exe);

/** role_give_peer() - Make a pair, hand the role its end of it */
void role_give_peer(struct role *r, enum ipc_role who);

/** role_give_fd() - IPC_FD; closes @fd */
void role_give_fd(struct role *r, enum ipc_fd_kind kind, int fd);

/** role_give_policy() - IPC_BLOB */
void role_give_policy(struct role *r, const struct policy *policy);

/** role_send() - Send from our end @fd */
void role_send(int fd, const struct ipc_msg *msg);

/** role_recv() - Receive on our end @fd. Return: the type, IPC_NONE at end of file; fails the test
 * on anything else */
enum ipc_type role_recv(struct role *r, int fd);

/** role_end() - Close our ends and wait. Return: exit code, or -signal */
int role_end(struct role *r);

/** role_cpu_us() - Processor time that the role has used */
uint64_t role_cpu_us(const struct role *r);

/** role_close() - Close our ends */
void role_close(struct role *r);

/** role_wait() - Wait for the role to end by itself. Return: exit code, or -signal */
int role_wait(struct role *r);
#endif
