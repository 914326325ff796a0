/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BACKEND_DOCKER_FACTS_H
#define BB_BACKEND_DOCKER_FACTS_H
#include "base/base.h"
#include <jansson.h>

/**
 * DOC: facts - what an engine's `info` says, and what a bottle's container is started with for it
 *
 * Layer:     backend
 * Used by:   docker
 * Trust:     the operator's own engine
 * Source:    `docker info`, `podman info`, each as JSON
 */

/**
 * struct engine_facts - Of one engine
 * @gvisor:	runsc is registered, and lets a container use UNIX sockets of the host
 * @gvisor_closed: runsc is registered without that: it is of no use here
 * @selinux:	containers are confined by labels, which would keep them from gate's sockets
 * @no_memory, @no_pids, @no_cpus: the engine cannot limit them on this host
 */
struct engine_facts {
	bool gvisor;
	bool gvisor_closed;
	bool selinux;
	bool no_memory;
	bool no_pids;
	bool no_cpus;
};

/**
 * engine_facts_read() - From JSON of docker or podman; what is not said is not assumed
 *
 * Return: 0, or -EINVAL with @err when it is no JSON object of either
 */
BB_MUST_USE int engine_facts_read(struct bb_span text, struct engine_facts *ret,
				  struct bb_err *err);

/** engine_options() - Further arguments of `run`. Return: new array of strings, or NULL */
BB_MUST_USE json_t *engine_options(const struct engine_facts *f);

/** engine_remarks() - What the operator should know, a line each; empty when all is as usual */
void engine_remarks(const struct engine_facts *f, char *ret, size_t size);
#endif
