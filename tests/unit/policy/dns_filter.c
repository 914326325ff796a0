/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/dns_filter.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct policy_route routes[] = {
	{ .host = "api.example.test", .n_ports = 1, .ports = { 443 } },
	{ .host = "wild.test", .wildcard = true, .n_ports = 1, .ports = { 443 } },
	{ .host = "both.test", .n_ports = 1, .ports = { 443 } },
	{ .host = "both.test", .wildcard = true, .n_ports = 1, .ports = { 443 } },
};
static struct policy_tcp tcp[] = {
	{ .host = "db.example.test", .port = 5432 },
	{ .cidr = { { 4, { 192, 0, 2, 0 } }, 24 }, .port = 22 },
};
static const struct policy policy = {
	.n_routes = BB_ARRAY_LEN(routes), .routes = routes, .n_tcp = BB_ARRAY_LEN(tcp), .tcp = tcp
};

static struct dns_filter *filter_new(const struct policy *p, uint64_t key)
{
	struct dns_filter *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	dns_filter_init(f, p, key);
	return f;
}

static struct dns_decision judge(struct dns_filter *f, const char *name, uint16_t qtype)
{
	struct dns_decision d;

	dns_filter_judge(f, name, qtype, 1000000, &d);
	return d;
}

static void decides(void **state)
{
	static const struct {
		const char *name;
		uint16_t qtype;
		enum dns_action action;
		enum policy_reason reason;
	} rows[] = {
		{ "api.example.test", 1, DNS_ACTION_ADDRESS, REASON_SYNTHETIC },
		{ "api.example.test", 28, DNS_ACTION_NODATA, REASON_SYNTHETIC },
		{ "api.example.test", 65, DNS_ACTION_NODATA, REASON_SYNTHETIC },
		{ "api.example.test", 16, DNS_ACTION_NODATA, REASON_SYNTHETIC },
		{ "api.example.test", 12, DNS_ACTION_NODATA, REASON_SYNTHETIC },
		{ "api.example.test", 255, DNS_ACTION_REFUSED, REASON_QTYPE },
		{ "api.example.test", 252, DNS_ACTION_REFUSED, REASON_QTYPE },
		{ "api.example.test", 251, DNS_ACTION_REFUSED, REASON_QTYPE },
		{ "api.example.test", 10, DNS_ACTION_REFUSED, REASON_QTYPE },
		{ "db.example.test", 1, DNS_ACTION_ADDRESS, REASON_SYNTHETIC },
		{ "a.wild.test", 1, DNS_ACTION_ADDRESS, REASON_SYNTHETIC },
		{ "a.b.c.wild.test", 1, DNS_ACTION_ADDRESS, REASON_SYNTHETIC },
		{ "a.wild.test", 255, DNS_ACTION_REFUSED, REASON_QTYPE },
		{ "unseen.wild.test", 28, DNS_ACTION_NODATA, REASON_SYNTHETIC },
		{ "both.test", 1, DNS_ACTION_ADDRESS, REASON_SYNTHETIC },
		{ "x.both.test", 1, DNS_ACTION_ADDRESS, REASON_SYNTHETIC },
		/* not listed, whatever the type */
		{ "wild.test", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "awild.test", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "wild.test.evil", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "example.test", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "x.api.example.test", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "pi.example.test", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "test", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "", 1, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "", 2, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "evil.test", 28, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "evil.test", 255, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "evil.test", 10, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
		{ "8.8.8.8.in-addr.arpa", 12, DNS_ACTION_NXDOMAIN, REASON_NOT_LISTED },
	};
	struct dns_filter *f = filter_new(&policy, 7);

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct dns_decision d = judge(f, rows[i].name, rows[i].qtype);

		assert_int_equal(d.action, rows[i].action);
		assert_int_equal(d.reason, rows[i].reason);
		assert_int_equal(d.verdict,
				 rows[i].reason == REASON_SYNTHETIC ? POLICY_ALLOW : POLICY_DENY);
	}
	free(f);
}

static void empty_policy_lists_nothing(void **state)
{
	static const struct policy none;
	struct dns_filter *f = filter_new(&none, 7);

	(void)state;
	assert_int_equal(judge(f, "", 1).action, DNS_ACTION_NXDOMAIN);
	assert_int_equal(judge(f, "a", 1).action, DNS_ACTION_NXDOMAIN);
	assert_int_equal(judge(f, "1.0.18.198.in-addr.arpa", 12).action, DNS_ACTION_NXDOMAIN);
	free(f);
}

