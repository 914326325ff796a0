/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/flow.h"
#include "tests/unit/unit.h"

static struct policy_route routes[] = {
	{ .host = "api.test", .n_ports = 2, .ports = { 443, 80 } },
	{ .host = "tls.test", .n_ports = 1, .ports = { 443 } },
	{ .host = "corp.test",
	  .n_ports = 1,
	  .ports = { 443 },
	  .n_addresses = 1,
	  .addresses = { { { 4, { 10, 1, 0, 0 } }, 16 } } },
	{ .host = "local.test",
	  .n_ports = 1,
	  .ports = { 80 },
	  .upstream = { .host = "127.0.0.1", .port = 11434 } },
};
static struct policy_tcp tcp[] = {
	{ .host = "db.test", .port = 5432 },
	{ .cidr = { { 4, { 192, 0, 2, 0 } }, 24 }, .port = 22 },
	{ .cidr = { { 6, { 0x20, 1, 0xd, 0xb8 } }, 32 }, .port = 22 },
	{ .cidr = { { 4, { 0 } }, 0 }, .port = 25 }, /* as wide as a rule can be */
	{ .cidr = { { 6, { 0 } }, 0 }, .port = 25 },
	{ .cidr = { { 4, { 10, 9, 0, 0 } }, 16 }, .port = 5432 },
	{ .host = "api.test", .port = 8443 },
};
static struct policy policy = { .alias = { 4, { 127, 83, 7, 1 } },
				.n_routes = BB_ARRAY_LEN(routes),
				.routes = routes,
				.n_tcp = BB_ARRAY_LEN(tcp),
				.tcp = tcp };

static struct policy_flow judge(const struct dns_filter *f, const char *text, uint16_t port)
{
	struct policy_flow flow;
	struct ip_addr a;

	assert_true(ip_addr_parse(text, &a));
	policy_judge_flow(&policy, f, &a, port, &flow);
	return flow;
}

