/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BACKEND_DOCKER_H
#define BB_BACKEND_DOCKER_H
#include "backend/backend.h"

/**
 * DOC: docker - bottles in containers, for hosts without virtual machines (legacy)
 *
 * A container without any network; its only way out are UNIX sockets that gate serves, so policy,
 * DNS filter and egress guard are those of the micro-VM. What is weaker: it shares the host's
 * kernel.
 *
 * The engine is driven by its own program: that of BOT_BOTTLE_ENGINE (a name or a path), else
 * docker, else podman, as found in PATH; DOCKER_HOST and contexts count as they do for it. What was
 * used at the start goes into the metadata (where.h), and is asked later.
 *
 * Layer:     backend
 * Limits:    @disk_bytes is not enforced; the engine has 30 seconds for an answer, except when it
 *            takes an image
 */
extern const struct backend backend_docker;

/** docker_find() - The engine's program. Return: 0, or -ENOENT with what to install in @err */
BB_MUST_USE int docker_find(char *ret, size_t size, struct bb_err *err);
#endif
