/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_CONFIG_H
#define BB_GUEST_CONFIG_H
#include "base/base.h"
#include "wire/flow.h"
#include <netinet/in.h>

/**
 * DOC: config - /bottle/config.json
 *
 * Layer:     guest
 * Trust:     written by bottled; strict all the same, so that a host and an image of different
 *            versions fail at once and with a reason
 * Ownership: guest_config_release() frees
 * Source:    docs/protocol/guest-config.md
 */
#define GUEST_CONFIG_MAX          (1u << 20)
#define GUEST_SERVICES_MAX        16
#define GUEST_RANGES_MAX          1024
#define GUEST_ENV_MAX             512
#define GUEST_REDIRECT_PORT       9040
#define GUEST_PIDS_MAX            4194304
#define GUEST_USER_DEFAULT        "node"
#define GUEST_TERM_DEFAULT        "xterm-256color"
#define GUEST_DNS_NAME_MAX_OCTETS 253

/** struct guest_range - CIDR; IPv4 in the first four octets */
struct guest_range {
	uint8_t family; /* 4 or 6 */
	uint8_t prefix;
	uint8_t addr[16];
};

/** struct guest_ports - A few TCP ports, host order */
struct guest_ports {
	uint16_t port[GUEST_SERVICES_MAX];
	size_t n;
};

/** struct guest_probe - What to ask before the first session */
struct guest_probe {
	bool on;
	struct guest_ports services;
	char name[GUEST_DNS_NAME_MAX_OCTETS + 1]; /* "" = do not ask */
	struct flow_header denied;                /* family 0 = do not ask */
};

/**
 * struct guest_config - Decoded; @env holds "NAME=value" strings, NULL-terminated; @pids: processes
 * that all sessions together may have, 0 = no bound
 */
struct guest_config {
	char identity[65], hostname[65], tz[65], term[65], user[65];
	char trust_hash[9]; /* "" = no trust files */
	char apt_proxy[257];
	struct in_addr alias;
	struct guest_ports services;
	uint16_t redirect_port;
	uint32_t pids;
	struct guest_range *ranges;
	size_t n_ranges;
	char **env;
	size_t n_env;
	struct guest_probe probe;
};

/** guest_config_parse() - Strict decode. Return: 0 or -EINVAL/-ENOMEM with @err */
BB_MUST_USE int guest_config_parse(struct bb_span json, struct guest_config *ret,
				   struct bb_err *err);
void guest_config_release(struct guest_config *c);

/** guest_env_name_ok() - [A-Za-z_][A-Za-z0-9_]*: safe in a shell script and in sudoers */
bool guest_env_name_ok(const char *name);
#endif
