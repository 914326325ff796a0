/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BACKEND_SUPERVISOR_H
#define BB_BACKEND_SUPERVISOR_H
#include "backend/backend.h"

/**
 * DOC: supervisor - start and reach bottled, which owns a bottle whatever it runs in
 *
 * Layer:     backend
 * Used by:   smolmachines, docker
 */

/** supervisor_engine_env - Variables by which an engine's program finds its engine, NULL-terminated
 */
extern const char *const supervisor_engine_env[];

/**
 * supervisor_start() - struct backend's start()
 * @engine:	"" for a virtual machine, else the container engine's program ("docker", a path)
 * @options:	further arguments of its `run`, array of strings; borrowed, NULL: none
 */
BB_MUST_USE int supervisor_start(const struct backend_start *s, const char *engine, json_t *options,
				 struct bb_err *err);
/** supervisor_connect() - struct backend's connect() */
BB_MUST_USE int supervisor_connect(const char *runtime_dir, struct bb_err *err);
#endif
