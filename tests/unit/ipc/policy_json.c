/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/policy_json.h"
#include "tests/unit/unit.h"
#include <errno.h>

#define BASE                                                                                       \
	"\"identity\":\"demo-a1b2c\",\"alias\":\"127.83.7.1\",\"generation\":1,\"log_level\":1,"   \
	"\"dns_forward\":true,"
#define TOP BASE "\"proxy\":null,"
#define CONTENT                                                                                    \
	"{\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/v[0-9]+/.*\"}],"               \
	"\"methods\":[\"GET\"],\"headers\":[{\"name\":\"x-kind\",\"type\":\"exact\","              \
	"\"value\":\"a\"}]}],\"git\":1,\"auth\":{\"scheme\":\"Bearer\",\"token_ref\":\"T\","       \
	"\"header\":\"\"},\"credentials\":\"pin\",\"minted_by\":[],\"cookies\":true,"              \
	"\"dlp\":{\"token_patterns\":true,\"known_secrets\":true,\"entropy\":false,"               \
	"\"injection\":true,\"on_match\":\"redact\"},\"limits\":{\"request_bytes\":1024,"          \
	"\"upload_per_session\":0,\"opaque_per_session\":7,\"requests_per_minute\":60}}"
#define GOOD                                                                                       \
	"{" BASE "\"proxy\":{\"host\":\"proxy.test\",\"port\":3128},"                              \
	"\"transparent\":false,\"resolvers\":[\"192.0.2.53\"],"                                    \
	"\"routes\":[{\"host\":\"a.test\",\"wildcard\":true,\"ports\":[443,80],\"upstream\":"      \
	"{\"host\":\"127.0.0.1\",\"port\":8080,\"tls\":false},\"addresses\":[\"10.0.0.0/8\"],"     \
	"\"content\":" CONTENT "}],"                                                               \
	"\"tcp\":[{\"cidr\":\"192.0.2.0/24\",\"port\":22},{\"host\":\"db.test\",\"port\":5432}]}"

#define REST "\"transparent\":false,\"resolvers\":[],\"routes\":[],\"tcp\":[]"

static int load(const char *text, struct policy *p, struct bb_err *err)
{
	json_auto_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(j);
	return policy_from_json(j, p, err);
}

static void round_trip_through_memfd(void **state)
{
	policy_auto struct policy p = { 0 }, q = { 0 };
	struct bb_err err = { 0 };
	json_auto_t *a = NULL, *b = NULL;
	bb_auto_close int fd = -1;

	(void)state;
	assert_int_equal(load(GOOD, &p, &err), 0);
	assert_int_equal(p.n_routes, 1);
	assert_true(policy_route_has_port(&p.routes[0], 80));
	assert_false(policy_route_has_port(&p.routes[0], 81));
	assert_string_equal(p.tcp[1].host, "db.test");
	assert_string_equal(p.proxy.host, "proxy.test");
	assert_int_equal(p.proxy.port, 3128);
	fd = policy_to_memfd(&p, &err);
	assert_true(fd >= 0);
	assert_int_equal(policy_from_memfd(fd, &q, &err), 0);
	a = policy_to_json(&p);
	b = policy_to_json(&q);
	assert_true(json_equal(a, b));
}

static void broken_is_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"null",
		/* routes null is not "allow all" */
		"{" TOP "\"transparent\":false,\"resolvers\":[],\"routes\":null,\"tcp\":[]}",
		"{" TOP "\"transparent\":false,\"resolvers\":[],\"routes\":{},\"tcp\":[]}",
		"{" TOP "\"transparent\":false,\"resolvers\":[],\"routes\":[],\"tcp\":[{\"cidr\":"
		"\"192.0.2.1/24\",\"port\":22}]}",
		"{" TOP "\"transparent\":false,\"resolvers\":[],\"routes\":[],\"tcp\":[{\"cidr\":"
		"\"192.0.2.0/24\",\"port\":0}]}",
		"{" TOP "\"transparent\":false,\"resolvers\":[],\"routes\":[],\"tcp\":[],\"x\":1}",
		"{" BASE REST ",\"proxy\":{\"host\":\"\",\"port\":3128}}",
		"{" BASE REST ",\"proxy\":{\"host\":\"a.test\",\"port\":0}}",
		"{" BASE REST ",\"proxy\":{\"host\":\"a.test\"}}",
		"{" BASE REST ",\"proxy\":\"a.test:3128\"}",
		"{" BASE REST ",\"proxy\":[]}",
		"{" BASE REST "}",
		"{" TOP "\"transparent\":1,\"resolvers\":[],\"routes\":[],\"tcp\":[]}",
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(bad); i++) {
		struct policy p = { 0 };
		struct bb_err err = { 0 };

		if (load(bad[i], &p, &err) != -EINVAL || !err.msg[0] || p.routes)
			fail_msg("case %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_through_memfd),
		cmocka_unit_test(broken_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
