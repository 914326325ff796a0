/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"
#include "proc/egress/egress.h"

/*
 * Our own answers: JSON that an agent can act on. A client that still sends would see a reset
 * instead of the answer if we closed at once (requests and Node do (m)), so we half-close and read
 * on for a while.
 */

struct answer {
	unsigned int status;
	const char *phrase;
	const char *error;
};
static const struct answer answers[] = {
	{ 400, "Bad Request", "bad_request" },
	{ 403, "Forbidden", "egress_denied" },
	{ 408, "Request Timeout", "timeout" },
	{ 417, "Expectation Failed", "bad_request" },
	{ 429, "Too Many Requests", "egress_denied" },
	{ 421, "Misdirected Request", "misdirected_request" },
	{ 501, "Not Implemented", "not_built" },
	{ 502, "Bad Gateway", "upstream_failed" },
	{ 503, "Service Unavailable", "upstream_failed" },
	{ 504, "Gateway Timeout", "upstream_failed" },
};

struct hint {
	enum policy_reason reason;
	const char *text;
};
static const struct hint hints[] = {
	{ REASON_NOT_LISTED,
	  "No route of this bottle lists the host. Only the operator can add one, "
	  "under egress.routes in the bottle's manifest." },
	{ REASON_PORT, "The host is listed, but not with this port." },
	{ REASON_IP_LITERAL, "Routes are host names. Use the name instead of an address." },
	{ REASON_FLOOR, "The name resolves to an address that is never reachable from a bottle." },
	{ REASON_PRIVATE, "The name resolves to a private address that its route does not list." },
	{ REASON_NAME_MISMATCH, "Host, SNI and the CONNECT or absolute target must name the same "
				"host. Open a new connection for another host." },
	{ REASON_NOT_PROXY, "Use this address as an HTTP proxy (HTTP_PROXY, HTTPS_PROXY)." },
	{ REASON_BAD_REQUEST, "The request is not well-formed HTTP." },
	{ REASON_UPSTREAM_RESOLVE, "The host's name could not be resolved." },
	{ REASON_UPSTREAM_CONNECT, "The host could not be reached." },
	{ REASON_UPSTREAM_PROXY,
	  "The proxy that the operator's network wants did not connect to the host." },
	{ REASON_UPSTREAM_TLS, "The host's certificate or TLS handshake was not accepted." },
	{ REASON_UPSTREAM_PROTOCOL, "The host's response is not well-formed HTTP." },
	{ REASON_TIMEOUT, "It took too long." },
	{ REASON_BAD_PATH, "The path decodes to dot segments, backslashes or control characters." },
	{ REASON_NO_MATCH, "The host is listed, but not with this path, method or headers." },
	{ REASON_GIT, "The route does not admit this use of git." },
	{ REASON_GIT_PUSH, "Pushes and LFS uploads over HTTPS never pass." },
	{ REASON_FOREIGN_CREDENTIAL,
	  "Send no credential here: the guard puts the route's own in, or passes on what an "
	  "earlier response of this host gave." },
	{ REASON_PLACEHOLDER_LEAK,
	  "A placeholder is replaced only in the header of the route that it belongs to." },
	{ REASON_UNSUPPORTED_AUTH, "Signed requests cannot be given a credential by the guard." },
	{ REASON_TOKEN_UNSET,
	  "The operator's host variable for this route's credential is not set." },
	{ REASON_CLEAR_TEXT, "This route's credential goes over TLS only." },
	{ REASON_CODING, "The guard cannot look into this coding, so it does not pass." },
	{ REASON_KNOWN_SECRET,
	  "The request carries a secret of this bottle. Take it out; if it has to go to this host, "
	  "the operator can say so with `to:` at the variable in the manifest." },
	{ REASON_TOKEN_PATTERN,
	  "The request carries what looks like a vendor's access token. Take it out." },
	{ REASON_CANARY,
	  "The request carries a value planted in the environment: something sends out variables "
	  "that it has no use for." },
	{ REASON_BUDGET, "The route's limit is used up." },
};