static void addresses_are_stable_and_distinct(void **state)
{
	static const char *const names[] = { "api.example.test", "db.example.test", "both.test",
					     "a.wild.test", "b.wild.test" };
	struct dns_filter *f = filter_new(&policy, 99);
	struct ip_addr seen[BB_ARRAY_LEN(names)];

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		char reverse[64];

		seen[i] = judge(f, names[i], 1).addr;
		assert_true(dns_filter_is_synthetic(&seen[i]));
		assert_string_equal(dns_filter_name_of(f, &seen[i]), names[i]);
		for (size_t j = 0; j < i; j++)
			assert_false(ip_addr_eq(&seen[i], &seen[j]));
		(void)snprintf(reverse, sizeof(reverse), "%u.%u.18.198.in-addr.arpa", seen[i].a[3],
			       seen[i].a[2]);
		assert_int_equal(judge(f, reverse, 12).action, DNS_ACTION_POINTER);
		assert_string_equal(judge(f, reverse, 12).name, names[i]);
		assert_int_equal(judge(f, reverse, 1).action, DNS_ACTION_NODATA);
	}
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		struct ip_addr again = judge(f, names[i], 1).addr;

		assert_true(ip_addr_eq(&again, &seen[i]));
	}
	free(f);
}

static void unknown_addresses_have_no_name(void **state)
{
	static const char *const addrs[] = {
		"198.18.0.0",   "198.18.0.2", /* a wildcard's base */
		"198.18.200.1", "198.19.255.255", "198.17.255.255",  "198.20.0.0",
		"127.0.0.1",    "::c612:1",       "2001:db8::c612:1"
	};
	struct dns_filter *f = filter_new(&policy, 99);

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(addrs); i++) {
		struct ip_addr a;

		assert_true(ip_addr_parse(addrs[i], &a));
		assert_null(dns_filter_name_of(f, &a));
	}
	free(f);
}

static void new_names_are_limited(void **state)
{
	struct dns_filter *f = filter_new(&policy, 3);
	uint64_t now = 5000000;
	struct dns_decision d;
	unsigned int limited = 0, known = f->n;
	char name[64];

	(void)state;
	for (unsigned int i = 0; i < DNS_FILTER_NEW_PER_MINUTE + 5; i++) {
		(void)snprintf(name, sizeof(name), "n%u.wild.test", i);
		dns_filter_judge(f, name, 1, now, &d);
		limited += d.reason == REASON_LIMIT && d.action == DNS_ACTION_SERVFAIL;
	}
	assert_int_equal(limited, 5);
	dns_filter_judge(f, "n0.wild.test", 1, now, &d); /* a known one costs nothing */
	assert_int_equal(d.action, DNS_ACTION_ADDRESS);
	dns_filter_judge(f, "api.example.test", 1, now, &d);
	assert_int_equal(d.action, DNS_ACTION_ADDRESS);
	dns_filter_judge(f, "later.wild.test", 1, now + 60000, &d);
	assert_int_equal(d.action, DNS_ACTION_ADDRESS);

	/* and in all */
	for (unsigned int i = 0; i < 2 * DNS_FILTER_NAMES; i++) {
		now += 1000;
		(void)snprintf(name, sizeof(name), "m%u.wild.test", i);
		dns_filter_judge(f, name, 1, now, &d);
		if (d.reason == REASON_LIMIT)
			break;
	}
	assert_int_equal(d.reason, REASON_LIMIT);
	assert_int_equal(f->n, DNS_FILTER_NAMES);
	assert_true(known < DNS_FILTER_NAMES);
	dns_filter_judge(f, "api.example.test", 1, now, &d);
	assert_int_equal(d.action, DNS_ACTION_ADDRESS);
	dns_filter_judge(f, "evil.test", 1, now, &d);
	assert_int_equal(d.action, DNS_ACTION_NXDOMAIN);
	free(f);
}

/* A policy with as many names as it may have still has a table that ends every search */
static void largest_policy(void **state)
{
	struct policy p = { .n_routes = POLICY_ROUTES_MAX, .n_tcp = POLICY_TCP_MAX };
	struct dns_filter *f;

	(void)state;
	p.routes = calloc(p.n_routes, sizeof(*p.routes));
	p.tcp = calloc(p.n_tcp, sizeof(*p.tcp));
	assert_true(p.routes && p.tcp);
	for (size_t i = 0; i < p.n_routes; i++)
		(void)snprintf(p.routes[i].host, POLICY_NAME_MAX, "r%zu.test", i);
	for (size_t i = 0; i < p.n_tcp; i++)
		(void)snprintf(p.tcp[i].host, POLICY_NAME_MAX, "t%zu.test", i);
	f = filter_new(&p, 5);
	assert_int_equal(f->n, POLICY_ROUTES_MAX + POLICY_TCP_MAX);
	assert_int_equal(judge(f, "r1023.test", 1).action, DNS_ACTION_ADDRESS);
	assert_int_equal(judge(f, "t0.test", 1).action, DNS_ACTION_ADDRESS);
	assert_int_equal(judge(f, "r1024.test", 1).action, DNS_ACTION_NXDOMAIN);
	free(f);
	policy_release(&p);
}

