/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/reload.h"
#include "ipc/policy_json.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>

static struct content plain, limited = { .limits.requests_per_minute = 5 };

static struct policy_route route(const char *host, bool wildcard, uint16_t port, struct content *c)
{
	struct policy_route r = {
		.wildcard = wildcard, .n_ports = 1, .ports = { port }, .content = c
	};

	(void)snprintf(r.host, sizeof(r.host), "%s", host);
	return r;
}

static void give(struct staged *s, const struct policy *p)
{
	struct bb_err err = { 0 };
	struct ipc_msg msg = { .type = IPC_BLOB, .fd = policy_to_memfd(p, &err) };

	assert_true(msg.fd >= 0);
	msg.u.kind.kind = IPC_BLOB_POLICY;
	staged_blob(s, &msg);
	assert_int_equal(msg.fd, -1);
}

static const struct policy now = { .identity = "demo-a1b2c",
				   .alias = { 4, { 127, 83, 7, 1 } },
				   .generation = 4 };

/* The next generation of this bottle, and nothing else */
static void generations(void **state)
{
	static const struct {
		const char *identity;
		uint8_t alias;
		uint32_t generation;
		int result;
	} rows[] = {
		{ "demo-a1b2c", 1, 5, 0 },       { "demo-a1b2c", 1, 4, -ESTALE },
		{ "demo-a1b2c", 1, 6, -ESTALE }, { "demo-a1b2c", 1, 1, -ESTALE },
		{ "demo-a1b2d", 1, 5, -EINVAL }, { "demo-a1b2c", 2, 5, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct policy next = { .alias = { 4, { 127, 83, 7, rows[i].alias } },
				       .generation = rows[i].generation };
		struct staged s = STAGED_NONE;
		struct bb_err err = { 0 };

		(void)snprintf(next.identity, sizeof(next.identity), "%s", rows[i].identity);
		assert_int_equal(staged_read(&s, &now, &err), -EINVAL); /* nothing was given */
		err = (struct bb_err){ 0 };
		give(&s, &next);
		assert_int_equal(staged_read(&s, &now, &err), rows[i].result);
		assert_int_equal(s.ready, rows[i].result == 0);
		assert_int_equal(err.msg[0] == 0, rows[i].result == 0);
		if (s.ready) {
			struct policy taken = staged_take(&s);

			assert_int_equal(taken.generation, 5);
			assert_false(s.ready);
			policy_release(&taken);
		}
		staged_forget(&s);
		assert_true(s.policy_fd == -1 && !s.ready);
	}
}

/* A second BLOB takes the place of the first, and its descriptor */
static void the_last_blob_counts(void **state)
{
	struct policy wrong = now, right = now;
	struct staged s = STAGED_NONE;
	struct bb_err err = { 0 };

	(void)state;
	right.generation = 5;
	give(&s, &wrong);
	give(&s, &right);
	assert_int_equal(staged_read(&s, &now, &err), 0);
	staged_forget(&s);
}

static void maps_routes(void **state)
{
	struct policy_route was[] = {
		route("stays.test", false, 443, &plain),   route("gone.test", false, 443, &plain),
		route("stays.test", true, 443, &plain),    route("port.test", false, 443, &plain),
		route("content.test", false, 443, &plain), route("wild.test", true, 443, &plain),
	};
	struct policy_route is[] = {
		route("content.test", false, 443, &limited),
		route("stays.test", true, 443, &plain),
		route("wild.test", false, 443, &plain),
		route("port.test", false, 80, &plain),
		route("new.test", false, 443, &plain),
		route("stays.test", false, 443, &plain),
	};
	static const size_t want[] = { 5, SIZE_MAX, 1, SIZE_MAX, SIZE_MAX, SIZE_MAX };
	const struct policy old = { .n_routes = BB_ARRAY_LEN(was), .routes = was };
	const struct policy new = { .n_routes = BB_ARRAY_LEN(is), .routes = is };
	size_t map[BB_ARRAY_LEN(was)];

	(void)state;
	policy_map_routes(&old, &new, map);
	for (size_t i = 0; i < BB_ARRAY_LEN(want); i++)
		assert_true(map[i] == want[i]);
	assert_ptr_equal(policy_route_twin(&new, &was[4]), &is[0]);
	assert_null(policy_route_twin(&new, &was[5])); /* exact and wildcard are two */
}

static void compares_tcp(void **state)
{
	struct policy_tcp rules[] = {
		{ .host = "db.test", .port = 5432 },
		{ .cidr = { { 4, { 192, 0, 2, 0 } }, 24 }, .port = 22 },
	};
	const struct policy p = { .n_tcp = 2, .tcp = rules };
	const struct policy_tcp others[] = {
		{ .host = "db.test", .port = 5433 },
		{ .host = "db2.test", .port = 5432 },
		{ .cidr = { { 4, { 192, 0, 2, 0 } }, 25 }, .port = 22 },
		{ .cidr = { { 4, { 192, 0, 3, 0 } }, 24 }, .port = 22 },
		{ .cidr = { { 4, { 192, 0, 2, 0 } }, 24 }, .port = 23 },
	};

	(void)state;
	assert_true(policy_tcp_has(&p, &rules[0]) && policy_tcp_has(&p, &rules[1]));
	for (size_t i = 0; i < BB_ARRAY_LEN(others); i++)
		assert_false(policy_tcp_has(&p, &others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations),
		cmocka_unit_test(the_last_blob_counts),
		cmocka_unit_test(maps_routes),
		cmocka_unit_test(compares_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
