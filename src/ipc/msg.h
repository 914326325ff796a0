/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IPC_MSG_H
#define BB_IPC_MSG_H
#include "base/base.h"
#include "policy/ip.h"

/**
 * DOC: msg - every message between our own processes, described once
 *
 * Layer:     ipc (this file is pure: no I/O, no allocation)
 * Used by:   all processes; fuzz/ipc.c
 * Trust:     a peer may have been taken over by the guest, so decoding is exact: right version,
 *            right length to the octet, caps kept, no octet left over. What does not decode ends
 *            the bottle (standing roles) or the use (porter)
 * Ownership: spans in a decoded message borrow the datagram's buffer
 * Limits:    64 KiB a message, at most one fd
 * Source:    docs/protocol/ipc.md
 *
 * A datagram (SOCK_SEQPACKET) is a 16-octet header {type u16, version u16, length u32, flow u64},
 * little-endian, then the fields of the type's descriptor in order: integers little-endian, an
 * address as family octet + 16, a span as u32 length + octets. `flow` says which flow, query or
 * use of the sender the message is about; answers repeat it.
 */
#define IPC_MSG_MAX     65536
#define IPC_MSG_HDR     16
#define IPC_MSG_VERSION 1
#define IPC_DATA_MAX    (IPC_MSG_MAX - 64) /* payload of STDIN/STDOUT/STDERR */
#define IPC_TEXT_MAX    4096
#define IPC_HOST_MAX    512

enum ipc_role {
	IPC_ROLE_NONE = 0,
	IPC_ROLE_CLI,
	IPC_ROLE_BOTTLED,
	IPC_ROLE_VMM,
	IPC_ROLE_GATE,
	IPC_ROLE_EGRESS,
	IPC_ROLE_DIALER,
	IPC_ROLE_KEYD,
	IPC_ROLE_RECORDER,
	IPC_ROLE_PORTER,

	IPC_NUM_ROLES,
};
extern const char *const ipc_role_str[IPC_NUM_ROLES];

/* What an IPC_FD message carries */
enum ipc_fd_kind {
	IPC_FD_VHOST = 0, /* connected vhost-user stream, for gate */
	IPC_FD_AUDIT_DIR, /* the bottle's state directory, for recorder */
	IPC_FD_CONSOLE,   /* read end of the guest's console */
	IPC_FD_QMP,       /* read side of QEMU's monitor */
	IPC_FD_STREAM,    /* guest stream, for porter */
	IPC_FD_AUDIT,     /* the next file of the audit, for recorder, after AUDIT_FULL */
	/* For gate, where the guest has no vsock: listening UNIX sockets */
	IPC_FD_LISTEN_EXEC,
	IPC_FD_LISTEN_LOG,
	IPC_FD_LISTEN_DNS,
	IPC_FD_LISTEN_FLOW,

	IPC_NUM_FD_KINDS,
};

/* What an IPC_BLOB message carries, as a sealed memfd */
enum ipc_blob_kind {
	IPC_BLOB_POLICY = 0, /* JSON, ipc/policy_json.h */
	IPC_BLOB_CA_STORE,   /* PEM: roots that upstream certificates are verified against */
	IPC_BLOB_HOSTS,      /* the host's hosts file, for dialer; again when it changes */
	IPC_BLOB_BOTTLE,     /* JSON: how to run it, from cli to bottled (backend/smolmachines) */
	IPC_BLOB_SECRETS,    /* JSON, docs/protocol/secrets.md: for egress only */
	IPC_BLOB_RULES,      /* compiled vendor rules (scan/vendor.h), for egress */
	IPC_BLOB_RESOLV,     /* the host's resolv.conf, the same way */
	IPC_BLOB_PROXY_AUTH, /* base64 of user:password for the proxy, or empty: for dialer only */

	IPC_NUM_BLOB_KINDS,
};

