/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/authority.h"
#include "tests/unit/unit.h"

struct row {
	const char *text;
	enum policy_reason want;
	const char *name;
	uint16_t port;
};
#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
static const struct row rows[] = {
	{ "a.test", REASON_OK, "a.test", 0 },
	{ "A.Test.:443", REASON_OK, "a.test", 443 },
	{ "localhost", REASON_OK, "localhost", 0 },
	{ "_x.a-b.test:65535", REASON_OK, "_x.a-b.test", 65535 },
	{ "1.2.3.com", REASON_OK, "1.2.3.com", 0 },
	{ "0x1g", REASON_OK, "0x1g", 0 },
	{ L63 ".test", REASON_OK, L63 ".test", 0 },
	{ L63 "a.test", REASON_BAD_NAME, NULL, 0 },
	{ L63 "." L63 "." L63 "." L63, REASON_BAD_NAME, NULL, 0 },
	{ "", REASON_BAD_NAME, NULL, 0 },
	{ ".", REASON_BAD_NAME, NULL, 0 },
	{ ".a", REASON_BAD_NAME, NULL, 0 },
	{ "a..b", REASON_BAD_NAME, NULL, 0 },
	{ "a.test..", REASON_BAD_NAME, NULL, 0 },
	{ "a b", REASON_BAD_NAME, NULL, 0 },
	{ "a%2etest", REASON_BAD_NAME, NULL, 0 },
	{ "u@a.test", REASON_BAD_NAME, NULL, 0 },
	{ "u:p@a.test", REASON_BAD_NAME, NULL, 0 },
	{ "a/b", REASON_BAD_NAME, NULL, 0 },
	{ "b\xc3\xbc.test", REASON_BAD_NAME, NULL, 0 },
	{ "a.test:", REASON_BAD_NAME, NULL, 0 },
	{ "a.test:0", REASON_BAD_NAME, NULL, 0 },
	{ "a.test:0443", REASON_BAD_NAME, NULL, 0 },
	{ "a.test:65536", REASON_BAD_NAME, NULL, 0 },
	{ "a.test:+1", REASON_BAD_NAME, NULL, 0 },
	{ "127.0.0.1", REASON_IP_LITERAL, NULL, 0 },
	{ "127.0.0.1.:80", REASON_IP_LITERAL, NULL, 0 },
	{ "127.1", REASON_IP_LITERAL, NULL, 0 },
	{ "2130706433:80", REASON_IP_LITERAL, NULL, 0 },
	{ "0x7f000001", REASON_IP_LITERAL, NULL, 0 },
	{ "0X7F.1", REASON_IP_LITERAL, NULL, 0 },
	{ "1.2.3.0x4", REASON_IP_LITERAL, NULL, 0 },
	{ "0x", REASON_IP_LITERAL, NULL, 0 },
	{ "[::1]:443", REASON_IP_LITERAL, NULL, 0 },
	{ "[::1", REASON_IP_LITERAL, NULL, 0 },
	{ "::1", REASON_IP_LITERAL, NULL, 0 },
	{ "::ffff:127.0.0.1", REASON_BAD_NAME, NULL, 0 },
};

static void parse_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		const struct row *t = &rows[i];
		size_t len = strlen(t->text);
		bb_auto_free uint8_t *copy = malloc(len + !len);
		struct authority a = { .name = "unchanged", .port = 7 };
		enum policy_reason got;

		assert_non_null(copy);
		memcpy(copy, t->text, len);
		got = authority_parse((struct bb_span){ copy, len }, &a);
		if (got != t->want)
			fail_msg("%s: %s instead of %s", t->text, policy_reason_str[got],
				 policy_reason_str[t->want]);
		assert_string_equal(a.name, got == REASON_OK ? t->name : "unchanged");
		assert_int_equal(a.port, got == REASON_OK ? t->port : 7);
	}
}

static void absolute_is_split(void **state)
{
	struct authority a = { 0 };
	struct bb_span path;
	bool tls = true;

	(void)state;
	assert_int_equal(authority_absolute(BB_SPAN_STR("HTTP://A.test:8080/x?y"), &a, &tls, &path),
			 REASON_OK);
	assert_string_equal(a.name, "a.test");
	assert_true(a.port == 8080 && !tls && bb_span_eq(path, BB_SPAN_STR("/x?y")));
	assert_int_equal(authority_absolute(BB_SPAN_STR("https://a.test?q"), &a, &tls, &path),
			 REASON_OK);
	assert_true(a.port == 0 && tls && bb_span_eq(path, BB_SPAN_STR("?q")));
	assert_int_equal(authority_absolute(BB_SPAN_STR("http://a.test"), &a, &tls, &path),
			 REASON_OK);
	assert_int_equal(path.len, 0);
	assert_int_equal(authority_absolute(BB_SPAN_STR("ftp://a.test/"), &a, &tls, &path),
			 REASON_BAD_REQUEST);
	assert_int_equal(authority_absolute(BB_SPAN_STR("http:///x"), &a, &tls, &path),
			 REASON_BAD_NAME);
	assert_int_equal(authority_absolute(BB_SPAN_STR("http://u@a.test/"), &a, &tls, &path),
			 REASON_BAD_NAME);
	assert_int_equal(authority_absolute(BB_SPAN_STR("http://a.test\\@b/"), &a, &tls, &path),
			 REASON_BAD_NAME);
	assert_int_equal(authority_absolute(BB_SPAN_STR("http://[::1]/"), &a, &tls, &path),
			 REASON_IP_LITERAL);
}

