/* SPDX-License-Identifier: Apache-2.0 */
/* What a bottle was made with, and what the manifests say of that now */
#include "proc/cli/plan.h"
#include <errno.h>

static enum cli_opt_id option_named(const char *name)
{
	for (size_t i = 0; i < OPT_NUM_IDS; i++) {
		if (strcmp(cli_opts[i].name, name) == 0)
			return (enum cli_opt_id)i;
	}
	return OPT_NUM_IDS;
}

static void give(struct cli_args *args, enum cli_opt_id id, const char *value)
{
	if (id == OPT_NUM_IDS || args->n_opts == CLI_VALUES_MAX || !value)
		return;
	args->opts[args->n_opts].id = id;
	args->opts[args->n_opts++].value = value;
}

/* The command line that made it, as its metadata has it; @meta keeps the strings */
static void options_of(const json_t *meta, struct cli_args *ret)
{
	const char *digest = json_string_value(json_object_get(meta, "image_digest"));
	const char *image = json_string_value(json_object_get(meta, "image"));
	json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(meta, "options"), i, pair)
	{
		const char *name = json_string_value(json_array_get(pair, 0));

		if (name)
			give(ret, option_named(name), json_string_value(json_array_get(pair, 1)));
	}
	give(ret, OPT_BACKEND, json_string_value(json_object_get(meta, "backend")));
	give(ret, OPT_IMAGE, digest ? digest : image);
	give(ret, OPT_KEEP, "");
}

int plan_again(const struct cli_cmd *cmd, const json_t *meta, enum plan_for what, struct plan *ret,
	       struct bb_err *err)
{
	const char *agent = json_string_value(json_object_get(meta, "agent"));
	bb_auto_free struct cli_args *again = calloc(1, sizeof(*again));
	bool provide = what == PLAN_PROVIDE ||
		       (what == PLAN_RUNNING && json_is_true(json_object_get(meta, "provide")));
	int r;

	if (!again)
		return bb_err_set(err, -ENOMEM, "no memory");
	*again = (struct cli_args){ .cmd = cmd };
	options_of(meta, again);
	r = plan_for_bottle(again, agent, provide, what == PLAN_RUNNING, ret, err);
	if (r == 0)
		ret->workspace = json_is_true(json_object_get(meta, "workspace"));
	return r;
}
