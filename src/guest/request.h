/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_REQUEST_H
#define BB_GUEST_REQUEST_H
#include "base/base.h"
#include "wire/exec.h"

/**
 * DOC: request - the JSON of an EXEC frame
 *
 * Layer:     guest
 * Trust:     from the host; strict all the same
 * Ownership: request_release() frees; strings live as long as the request
 * Source:    docs/protocol/exec.md
 */
#define REQUEST_ARGS_MAX 65536

/** struct request - One session. Exactly one of @argv, @tar_in, @tar_out is set */
struct request {
	void *json;                                /* owner of the strings */
	char **argv;                               /* NULL-terminated, owned array */
	char **env;                                /* "NAME=value", NULL-terminated, owned */
	const char *cwd, *user, *tar_in, *tar_out; /* NULL = not given */
	bool tty;
	struct exec_winsize size;
};

/** request_parse() - Strict decode. Return: 0 or -EINVAL/-ENOMEM with @err */
BB_MUST_USE int request_parse(struct bb_span json, struct request *ret, struct bb_err *err);
void request_release(struct request *r);
#endif