static const struct answer *find_answer(unsigned int status)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(answers); i++) {
		if (answers[i].status == status)
			return &answers[i];
	}
	BB_BUG_ON(true);
	return NULL;
}

static const char *find_hint(enum policy_reason reason)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(hints); i++) {
		if (hints[i].reason == reason)
			return hints[i].text;
	}
	return "";
}

static int put_member(struct bb_buf *b, const char *name, struct bb_span value)
{
	int r = bb_buf_addf(b, "%s\"%s\":", b->len ? "," : "{", name);

	return r < 0 ? r : bb_json_string(b, value);
}

static int make_body(struct bb_buf *b, const struct conn *c, const struct answer *a,
		     enum policy_reason reason, const char *text)
{
	int r = put_member(b, "error", BB_SPAN_STR(a->error));

	if (r == 0)
		r = put_member(b, "host", request_host(c));
	if (r == 0)
		r = put_member(b, "reason", BB_SPAN_STR(policy_reason_str[reason]));
	if (r == 0 && text[0])
		r = put_member(b, "detail", BB_SPAN_STR(text));
	if (r == 0)
		r = put_member(b, "hint", BB_SPAN_STR(find_hint(reason)));
	return r < 0 ? r : bb_buf_add(b, "}\n", 2);
}

/* Only when the next octet from the guest is certainly the next request's */
static bool may_stay(const struct conn *c, const struct answer *a)
{
	const struct request *rq = c->rq;

	return rq && rq->http.keep_alive && rq->http.minor == 1 &&
	       rq->http.form != HTTP1_FORM_AUTHORITY && a->status != 400 && !c->guest.eof &&
	       (rq->sent || rq->http.body == HTTP1_BODY_NONE ||
		(rq->http.body == HTTP1_BODY_LENGTH && rq->http.length == 0));
}

static int write_answer(struct conn *c, const struct answer *a, enum policy_reason reason,
			const char *text, bool stay)
{
	bool head = c->rq && bb_span_eq(c->rq->http.method, BB_SPAN_STR("HEAD"));
	bb_auto_buf struct bb_buf body;
	int r;

	bb_buf_init(&body, 8192);
	r = make_body(&body, c, a, reason, text);
	if (r == 0)
		r = bb_buf_addf(&c->guest.out,
				"HTTP/1.1 %u %s\r\nContent-Type: application/json\r\n"
				"Content-Length: %zu\r\nCache-Control: no-store\r\n"
				"X-Egress-Reason: %s\r\n%s\r\n",
				a->status, a->phrase, body.len, policy_reason_str[reason],
				stay ? "" : "Connection: close\r\n");
	if (r == 0 && !head)
		r = bb_buf_add(&c->guest.out, body.p, body.len);
	return r;
}

void reply_error(struct conn *c, unsigned int status, enum policy_reason reason, const char *text)
{
	const struct answer *a = find_answer(status);
	bool stay = may_stay(c, a);

	if (c->rq && c->rq->head_written) {
		conn_abort(c, reason, text);
		return;
	}
	if (c->rq)
		c->rq->status = status;
	if (c->rq && c->rq->admitted)
		audit_end(c, reason, text);
	else
		audit_verdict(c, POLICY_DENY, reason, status, text, false);
	if (c->state == CONN_DEAD)
		return;
	exchange_cancel_dial(c);
	stream_close(&c->up);
	if (write_answer(c, a, reason, text, stay) < 0) {
		c->state = CONN_DEAD;
		return;
	}
	if (stay) {
		conn_next(c);
		return;
	}
	c->state = CONN_LINGER;
	conn_rest(c, EGRESS_LINGER_MS);
}

bool step_linger(struct conn *c)
{
	size_t n;

	if (c->guest.out.len && !c->guest.write_error)
		return false; /* conn_run() sends */
	stream_shutdown(&c->guest);
	n = stream_drain(&c->guest);
	c->drained += n;
	if (c->guest.eof || c->guest.error || c->drained > EGRESS_LINGER_BYTES)
		c->state = CONN_DEAD;
	return n > 0;
}
