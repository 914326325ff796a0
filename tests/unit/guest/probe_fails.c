/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/probe.h"
#include <errno.h>

/* In the place of guest/probe.c: of three questions the first has the wrong answer */
int probe_run(const struct host_link *link, const struct guest_config *c, struct bb_err *err)
{
	(void)link;
	return bb_err_set(err, -EACCES, "dns: rcode 0 for an unlisted name (%s)", c->probe.name);
}
