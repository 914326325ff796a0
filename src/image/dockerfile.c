/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dockerfiles are built by a program that can: its result goes through image_import() like any
 * other archive. Each build has a directory of its own in the cache, away in any case.
 */
#include "base/io.h"
#include "image/image.h"
#include "image/stage.h"
#include "image/store.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>

struct dockerfile {
	const char *path;
	const char *tar; /* where the archive is to be */
};

static int have_builder(struct bb_err *err)
{
	static const char *const names[] = { "buildah", "podman", "docker" };
	char path[PATHS_MAX];

	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		if (bb_find_program(names[i], path, sizeof(path)))
			return 0;
	}
	return bb_err_set(err, -ENOENT,
			  "a Dockerfile needs buildah, podman or docker, and none is in PATH: "
			  "apt-get install buildah (or podman, or docker.io)");
}

static int fill(struct stage *b, void *arg, struct bb_err *err)
{
	const struct dockerfile *d = arg;
	char script[PATHS_MAX];
	int r = paths_data("data/images/dockerfile.sh", script, err);

	return r < 0 ? r
		     : stage_run(b,
				 (char *[]){ (char[]){ "sh" }, script, b->dir,
					     (char *)(uintptr_t)d->path, (char *)(uintptr_t)b->name,
					     (char *)(uintptr_t)d->tar, NULL },
				 err);
}

int image_build_dockerfile(const char *path, const char *name, const char *stamp,
			   image_progress_fn fn, void *arg, struct image *ret, struct bb_err *err)
{
	struct stage b = { .name = name, .fn = fn, .arg = arg };
	char store[PATHS_MAX], tar[PATHS_MAX], file[64];
	struct dockerfile d = { path, tar };
	int r = have_builder(err);

	if (r == 0)
		r = image_store_dir(store, err);
	(void)snprintf(file, sizeof(file), ".build-%d.tar", (int)getpid());
	if (r == 0)
		r = paths_join(store, file, tar, err);
	if (r == 0)
		r = stage_with(&b, fill, &d, err);
	if (r == 0)
		r = image_import(tar, name, path, stamp, fn, arg, ret, err);
	(void)unlink(tar);
	return r;
}
