/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/docker/docker.h"
#include <errno.h>
#include <stdio.h>

#define NOT_YET "the docker backend (legacy) is not in this build yet"

static int docker_missing(char *ret, size_t size, struct bb_err *err)
{
	(void)err;
	(void)snprintf(ret, size, "%s; use --backend=smolmachines", NOT_YET);
	return 1;
}

static int docker_start(const struct backend_start *start, struct bb_err *err)
{
	(void)start;
	return bb_err_set(err, -ENOSYS, NOT_YET);
}

static int docker_connect(const char *runtime_dir, struct bb_err *err)
{
	(void)runtime_dir;
	return bb_err_set(err, -ENOSYS, NOT_YET);
}

const struct backend backend_docker = {
	.name = "docker",
	.legacy = true,
	.missing = docker_missing,
	.start = docker_start,
	.connect = docker_connect,
};
