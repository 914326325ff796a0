/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over vsock 6002: u16 length + message, many per stream, answered at once from the filter. The
 * replies to what one read brought go out in one write.
 */
#include "base/io.h"
#include "policy/reason.h"
#include "proc/gate/dns_forward.h"
#include "proc/gate/dns_stream.h"

struct dns_service {
	TAILQ_ENTRY(dns_service) link; /* in dns_waiting */
	bool waiting;
	struct gate *gate;
	struct dns_stream core;
	bool blocked;  /* replies wait for room: nothing is read meanwhile */
	size_t unread; /* octets in the core that are not credited yet */
	struct stream *stream;
};

/* Denials; what is looked up has a record of its own */
static void on_outcome(const struct dns_outcome *o, void *arg)
{
	struct dns_service *d = arg;
	struct ipc_record r = { .kind = IPC_RECORD_DNS };
	char type[DNS_TYPE_TEXT];

	if (o->result == DNS_QUERY_OK && o->decision.verdict == POLICY_ALLOW)
		return;
	dns_type_text(o->query.qtype, type);
	r.verdict = (uint8_t)POLICY_DENY;
	r.reason = (uint8_t)(o->result == DNS_QUERY_OK ? o->decision.reason : REASON_MALFORMED);
	r.status = (uint16_t)o->rcode;
	r.port = 53;
	r.method = BB_SPAN_STR(type);
	r.host = BB_SPAN_STR(o->query.name);
	gate_record(d->gate, 0, false, &r);
}

/* A record a second at most, with how many there were: the first at once */
static void say_over(struct gate *g)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct ipc_record r = { .kind = IPC_RECORD_DNS,
				.verdict = (uint8_t)POLICY_DENY,
				.reason = (uint8_t)REASON_LIMIT,
				.status = DNS_RCODE_SERVFAIL,
				.port = 53,
				.count = g->dns_over,
				.method = BB_SPAN_STR("queries"),
				.text = BB_SPAN_STR("over the rate, answered unread") };

	g->dns_over = 0;
	if (event_add(g->dns_over_said, &second) < 0)
		gate_stop(g, "no timer");
	gate_record(g, 0, false, &r);
}

static void on_second_over(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	(void)what;
	if (g->dns_over)
		say_over(g);
}

static bool may_answer(void *arg)
{
	struct dns_service *d = arg;
	struct gate *g = d->gate;

	if (bucket_take(&g->dns_rate, bb_now_ms()))
		return true;
	if (!g->dns_over_said)
		g->dns_over_said = event_new(g->base, -1, 0, on_second_over, g);
	if (!g->dns_over_said) {
		gate_stop(g, "no memory");
		return false;
	}
	pace_work(g, 1);
	g->dns_over++;
	if (!event_pending(g->dns_over_said, EV_TIMEOUT, NULL))
		say_over(g);
	return false;
}

static bool forward(const struct dns_query *q, void *arg)
{
	struct dns_service *d = arg;

	return dns_forward_ask(d->gate, d, q);
}

static void service_free(struct dns_service *d)
{
	dns_forward_forget(d->gate, d);
	if (d->waiting)
		TAILQ_REMOVE(&d->gate->dns_waiting, d, link);
	free(d);
}

/* Write what there is; without room nothing is read until there is */
static void flush(struct dns_service *d)
{
	if (d->core.out_len && stream_write(d->stream, d->core.out, d->core.out_len) < 0) {
		d->blocked = true; /* the guest does not read its answers */
		stream_want_room(d->stream);
		return;
	}
	d->core.out_len = 0;
	d->blocked = false;
}

/* Until all that is complete is answered, or the guest takes no more */
static void pump(struct dns_service *d)
{
	static const struct dns_stream_user user = { may_answer, on_outcome, forward };
	size_t used;

	do {
		used = 0;
		if (d->gate->held) { /* each query may make a record */
			if (!d->waiting)
				TAILQ_INSERT_TAIL(&d->gate->dns_waiting, d, link);
			d->waiting = true;
			return;
		}
		if (dns_stream_run(&d->core, d->gate->filter, bb_now_ms(), &user, d, &used) < 0) {
			stream_reset(d->stream);
			service_free(d);
			return;
		}
		flush(d);
		d->unread -= used;
		stream_consumed(d->stream, used);
	} while (used && !d->blocked);
}

void dns_service_go_on(struct gate *g)
{
	struct dns_service *d;

	while (!g->held && (d = TAILQ_FIRST(&g->dns_waiting))) {
		TAILQ_REMOVE(&g->dns_waiting, d, link);
		d->waiting = false;
		if (!d->blocked)
			pump(d);
	}
}

void dns_service_reply(struct dns_service *d, struct bb_span reply)
{
	uint8_t *at = d->core.out + d->core.out_len;

	if (2 + reply.len > sizeof(d->core.out) - d->core.out_len)
		return; /* the guest's proxy asks again */
	bb_put_be16(at, (uint16_t)reply.len);
	memcpy(at + 2, reply.p, reply.len);
	d->core.out_len += 2 + reply.len;
	if (!d->blocked)
		flush(d);
}

static void on_data(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg)
{
	struct dns_service *d = arg;

	for (size_t i = 0; i < n; i++) {
		if (!dns_stream_add(&d->core, seg[i].iov_base, seg[i].iov_len)) {
			stream_reset(s); /* more than its window */
			service_free(d);
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

	(void)s;
	flush(d);
	if (!d->blocked)
		pump(d);
}

static void on_eof(struct stream *s, void *arg)
{
	stream_close(s);
	service_free(arg);
}

static void on_gone(struct stream *s, bool orderly, void *arg)
{
	(void)s;
	(void)orderly;
	service_free(arg);
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
