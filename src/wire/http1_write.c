/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1_int.h"
#include <stdio.h>

void http1_put(struct http1_out *o, struct bb_span s)
{
	if (o->full || s.len > o->cap - o->len) {
		o->full = true;
		return;
	}
	if (s.len)
		memcpy(o->p + o->len, s.p, s.len);
	o->len += s.len;
}

void http1_put_str(struct http1_out *o, const char *s)
{
	http1_put(o, BB_SPAN_STR(s));
}

void http1_put_field(struct http1_out *o, struct bb_span name, struct bb_span value)
{
	http1_put(o, name);
	http1_put_str(o, ": ");
	http1_put(o, value);
	http1_put_str(o, "\r\n");
}

void http1_put_uint(struct http1_out *o, const char *before, uint64_t v, const char *after)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s%llu%s", before, (unsigned long long)v, after);
	http1_put_str(o, text);
}

bool http1_in_names(struct bb_span name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (http1_span_is(name, names[i]))
			return true;
	}
	return false;
}

/*
 * Fields about this connection only (RFC 9110 section 7.6.1), and those that are written afresh.
 * Keep-Alive, Proxy-Connection and HTTP2-Settings are hop-by-hop by custom.
 */
static const char *const hop_names[] = {
	"connection", "keep-alive",        "proxy-connection", "te",
	"trailer",    "transfer-encoding", "content-length",   "upgrade",
};

bool http1_is_hop_name(struct bb_span name)
{
	return http1_in_names(name, hop_names, BB_ARRAY_LEN(hop_names));
}

static bool is_same_name(struct bb_span a, struct bb_span b)
{
	size_t j = 0;

	while (a.len == b.len && j < a.len &&
	       (a.p[j] == b.p[j] ||
		((a.p[j] ^ b.p[j]) == 0x20 && (a.p[j] | 0x20) >= 'a' && (a.p[j] | 0x20) <= 'z')))
		j++;
	return a.len == b.len && j == a.len;
}

/* By the length of their names, up to where there is one bit for all */
static uint64_t length_bit(struct bb_span name)
{
	return 1ull << (name.len < 63 ? name.len : 63);
}

static void name_all(const struct http1_fields *f, struct bb_span list, uint64_t lengths,
		     bool named[static HTTP1_FIELDS_MAX])
{
	struct bb_span e;

	while (http1_list_next(&list, &e)) {
		for (size_t i = 0; i < f->n && (lengths & length_bit(e)); i++) {
			if (f->v[i].name.len == e.len && !named[i])
				named[i] = is_same_name(f->v[i].name, e);
		}
	}
}

/* Which are named by a Connection field? The names there are tokens; others match nothing. A list
 * may be as long as the head, so each is read once */
static void find_named(const struct http1_fields *f, bool named[static HTTP1_FIELDS_MAX])
{
	uint64_t lengths = 0;

	memset(named, 0, f->n * sizeof(named[0]));
	for (size_t i = 0; i < f->n; i++)
		lengths |= length_bit(f->v[i].name);
	for (size_t i = 0; i < f->n; i++) {
		if (http1_span_is(f->v[i].name, "connection") ||
		    http1_span_is(f->v[i].name, "proxy-connection"))
			name_all(f, f->v[i].value, lengths, named);
	}
}

static void put_end_to_end(struct http1_out *o, const struct http1_fields *f,
			   const char *const *drop, size_t n_drop)
{
	bool named[HTTP1_FIELDS_MAX];

	find_named(f, named);
	for (size_t i = 0; i < f->n; i++) {
		const struct http1_field *v = &f->v[i];

		if (!named[i] && !http1_is_hop_name(v->name) &&
		    !http1_in_names(v->name, drop, n_drop))
			http1_put_field(o, v->name, v->value);
	}
}

