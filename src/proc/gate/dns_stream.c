/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/dns_stream.h"

bool dns_stream_add(struct dns_stream *d, const void *p, size_t len)
{
	if (len > sizeof(d->in) - d->in_len)
		return false;
	memcpy(d->in + d->in_len, p, len);
	d->in_len += len;
	return true;
}

/* SERVFAIL, unjudged: the guest asks faster than its rate */
static size_t answer_over_rate(struct bb_span msg, uint8_t out[static DNS_REPLY_MAX])
{
	struct dns_query q = { 0 };

	if (dns_query_read(msg, &q) == DNS_QUERY_DROP)
		return 0;
	return dns_reply_error(&q, DNS_RCODE_SERVFAIL, out);
}

static size_t answer(struct dns_filter *filter, struct bb_span msg, uint64_t now_ms,
		     const struct dns_stream_user *user, void *arg,
		     uint8_t out[static DNS_REPLY_MAX])
{
	struct dns_outcome o;
	size_t n = dns_filter_answer(filter, msg, now_ms, out, &o);

	if (user->on_outcome && o.result != DNS_QUERY_DROP)
		user->on_outcome(&o, arg);
	if (o.result == DNS_QUERY_OK && o.decision.action == DNS_ACTION_FORWARD &&
	    !(user->forward && user->forward(&o.query, arg)))
		n = dns_reply_error(&o.query, DNS_RCODE_SERVFAIL, out);
	return n;
}

int dns_stream_run(struct dns_stream *d, struct dns_filter *filter, uint64_t now_ms,
		   const struct dns_stream_user *user, void *arg, size_t *ret_used)
{
	size_t at = 0;

	while (d->in_len - at >= 2) {
		size_t len = bb_get_be16(d->in + at), n;
		struct bb_span msg = { d->in + at + 2, len };
		uint8_t *reply = d->out + d->out_len + 2;

		if (len == 0)
			return -1;
		if (len > d->in_len - at - 2 || d->out_len + 2 + DNS_REPLY_MAX > sizeof(d->out))
			break;
		if (user->may_answer && !user->may_answer(arg)) {
			n = answer_over_rate(msg, reply);
		} else {
			n = answer(filter, msg, now_ms, user, arg, reply);
		}
		if (n) {
			bb_put_be16(d->out + d->out_len, (uint16_t)n);
			d->out_len += 2 + n;
		}
		at += 2 + len;
	}
	d->in_len -= at;
	if (at && d->in_len)
		memmove(d->in, d->in + at, d->in_len);
	*ret_used = at;
	return 0;
}
