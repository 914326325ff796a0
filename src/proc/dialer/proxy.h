/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_PROXY_H
#define BB_PROC_DIALER_PROXY_H
#include "policy/ip.h"
#include "wire/http1.h"

/**
 * DOC: proxy - what is said to the operator's upstream proxy, and what it answers
 *
 * Layer:     proc/dialer
 * Used by:   dial.c; tests/unit/proc/dialer/parts.c
 * Trust:     the answer is a server's: decoded by wire/http1, fuzzed in fuzz/proxy.c
 * Ownership: the caller's descriptor and buffers
 * Limits:    PROXY_HEAD_MAX octets of answer; not one octet behind its head is taken, for that is
 *            the other end's already (servers that speak first)
 * Source:    RFC 9110 section 9.3.6
 */
#define PROXY_HEAD_MAX    16384
#define PROXY_AUTH_MAX    1024 /* base64 */
#define PROXY_TARGET_MAX  264  /* "name:port" or "[v6]:port" */
#define PROXY_REQUEST_MAX (2 * PROXY_TARGET_MAX + PROXY_AUTH_MAX + 128)

enum proxy_result {
	PROXY_OK = 0,  /* 2xx: the next octet is the other end's */
	PROXY_MORE,    /* the head is not complete */
	PROXY_REFUSED, /* another status */
	PROXY_GARBAGE, /* not HTTP, or too much of it */
	PROXY_CLOSED,  /* it ended before its head did */

	PROXY_NUM_RESULTS,
};

/** struct proxy_answer - A head as it comes in; start with zeroes */
struct proxy_answer {
	struct http1_scan scan;
	size_t len;
	unsigned int status;
	uint8_t head[PROXY_HEAD_MAX];
};

/** proxy_auth_is_valid() - Base64, at most PROXY_AUTH_MAX octets */
bool proxy_auth_is_valid(struct bb_span auth);

/** proxy_target() - What CONNECT names: @host, or @addr where that is empty */
void proxy_target(const char *host, const struct ip_addr *addr, uint16_t port,
		  char ret[static PROXY_TARGET_MAX]);

/**
 * proxy_request() - The head that asks for @target
 * @auth:	base64 of user:password, or ""
 *
 * Return: its length
 */
size_t proxy_request(const char *target, const char *auth, char ret[static PROXY_REQUEST_MAX]);

/** proxy_read() - Take what is there of the head; @fd does not block */
BB_MUST_USE enum proxy_result proxy_read(struct proxy_answer *a, int fd);
#endif