#define HEAD "\0\7\1\0\0\1\0\0\0\0\0\0"
/* With `dns: forward`: address types of listed names, but not of those that a tcp rule names */
static void forward_mode(void **state)
{
	static const struct {
		const char *name;
		uint16_t qtype;
		enum policy_reason reason;
		enum dns_action action;
	} rows[] = {
		{ "api.example.test", DNS_TYPE_A, REASON_FORWARDED, DNS_ACTION_FORWARD },
		{ "api.example.test", DNS_TYPE_AAAA, REASON_FORWARDED, DNS_ACTION_FORWARD },
		{ "api.example.test", DNS_TYPE_CNAME, REASON_FORWARDED, DNS_ACTION_FORWARD },
		{ "x.wild.test", DNS_TYPE_AAAA, REASON_FORWARDED, DNS_ACTION_FORWARD },
		{ "api.example.test", 65, REASON_SYNTHETIC, DNS_ACTION_NODATA }, /* HTTPS */
		{ "api.example.test", 64, REASON_SYNTHETIC, DNS_ACTION_NODATA }, /* SVCB */
		{ "api.example.test", 16, REASON_SYNTHETIC, DNS_ACTION_NODATA }, /* TXT */
		{ "api.example.test", DNS_TYPE_ANY, REASON_QTYPE, DNS_ACTION_REFUSED },
		{ "api.example.test", DNS_TYPE_NULL, REASON_QTYPE, DNS_ACTION_REFUSED },
		{ "db.example.test", DNS_TYPE_A, REASON_SYNTHETIC, DNS_ACTION_ADDRESS },
		{ "db.example.test", DNS_TYPE_AAAA, REASON_SYNTHETIC, DNS_ACTION_NODATA },
		{ "other.test", DNS_TYPE_A, REASON_NOT_LISTED, DNS_ACTION_NXDOMAIN },
		{ "other.test", DNS_TYPE_AAAA, REASON_NOT_LISTED, DNS_ACTION_NXDOMAIN },
		{ "wild.test", DNS_TYPE_CNAME, REASON_NOT_LISTED, DNS_ACTION_NXDOMAIN },
	};
	struct policy p = policy;
	struct dns_filter *f;

	(void)state;
	p.dns_forward = true;
	f = filter_new(&p, 1);
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct dns_decision d = judge(f, rows[i].name, rows[i].qtype);

		assert_int_equal(d.reason, rows[i].reason);
		assert_int_equal(d.action, rows[i].action);
	}
	/* what stands below a wildcard is the guest's choice: new names are limited here too */
	for (unsigned int i = 0; i < DNS_FILTER_NEW_PER_MINUTE - 1; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n%u.wild.test", i);
		assert_int_equal(judge(f, name, DNS_TYPE_AAAA).action, DNS_ACTION_FORWARD);
	}
	assert_int_equal(judge(f, "over.wild.test", DNS_TYPE_AAAA).reason, REASON_LIMIT);
	assert_int_equal(judge(f, "x.wild.test", DNS_TYPE_AAAA).action, DNS_ACTION_FORWARD);
	free(f);
}

static void answers_messages(void **state)
{
	static const struct {
		const char *p;
		size_t len;
		int rcode; /* -1: no reply */
		enum policy_reason reason;
	} rows[] = {
		{ HEAD "\3ApI\7example\4test\0\0\1\0\1", 34, 0, REASON_SYNTHETIC },
		{ HEAD "\4evil\4test\0\0\1\0\1", 27, 3, REASON_NOT_LISTED },
		{ HEAD "\3api\7example\4test\0\0\xff\0\1", 34, 5, REASON_QTYPE },
		{ HEAD "\3a b\4test\0\0\1\0\1", 26, 5, REASON_MALFORMED },
		{ HEAD "\3api", 16, 1, REASON_MALFORMED },
		{ "\0\7\x81\0\0\1\0\0\0\0\0\0", 12, -1, REASON_MALFORMED },
		{ "", 0, -1, REASON_MALFORMED },
	};
	struct dns_filter *f = filter_new(&policy, 11);

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct bb_span msg = { (const uint8_t *)rows[i].p, rows[i].len };
		uint8_t out[DNS_REPLY_MAX];
		struct dns_outcome o;
		size_t n = dns_filter_answer(f, msg, 1000, out, &o);

		assert_int_equal(o.decision.reason, rows[i].reason);
		if (rows[i].rcode < 0) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_true(n >= DNS_HDR_BYTES);
		assert_int_equal(out[3] & 15, rows[i].rcode);
		assert_int_equal(o.rcode, rows[i].rcode);
		assert_memory_equal(out, "\0\7", 2);
	}
	free(f);
}

