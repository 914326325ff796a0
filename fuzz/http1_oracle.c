/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1.h"
#include <http_parser.h>

/*
 * http-parser, which a generation of servers was built on, reads what the guard writes: a request
 * that parses here and is written afresh is one request there too, with the same target, host and
 * body, and the request behind it begins where it begins for us.
 */
#define BODY_MAX 300

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct seen {
	char url[2][256];
	size_t n_url[2];
	unsigned int methods[2];
	size_t body[2];
	size_t hosts;
	bool is_host;
	size_t n; /* complete messages */
};

static int on_url(http_parser *p, const char *at, size_t len)
{
	struct seen *s = p->data;

	check(s->n < 2);
	for (size_t i = 0; i < len && s->n_url[s->n] < sizeof(s->url[0]); i++)
		s->url[s->n][s->n_url[s->n]++] = at[i];
	return 0;
}

static int on_field(http_parser *p, const char *at, size_t len)
{
	((struct seen *)p->data)->is_host = len == 4 && strncasecmp(at, "host", 4) == 0;
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t len)
{
	struct seen *s = p->data;

	if (s->is_host && s->n == 0) {
		check(len == 6 && memcmp(at, "h.test", 6) == 0);
		s->hosts++;
	}
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
	struct seen *s = p->data;

	(void)at;
	check(s->n < 2);
	s->body[s->n] += len;
	return 0;
}

static int on_complete(http_parser *p)
{
	struct seen *s = p->data;

	check(s->n < 2);
	s->methods[s->n++] = p->method;
	return 0;
}

/* The head as it goes out, a body as its framing says, and another request. Return: its length */
static size_t make_wire(const struct http1_request *r, uint8_t *out, size_t cap)
{
	static const char next[] = "GET /next HTTP/1.1\r\nHost: h.test\r\n\r\n";
	struct bb_span target = r->form == HTTP1_FORM_ABSOLUTE ? BB_SPAN_STR("/") : r->target;
	size_t len = 0;

	check(http1_request_write(r, target, BB_SPAN_STR("h.test"), out, cap, &len) == HTTP1_OK);
	if (r->body == HTTP1_BODY_CHUNKED) {
		memcpy(out + len, "3\r\nabc\r\n0\r\n\r\n", 13);
		len += 13;
	} else if (r->body == HTTP1_BODY_LENGTH) {
		memset(out + len, 'x', (size_t)r->length);
		len += (size_t)r->length;
	}
	memcpy(out + len, next, sizeof(next) - 1);
	return len + sizeof(next) - 1;
}

static bool is_get(struct bb_span method)
{
	return bb_span_eq(method, BB_SPAN_STR("GET"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const http_parser_settings settings = {
		.on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_body = on_body,
		.on_message_complete = on_complete,
	};
	static uint8_t wire[HTTP1_WRITE_MAX + BODY_MAX + 100];
	static struct http1_request r;
	struct seen s = { 0 };
	http_parser p;
	size_t len, used, n;

	if (http1_request_parse((struct bb_span){ data, size }, &r) != HTTP1_OK ||
	    (r.body == HTTP1_BODY_LENGTH && r.length > BODY_MAX) ||
	    r.form == HTTP1_FORM_AUTHORITY || r.websocket)
		return 0;
	len = make_wire(&r, wire, HTTP1_WRITE_MAX);
	http_parser_init(&p, HTTP_REQUEST);
	p.data = &s;
	used = http_parser_execute(&p, &settings, (const char *)wire, len);
	/* It knows only some methods, has its own idea of a URL, and a bound on heads */
	if (p.http_errno == HPE_INVALID_METHOD || p.http_errno == HPE_INVALID_URL ||
	    p.http_errno == HPE_HEADER_OVERFLOW) {
		check(s.n == 0);
		return 0;
	}
	check(p.http_errno == HPE_OK && used == len && s.n == 2 && s.hosts == 1);
	check(is_get(r.method) == (s.methods[0] == HTTP_GET));
	check(s.body[0] == (r.body == HTTP1_BODY_CHUNKED  ? 3
			    : r.body == HTTP1_BODY_LENGTH ? (size_t)r.length
							  : 0));
	n = r.target.len < sizeof(s.url[0]) ? r.target.len : sizeof(s.url[0]);
	check(r.form == HTTP1_FORM_ABSOLUTE || memcmp(s.url[0], r.target.p, n) == 0);
	check(s.n_url[1] == 5 && memcmp(s.url[1], "/next", 5) == 0);
	return 0;
}
