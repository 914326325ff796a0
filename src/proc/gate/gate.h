/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_GATE_GATE_H
#define BB_PROC_GATE_GATE_H
#include "ipc/peer.h"
#include "ipc/reload.h"
#include "policy/flow.h"
#include "proc/gate/bucket.h"
#include "proc/gate/vsock_conn.h"
#include <sys/queue.h>

/**
 * DOC: gate - the guest's only exit: which service a vsock port is, and who decides
 *
 * Layer:     proc/gate
 * Trust:     every stream is the guest's; peers are our own processes
 * Limits:    GATE_FLOWS_MAX flows, GATE_HALF_OPEN_MAX of them undecided, idle for GATE_IDLE_MS at
 *            most; GATE_DNS_PER_S queries a second, GATE_FORWARD_PER_S of them looked up;
 *            GATE_LINES_PER_S log lines a second; nothing is taken from a guest while
 *            GATE_RECORDS_HIGH octets of records wait for recorder, nor while it has used up its
 *            share of GATE_WORK_PER_S
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

/*
 * What costs a guest nothing and gate something, in units of work: a kick, a packet that carries
 * (next to) nothing, an answer to it (vsock_conn.h), a stream, a record. A guest that has used up
 * its share of them waits (pace.c). The whole share is some twentieth of a core (1 to 11 % of one,
 * by the kind of work), with recorder's part: 2,000 to 2,700 refused connects a second. Unbounded
 * it was 140,000, a core, and three times the p99 of another bottle's requests; at 5,000 that could
 * still be seen (bench/neighbours.c), at 2,700 no more than runs differ on a shared machine. What
 * people do stays below: it takes 2,000 connections a second, for long, or 100,000 packets of a few
 * octets, to wait. Octets that pass in larger pieces are no work, at any rate.
 */
#define GATE_WORK_PER_S  100000
#define GATE_WORK_BURST  20000 /* 800 streams at once, or 400 refused ones */
#define GATE_WORK_SLICE  500   /* what one that waited gets at once: 5 ms */
#define GATE_WORK_STREAM 20
#define GATE_WORK_SOCKET 20 /* a container's, besides */
#define GATE_WORK_RECORD 20
#define GATE_WORK_OCTETS 64 /* of the guest's log, a unit: they are read one by one */

struct flow;
struct dns_pending;
struct dns_service;
LIST_HEAD(flow_list, flow);

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
	struct bucket work;  /* see pace.c */
	struct event *paced; /* pending: nothing is taken from the guest until then */
	bool held;           /* recorder is behind: see record.c */
	bool said_hello;
	bool said_probe;
	bool failed;
};

/** gate_stop() - Leave the loop with an error: the bottle ends */
void gate_stop(struct gate *g, const char *why);

/* pace.c: what a guest makes gate do */
/** pace_init() - Return: false without memory */
BB_MUST_USE bool pace_init(struct gate *g);
/** pace_work() - So much was done for the guest: past its share it waits */
void pace_work(struct gate *g, uint32_t work);
/** pace_on_work() - The same, for struct vsock_user */
void pace_on_work(uint32_t work, void *gate);

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
/** enum listen_why - Why nothing is taken from the guest: by record.c, by pace.c */
enum listen_why { LISTEN_HELD = 1, LISTEN_PACED = 2 };
/** listen_hold() - Take nothing from the guest while there is a reason not to */
void listen_hold(struct listen *l, enum listen_why why, bool on);

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
