/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes: two scripts (data/images) do the work with Debian's own tools */
#include "image/image.h"
#include "image/stage.h"
#include "image/store.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

static const char *const recipes[] = { "base", "claude", "codex", "dev" };

bool image_is_recipe(const char *name)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(recipes); i++) {
		if (strcmp(name, recipes[i]) == 0)
			return true;
	}
	return false;
}

static int fill(struct stage *b, void *arg, struct bb_err *err)
{
	char recipe[IMAGE_NAME_MAX + 32];
	json_auto_t *about = json_pack("{s:s+}", "origin", "recipe ", b->name);
	int r;

	(void)arg;
	(void)snprintf(recipe, sizeof(recipe), "data/images/%s.sh", b->name);
	r = stage_script(b, "data/images/kernel.sh", "data/guest-modules.txt", err);
	if (r == 0)
		r = stage_script(b, recipe, NULL, err);
	if (r == 0)
		r = image_pack_modules(b->dir, err);
	return r == 0 ? stage_publish(b, about, err) : r;
}

int image_build(const char *name, const char *mirror, image_progress_fn fn, void *arg,
		struct image *ret, struct bb_err *err)
{
	struct stage b = { .name = name, .mirror = mirror, .fn = fn, .arg = arg };
	char missing[1024];
	int r;

	if (!image_is_recipe(name))
		return bb_err_set(err, -EINVAL,
				  "image '%.60s': no such recipe; there are: base, claude, codex, "
				  "dev; a Dockerfile is written ./Dockerfile",
				  name);
	if (image_missing_tools(true, missing, sizeof(missing)) > 0)
		return bb_err_set(err, -ENOENT, "image %s: missing on this host:\n%s", name,
				  missing);
	r = stage_with(&b, fill, NULL, err);
	return r == 0 ? image_open(name, ret, err) : r;
}
