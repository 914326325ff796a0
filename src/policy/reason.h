/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_REASON_H
#define BB_POLICY_REASON_H
#include "base/base.h"

/**
 * DOC: reason - why something was allowed or refused, in one closed list
 *
 * Layer:     policy
 * Used by:   every process that decides; recorder and CLI print the names
 * Limits:    values travel as one octet over IPC; names are stable, scripts read them
 */
enum policy_verdict {
	POLICY_ALLOW = 0,
	POLICY_DENY,

	POLICY_NUM_VERDICTS,
};
extern const char *const policy_verdict_str[POLICY_NUM_VERDICTS];

enum policy_reason {
	/* allowed */
	REASON_OK = 0,
	REASON_ROUTE,     /* a route lists it */
	REASON_TCP_RULE,  /* an egress.tcp rule lists it */
	REASON_SERVICE,   /* one of the bottle's own services */
	REASON_SYNTHETIC, /* a listed name, answered with its synthetic address */
	REASON_FORWARDED, /* a listed name, looked up by dialer (egress.dns: forward) */

	/* flows */
	REASON_DEFAULT_DENY,     /* nothing lists it */
	REASON_FLOOR,            /* loopback, link-local, metadata, own addresses …: never */
	REASON_PRIVATE,          /* private range without a rule that names it */
	REASON_SERVICE_OFF,      /* a service that this bottle does not have */
	REASON_SYNTHETIC_DIRECT, /* direct connect to a listed name: use the proxy */
	REASON_MALFORMED,        /* undecodable header or message */
	REASON_LIMIT,            /* a bound was reached */

	/* names */
	REASON_NOT_LISTED, /* no route lists the name */
	REASON_PORT,       /* the name is listed, the port is not */
	REASON_IP_LITERAL, /* an address where a name is needed */
	REASON_BAD_NAME,   /* not a host name */
	REASON_QTYPE,      /* query type that is never answered */

	/* HTTP */
	REASON_NOT_HTTP,          /* bytes inside a tunnel that are not HTTP or TLS */
	REASON_BAD_REQUEST,       /* refused by the strict parser */
	REASON_NAME_MISMATCH,     /* Host, SNI and CONNECT disagree */
	REASON_UPSTREAM_RESOLVE,  /* name did not resolve */
	REASON_UPSTREAM_CONNECT,  /* refused, unreachable or timed out */
	REASON_UPSTREAM_TLS,      /* certificate or handshake */
	REASON_UPSTREAM_PROTOCOL, /* response refused by the parser */
	REASON_UPSTREAM_PROXY,    /* the operator's upstream_proxy: not there, or it refuses */
	REASON_TIMEOUT,
	REASON_CLOSED,    /* the peer went away */
	REASON_GUEST_TLS, /* TLS with the guest failed, SNI included */
	REASON_LEAF,      /* no certificate for this name */
	REASON_NOT_PROXY, /* origin-form request to the proxy itself */
	REASON_BAD_PATH,  /* decodes to dot segments, backslashes or control octets */
	REASON_NO_MATCH,  /* none of the route's matches admits it */
	REASON_GIT,       /* git over HTTPS that the route does not admit */
	REASON_GIT_PUSH,  /* push or LFS upload over HTTPS: never */

	/* credentials */
	REASON_FOREIGN_CREDENTIAL, /* one that this route has not given, and that is not ours */
	REASON_PLACEHOLDER_LEAK,   /* a placeholder where no credential is put in for it */
	REASON_UNSUPPORTED_AUTH,   /* signed requests cannot be brokered */
	REASON_TOKEN_UNSET,        /* the route's host variable is empty */
	REASON_CLEAR_TEXT,         /* a credential would go over an unencrypted connection */

	/* content */
	REASON_KNOWN_SECRET,  /* a secret of this bottle */
	REASON_TOKEN_PATTERN, /* looks like a vendor's token */
	REASON_ENTROPY,       /* looks random */
	REASON_CANARY,        /* the canary: something reads the environment and sends it */
	REASON_CODING,        /* a coding that cannot be undone, so not be searched */
	REASON_BUDGET,        /* more bytes or requests than the route's limits */
	REASON_SUPERVISE,     /* held for the operator, who has not been asked yet */
	REASON_RELOAD,        /* what admitted it is not in the policy any more */

	POLICY_NUM_REASONS,
};
extern const char *const policy_reason_str[POLICY_NUM_REASONS];
#endif
