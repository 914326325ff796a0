/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/pick.h"
#include "base/near.h"
#include "manifest/manifest.h"
#include "state/paths.h"
#include <errno.h>
#include <stdio.h>

/* Of the user, then of the working directory where those have no namesake */
static json_t *all_agents(const struct paths *paths, const char *cwd, size_t *ret_own)
{
	char local[PATHS_MAX];
	const struct manifest_dirs own = { .home = paths->config, .cwd = cwd };
	const struct manifest_dirs here = { .home = local, .cwd = cwd };
	json_t *names = manifest_names(&own, "agents"), *n, *o;
	json_auto_t *locals = NULL;
	size_t i, j;

	*ret_own = json_array_size(names);
	if (snprintf(local, sizeof(local), "%s/.bot-bottle", cwd) >= (int)sizeof(local))
		return names;
	locals = manifest_names(&here, "agents");
	json_array_foreach(locals, i, n)
	{
		bool known = false;

		json_array_foreach(names, j, o) known = known || json_equal(n, o);
		if (!known)
			(void)json_array_append(names, n);
	}
	return names;
}

static void show(const json_t *names, size_t own)
{
	json_t *n;
	size_t i;

	(void)fputs("Agents:\n  0  none: the bottle's program as it is\n", stderr);
	json_array_foreach(names, i, n)
	{
		(void)fprintf(stderr, "  %zu  %s%s\n", i + 1, json_string_value(n),
			      i < own ? "" : "  (of this directory)");
	}
	(void)fputs("Which? (number or name) ", stderr);
}

static int meant(const json_t *names, const char *answer, char **ret, struct bb_err *err)
{
	struct bb_near near = BB_NEAR(answer);
	const char *found = NULL;
	char *end;
	unsigned long number = strtoul(answer, &end, 10);
	json_t *n;
	size_t i;

	if (*end == '\0' && number == 0)
		return 0;
	if (*end == '\0' && number <= json_array_size(names))
		found = json_string_value(json_array_get(names, number - 1));
	json_array_foreach(names, i, n)
	{
		if (strcmp(json_string_value(n), answer) == 0)
			found = json_string_value(n);
		bb_near_try(&near, json_string_value(n));
	}
	if (!found)
		return bb_err_set(err, -EINVAL, "there is no agent '%.40s'%s%s%s", answer,
				  near.best ? " (did you mean " : "", near.best ? near.best : "",
				  near.best ? "?)" : "");
	*ret = strdup(found);
	return *ret ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

int pick_agent(char **ret, struct bb_err *err)
{
	bb_auto_free char *cwd = getcwd(NULL, 0);
	json_auto_t *names = NULL;
	char answer[64] = "";
	struct paths paths;
	size_t own;
	int r = paths_get(&paths, err);

	*ret = NULL;
	if (r < 0)
		return r;
	names = all_agents(&paths, cwd ? cwd : "/", &own);
	if (json_array_size(names) == 0)
		return 0;
	show(names, own);
	if (!fgets(answer, sizeof(answer), stdin))
		return bb_err_set(err, -ECANCELED, "start: no agent was chosen");
	answer[strcspn(answer, "\n")] = '\0';
	if (!*answer)
		return bb_err_set(err, -ECANCELED, "start: no agent was chosen");
	return meant(names, answer, ret, err);
}
