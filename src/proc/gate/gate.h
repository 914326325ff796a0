/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_GATE_H
#define BB_PROC_GATE_GATE_H
#include "ipc/peer.h"
#include "ipc/reload.h"
#include "policy/flow.h"
#include "proc/gate/vsock_conn.h"
#include <sys/queue.h>

/**
 * DOC: gate - the guest's only exit: which service a vsock port is, and who decides
 *
 * Layer:     proc/gate
 * Trust:     every stream is the guest's; peers are our own processes
 * Limits:    GATE_FLOWS_MAX flows, GATE_HALF_OPEN_MAX of them undecided, idle for GATE_IDLE_MS at
 *            most; GATE_DNS_PER_S queries a second, GATE_FORWARD_PER_S of them looked up;
 * GATE_LINES_PER_S log lines a second; nothing is taken from a guest while GATE_RECORDS_HIGH octets
 * of records wait for recorder
 *
 * gate opens nothing: a service gets one end of a socketpair made here, an upstream connection
 * comes as a descriptor from dialer.
 */
#define GATE_PORT_EXEC     5000
#define GATE_PORT_LOG      5001
#define GATE_PORT_DNS      6002
#define GATE_PORT_FLOW     6003
#define GATE_CONNS_MAX     4352
#define GATE_FLOWS_MAX     4096
#define GATE_HALF_OPEN_MAX 256
#define GATE_HEADER_MS     10000
#define GATE_IDLE_MS       3600000
#define GATE_DNS_PER_S     1000
#define GATE_DNS_BURST     4000
#define GATE_FORWARD_MAX   256
#define GATE_FORWARD_PER_S 50
#define GATE_FORWARD_BURST 200
#define GATE_LINES_PER_S   1000
#define GATE_FLOW_BUCKETS  1024
#define GATE_RECORDS_HIGH  (256u << 10) /* octets that recorder has not taken */

struct flow;
struct dns_pending;
struct dns_service;
LIST_HEAD(flow_list, flow);

/** struct bucket - Tokens per second, with a burst */
struct bucket {
	uint32_t per_second;
	uint32_t burst;
	uint64_t tokens_m; /* thousandths */
	uint64_t last_ms;
};

struct gate {
	struct event_base *base;
	struct vsock *vsock;   /* of a virtual machine, or NULL */
	struct listen *listen; /* of a container, or NULL */
	struct policy policy;
	struct staged staged;
	struct dns_filter *filter;
	struct ipc_peer *bottled, *egress, *dialer, *recorder;
	struct event *tick;
	struct flow_list flows[GATE_FLOW_BUCKETS];
	size_t n_flows;
	size_t n_half_open;
	uint64_t next_id;
	LIST_HEAD(, dns_pending) pending; /* questions that dialer looks up */
	size_t n_pending;
	TAILQ_HEAD(, dns_service) dns_waiting; /* have queries, while the guest is held up */
	struct bucket dns_rate;
	uint32_t dns_over;           /* queries of this second that were over it */
	struct event *dns_over_said; /* a second after a record of some */
	struct bucket forward_rate;
	struct bucket line_rate;
	bool held; /* recorder is behind: see record.c */
	bool said_hello;
	bool said_probe;
	bool failed;
};

/** bucket_take() - One token. Return: false when there is none */
bool bucket_take(struct bucket *b, uint64_t now_ms);

/** gate_stop() - Leave the loop with an error: the bottle ends */
void gate_stop(struct gate *g, const char *why);

/* record.c: what goes to recorder */
void record_init(struct gate *g);
/** gate_log_line() - A line of the guest's agent */
void gate_log_line(struct gate *g, struct bb_span line);
/** gate_record() - Send a record; @ack asks for RECORD_ACK with seq = @flow */
void gate_record(struct gate *g, uint64_t flow, bool ack, struct ipc_record *r);

/** gate_on_accept() - The guest connects to @port. Return: false when nothing listens there */
bool gate_on_accept(struct stream *s, uint32_t port, void *gate);
/** gate_on_limit() - It may not have more connections */
void gate_on_limit(uint32_t port, void *gate);

/* listen.c: the ports as UNIX sockets */
#define LISTEN_NUM_PORTS 4
/** listen_new() - @fds: listening sockets for 5000, 5001, 6002 and 6003. Return: NULL without
 * memory
 */
struct listen *listen_new(struct gate *g, const int fds[LISTEN_NUM_PORTS]);
/** listen_want() - A stream to the guest's agent, for @porter (taken) */
void listen_want(struct listen *l, int porter);
/** listen_hold() - Take nothing from the guest, or go on */
void listen_hold(struct listen *l, bool on);

/* flow.c: vsock port 6003 */
bool flow_accept(struct gate *g, struct stream *s);
/** flow_on_msg() - FLOW_READY, FLOW_REFUSED, DIAL_OK, DIAL_FAIL, RECORD_ACK */
void flow_on_msg(struct gate *g, struct ipc_msg *msg);
/** flow_rejudge_all() - The policy is another: end what it denies, ask dialer again for the rest */
void flow_rejudge_all(struct gate *g);

/* dns_service.c: vsock port 6002 */
bool dns_service_accept(struct gate *g, struct stream *s);
/** dns_service_go_on() - The guest is not held up any more */
void dns_service_go_on(struct gate *g);

/* guest_log.c: vsock port 5001 */
bool guest_log_accept(struct gate *g, struct stream *s);

/* control.c: what bottled asks */
void control_stream_open(struct gate *g, struct ipc_msg *msg);
void control_probe_flow(struct gate *g, const struct ipc_msg *msg);
void control_probe_dns(struct gate *g, const struct ipc_msg *msg);
/** control_reload() - BLOB, RELOAD, SWITCH, FORGET */
void control_reload(struct gate *g, struct ipc_msg *msg);
#endif
