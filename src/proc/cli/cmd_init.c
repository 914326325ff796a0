/* SPDX-License-Identifier: Apache-2.0 */
/* init: a first bottle, from an example, to be edited */
#include "base/io.h"
#include "proc/cli/commands.h"
#include "proc/cli/provider.h"
#include "state/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define EXAMPLE_MAX (256u << 10)
#define NAMES       "claude, codex, dev, api"

static bool is_name(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name) &&
	       strlen(name) <= 40;
}

static int read_example(const char *name, struct bb_buf *ret, struct bb_err *err)
{
	struct bb_err missing = { 0 };
	char relative[80], path[PATHS_MAX];

	(void)snprintf(relative, sizeof(relative), "examples/bottles/%.40s.md", name);
	if (!is_name(name) || paths_data(relative, path, &missing) < 0)
		return bb_err_set(err, -ENOENT,
				  "init: there is no example '%.40s'; there are: " NAMES, name);
	return bb_read_file(path, ret, err);
}

/* Never over a file that is there: it is the operator's. @ret: its path */
static int put(const char *config, const char *name, struct bb_span text,
	       char ret[static PATHS_MAX], struct bb_err *err)
{
	char dir[PATHS_MAX], file[64];
	bb_auto_close int fd = -1;
	int r = paths_join(config, "bottles", dir, err);

	(void)snprintf(file, sizeof(file), "%.40s.md", name);
	if (r == 0)
		r = paths_join(dir, file, ret, err);
	if (r < 0)
		return r;
	if ((mkdir(config, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(dir, 0700) < 0 && errno != EEXIST))
		return bb_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	fd = open(ret, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EEXIST)
		return bb_err_set(err, -EEXIST, "%s is there already: edit it, or remove it first",
				  ret);
	if (fd < 0 || bb_write_full(fd, text.p, text.len) < 0)
		return bb_err_set(err, -errno, "%s: %s", ret, strerror(errno));
	return 0;
}

static void say_next(const char *name, const char *path)
{
	(void)printf("%s\n", path);
	(void)fflush(stdout);
	(void)fprintf(stderr, "Next:\n  bot-bottle check %s\n", name);
	if (provider_find(name))
		(void)fprintf(stderr,
			      "  bot-bottle image build %s\n"
			      "  export %s=…   (it stays on this host)\n"
			      "  bot-bottle start --bottle %s --cwd\n",
			      name, provider_variable(provider_find(name)), name);
	else
		(void)fprintf(stderr,
			      "  bot-bottle image build base\n"
			      "  bot-bottle run --bottle %s --cwd -- bash\n",
			      name);
}

int cmd_init(const struct cli_args *args)
{
	const char *name = args->n_operands ? args->operands[0] : "claude";
	bb_auto_buf struct bb_buf text;
	struct bb_err err = { 0 };
	char path[PATHS_MAX];
	struct paths paths;
	int r = paths_get(&paths, &err);

	bb_buf_init(&text, EXAMPLE_MAX);
	if (r == 0)
		r = read_example(name, &text, &err);
	if (r == 0)
		r = put(paths.config, name, bb_buf_span(&text), path, &err);
	if (r < 0)
		return cli_error(r == -ENOENT ? CLI_USAGE : CLI_FAILED, "%s", err.msg);
	say_next(name, path);
	return CLI_OK;
}