/* What was refused, as the audit shows it */
static void refused_are_shown(void **state)
{
	static const struct {
		const char *target, *host;
		uint16_t port;
	} t[] = {
		{ "1.2.3.4:443", "1.2.3.4", 443 },
		{ "1.2.3.4", "1.2.3.4", 0 },
		{ "http://1.2.3.4/x:1", "1.2.3.4", 80 },
		{ "HTTPS://1.2.3.4?x", "1.2.3.4", 443 },
		{ "http://1.2.3.4:8080/", "1.2.3.4", 8080 },
		{ "http://[2001:db8::1]:81/", "[2001:db8::1]", 81 },
		{ "[::1]", "[::1]", 0 },
		{ "http://[::1/", "[::1", 80 },
		{ "::1", "::1", 0 },
		{ "1.2.3.4:0", "1.2.3.4", 0 },
		{ "1.2.3.4:65536", "1.2.3.4", 0 },
		{ "ftp://1.2.3.4/", "1.2.3.4", 0 },
		{ ":80", "", 80 },
		{ "http://", "", 80 },
		{ "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(t); i++) {
		size_t len = strlen(t[i].target);
		bb_auto_free uint8_t *copy = malloc(len + !len);
		struct bb_span host;
		uint16_t port;

		assert_non_null(copy);
		memcpy(copy, t[i].target, len);
		port = authority_shown((struct bb_span){ copy, len }, &host);
		if (port != t[i].port || !bb_span_eq(host, BB_SPAN_STR(t[i].host)))
			fail_msg("%s: %.*s port %u", t[i].target, (int)host.len,
				 (const char *)host.p, port);
	}
}

static void agreement(void **state)
{
	const struct authority want = { "a.test", 8443 };

	(void)state;
	assert_true(authority_agrees(&(struct authority){ "a.test", 0 }, &want));
	assert_true(authority_agrees(&(struct authority){ "a.test", 8443 }, &want));
	assert_false(authority_agrees(&(struct authority){ "a.test", 443 }, &want));
	assert_false(authority_agrees(&(struct authority){ "b.test", 0 }, &want));
}

static void routes_are_found(void **state)
{
	struct policy_route routes[] = {
		{ .host = "test", .wildcard = true, .n_ports = 2, .ports = { 443, 80 } },
		{ .host = "b.test", .wildcard = true, .n_ports = 1, .ports = { 443 } },
		{ .host = "a.test", .n_ports = 1, .ports = { 443 } },
		{ .host = "a.test", .n_ports = 1, .ports = { 8443 } },
	};
	const struct policy p = { .n_routes = BB_ARRAY_LEN(routes), .routes = routes };
	const struct policy none = { 0 };
	static const struct {
		const char *name;
		uint16_t port;
		enum policy_reason want;
		size_t index;
	} t[] = {
		{ "a.test", 443, REASON_ROUTE, 2 },     { "a.test", 8443, REASON_ROUTE, 3 },
		{ "a.test", 80, REASON_PORT, 9 },       { "c.test", 80, REASON_ROUTE, 0 },
		{ "x.y.test", 443, REASON_ROUTE, 0 },   { "x.b.test", 443, REASON_ROUTE, 1 },
		{ "x.b.test", 80, REASON_PORT, 9 },     { "b.test", 80, REASON_ROUTE, 0 },
		{ "test", 443, REASON_NOT_LISTED, 9 },  { "xtest", 443, REASON_NOT_LISTED, 9 },
		{ "a.tes", 443, REASON_NOT_LISTED, 9 }, { ".test", 443, REASON_NOT_LISTED, 9 },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(t); i++) {
		size_t index = 9;
		enum policy_reason got = authority_route(&p, t[i].name, t[i].port, &index);

		if (got != t[i].want || index != t[i].index)
			fail_msg("%s:%u: %s %zu", t[i].name, t[i].port, policy_reason_str[got],
				 index);
		assert_int_equal(authority_route(&none, t[i].name, t[i].port, &index),
				 REASON_NOT_LISTED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_table),       cmocka_unit_test(absolute_is_split),
		cmocka_unit_test(refused_are_shown), cmocka_unit_test(agreement),
		cmocka_unit_test(routes_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