enum ipc_record_kind {
	IPC_RECORD_LIFE = 0, /* start, up, stop, a process died … */
	IPC_RECORD_FLOW,     /* a TCP flow that is not HTTP */
	IPC_RECORD_DNS,
	IPC_RECORD_VERDICT, /* an HTTP request, before it is dialled */
	IPC_RECORD_END,     /* the same, when it is over */

	IPC_NUM_RECORD_KINDS,
};
extern const char *const ipc_record_kind_str[IPC_NUM_RECORD_KINDS];

enum ipc_type {
	IPC_NONE = 0,

	/* bottled → role: start-up and end */
	IPC_PEER, /* + fd */
	IPC_BLOB, /* + fd */
	IPC_FD,   /* + fd */
	IPC_START,
	/* role → bottled */
	IPC_READY,
	IPC_FAILED,

	/* bottled ↔ gate */
	IPC_STREAM_OPEN, /* + fd: connect it to the guest's vsock port */
	IPC_PROBE_FLOW,
	IPC_PROBE_DNS,
	IPC_PROBE_RESULT,
	IPC_GUEST_HELLO,
	IPC_GUEST_PROBE,

	/* gate ↔ egress */
	IPC_FLOW_OPEN, /* + fd */
	IPC_FLOW_READY,
	IPC_FLOW_REFUSED,

	/* gate, egress ↔ dialer */
	IPC_DIAL_ADDR,
	IPC_DIAL_NAME,
	IPC_DIAL_CANCEL,
	IPC_DIAL_OK, /* + fd */
	IPC_DIAL_FAIL,
	IPC_ADDR_GONE, /* an address of this host: nothing comes over connections from it any more
			*/

	/* gate ↔ dialer: names that are looked up for the guest */
	IPC_DNS_ASK,
	IPC_DNS_ANSWER,

	/* egress ↔ keyd; keyd → bottled */
	IPC_SIGN_LEAF,
	IPC_LEAF,
	IPC_LEAF_REFUSED,
	IPC_INTERMEDIATE,
	IPC_CA_CERT,

	/* any → recorder → the sender */
	IPC_RECORD,
	IPC_RECORD_ACK,
	IPC_LOG_LINE,
	/* recorder → bottled: the audit needs another file */
	IPC_AUDIT_FULL,

	/* cli ↔ bottled */
	IPC_PROGRESS,
	IPC_BOTTLE_UP,
	IPC_BOTTLE_FAILED,
	IPC_EXEC_OPEN,
	IPC_STREAM, /* + fd: a porter */
	IPC_STOP,
	IPC_STATUS,
	IPC_STATUS_REPLY,

	/* cli ↔ porter */
	IPC_EXEC,
	IPC_STDIN,
	IPC_STDIN_EOF,
	IPC_STDOUT,
	IPC_STDERR,
	IPC_RESIZE,
	IPC_SIGNAL,
	IPC_EXIT,
	IPC_COPY_SKIP, /* before COPY_IN: names, each ended by NUL, that stay behind */
	IPC_COPY_IN,   /* + fd: a directory or file of the host to copy into the guest */
	IPC_COPY_OUT,  /* + fd: the directory of the host to copy into */
	IPC_COPY_DONE,

	/* another policy while the bottle runs (ipc/reload.h): bottled → role, cli → bottled */
	IPC_RELOAD, /* look at the BLOBs that came before this; change nothing */
	IPC_SWITCH, /* decide by them from now on */
	IPC_FORGET, /* let go of them */
	/* the answer to RELOAD and SWITCH */
	IPC_RELOADED,
	/* cli → bottled: the policy in force, answered with a BLOB */
	IPC_POLICY_ASK,

	/* a session that outlives its CLI. cli → bottled, answered with a STREAM */
	IPC_MAIN_OPEN, /* as EXEC_OPEN */
	IPC_ATTACH,    /* the one that is there; whoever has it loses it */
	/* bottled → porter */
	IPC_LASTING,  /* the CLI may go, and another PEER may come */
	IPC_POWEROFF, /* to the clock: have the guest sync and switch itself off */
	/* porter → cli: another one has it now */
	IPC_DETACHED,

	IPC_NUM_TYPES,
};

