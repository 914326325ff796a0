/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/msg.h"
#include <assert.h>

enum field_kind { F_END = 0, F_U8, F_U16, F_U32, F_U64, F_ADDR, F_SPAN };

struct field {
	enum field_kind kind;
	size_t offset; /* in struct ipc_msg */
	size_t cap;    /* F_SPAN: octets at most */
};

struct desc {
	const char *name;
	bool has_fd;
	const struct field *fields;
};

#define AT(kind, member)                                                                           \
	{                                                                                          \
		kind, offsetof(struct ipc_msg, u.member), 0                                        \
	}
#define SPAN(member, cap)                                                                          \
	{                                                                                          \
		F_SPAN, offsetof(struct ipc_msg, u.member), cap                                    \
	}
#define FIELDS(...) ((const struct field[]){ __VA_ARGS__, { F_END, 0, 0 } })

#define F_TEXT     FIELDS(SPAN(text.text, IPC_TEXT_MAX))
#define F_FLOW     FIELDS(AT(F_ADDR, flow.addr), AT(F_U16, flow.port), SPAN(flow.name, IPC_HOST_MAX))
#define F_QUESTION FIELDS(AT(F_U16, probe_dns.qtype), SPAN(probe_dns.name, IPC_HOST_MAX))
#define F_DATA     FIELDS(SPAN(data.data, IPC_DATA_MAX))
#define F_CERT     FIELDS(SPAN(cert.cert, 16384))
#define F_COPY                                                                                     \
	FIELDS(SPAN(copy.name, 4096), SPAN(copy.path, 4096), SPAN(copy.user, 64),                  \
	       AT(F_U8, copy.raw), AT(F_U64, copy.limit), AT(F_U32, copy.entries))

