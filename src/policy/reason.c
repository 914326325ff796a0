/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reason.h"
#include <assert.h>

const char *const policy_verdict_str[] = {
	[POLICY_ALLOW] = "allow",
	[POLICY_DENY] = "deny",
};
static_assert(BB_ARRAY_LEN(policy_verdict_str) == POLICY_NUM_VERDICTS,
	      "policy_verdict_str[] doesn't match enum policy_verdict");

const char *const policy_reason_str[] = {
	[REASON_OK] = "ok",
	[REASON_ROUTE] = "route",
	[REASON_TCP_RULE] = "tcp_rule",
	[REASON_SERVICE] = "service",
	[REASON_SYNTHETIC] = "synthetic",
	[REASON_DEFAULT_DENY] = "default_deny",
	[REASON_FLOOR] = "floor",
	[REASON_PRIVATE] = "private_range",
	[REASON_SERVICE_OFF] = "service_off",
	[REASON_SYNTHETIC_DIRECT] = "synthetic_direct",
	[REASON_MALFORMED] = "malformed",
	[REASON_LIMIT] = "limit",
	[REASON_NOT_LISTED] = "not_listed",
	[REASON_PORT] = "port",
	[REASON_IP_LITERAL] = "ip_literal",
	[REASON_BAD_NAME] = "bad_name",
	[REASON_QTYPE] = "qtype",
	[REASON_NOT_HTTP] = "not_http",
	[REASON_BAD_REQUEST] = "bad_request",
	[REASON_NAME_MISMATCH] = "name_mismatch",
	[REASON_UPSTREAM_RESOLVE] = "upstream_resolve",
	[REASON_UPSTREAM_CONNECT] = "upstream_connect",
	[REASON_UPSTREAM_TLS] = "upstream_tls",
	[REASON_UPSTREAM_PROTOCOL] = "upstream_protocol",
	[REASON_NOT_BUILT] = "not_built",
	[REASON_TIMEOUT] = "timeout",
	[REASON_CLOSED] = "closed",
	[REASON_GUEST_TLS] = "guest_tls",
	[REASON_LEAF] = "leaf",
	[REASON_NOT_PROXY] = "not_proxy_request",
};
static_assert(BB_ARRAY_LEN(policy_reason_str) == POLICY_NUM_REASONS,
	      "policy_reason_str[] doesn't match enum policy_reason");
