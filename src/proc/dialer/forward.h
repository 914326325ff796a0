/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_FORWARD_H
#define BB_PROC_DIALER_FORWARD_H
#include "proc/dialer/dialer.h"

/**
 * DOC: forward - names that are looked up for the guest (egress.dns: forward)
 *
 * Layer:     proc/dialer
 * Used by:   dialer's main loop
 * Trust:     gate's question is judged again; the answer is anybody's and decoded by
 *            wire/dns_answer.c; every address is judged before it is passed on
 * Ownership: a lookup owns its socket and timer and frees itself when it has answered
 * Limits:    FORWARD_MAX under way, FORWARD_TRIES of FORWARD_TRY_MS, FORWARD_FOREIGN_MAX datagrams
 *            that are not the answer
 * Source:    RFC 5452; docs/protocol/dns.md
 *
 * Each try is a query of our own from a fresh socket, so with a source port of the kernel's
 * choice, connected to the resolver, with an id and letter case of its own. A truncated answer is
 * asked for again over TCP. What fails is SERVFAIL for the guest.
 */
#define FORWARD_MAX         256
#define FORWARD_TRIES       2
#define FORWARD_TRY_MS      2000
#define FORWARD_FOREIGN_MAX 64

/** forward_request() - DNS_ASK from gate: answers now or later */
void forward_request(struct dialer *dl, const struct ipc_msg *msg);

/** forward_cancel_all() - At the end, without a word to gate */
void forward_cancel_all(struct dialer *dl);
#endif
