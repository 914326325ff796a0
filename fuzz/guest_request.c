/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/request.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

/*
 * Invariants: a session is exactly one of a command, a copy in and a copy out; paths are absolute,
 * lists end, a variable has a name; what is refused gives a reason and writes nothing.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request r, before;
	struct bb_err err = { 0 };
	size_t n = 0;

	memset(&r, 0xa5, sizeof(r));
	memcpy(&before, &r, sizeof(r));
	if (request_parse((struct bb_span){ data, size }, &r, &err) < 0) {
		check(err.code < 0 && *err.msg && memcmp(&r, &before, sizeof(r)) == 0);
		return 0;
	}
	check(!!r.argv + !!r.tar_in + !!r.tar_out == 1);
	while (r.argv && r.argv[n])
		n += strlen(r.argv[n]) < size;
	check(!r.argv || (n >= 1 && n <= REQUEST_ARGS_MAX && *r.argv[0]));
	for (char **e = r.env; *e; e++)
		check(**e != '=' && strchr(*e, '='));
	check((!r.cwd || *r.cwd == '/') && (!r.tar_in || *r.tar_in == '/') &&
	      (!r.tar_out || *r.tar_out == '/'));
	check(!r.tty || r.argv);
	request_release(&r);
	check(!r.argv && !r.env && !r.json);
	return 0;
}
