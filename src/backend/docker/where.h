/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BACKEND_DOCKER_WHERE_H
#define BB_BACKEND_DOCKER_WHERE_H
#include "base/base.h"
#include <jansson.h>

/**
 * DOC: where - which engine has a bottle's container, so that the same one is asked later
 *
 * Layer:     backend
 * Used by:   docker
 * Trust:     the bottle's metadata, which only the operator can write
 *
 * An engine is reached by a program and variables of the environment (DOCKER_HOST, a context, …),
 * and those of a later command need not be those of the start. As JSON: {"program": path, "env":
 * {name: value}}; a variable that is not in it was not set.
 */

/** where_now() - By @program and today's environment. Return: owned, or NULL without memory */
BB_MUST_USE json_t *where_now(const char *program);

/** where_program() - The program of @where, or NULL when nothing is recorded there */
BB_MUST_USE const char *where_program(const json_t *where);

/** where_host() - Its DOCKER_HOST, or NULL; @where NULL, or nothing recorded: today's */
BB_MUST_USE const char *where_host(const json_t *where);

/** where_enter() - Make its variables those of this process. Nothing recorded: they stay */
void where_enter(const json_t *where);

/** where_differs() - Does today's environment lead elsewhere? @program: that of today */
BB_MUST_USE bool where_differs(const json_t *where, const char *program);
#endif
