/* SPDX-License-Identifier: Apache-2.0 */
#include "http2_split.h"

/*
 * Input: one octet of flags, then lines "name\x1fvalue\n". Invariants: a head that is made is one
 * head to the scanner; if the parser reads it, it reads the method, path and authority that the
 * section had, the framing that was meant, and no field that the section did not have; and the
 * section made of that says the same again.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct bb_span value_of(const struct http2_section *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (http1_span_is(s->v[i].name, name))
			return s->v[i].value;
	}
	return (struct bb_span){ 0 };
}

/* Every field of the head is in the section, cookies aside, and as often */
static void check_fields(const struct http1_request *r, const struct http2_section *s)
{
	for (size_t i = 0; i < r->fields.n; i++) {
		const struct http1_field *f = &r->fields.v[i];
		bool found = http1_span_is(f->name, "host") || http1_span_is(f->name, "cookie") ||
			     http1_span_is(f->name, "te") ||
			     http1_span_is(f->name, "transfer-encoding") ||
			     http1_span_is(f->name, "content-length");

		for (size_t j = 0; j < s->n && !found; j++)
			found = bb_span_eq(s->v[j].name, f->name) &&
				(f->value.len == 0 || memmem(s->v[j].value.p, s->v[j].value.len,
							     f->value.p, f->value.len));
		check(found);
	}
}

static void check_again(const struct http1_request *r, bool tls)
{
	static uint8_t names[HTTP1_WRITE_MAX], text[HTTP1_WRITE_MAX];
	static struct http2_section back;
	static struct http1_request again;
	enum http2_result e;
	bool chunked;
	size_t len = 0;

	check(http2_request_section(r, tls, names, sizeof(names), &back) == HTTP2_OK);
	e = http2_request_head(&back, tls, r->body == HTTP1_BODY_NONE, text, sizeof(text), &len,
			       &chunked);
	check(e == HTTP2_OK || e == HTTP2_TOO_LONG);
	if (e != HTTP2_OK || http1_request_parse((struct bb_span){ text, len }, &again) != HTTP1_OK)
		return;
	check(bb_span_eq(again.method, r->method) && bb_span_eq(again.target, r->target));
	check(bb_span_eq(again.host, r->host) && again.body == r->body);
	check(again.length == r->length && again.te_trailers == r->te_trailers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t text[HTTP1_HEAD_MAX];
	static struct http2_section s;
	static struct http1_request r;
	struct http1_scan scan = { 0 };
	struct bb_span authority;
	size_t len = 0, seen = 0;
	bool tls, ended, chunked;

	if (size == 0)
		return 0;
	tls = data[0] & 1;
	ended = data[0] & 2;
	http2_split(data + 1, size - 1, &s);
	if (http2_request_head(&s, tls, ended, text, sizeof(text), &len, &chunked) != HTTP2_OK)
		return 0;
	check(http1_scan_request(&scan, (struct bb_span){ text, len }, &seen) == HTTP1_OK);
	check(seen == len && scan.skip == 0);
	if (http1_request_parse((struct bb_span){ text, len }, &r) != HTTP1_OK)
		return 0;
	authority = value_of(&s, ":authority");
	check(bb_span_eq(r.method, value_of(&s, ":method")));
	check(bb_span_eq(r.target, value_of(&s, ":path")));
	check(!authority.p || authority.len == 0 || bb_span_eq(r.host, authority));
	check(r.minor == 1 && !r.websocket && r.keep_alive && r.form != HTTP1_FORM_AUTHORITY);
	check(r.body != HTTP1_BODY_NONE || ended);
	check((r.body == HTTP1_BODY_CHUNKED) == chunked && !(chunked && ended));
	check_fields(&r, &s);
	check_again(&r, tls);
	return 0;
}