static void put_framing(struct http1_out *o, enum http1_body body, uint64_t length)
{
	if (body == HTTP1_BODY_LENGTH)
		http1_put_uint(o, "Content-Length: ", length, "\r\n");
	else if (body == HTTP1_BODY_CHUNKED)
		http1_put_str(o, "Transfer-Encoding: chunked\r\n");
}

static enum http1_result finish(struct http1_out *o, size_t *ret_len)
{
	http1_put_str(o, "\r\n");
	if (o->full)
		return HTTP1_NO_ROOM;
	*ret_len = o->len;
	return HTTP1_OK;
}

/* Of a request, besides what is hop-by-hop */
static const char *const own_names[] = {
	"host",
	"expect",
	"proxy-authorization",
	"http2-settings",
};

void http1_fields_drop_named(struct http1_fields *f)
{
	bool named[HTTP1_FIELDS_MAX];
	size_t kept = 0;

	find_named(f, named);
	for (size_t i = 0; i < f->n; i++) {
		if (!named[i] || http1_is_hop_name(f->v[i].name))
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
}

void http1_request_settle(struct http1_request *r)
{
	struct http1_fields *f = &r->fields;
	size_t left = 0;

	http1_fields_drop_named(f);
	for (size_t i = 0; i < f->n; i++) {
		if (!http1_is_hop_name(f->v[i].name) &&
		    !http1_in_names(f->v[i].name, own_names, BB_ARRAY_LEN(own_names)))
			f->v[left++] = f->v[i];
	}
	f->n = left;
}

enum http1_result http1_request_write(const struct http1_request *r, struct bb_span target,
				      struct bb_span host, uint8_t *out, size_t cap,
				      size_t *ret_len)
{
	struct http1_out o = { .p = out, .cap = cap };

	http1_put(&o, r->method);
	http1_put_str(&o, " ");
	http1_put(&o, target);
	http1_put_str(&o, " HTTP/1.1\r\n");
	http1_put_field(&o, BB_SPAN_STR("Host"), host);
	put_end_to_end(&o, &r->fields, own_names, BB_ARRAY_LEN(own_names));
	if (r->te_trailers)
		http1_put_str(&o, "TE: trailers\r\nConnection: TE\r\n");
	if (r->websocket)
		http1_put_str(&o, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	put_framing(&o, r->body, r->length);
	return finish(&o, ret_len);
}

enum http1_result http1_response_write(const struct http1_response *r, enum http1_body body,
				       const char *connection, uint8_t *out, size_t cap,
				       size_t *ret_len)
{
	static const char *const drop[] = { "alt-svc", "nel", "report-to", "proxy-authenticate" };
	struct http1_out o = { .p = out, .cap = cap };

	http1_put_uint(&o, "HTTP/1.1 ", r->status, " ");
	http1_put(&o, r->reason);
	http1_put_str(&o, "\r\n");
	put_end_to_end(&o, &r->fields, drop, BB_ARRAY_LEN(drop));
	if (connection) {
		http1_put_str(&o, "Connection: ");
		http1_put_str(&o, connection);
		http1_put_str(&o, "\r\n");
	}
	if (body == HTTP1_BODY_NONE && r->has_length)
		put_framing(&o, HTTP1_BODY_LENGTH, r->length);
	else
		put_framing(&o, body, r->length);
	return finish(&o, ret_len);
}

/* RFC 9110 section 6.5.1: what says how to read, route or trust the message is too late here */
enum http1_result http1_trailers_write(const struct http1_fields *f, uint8_t *out, size_t cap,
				       size_t *ret_len)
{
	static const char *const drop[] = {
		"alt-svc",          "nel",           "report-to",    "proxy-authenticate",
		"set-cookie",       "location",      "host",         "authorization",
		"content-encoding", "content-range", "content-type", "cache-control",
		"www-authenticate", "expect",        "max-forwards",
	};
	struct http1_out o = { .p = out, .cap = cap };

	http1_put_str(&o, "0\r\n");
	put_end_to_end(&o, f, drop, BB_ARRAY_LEN(drop));
	return finish(&o, ret_len);
}