static const struct desc descs[IPC_NUM_TYPES] = {
	[IPC_PEER] = { "PEER", true, FIELDS(AT(F_U8, peer.role)) },
	[IPC_BLOB] = { "BLOB", true, FIELDS(AT(F_U8, kind.kind)) },
	[IPC_FD] = { "FD", true, FIELDS(AT(F_U8, kind.kind)) },
	[IPC_START] = { "START", false, NULL },
	[IPC_READY] = { "READY", false, NULL },
	[IPC_FAILED] = { "FAILED", false, F_TEXT },
	[IPC_STREAM_OPEN] = { "STREAM_OPEN", true, FIELDS(AT(F_U32, stream_open.port)) },
	[IPC_PROBE_FLOW] = { "PROBE_FLOW", false, F_FLOW },
	[IPC_PROBE_DNS] = { "PROBE_DNS", false, F_QUESTION },
	[IPC_PROBE_RESULT] = { "PROBE_RESULT", false,
			       FIELDS(AT(F_U8, probe_result.verdict), AT(F_U8, probe_result.reason),
				      AT(F_U8, probe_result.rcode)) },
	[IPC_GUEST_HELLO] = { "GUEST_HELLO", false, FIELDS(AT(F_U32, guest_hello.version)) },
	[IPC_GUEST_PROBE] = { "GUEST_PROBE", false,
			      FIELDS(AT(F_U8, guest_probe.ok),
				     SPAN(guest_probe.text, IPC_TEXT_MAX)) },
	[IPC_FLOW_OPEN] = { "FLOW_OPEN", true, F_FLOW },
	[IPC_FLOW_READY] = { "FLOW_READY", false, NULL },
	[IPC_FLOW_REFUSED] = { "FLOW_REFUSED", false, FIELDS(AT(F_U8, flow_refused.reason)) },
	[IPC_DIAL_ADDR] = { "DIAL_ADDR", false, F_FLOW },
	[IPC_DIAL_NAME] = { "DIAL_NAME", false,
			    FIELDS(AT(F_U32, dial_name.rule), AT(F_U16, dial_name.port),
				   SPAN(dial_name.name, IPC_HOST_MAX)) },
	[IPC_DIAL_CANCEL] = { "DIAL_CANCEL", false, NULL },
	[IPC_DIAL_OK] = { "DIAL_OK", true,
			  FIELDS(AT(F_ADDR, dial_ok.addr), AT(F_U16, dial_ok.port),
				 AT(F_ADDR, dial_ok.source)) },
	[IPC_ADDR_GONE] = { "ADDR_GONE", false, FIELDS(AT(F_ADDR, addr_gone.addr)) },
	[IPC_DIAL_FAIL] = { "DIAL_FAIL", false,
			    FIELDS(AT(F_U8, dial_fail.status), AT(F_U8, dial_fail.reason),
				   AT(F_U16, dial_fail.err), SPAN(dial_fail.text, IPC_TEXT_MAX)) },
	[IPC_DNS_ASK] = { "DNS_ASK", false, F_QUESTION },
	[IPC_DNS_ANSWER] = { "DNS_ANSWER", false,
			     FIELDS(AT(F_U8, dns_answer.rcode), AT(F_U32, dns_answer.ttl),
				    SPAN(dns_answer.names, 2048), SPAN(dns_answer.addrs, 512)) },
	[IPC_SIGN_LEAF] = { "SIGN_LEAF", false,
			    FIELDS(SPAN(sign_leaf.name, IPC_HOST_MAX), SPAN(sign_leaf.csr, 4096)) },
	[IPC_LEAF] = { "LEAF", false, F_CERT },
	[IPC_LEAF_REFUSED] = { "LEAF_REFUSED", false, F_TEXT },
	[IPC_INTERMEDIATE] = { "INTERMEDIATE", false, FIELDS(SPAN(cert.cert, IPC_DATA_MAX)) },
	[IPC_CA_CERT] = { "CA_CERT", false, F_CERT },
	[IPC_RECORD] = { "RECORD", false,
			 FIELDS(AT(F_U64, record.seq), AT(F_U8, record.ack), AT(F_U8, record.kind),
				AT(F_U8, record.verdict), AT(F_U8, record.reason),
				AT(F_U16, record.port), AT(F_U16, record.status),
				AT(F_U32, record.duration_ms), AT(F_U64, record.bytes_out),
				AT(F_U64, record.bytes_in), AT(F_ADDR, record.addr),
				AT(F_U8, record.proxied), AT(F_U32, record.count),
				SPAN(record.host, IPC_HOST_MAX), SPAN(record.method, 64),
				SPAN(record.path, 8192), SPAN(record.rule, IPC_HOST_MAX),
				SPAN(record.text, IPC_TEXT_MAX)) },
	[IPC_RECORD_ACK] = { "RECORD_ACK", false, FIELDS(AT(F_U64, record_ack.seq)) },
	[IPC_LOG_LINE] = { "LOG_LINE", false, F_TEXT },
	[IPC_AUDIT_FULL] = { "AUDIT_FULL", false, NULL },
	[IPC_PROGRESS] = { "PROGRESS", false, F_TEXT },
	[IPC_BOTTLE_UP] = { "BOTTLE_UP", false, NULL },
	[IPC_BOTTLE_FAILED] = { "BOTTLE_FAILED", false,
				FIELDS(AT(F_U8, bottle_failed.code),
				       SPAN(bottle_failed.text, IPC_TEXT_MAX)) },
	[IPC_EXEC_OPEN] = { "EXEC_OPEN", false, NULL },
	[IPC_STREAM] = { "STREAM", true, NULL },
	[IPC_STOP] = { "STOP", false, NULL },
	[IPC_STATUS] = { "STATUS", false, NULL },
	[IPC_STATUS_REPLY] = { "STATUS_REPLY", false, F_TEXT },
	[IPC_EXEC] = { "EXEC", false, F_DATA },
	[IPC_STDIN] = { "STDIN", false, F_DATA },
	[IPC_STDIN_EOF] = { "STDIN_EOF", false, NULL },
	[IPC_STDOUT] = { "STDOUT", false, F_DATA },
	[IPC_STDERR] = { "STDERR", false, F_DATA },
	[IPC_RESIZE] = { "RESIZE", false, FIELDS(AT(F_U16, resize.rows), AT(F_U16, resize.cols)) },
	[IPC_SIGNAL] = { "SIGNAL", false, FIELDS(AT(F_U8, signal.signo)) },
	[IPC_EXIT] = { "EXIT", false,
		       FIELDS(AT(F_U8, exit.code), AT(F_U8, exit.signo), AT(F_U8, exit.oom)) },
	[IPC_COPY_SKIP] = { "COPY_SKIP", false, F_DATA },
	[IPC_COPY_IN] = { "COPY_IN", true, F_COPY },
	[IPC_COPY_OUT] = { "COPY_OUT", true, F_COPY },
	[IPC_COPY_DONE] = { "COPY_DONE", false,
			    FIELDS(AT(F_U16, copy_done.err), AT(F_U64, copy_done.bytes),
				   SPAN(copy_done.text, IPC_TEXT_MAX)) },
	[IPC_RELOAD] = { "RELOAD", false, NULL },
	[IPC_SWITCH] = { "SWITCH", false, NULL },
	[IPC_FORGET] = { "FORGET", false, NULL },
	[IPC_RELOADED] = { "RELOADED", false,
			   FIELDS(AT(F_U8, reloaded.ok), SPAN(reloaded.text, IPC_TEXT_MAX)) },
	[IPC_POLICY_ASK] = { "POLICY_ASK", false, NULL },
	[IPC_MAIN_OPEN] = { "MAIN_OPEN", false, FIELDS(AT(F_U8, main_open.tty)) },
	[IPC_ATTACH] = { "ATTACH", false, NULL },
	[IPC_LASTING] = { "LASTING", false, FIELDS(AT(F_U8, main_open.tty)) },
	[IPC_POWEROFF] = { "POWEROFF", false, NULL },
	[IPC_DETACHED] = { "DETACHED", false, NULL },
};