/* Bodies, one per type that has one. A span is never NUL-terminated. */
struct ipc_peer_body {
	uint8_t role;
};
struct ipc_kind_body { /* BLOB, FD */
	uint8_t kind;
};
struct ipc_text { /* FAILED, PROGRESS, LOG_LINE, STATUS_REPLY */
	struct bb_span text;
};
struct ipc_main_open { /* MAIN_OPEN, LASTING */
	uint8_t tty;
};
struct ipc_stream_open {
	uint32_t port;
};
struct ipc_flow { /* PROBE_FLOW, FLOW_OPEN, DIAL_ADDR: a destination */
	struct ip_addr addr;
	uint16_t port;
	struct bb_span name; /* what a synthetic address stands for, else empty */
};
struct ipc_probe_dns { /* PROBE_DNS, DNS_ASK */
	uint16_t qtype;
	struct bb_span name;
};
struct ipc_probe_result {
	uint8_t verdict; /* enum policy_verdict */
	uint8_t reason;  /* enum policy_reason */
	uint8_t rcode;   /* PROBE_DNS: the DNS RCODE */
};
struct ipc_guest_hello {
	uint32_t version;
};
struct ipc_guest_probe {
	uint8_t ok;
	struct bb_span text;
};
struct ipc_reloaded {
	uint8_t ok;
	struct bb_span text; /* why not */
};
struct ipc_flow_refused {
	uint8_t reason;
};
struct ipc_dial_name {
	uint32_t rule; /* from egress: index of the route; from gate: of the tcp rule */
	uint16_t port;
	struct bb_span name;
};
struct ipc_dial_ok {
	struct ip_addr addr; /* family 0: the upstream proxy has looked it up and checked it */
	uint16_t port;
	struct ip_addr source; /* this host's end */
};
struct ipc_addr_gone {
	struct ip_addr addr;
};
struct ipc_dial_fail {
	uint8_t status; /* enum flow_status of wire/flow.h */
	uint8_t reason; /* enum policy_reason */
	uint16_t err;   /* errno or 0 */
	struct bb_span text;
};
struct ipc_dns_answer {
	uint8_t rcode;
	uint32_t ttl;
	struct bb_span names; /* CNAME targets, each with a '\n' behind it */
	struct bb_span addrs; /* 4 octets each for A, 16 for AAAA */
};
struct ipc_sign_leaf {
	struct bb_span name;
	struct bb_span csr; /* DER */
};
struct ipc_cert { /* LEAF, INTERMEDIATE: DER; CA_CERT: PEM */
	struct bb_span cert;
};
/* @text of what the guest is denied while it tries, before anybody's code runs, that it is denied
 */
#define IPC_RECORD_TEXT_PROBE "the start-up probe"
struct ipc_record {
	uint64_t seq; /* repeated by RECORD_ACK */
	uint8_t ack;  /* ask for RECORD_ACK once written */
	uint8_t kind;
	uint8_t verdict;
	uint8_t reason;
	uint16_t port;
	uint16_t status; /* HTTP status, DNS RCODE, exit code; 0 = none */
	uint32_t duration_ms;
	uint64_t bytes_out;
	uint64_t bytes_in;
	struct ip_addr addr; /* family 0 = none */
	uint8_t proxied;     /* ... because the upstream proxy has chosen and checked it */
	uint32_t count;      /* denials of a second that it stands for; 0 = it is one itself */
	struct bb_span host;
	struct bb_span method; /* HTTP method, DNS type name, "tcp", or the life event */
	struct bb_span path;
	struct bb_span rule;
	struct bb_span text;
};
struct ipc_record_ack {
	uint64_t seq;
};
struct ipc_bottle_failed {
	uint8_t code; /* exit code for the CLI */
	struct bb_span text;
};
struct ipc_data { /* EXEC (JSON), STDIN, STDOUT, STDERR */
	struct bb_span data;
};
struct ipc_resize {
	uint16_t rows;
	uint16_t cols;
};
struct ipc_signal {
	uint8_t signo;
};
struct ipc_exit {
	uint8_t code;
	uint8_t signo; /* 0 = exited by itself */
	uint8_t oom;
};
struct ipc_copy {            /* COPY_IN, COPY_OUT */
	struct bb_span name; /* COPY_IN: entry name below the fd, "" = the directory itself;
			      * COPY_OUT: the one name that may come, "" = any */
	struct bb_span path; /* in the guest */
	struct bb_span user; /* owner in the guest */
	uint8_t raw;         /* COPY_OUT: links as they are, whatever they point to */
	uint64_t limit;      /* COPY_OUT: octets of file data at most */
	uint32_t entries;    /* COPY_OUT: names at most, those of directories on the way too */
};
struct ipc_copy_done {
	uint16_t err; /* errno or 0 */
	uint64_t bytes;
	struct bb_span text;
};

