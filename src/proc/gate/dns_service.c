/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over vsock 6002: u16 length + message, many per stream, answered at once from the filter. The
 * replies to what one read brought go out in one write.
 */
#include "base/io.h"
#include "policy/reason.h"
#include "proc/gate/dns_stream.h"
#include "proc/gate/gate.h"
#include <stdio.h>

struct dns_service {
	struct gate *gate;
	struct dns_stream core;
	bool blocked;  /* replies wait for room: nothing is read meanwhile */
	size_t unread; /* octets in the core that are not credited yet */
	struct stream *stream;
};

static void type_name(uint16_t qtype, char out[static 12])
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = { { 1, "A" },     { 2, "NS" },   { 5, "CNAME" }, { 6, "SOA" },
		      { 10, "NULL" }, { 12, "PTR" }, { 15, "MX" },   { 16, "TXT" },
		      { 28, "AAAA" }, { 33, "SRV" }, { 64, "SVCB" }, { 65, "HTTPS" },
		      { 255, "ANY" } };

	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		if (names[i].type == qtype) {
			(void)snprintf(out, 12, "%s", names[i].name);
			return;
		}
	}
	(void)snprintf(out, 12, "TYPE%u", qtype);
}

/* Denials, and the first answer for each name */
static void on_outcome(const struct dns_outcome *o, void *arg)
{
	struct dns_service *d = arg;
	struct ipc_record r = { .kind = IPC_RECORD_DNS };
	char type[12];

	if (o->result == DNS_QUERY_OK && o->decision.verdict == POLICY_ALLOW)
		return;
	type_name(o->query.qtype, type);
	r.verdict = (uint8_t)POLICY_DENY;
	r.reason = (uint8_t)(o->result == DNS_QUERY_OK ? o->decision.reason : REASON_MALFORMED);
	r.status = (uint16_t)o->rcode;
	r.port = 53;
	r.method = BB_SPAN_STR(type);
	r.host = BB_SPAN_STR(o->query.name);
	gate_record(d->gate, 0, false, &r);
}

static bool may_answer(void *arg)
{
	struct dns_service *d = arg;

	return bucket_take(&d->gate->dns_rate, bb_now_ms());
}

static void pump(struct dns_service *d)
{
	size_t used = 0;

	if (dns_stream_run(&d->core, d->gate->filter, bb_now_ms(), may_answer, on_outcome, d,
			   &used) < 0) {
		stream_reset(d->stream);
		free(d);
		return;
	}
	if (d->core.out_len && stream_write(d->stream, d->core.out, d->core.out_len) < 0) {
		d->blocked = true; /* the guest does not read its answers */
		stream_want_room(d->stream);
	} else {
		d->core.out_len = 0;
	}
	d->unread -= used;
	stream_consumed(d->stream, used);
}

static void on_data(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg)
{
	struct dns_service *d = arg;

	for (size_t i = 0; i < n; i++) {
		if (!dns_stream_add(&d->core, seg[i].iov_base, seg[i].iov_len)) {
			stream_reset(s); /* more than its window */
			free(d);
			return;
		}
	}
	d->unread += len;
	if (!d->blocked)
		pump(d);
}

static void on_room(struct stream *s, void *arg)
{
	struct dns_service *d = arg;

	if (d->core.out_len && stream_write(s, d->core.out, d->core.out_len) < 0) {
		stream_want_room(s);
		return;
	}
	d->core.out_len = 0;
	d->blocked = false;
	pump(d);
}

static void on_eof(struct stream *s, void *arg)
{
	stream_close(s);
	free(arg);
}

static void on_gone(struct stream *s, bool orderly, void *arg)
{
	(void)s;
	(void)orderly;
	free(arg);
}

static const struct stream_handler dns_handler = {
	.on_data = on_data,
	.on_eof = on_eof,
	.on_room = on_room,
	.on_gone = on_gone,
};

bool dns_service_accept(struct gate *g, struct stream *s)
{
	struct dns_service *d = calloc(1, sizeof(*d));

	if (!d)
		return false;
	d->gate = g;
	d->stream = s;
	stream_serve(s, &dns_handler, d);
	return true;
}
