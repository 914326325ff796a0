/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/rules.h"
#include <fcntl.h>
#include <sys/socket.h>

/* Kernel: net/socket.c, the rest of the argument are SOCK_NONBLOCK and SOCK_CLOEXEC */
#define SOCK_TYPE_MASK 0xf

/*
 * Socket pairs for services, resets passed on, the seals of guest memory. Pairs of streams only: a
 * datagram socket, paired or not, sends to whatever address sendmsg() has.
 */
static const struct jail_rule rules[] = {
	JAIL_IF2(socketpair, JAIL_INT(0, AF_UNIX), JAIL_BITS(1, SOCK_TYPE_MASK, SOCK_STREAM)),
	JAIL_IF2(setsockopt, JAIL_INT(1, SOL_SOCKET), JAIL_INT(2, SO_LINGER)),
	JAIL_IF(fcntl, JAIL_INT(1, F_GET_SEALS)),
};
const struct jail_table gate_rules = { rules, BB_ARRAY_LEN(rules) };

static const struct jail_rule listen_rules[] = {
	JAIL_ALLOW(accept4),
};
const struct jail_table gate_listen_rules = { listen_rules, BB_ARRAY_LEN(listen_rules) };
