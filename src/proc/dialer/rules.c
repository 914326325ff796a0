/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/rules.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* Kernel: net/socket.c, the rest of the argument are SOCK_NONBLOCK and SOCK_CLOEXEC */
#define SOCK_TYPE_MASK 0xf

/* c-ares names the protocol where it asks for its own address, and nowhere else */
#define SOCKET_RULE(family, type, protocol)                                                        \
	JAIL_IF3(socket, JAIL_INT(0, family), JAIL_BITS(1, SOCK_TYPE_MASK, type),                  \
		 JAIL_INT(2, protocol))

static const struct jail_rule rules[] = {
	SOCKET_RULE(AF_INET, SOCK_STREAM, 0),
	SOCKET_RULE(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	SOCKET_RULE(AF_INET, SOCK_DGRAM, 0),
	SOCKET_RULE(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	SOCKET_RULE(AF_INET6, SOCK_STREAM, 0),
	SOCKET_RULE(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	SOCKET_RULE(AF_INET6, SOCK_DGRAM, 0),
	SOCKET_RULE(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	JAIL_ALLOW(connect),
	JAIL_ALLOW(getsockname),
	JAIL_IF(setsockopt, JAIL_INT(1, IPPROTO_TCP)),
	JAIL_IF(getsockopt, JAIL_INT(1, SOL_SOCKET)),
};
const struct jail_table dialer_rules = { rules, BB_ARRAY_LEN(rules) };