static bool same_address(struct dns_filter *f, const char *name, const struct ip_addr *addr)
{
	struct dns_decision d = judge(f, name, 1);

	return d.action == DNS_ACTION_ADDRESS && ip_addr_eq(&d.addr, addr);
}

/* Another policy: names come and go, and each keeps its address */
static void relists(void **state)
{
	static struct policy_route other[] = {
		{ .host = "new.test", .n_ports = 1, .ports = { 443 } },
		{ .host = "both.test", .n_ports = 1, .ports = { 443 } },
		{ .host = "seen.test", .wildcard = true, .n_ports = 1, .ports = { 443 } },
	};
	static const struct policy next = { .n_routes = BB_ARRAY_LEN(other), .routes = other };
	struct dns_filter *f = filter_new(&policy, 7);
	struct ip_addr api = judge(f, "api.example.test", 1).addr;
	struct ip_addr both = judge(f, "both.test", 1).addr;
	struct ip_addr wild = judge(f, "a.wild.test", 1).addr, fresh;

	(void)state;
	assert_true(dns_filter_reserve(f, &next));
	assert_int_equal(judge(f, "new.test", 1).action, DNS_ACTION_NXDOMAIN);
	assert_int_equal(judge(f, "x.seen.test", 1).action, DNS_ACTION_NXDOMAIN);
	dns_filter_relist(f, &next);
	assert_int_equal(judge(f, "api.example.test", 1).action, DNS_ACTION_NXDOMAIN);
	assert_int_equal(judge(f, "a.wild.test", 1).action, DNS_ACTION_NXDOMAIN);
	assert_int_equal(judge(f, "x.both.test", 1).action, DNS_ACTION_NXDOMAIN);
	assert_int_equal(judge(f, "db.example.test", 28).action, DNS_ACTION_NXDOMAIN);
	assert_null(dns_filter_name_of(f, &api));
	assert_null(dns_filter_name_of(f, &wild));
	assert_true(same_address(f, "both.test", &both));
	assert_int_equal(judge(f, "x.seen.test", 1).action, DNS_ACTION_ADDRESS);
	fresh = judge(f, "new.test", 1).addr;
	assert_false(ip_addr_eq(&fresh, &api) || ip_addr_eq(&fresh, &wild));
	/* and back: the guest may have kept the addresses */
	assert_true(dns_filter_reserve(f, &policy));
	dns_filter_relist(f, &policy);
	assert_true(same_address(f, "api.example.test", &api));
	assert_true(same_address(f, "a.wild.test", &wild));
	assert_null(dns_filter_name_of(f, &fresh));
	free(f);
}

/* A full table refuses a policy with another name, before anything has changed */
static void no_room_for_another_name(void **state)
{
	static struct policy_route more[] = {
		{ .host = "one-too-many.test", .n_ports = 1, .ports = { 443 } },
	};
	static const struct policy next = { .n_routes = 1, .routes = more };
	struct dns_filter *f = filter_new(&policy, 7);
	char name[64];
	uint64_t now = 0;

	(void)state;
	for (unsigned int i = 0; f->n < DNS_FILTER_NAMES; i++) {
		struct dns_decision d;

		(void)snprintf(name, sizeof(name), "n%u.wild.test", i);
		dns_filter_judge(f, name, 1, now += 1000, &d);
	}
	assert_false(dns_filter_reserve(f, &next));
	assert_true(dns_filter_reserve(f, &policy));
	assert_int_equal(judge(f, "api.example.test", 1).action, DNS_ACTION_ADDRESS);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides),
		cmocka_unit_test(empty_policy_lists_nothing),
		cmocka_unit_test(addresses_are_stable_and_distinct),
		cmocka_unit_test(unknown_addresses_have_no_name),
		cmocka_unit_test(new_names_are_limited),
		cmocka_unit_test(largest_policy),
		cmocka_unit_test(forward_mode),
		cmocka_unit_test(answers_messages),
		cmocka_unit_test(relists),
		cmocka_unit_test(no_room_for_another_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