/**
 * struct ipc_msg - One decoded message, or one to send
 * @fd:	the passed fd or -1. ipc_send() borrows it; who receives it owns it
 */
struct ipc_msg {
	enum ipc_type type;
	int fd;
	uint64_t flow;
	union {
		struct ipc_peer_body peer;
		struct ipc_kind_body kind;
		struct ipc_text text;
		struct ipc_main_open main_open;
		struct ipc_stream_open stream_open;
		struct ipc_flow flow;
		struct ipc_probe_dns probe_dns;
		struct ipc_probe_result probe_result;
		struct ipc_guest_hello guest_hello;
		struct ipc_guest_probe guest_probe;
		struct ipc_reloaded reloaded;
		struct ipc_flow_refused flow_refused;
		struct ipc_dial_name dial_name;
		struct ipc_dial_ok dial_ok;
		struct ipc_dial_fail dial_fail;
		struct ipc_addr_gone addr_gone;
		struct ipc_dns_answer dns_answer;
		struct ipc_sign_leaf sign_leaf;
		struct ipc_cert cert;
		struct ipc_record record;
		struct ipc_record_ack record_ack;
		struct ipc_bottle_failed bottle_failed;
		struct ipc_data data;
		struct ipc_resize resize;
		struct ipc_signal signal;
		struct ipc_exit exit;
		struct ipc_copy copy;
		struct ipc_copy_done copy_done;
	} u;
};

enum ipc_result {
	IPC_OK = 0,
	IPC_SHORT,      /* shorter than its header or its fields */
	IPC_LONG,       /* octets left over, or longer than 64 KiB */
	IPC_VERSION,    /* other version */
	IPC_TYPE,       /* unknown type */
	IPC_VALUE,      /* a field out of range */
	IPC_FD_MISSING, /* the type needs an fd, or must not have one */

	IPC_NUM_RESULTS,
};
extern const char *const ipc_result_str[IPC_NUM_RESULTS];

/** ipc_type_name() - "FLOW_OPEN", or "?" */
const char *ipc_type_name(enum ipc_type type);

/**
 * ipc_encode() - Write @msg (without its fd) to @out
 * @ret_len:	octets written
 *
 * Return: IPC_OK; IPC_LONG when a span passes its cap or the whole 64 KiB; IPC_TYPE; IPC_FD_MISSING
 */
BB_MUST_USE enum ipc_result ipc_encode(const struct ipc_msg *msg, uint8_t out[static IPC_MSG_MAX],
				       size_t *ret_len);

/**
 * ipc_decode() - Read one datagram
 * @dgram:	the whole datagram; spans in @ret borrow it
 * @fd:		the fd that came with it or -1; moved into @ret on success only
 *
 * Return: IPC_OK, or why it is refused; @ret is unchanged then
 */
BB_MUST_USE enum ipc_result ipc_decode(struct bb_span dgram, int fd, struct ipc_msg *ret);

/**
 * ipc_permitted() - May @from send @type to @to?
 *
 * The permit table of docs/protocol/ipc.md. A message outside it counts as undecodable.
 */
bool ipc_permitted(enum ipc_role from, enum ipc_role to, enum ipc_type type);
#endif
