/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"
#include "tests/unit/unit.h"

/* Which request is for whom, outside a tunnel, inside a plain one, inside TLS */

enum place { OUTER, PLAIN_80, TLS_443, TLS_8443 };

struct row {
	enum place place;
	const char *head;
	unsigned int status;
	enum policy_reason reason;
	const char *path; /* of the request that goes upstream */
};

#define GET(target, host) "GET " target " HTTP/1.1\r\nHost: " host "\r\n\r\n"
static const struct row rows[] = {
	{ OUTER, GET("http://a.test/x?y", "a.test"), 0, REASON_OK, "/x?y" },
	{ OUTER, GET("http://a.test", "A.TEST.:80"), 0, REASON_OK, "/" },
	{ OUTER, GET("http://a.test:80?q", "a.test"), 0, REASON_OK, "/?q" },
	{ OUTER, "OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", 0, REASON_OK, "*" },
	{ OUTER, "GET http://a.test/ HTTP/1.0\r\n\r\n", 0, REASON_OK, "/" },
	{ OUTER, "CONNECT a.test:443 HTTP/1.0\r\n\r\n", 0, REASON_OK, "" },
	{ OUTER, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", 0, REASON_OK, "" },
	{ OUTER, "CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n", 400,
	  REASON_NAME_MISMATCH, NULL },
	{ OUTER, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", 400,
	  REASON_NAME_MISMATCH, NULL },
	{ OUTER, "CONNECT a.test HTTP/1.1\r\n\r\n", 400, REASON_BAD_REQUEST, NULL },
	{ OUTER, "CONNECT a_b!:443 HTTP/1.1\r\n\r\n", 400, REASON_BAD_NAME, NULL },
	{ OUTER, "CONNECT u@a.test:443 HTTP/1.1\r\n\r\n", 400, REASON_BAD_NAME, NULL },
	{ OUTER, "CONNECT a.test:22 HTTP/1.1\r\n\r\n", 403, REASON_PORT, NULL },
	{ OUTER, "CONNECT b.test:443 HTTP/1.1\r\n\r\n", 403, REASON_NOT_LISTED, NULL },
	{ OUTER, "CONNECT 127.1:443 HTTP/1.1\r\n\r\n", 403, REASON_IP_LITERAL, NULL },
	{ OUTER, "CONNECT [::1]:443 HTTP/1.1\r\n\r\n", 403, REASON_IP_LITERAL, NULL },
	{ OUTER, GET("https://a.test/", "a.test"), 400, REASON_BAD_REQUEST, NULL },
	{ OUTER, GET("ftp://a.test/", "a.test"), 400, REASON_BAD_REQUEST, NULL },
	{ OUTER, GET("http://a.test/", "b.test"), 400, REASON_NAME_MISMATCH, NULL },
	{ OUTER, GET("http://a.test/", "a.test:8080"), 400, REASON_NAME_MISMATCH, NULL },
	{ OUTER, GET("http://a.test/", ""), 400, REASON_NAME_MISMATCH, NULL },
	{ OUTER, GET("http://u:p@a.test/", "a.test"), 400, REASON_BAD_NAME, NULL },
	{ OUTER, GET("http://10.0.0.1/", "10.0.0.1"), 403, REASON_IP_LITERAL, NULL },
	{ OUTER, GET("http://b.test/", "b.test"), 403, REASON_NOT_LISTED, NULL },
	{ OUTER, GET("http://a.test:81/", "a.test:81"), 403, REASON_PORT, NULL },
	{ OUTER, GET("/", "a.test"), 400, REASON_NOT_PROXY, NULL },
	{ OUTER, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, REASON_NOT_PROXY, NULL },
	{ OUTER,
	  "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\n"
	  "Upgrade: websocket\r\n\r\n",
	  400, REASON_BAD_REQUEST, NULL },
	{ OUTER,
	  "GET http://a.test/ws HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\n"
	  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	  0, REASON_OK, "/ws" },
	{ PLAIN_80, GET("/x", "a.test"), 0, REASON_OK, "/x" },
	{ PLAIN_80, GET("http://a.test/x", "a.test"), 0, REASON_OK, "/x" },
	{ PLAIN_80, GET("https://a.test/x", "a.test"), 400, REASON_BAD_REQUEST, NULL },
	{ PLAIN_80, GET("/x", "b.test"), 421, REASON_NAME_MISMATCH, NULL },
	{ PLAIN_80, "CONNECT a.test:443 HTTP/1.1\r\n\r\n", 400, REASON_BAD_REQUEST, NULL },
	{ TLS_443, GET("/x", "a.test"), 0, REASON_OK, "/x" },
	{ TLS_443, GET("/x", "a.test:443"), 0, REASON_OK, "/x" },
	{ TLS_443, "GET /x HTTP/1.0\r\n\r\n", 0, REASON_OK, "/x" },
	{ TLS_443, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", 0, REASON_OK, "*" },
	{ TLS_443, GET("https://a.test/x", "a.test"), 0, REASON_OK, "/x" },
	{ TLS_443, GET("/x", "a.test:80"), 421, REASON_NAME_MISMATCH, NULL },
	{ TLS_443, GET("/x", "c.a.test"), 421, REASON_NAME_MISMATCH, NULL },
	{ TLS_443, GET("/x", "a.test/b"), 400, REASON_NAME_MISMATCH, NULL },
	{ TLS_443, GET("https://b.test/x", "b.test"), 421, REASON_NAME_MISMATCH, NULL },
	{ TLS_443, GET("https://a.test/x", "b.test"), 400, REASON_NAME_MISMATCH, NULL },
	{ TLS_443, GET("http://a.test/x", "a.test"), 400, REASON_BAD_REQUEST, NULL },
	/* A tunnel that no route allows any more */
	{ TLS_8443, GET("/x", "a.test:8443"), 403, REASON_PORT, NULL },
};

static void place_conn(struct conn *c, enum place place)
{
	static const uint16_t ports[] = { [PLAIN_80] = 80, [TLS_443] = 443, [TLS_8443] = 8443 };

	if (place == OUTER)
		return;
	c->tunnel = true;
	c->tls = place != PLAIN_80;
	c->name = (struct authority){ "a.test", ports[place] };
}

static void judge_table(void **state)
{
	struct policy_route route = { .host = "a.test", .n_ports = 2, .ports = { 443, 80 } };
	struct route_use used = { 0 };
	struct bb_err err = { 0 };
	static struct egress eg;

	(void)state;
	route.content = content_new();
	eg.used = &used;
	assert_int_equal(searcher_init(&eg.searcher, &eg.secrets, -1, &err), 0);
	eg.policy = (struct policy){ .n_routes = 1, .routes = &route };
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		const struct row *t = &rows[i];
		struct request rq = { 0 };
		struct conn c = { .eg = &eg, .rq = &rq };
		struct judgement j;

		place_conn(&c, t->place);
		bb_buf_init(&rq.own_path, HTTP1_HEAD_MAX);
		assert_int_equal(http1_request_parse(BB_SPAN_STR(t->head), &rq.http), HTTP1_OK);
		j = judge_request(&c, &rq);
		if (j.status != t->status || j.reason != t->reason)
			fail_msg("%s: %u %s", t->head, j.status, policy_reason_str[j.reason]);
		if (t->path && !bb_span_eq(rq.path, BB_SPAN_STR(t->path)))
			fail_msg("%s: path %.*s", t->head, (int)rq.path.len,
				 (const char *)rq.path.p);
		bb_buf_release(&rq.own_path);
		free(rq.ws);
	}
	content_unref(route.content);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(judge_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
