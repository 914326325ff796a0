/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BACKEND_DOCKER_H
#define BB_BACKEND_DOCKER_H
#include "backend/backend.h"

/** DOC: docker - legacy backend; not in this build yet, every call says so */
extern const struct backend backend_docker;
#endif
