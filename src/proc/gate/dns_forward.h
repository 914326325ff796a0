/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_DNS_FORWARD_H
#define BB_PROC_GATE_DNS_FORWARD_H
#include "proc/gate/gate.h"

/**
 * DOC: dns_forward - questions that wait for dialer (egress.dns: forward)
 *
 * Layer:     proc/gate
 * Used by:   dns_service.c, main.c
 * Trust:     the guest's question has passed the filter; dialer gets the name and the type, nothing
 *            else of the message: not its id, its options or the case of its letters
 * Ownership: a question owns a copy of what its reply repeats
 * Limits:    GATE_FORWARD_MAX questions wait, GATE_FORWARD_PER_S a second; beyond: SERVFAIL
 */
struct dns_service;

/**
 * dns_forward_ask() - Record the question and send it on
 *
 * Return: false over a limit, which is recorded: the caller answers SERVFAIL
 */
BB_MUST_USE bool dns_forward_ask(struct gate *g, struct dns_service *from,
				 const struct dns_query *q);

/** dns_forward_answer() - DNS_ANSWER: reply to who asked, if it is still there */
void dns_forward_answer(struct gate *g, const struct ipc_msg *msg);

/** dns_forward_forget() - @from is gone */
void dns_forward_forget(struct gate *g, const struct dns_service *from);

/** dns_service_reply() - One reply for the guest; dropped when the guest reads none */
void dns_service_reply(struct dns_service *d, struct bb_span reply);
#endif