static void by_address(void **state)
{
	static const struct {
		const char *addr;
		uint16_t port;
		enum policy_reason reason;
		enum policy_target target;
		const char *canonical;
	} rows[] = {
		/* services */
		{ "127.83.7.1", 9099, REASON_SERVICE, POLICY_TARGET_EGRESS, NULL },
		{ "127.83.7.1", 9418, REASON_SERVICE_OFF, POLICY_TARGET_NONE, NULL },
		{ "127.83.7.1", 9100, REASON_SERVICE_OFF, POLICY_TARGET_NONE, NULL },
		{ "127.83.7.1", 25, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
		{ "::ffff:127.83.7.1", 9099, REASON_SERVICE, POLICY_TARGET_EGRESS, "127.83.7.1" },
		/* the floor is below the widest rule */
		{ "127.83.7.2", 9099, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "127.0.0.1", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "::1", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "::", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "0.0.0.0", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "::127.0.0.1", 25, REASON_FLOOR, POLICY_TARGET_NONE, "127.0.0.1" },
		{ "::ffff:127.0.0.1", 25, REASON_FLOOR, POLICY_TARGET_NONE, "127.0.0.1" },
		{ "::ffff:0:127.0.0.1", 25, REASON_FLOOR, POLICY_TARGET_NONE, "127.0.0.1" },
		{ "64:ff9b::127.0.0.1", 25, REASON_FLOOR, POLICY_TARGET_NONE, "127.0.0.1" },
		{ "2002:7f00:1::", 25, REASON_FLOOR, POLICY_TARGET_NONE, "127.0.0.1" },
		{ "2001:0:1:2:3:4:80ff:fffe", 25, REASON_FLOOR, POLICY_TARGET_NONE, "127.0.0.1" },
		{ "64:ff9b:1::1", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "169.254.169.254", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "100.100.100.200", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "168.63.129.16", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "224.0.0.1", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "255.255.255.255", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "fe80::1", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "ff02::1", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "fd00:ec2::254", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		{ "fd20:ce::254", 25, REASON_FLOOR, POLICY_TARGET_NONE, NULL },
		/* rules by range */
		{ "192.0.2.5", 22, REASON_TCP_RULE, POLICY_TARGET_DIAL_ADDR, NULL },
		{ "192.0.2.5", 23, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
		{ "192.0.1.255", 22, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
		{ "192.0.3.0", 22, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
		{ "::ffff:192.0.2.5", 22, REASON_TCP_RULE, POLICY_TARGET_DIAL_ADDR, "192.0.2.5" },
		{ "::ffff:192.0.3.0", 22, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, "192.0.3.0" },
		{ "2002:c000:300::", 22, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, "192.0.3.0" },
		{ "2001:db8::1", 22, REASON_TCP_RULE, POLICY_TARGET_DIAL_ADDR, NULL },
		{ "2001:db9::1", 22, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
		{ "10.9.1.1", 5432, REASON_TCP_RULE, POLICY_TARGET_DIAL_ADDR, NULL },
		{ "8.8.8.8", 53, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
		{ "8.8.8.8", 853, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
		{ "8.8.8.8", 25, REASON_TCP_RULE, POLICY_TARGET_DIAL_ADDR, NULL },
		/* a synthetic address that was never given out, under the widest rule */
		{ "198.18.77.1", 25, REASON_DEFAULT_DENY, POLICY_TARGET_NONE, NULL },
	};
	struct dns_filter *f = calloc(1, sizeof(*f));

	(void)state;
	assert_non_null(f);
	dns_filter_init(f, &policy, 1);
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct policy_flow flow = judge(f, rows[i].addr, rows[i].port);
		char text[IP_ADDR_TEXT_MAX];

		ip_addr_format(&flow.addr, text);
		assert_string_equal(text, rows[i].canonical ? rows[i].canonical : rows[i].addr);
		assert_int_equal(flow.reason, rows[i].reason);
		assert_int_equal(flow.target, rows[i].target);
		assert_int_equal(flow.verdict, rows[i].target ? POLICY_ALLOW : POLICY_DENY);
		assert_null(flow.name);
	}
	assert_int_equal(judge(f, "2001:db8::1", 22).rule, 2);
	free(f);
}

static struct policy_flow judge_name(struct dns_filter *f, const char *name, uint16_t port)
{
	struct policy_flow flow;
	struct dns_decision d;

	dns_filter_judge(f, name, DNS_TYPE_A, 0, &d);
	assert_int_equal(d.action, DNS_ACTION_ADDRESS);
	policy_judge_flow(&policy, f, &d.addr, port, &flow);
	assert_string_equal(flow.name, name);
	return flow;
}

static void by_synthetic_address(void **state)
{
	static const struct {
		bool transparent;
		const char *name;
		uint16_t port;
		enum policy_reason reason;
		enum policy_target target;
	} rows[] = {
		{ false, "api.test", 443, REASON_SYNTHETIC_DIRECT, POLICY_TARGET_NONE },
		{ false, "api.test", 80, REASON_SYNTHETIC_DIRECT, POLICY_TARGET_NONE },
		{ false, "api.test", 25, REASON_SYNTHETIC_DIRECT, POLICY_TARGET_NONE },
		{ false, "api.test", 8443, REASON_TCP_RULE, POLICY_TARGET_DIAL_NAME },
		{ false, "db.test", 5432, REASON_TCP_RULE, POLICY_TARGET_DIAL_NAME },
		{ false, "db.test", 5433, REASON_SYNTHETIC_DIRECT, POLICY_TARGET_NONE },
		{ true, "api.test", 443, REASON_ROUTE, POLICY_TARGET_EGRESS },
		{ true, "api.test", 80, REASON_ROUTE, POLICY_TARGET_EGRESS },
		{ true, "api.test", 22, REASON_SYNTHETIC_DIRECT, POLICY_TARGET_NONE },
		{ true, "tls.test", 80, REASON_SYNTHETIC_DIRECT, POLICY_TARGET_NONE },
		{ true, "db.test", 443, REASON_SYNTHETIC_DIRECT, POLICY_TARGET_NONE },
	};
	struct dns_filter *f = calloc(1, sizeof(*f));

	(void)state;
	assert_non_null(f);
	dns_filter_init(f, &policy, 1);
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct policy_flow flow;

		policy.transparent = rows[i].transparent;
		flow = judge_name(f, rows[i].name, rows[i].port);
		assert_int_equal(flow.reason, rows[i].reason);
		assert_int_equal(flow.target, rows[i].target);
	}
	policy.transparent = false;
	free(f);
}

static void resolved(void **state)
{
	static const struct {
		int route; /* -1: a tcp rule by name */
		const char *addr;
		uint16_t port;
		enum policy_reason want;
	} rows[] = {
		{ 0, "93.184.216.34", 443, REASON_OK },
		{ 0, "2606:2800::1", 443, REASON_OK },
		{ 0, "198.18.3.4", 443, REASON_OK }, /* a VPN client's own fake addresses */
		{ 0, "127.0.0.1", 443, REASON_FLOOR },
		{ 0, "::ffff:127.0.0.1", 443, REASON_FLOOR },
		{ 0, "::1", 443, REASON_FLOOR },
		{ 0, "127.83.7.1", 9099, REASON_FLOOR },
		{ 0, "169.254.169.254", 80, REASON_FLOOR },
		{ 0, "10.1.2.3", 443, REASON_PRIVATE },
		{ 0, "172.31.0.1", 443, REASON_PRIVATE },
		{ 0, "192.168.0.1", 443, REASON_PRIVATE },
		{ 0, "100.64.0.1", 443, REASON_PRIVATE },
		{ 0, "fd12::1", 443, REASON_PRIVATE },
		{ 0, "64:ff9b::10.1.2.3", 443, REASON_PRIVATE },
		{ 0, "10.9.1.1", 443, REASON_PRIVATE },
		{ 0, "10.9.1.1", 5432, REASON_OK },
		{ 2, "10.1.2.3", 443, REASON_OK },
		{ 2, "10.2.2.3", 443, REASON_PRIVATE },
		{ 2, "127.0.0.1", 443, REASON_FLOOR },
		{ 3, "127.0.0.1", 11434, REASON_OK },
		{ 3, "::1", 11434, REASON_OK },
		{ 3, "10.3.3.3", 11434, REASON_OK },
		{ 3, "169.254.169.254", 80, REASON_FLOOR },
		{ 3, "0.0.0.0", 80, REASON_FLOOR },
		{ -1, "93.184.216.34", 5432, REASON_OK },
		{ -1, "10.1.2.3", 5432, REASON_PRIVATE },
		{ -1, "10.9.2.3", 5432, REASON_OK },
		{ -1, "127.0.0.1", 5432, REASON_FLOOR },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct ip_addr a;

		assert_true(ip_addr_parse(rows[i].addr, &a));
		assert_int_equal(policy_judge_resolved(
					 &policy, rows[i].route < 0 ? NULL : &routes[rows[i].route],
					 &a, rows[i].port),
				 rows[i].want);
	}
}

/* The operator's proxy may stand where nothing else may: on this host, or in its network */
static void proxies(void **state)
{
	static const struct {
		const char *addr;
		enum policy_reason want;
	} rows[] = {
		{ "203.0.113.40", REASON_OK },
		{ "10.0.0.1", REASON_OK },
		{ "127.0.0.1", REASON_OK },
		{ "::1", REASON_OK },
		{ "::ffff:127.0.0.1", REASON_OK },
		{ "169.254.169.254", REASON_FLOOR },
		{ "64:ff9b::a9fe:a9fe", REASON_FLOOR },
		{ "fd00:ec2::254", REASON_FLOOR },
		{ "0.0.0.0", REASON_FLOOR },
		{ "224.0.0.1", REASON_FLOOR },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct ip_addr a;

		assert_true(ip_addr_parse(rows[i].addr, &a));
		if (policy_judge_proxy(&a) != rows[i].want)
			fail_msg("%s", rows[i].addr);
	}
}

/* What a guest may be told, and what dialer asks for it: nothing about connects */
static void lookups(void **state)
{
	static struct policy_route shown[] = {
		{ .host = "api.test" },
		{ .host = "w.test", .wildcard = true },
		{ .host = "up.test", .upstream = { "127.0.0.1", 80, false } },
		{ .host = "corp.test",
		  .n_addresses = 1,
		  .addresses = { { { 4, { 10, 1, 0, 0 } }, 16 } } },
	};
	static struct policy_tcp rules[] = { { .host = "db.test", .port = 1 } };
	struct policy p = {
		.dns_forward = true, .n_routes = 4, .routes = shown, .n_tcp = 1, .tcp = rules
	};
	static const struct {
		const char *name;
		const char *addr;
		enum policy_reason reason;
	} rows[] = {
		{ "api.test", "203.0.113.1", REASON_OK },
		{ "api.test", "2001:db8::1", REASON_OK },
		{ "api.test", "127.0.0.1", REASON_FLOOR },
		{ "up.test", "127.0.0.1", REASON_FLOOR },
		{ "api.test", "::ffff:169.254.169.254", REASON_FLOOR },
		{ "api.test", "64:ff9b::7f00:1", REASON_FLOOR },
		{ "api.test", "10.1.0.5", REASON_PRIVATE },
		{ "corp.test", "10.1.0.5", REASON_OK },
		{ "corp.test", "::ffff:10.2.0.5", REASON_PRIVATE },
		{ "corp.test", "127.0.0.1", REASON_FLOOR },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct ip_addr a;

		assert_true(ip_addr_parse(rows[i].addr, &a));
		assert_int_equal(policy_judge_shown(&p, rows[i].name, &a), rows[i].reason);
	}
	assert_int_equal(policy_judge_lookup(&p, "x.w.test", DNS_TYPE_A), REASON_FORWARDED);
	assert_int_equal(policy_judge_lookup(&p, "w.test", DNS_TYPE_A), REASON_NOT_LISTED);
	assert_int_equal(policy_judge_lookup(&p, "db.test", DNS_TYPE_A), REASON_NOT_LISTED);
	assert_int_equal(policy_judge_lookup(&p, "api.test", 65), REASON_QTYPE);
	p.dns_forward = false;
	assert_int_equal(policy_judge_lookup(&p, "api.test", DNS_TYPE_A), REASON_NOT_LISTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_address), cmocka_unit_test(by_synthetic_address),
		cmocka_unit_test(resolved),   cmocka_unit_test(proxies),
		cmocka_unit_test(lookups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
