/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/rules.h"
#include <fcntl.h>
#include <sys/socket.h>

/* Socket pairs for services, resets passed on, the seals of guest memory */
static const struct jail_rule rules[] = {
	JAIL_IF(socketpair, JAIL_INT(0, AF_UNIX)),
	JAIL_IF2(setsockopt, JAIL_INT(1, SOL_SOCKET), JAIL_INT(2, SO_LINGER)),
	JAIL_IF(fcntl, JAIL_INT(1, F_GET_SEALS)),
};
const struct jail_table gate_rules = { rules, BB_ARRAY_LEN(rules) };

static const struct jail_rule listen_rules[] = {
	JAIL_ALLOW(accept4),
};
const struct jail_table gate_listen_rules = { listen_rules, BB_ARRAY_LEN(listen_rules) };
