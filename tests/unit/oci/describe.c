/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/describe.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>

#define D1                                                                                         \
	"sha256:"                                                                                  \
	"1111111111111111111111111111111111111111111111111111111111111111"
#define MANIFEST         "application/vnd.oci.image.manifest.v1+json"
#define CONFIG           "application/vnd.oci.image.config.v1+json"
#define LAYER            "application/vnd.oci.image.layer.v1.tar+zstd"
#define BLOB(type, rest) "{\"mediaType\":\"" type "\",\"digest\":\"" D1 "\",\"size\":7" rest "}"

static void index_names_manifests(void **state)
{
	static struct describe_index index;
	struct bb_err err = { 0 };
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":[" BLOB(
		MANIFEST,
		",\"platform\":{\"os\":"
		"\"linux\",\"architecture\":"
		"\"mips\"}") "," BLOB("x/unknown",
				      "") "," BLOB(MANIFEST,
						   ",\"annotations\":{\"org.opencontainers.image."
						   "ref.name\":\"v1\"}") "],\"more\":1}";

	(void)state;
	assert_int_equal(describe_index(BB_SPAN_STR(text), &index, &err), 0);
	assert_int_equal(index.n, 3);
	assert_true(index.v[0].other_platform);
	assert_int_equal(index.v[1].kind, DESCRIBE_OTHER);
	assert_false(index.v[2].other_platform);
	assert_int_equal(index.v[2].size, 7);
	assert_string_equal(index.v[2].digest, &D1[7]);
	assert_string_equal(index.v[2].name, "v1");
}

static void what_is_not_exact_is_refused(void **state)
{
	static struct describe_index index;
	static struct describe_manifest manifest;
	static struct describe_docker docker;
	static struct describe_config config;
	static const char *const indexes[] = {
		"",
		"[]",
		"{",
		"{\"schemaVersion\":1,\"manifests\":[]}",
		"{\"schemaVersion\":2}",
		"{\"schemaVersion\":2,\"schemaVersion\":2,\"manifests\":[]}",
		"{\"schemaVersion\":2,\"manifests\":[{}]}",
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"a\",\"digest\":\"sha256:1\","
		"\"size\":1}]}",
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"a\",\"digest\":\"" D1
		"\",\"size\":-1}]}",
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"a\",\"digest\":\"" D1
		"\",\"size\":1.5}]}",
		"{\"schemaVersion\":2,\"manifests\":[" BLOB(MANIFEST, ",\"platform\":{}") "]}",
		"{\"schemaVersion\":2,\"manifests\":[" BLOB(MANIFEST, ",\"annotations\":1") "]}",
	};
	static const char *const manifests[] = {
		"{\"schemaVersion\":2,\"config\":" BLOB(CONFIG, "") "}",
		"{\"schemaVersion\":2,\"config\":" BLOB(LAYER, "") ",\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":" BLOB(CONFIG, "") ",\"layers\":[" BLOB(
			"application/vnd.oci.image.layer.v1.tar+encrypted", "") "]}",
	};
	static const char *const dockers[] = {
		"{}",
		"[]",
		"[{},{}]",
		"[{\"Config\":\"a\"}]",
		"[{\"Config\":\"a\",\"Layers\":[1]}]",
		"[{\"Config\":\"a\\n\",\"Layers\":[]}]",
		"[{\"Config\":\"a\",\"Layers\":[],\"RepoTags\":\"x\"}]",
	};
	static const char *const configs[] = {
		"{}",
		"{\"os\":\"linux\",\"architecture\":\"amd64\"}",
		"{\"os\":\"windows\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[]}}",
		"{\"os\":\"linux\",\"architecture\":\"s390x\",\"rootfs\":{\"diff_ids\":[]}}",
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"x\"]}}",
	};

	(void)state;
#define ALL(list, call, into)                                                                      \
	for (size_t i = 0; i < BB_ARRAY_LEN(list); i++) {                                          \
		struct bb_err err = { 0 };                                                         \
		assert_int_equal(call(BB_SPAN_STR(list[i]), &(into), &err), -EBADMSG);             \
		assert_true(err.msg[0]);                                                           \
	}
	ALL(indexes, describe_index, index);
	ALL(manifests, describe_manifest, manifest);
	ALL(dockers, describe_docker, docker);
	ALL(configs, describe_config, config);
}

static void config_tells_layers_and_environment(void **state)
{
	static struct describe_config config;
	struct bb_err err = { 0 };
	static const char *const no_env[] = { "1", "[1]", "[\"A\"]" };
	char text[600];

	(void)state;
#define SOME                                                                                       \
	"{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":{\"diff_ids\":[\"" D1 "\"]},"        \
	"\"config\":{\"Env\":%s}}"
#ifdef __x86_64__
#define MACHINE "amd64"
#else
#define MACHINE "arm64"
#endif
	(void)snprintf(text, sizeof(text), SOME, MACHINE, "[\"PATH=/x\",\"A=b=c\"]");
	assert_int_equal(describe_config(BB_SPAN_STR(text), &config, &err), 0);
	assert_int_equal(config.n, 1);
	assert_string_equal(json_string_value(json_array_get(config.env, 1)), "A=b=c");
	json_decref(config.env);
	(void)snprintf(text, sizeof(text), SOME, MACHINE, "null");
	assert_int_equal(describe_config(BB_SPAN_STR(text), &config, &err), 0);
	assert_int_equal(json_array_size(config.env), 0);
	json_decref(config.env);
	for (size_t i = 0; i < BB_ARRAY_LEN(no_env); i++) {
		err = (struct bb_err){ 0 };
		(void)snprintf(text, sizeof(text), SOME, MACHINE, no_env[i]);
		assert_int_equal(describe_config(BB_SPAN_STR(text), &config, &err), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_names_manifests),
		cmocka_unit_test(what_is_not_exact_is_refused),
		cmocka_unit_test(config_tells_layers_and_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