const char *const ipc_role_str[] = {
	[IPC_ROLE_NONE] = "none",     [IPC_ROLE_CLI] = "cli",   [IPC_ROLE_BOTTLED] = "bottled",
	[IPC_ROLE_VMM] = "vmm",       [IPC_ROLE_GATE] = "gate", [IPC_ROLE_EGRESS] = "egress",
	[IPC_ROLE_DIALER] = "dialer", [IPC_ROLE_KEYD] = "keyd", [IPC_ROLE_RECORDER] = "recorder",
	[IPC_ROLE_PORTER] = "porter",
};
static_assert(BB_ARRAY_LEN(ipc_role_str) == IPC_NUM_ROLES, "ipc_role_str[]");

const char *const ipc_record_kind_str[] = {
	[IPC_RECORD_LIFE] = "life",       [IPC_RECORD_FLOW] = "flow", [IPC_RECORD_DNS] = "dns",
	[IPC_RECORD_VERDICT] = "verdict", [IPC_RECORD_END] = "end",
};
static_assert(BB_ARRAY_LEN(ipc_record_kind_str) == IPC_NUM_RECORD_KINDS, "ipc_record_kind_str[]");

const char *const ipc_result_str[] = {
	[IPC_OK] = "ok",
	[IPC_SHORT] = "too short",
	[IPC_LONG] = "too long",
	[IPC_VERSION] = "other version",
	[IPC_TYPE] = "unknown type",
	[IPC_VALUE] = "value out of range",
	[IPC_FD_MISSING] = "file descriptor missing or unexpected",
};
static_assert(BB_ARRAY_LEN(ipc_result_str) == IPC_NUM_RESULTS, "ipc_result_str[]");

static bool type_is_known(unsigned int type)
{
	return type > IPC_NONE && type < IPC_NUM_TYPES && descs[type].name;
}

const char *ipc_type_name(enum ipc_type type)
{
	return type_is_known(type) ? descs[type].name : "?";
}

/* Octets of an integer field */
static size_t int_size(enum field_kind kind)
{
	switch (kind) {
	case F_U8:
		return 1;
	case F_U16:
		return 2;
	case F_U32:
		return 4;
	case F_U64:
		return 8;
	case F_END:
	case F_ADDR:
	case F_SPAN:
		break;
	}
	return 0;
}

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static uint64_t load_int(const void *at, enum field_kind kind)
{
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (kind) {
	case F_U8:
		return *(const uint8_t *)at;
	case F_U16:
		memcpy(&v16, at, sizeof(v16));
		return v16;
	case F_U32:
		memcpy(&v32, at, sizeof(v32));
		return v32;
	case F_U64:
		memcpy(&v64, at, sizeof(v64));
		return v64;
	case F_END:
	case F_ADDR:
	case F_SPAN:
		break;
	}
	return 0;
}

static void store_int(void *at, enum field_kind kind, uint64_t v)
{
	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	if (kind == F_U8)
		memcpy(at, &v8, sizeof(v8));
	else if (kind == F_U16)
		memcpy(at, &v16, sizeof(v16));
	else if (kind == F_U32)
		memcpy(at, &v32, sizeof(v32));
	else
		memcpy(at, &v, sizeof(v));
}

/* Encode one field at out[*pos] */
static enum ipc_result put_field(const struct field *f, const struct ipc_msg *msg, uint8_t *out,
				 size_t *pos)
{
	const uint8_t *at = (const uint8_t *)msg + f->offset;
	size_t room = IPC_MSG_MAX - *pos;
	struct ip_addr addr;
	struct bb_span span;

	switch (f->kind) {
	case F_ADDR:
		if (room < 17)
			return IPC_LONG;
		memcpy(&addr, at, sizeof(addr));
		out[*pos] = addr.family;
		memcpy(out + *pos + 1, addr.a, 16);
		*pos += 17;
		return IPC_OK;
	case F_SPAN:
		memcpy(&span, at, sizeof(span));
		if (span.len > f->cap || room < 4 || span.len > room - 4)
			return IPC_LONG;
		put_le(out + *pos, span.len, 4);
		if (span.len)
			memcpy(out + *pos + 4, span.p, span.len);
		*pos += 4 + span.len;
		return IPC_OK;
	case F_U8:
	case F_U16:
	case F_U32:
	case F_U64:
		if (room < int_size(f->kind))
			return IPC_LONG;
		put_le(out + *pos, load_int(at, f->kind), int_size(f->kind));
		*pos += int_size(f->kind);
		return IPC_OK;
	case F_END:
		break;
	}
	return IPC_TYPE;
}

