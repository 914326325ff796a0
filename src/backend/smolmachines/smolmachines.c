/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/smolmachines/smolmachines.h"
#include "backend/supervisor.h"
#include "image/image.h"
#include "vmm/vmm.h"
#include <stdio.h>

static int smol_missing(char *ret, size_t size, struct bb_err *err)
{
	struct bb_err none = { 0 };
	char path[PATHS_MAX];
	int n = image_missing_tools(false, ret, size);

	(void)err;
	if (vmm_find(path, sizeof(path), &none) < 0) {
		size_t at = strnlen(ret, size);

		n++;
		if (at < size)
			(void)snprintf(ret + at, size - at,
				       "qemu-system-x86_64 (package qemu-system-x86)\n");
	}
	return n;
}

static int smol_start(const struct backend_start *start, struct bb_err *err)
{
	struct image image;
	int r = image_open(start->image, &image,
			   err); /* bottled opens it for itself: say so early */

	return r < 0 ? r : supervisor_start(start, "", NULL, err);
}

const struct backend backend_smolmachines = {
	.name = "smolmachines",
	.legacy = false,
	.missing = smol_missing,
	.start = smol_start,
	.connect = supervisor_connect,
};
