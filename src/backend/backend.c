/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/backend.h"
#include "backend/docker/docker.h"
#include "backend/smolmachines/smolmachines.h"
#include <errno.h>

static const struct backend *const backends[] = {
	&backend_smolmachines,
	&backend_docker,
	NULL,
};

const struct backend *const *backend_all(void)
{
	return backends;
}

const struct backend *backend_find(const char *name)
{
	for (size_t i = 0; backends[i]; i++) {
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	}
	return NULL;
}

int backend_choose(const char *flag, const char *env, const char *config,
		   const struct backend **ret, struct bb_err *err)
{
	const char *name = backends[0]->name, *where = "default";

	if (flag) {
		name = flag;
		where = "--backend";
	} else if (env && *env) {
		name = env;
		where = "BOT_BOTTLE_BACKEND";
	} else if (config && *config) {
		name = config;
		where = "backend in config.yaml";
	}
	if (!backend_find(name))
		return bb_err_set(err, -EINVAL,
				  "%s: unknown backend '%.40s'; valid are: smolmachines, docker",
				  where, name);
	*ret = backend_find(name);
	return 0;
}
