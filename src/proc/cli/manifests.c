/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/preflight.h"
#include <errno.h>

int plan_from_manifests(const struct cli_args *args, struct plan *p, struct bb_err *err)
{
	if (cli_has(args, OPT_BOTTLE))
		return bb_err_set(err, -ENOENT, "manifests are not read yet");
	if (backend_choose(cli_opt(args, OPT_BACKEND), getenv("BOT_BOTTLE_BACKEND"), NULL,
			   &p->backend, err) < 0)
		return err->code;
	return 0;
}
