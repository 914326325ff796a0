/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/docker/where.h"
#include "backend/supervisor.h"

json_t *where_now(const char *program)
{
	json_t *env = json_object(),
	       *where = json_pack("{s:s, s:o}", "program", program, "env", env);

	for (size_t i = 0; where && supervisor_engine_env[i]; i++) {
		const char *name = supervisor_engine_env[i], *value = getenv(name);

		/* one that is not UTF-8 is not recorded: then today's is asked */
		if (value && json_object_set_new(env, name, json_string(value)) < 0) {
			json_decref(where);
			return NULL;
		}
	}
	return where;
}

const char *where_program(const json_t *where)
{
	return json_string_value(json_object_get(where, "program"));
}

const char *where_host(const json_t *where)
{
	if (!where_program(where))
		return getenv("DOCKER_HOST");
	return json_string_value(json_object_get(json_object_get(where, "env"), "DOCKER_HOST"));
}

void where_enter(const json_t *where)
{
	for (size_t i = 0; where_program(where) && supervisor_engine_env[i]; i++) {
		const char *name = supervisor_engine_env[i];
		const char *value =
			json_string_value(json_object_get(json_object_get(where, "env"), name));

		if (value)
			(void)setenv(name, value, 1);
		else
			(void)unsetenv(name);
	}
}

bool where_differs(const json_t *where, const char *program)
{
	json_auto_t *now = where_now(program);

	return where_program(where) && !json_equal(now, where);
}
