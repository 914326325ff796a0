/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/rules.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* Kernel: net/socket.c, the rest of the argument are SOCK_NONBLOCK and SOCK_CLOEXEC */
#define SOCK_TYPE_MASK 0xf

#define SOCKET_RULE(family, type)                                                                  \
	JAIL_IF2(socket, JAIL_INT(0, family), JAIL_BITS(1, SOCK_TYPE_MASK, type))

static const struct jail_rule rules[] = {
	SOCKET_RULE(AF_INET, SOCK_STREAM),
	SOCKET_RULE(AF_INET, SOCK_DGRAM),
	SOCKET_RULE(AF_INET6, SOCK_STREAM),
	SOCKET_RULE(AF_INET6, SOCK_DGRAM),
	JAIL_ALLOW(connect),
	JAIL_ALLOW(getsockname),
	JAIL_IF(setsockopt, JAIL_INT(1, IPPROTO_TCP)),
	JAIL_IF(getsockopt, JAIL_INT(1, SOL_SOCKET)),
};
const struct jail_table dialer_rules = { rules, BB_ARRAY_LEN(rules) };