enum ipc_result ipc_encode(const struct ipc_msg *msg, uint8_t out[static IPC_MSG_MAX],
			   size_t *ret_len)
{
	const struct desc *d;
	size_t pos = IPC_MSG_HDR;

	if (!type_is_known(msg->type))
		return IPC_TYPE;
	d = &descs[msg->type];
	if (d->has_fd != (msg->fd >= 0))
		return IPC_FD_MISSING;

	for (const struct field *f = d->fields; f && f->kind != F_END; f++) {
		enum ipc_result r = put_field(f, msg, out, &pos);

		if (r != IPC_OK)
			return r;
	}
	put_le(out, msg->type, 2);
	put_le(out + 2, IPC_MSG_VERSION, 2);
	put_le(out + 4, pos - IPC_MSG_HDR, 4);
	put_le(out + 8, msg->flow, 8);
	*ret_len = pos;
	return IPC_OK;
}

/* Decode one field at in.p[*pos] */
static enum ipc_result get_field(const struct field *f, struct bb_span in, size_t *pos,
				 struct ipc_msg *msg)
{
	uint8_t *at = (uint8_t *)msg + f->offset;
	size_t left = in.len - *pos, n = int_size(f->kind);
	struct ip_addr addr = { 0 };
	struct bb_span span;

	switch (f->kind) {
	case F_ADDR:
		if (left < 17)
			return IPC_SHORT;
		addr.family = in.p[*pos];
		if (addr.family != 0 && addr.family != 4 && addr.family != 6)
			return IPC_VALUE;
		memcpy(addr.a, in.p + *pos + 1, 16);
		memcpy(at, &addr, sizeof(addr));
		*pos += 17;
		return IPC_OK;
	case F_SPAN:
		if (left < 4)
			return IPC_SHORT;
		span.len = (size_t)get_le(in.p + *pos, 4);
		if (span.len > f->cap)
			return IPC_LONG;
		if (span.len > left - 4)
			return IPC_SHORT;
		span.p = in.p + *pos + 4;
		memcpy(at, &span, sizeof(span));
		*pos += 4 + span.len;
		return IPC_OK;
	case F_U8:
	case F_U16:
	case F_U32:
	case F_U64:
		if (left < n)
			return IPC_SHORT;
		store_int(at, f->kind, get_le(in.p + *pos, n));
		*pos += n;
		return IPC_OK;
	case F_END:
		break;
	}
	return IPC_TYPE;
}

/* Values that index tables at the receiver must be in range */
static bool values_are_ok(const struct ipc_msg *m)
{
	if (m->type == IPC_PEER)
		return m->u.peer.role > IPC_ROLE_NONE && m->u.peer.role < IPC_NUM_ROLES;
	if (m->type == IPC_BLOB)
		return m->u.kind.kind < IPC_NUM_BLOB_KINDS;
	if (m->type == IPC_FD)
		return m->u.kind.kind < IPC_NUM_FD_KINDS;
	if (m->type == IPC_RECORD)
		return m->u.record.kind < IPC_NUM_RECORD_KINDS;
	return true;
}

enum ipc_result ipc_decode(struct bb_span dgram, int fd, struct ipc_msg *ret)
{
	struct ipc_msg msg = { .fd = fd };
	size_t pos = IPC_MSG_HDR;
	const struct desc *d;
	unsigned int type;

	if (dgram.len < IPC_MSG_HDR)
		return IPC_SHORT;
	if (dgram.len > IPC_MSG_MAX)
		return IPC_LONG;
	if (get_le(dgram.p + 2, 2) != IPC_MSG_VERSION)
		return IPC_VERSION;
	type = (unsigned int)get_le(dgram.p, 2);
	if (!type_is_known(type))
		return IPC_TYPE;
	if (get_le(dgram.p + 4, 4) != dgram.len - IPC_MSG_HDR)
		return get_le(dgram.p + 4, 4) > dgram.len - IPC_MSG_HDR ? IPC_SHORT : IPC_LONG;
	msg.type = (enum ipc_type)type;
	msg.flow = get_le(dgram.p + 8, 8);

	d = &descs[type];
	if (d->has_fd != (fd >= 0))
		return IPC_FD_MISSING;
	for (const struct field *f = d->fields; f && f->kind != F_END; f++) {
		enum ipc_result r = get_field(f, dgram, &pos, &msg);

		if (r != IPC_OK)
			return r;
	}
	if (pos != dgram.len)
		return IPC_LONG;
	if (!values_are_ok(&msg))
		return IPC_VALUE;
	*ret = msg;
	return IPC_OK;
}
