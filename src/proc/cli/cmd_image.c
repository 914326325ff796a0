/* SPDX-License-Identifier: Apache-2.0 */
/* image ls, build, import, rm: what bottles boot */
#include "image/image.h"
#include "proc/cli/commands.h"
#include "proc/cli/commits.h"
#include "proc/cli/images.h"
#include "state/bottle.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

static void on_progress(const char *line, void *arg)
{
	const time_t *start = arg;

	(void)fprintf(stderr, "[%3lds] %s\n", (long)(time(NULL) - *start), line);
}

static int done(int r, const struct image *image, const struct bb_err *err)
{
	if (r < 0)
		return cli_error(r == -EINTR ? CLI_INTERRUPTED : CLI_FAILED, "%s", err->msg);
	(void)printf("%s %s\n", image->name, image->digest);
	return CLI_OK;
}

static int build_recipe(const struct cli_args *args, const char *name)
{
	time_t start = time(NULL);
	struct bb_err err = { 0 };
	struct image image;

	if (cli_has(args, OPT_NAME))
		return cli_error(CLI_USAGE, "image build: --name is for Dockerfiles");
	if (!cli_has(args, OPT_REBUILD) && image_open(name, &image, &err) == 0) {
		(void)fprintf(stderr, "%s is there, built %s; --rebuild makes it anew\n", name,
			      image.built);
		return done(0, &image, &err);
	}
	err = (struct bb_err){ 0 };
	return done(image_build(name, cli_opt(args, OPT_MIRROR), on_progress, &start, &image, &err),
		    &image, &err);
}

static int image_build_cmd(const struct cli_args *args)
{
	const char *what = args->n_operands > 1 ? args->operands[1] : "base";
	time_t start = time(NULL);
	struct bb_err err = { 0 };
	struct image image;

	if (!image_is_path(what))
		return build_recipe(args, what);
	return done(image_from_path(what, cli_opt(args, OPT_NAME), true, on_progress, &start,
				    &image, &err),
		    &image, &err);
}

/* "dir/My_Image-1.2.tar.gz" → "my_image-1.2" */
static void name_of_file(const char *path, char ret[static IMAGE_NAME_MAX])
{
	static const char *const endings[] = { ".gz", ".tgz", ".zst", ".tar", ".oci" };
	char text[IMAGE_NAME_MAX];
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	for (size_t at = n; at-- > 0;) {
		if (path[at] == '/') {
			path += at + 1;
			n -= at + 1;
			break;
		}
	}
	(void)snprintf(text, sizeof(text), "%.*s", (int)n, path);
	for (size_t i = 0; i < BB_ARRAY_LEN(endings); i++) {
		size_t have = strlen(text), len = strlen(endings[i]);

		if (have > len && strcmp(text + have - len, endings[i]) == 0)
			text[have - len] = '\0';
	}
	for (char *c = text; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	memcpy(ret, text, IMAGE_NAME_MAX);
}

static int image_import_cmd(const struct cli_args *args)
{
	char name[IMAGE_NAME_MAX];
	time_t start = time(NULL);
	struct bb_err err = { 0 };
	struct image image;

	if (args->n_operands != 2)
		return cli_error(CLI_USAGE, "image import: one archive, or the directory of an OCI "
					    "layout");
	name_of_file(args->operands[1], name);
	if (cli_has(args, OPT_NAME))
		(void)snprintf(name, sizeof(name), "%s", cli_opt(args, OPT_NAME));
	return done(image_import(args->operands[1], name, NULL, NULL, on_progress, &start, &image,
				 &err),
		    &image, &err);
}

int images_prepare(char **image, struct bb_err *err)
{
	time_t start = time(NULL);
	struct image made;
	char *name;
	int r;

	if (!image_is_path(*image))
		return 0;
	r = image_from_path(*image, NULL, false, on_progress, &start, &made, err);
	if (r < 0)
		return r;
	name = strdup(made.name);
	if (!name)
		return bb_err_set(err, -ENOMEM, "no memory");
	free(*image);
	*image = name;
	return 0;
}

/* "2026-11-28T03:40:00Z" → "5 minutes" */
static void age_of(const char *built, char *ret, size_t size)
{
	struct tm tm = { 0 };
	long age;

	if (!strptime(built, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
		(void)snprintf(ret, size, "?");
		return;
	}
	age = (long)(time(NULL) - timegm(&tm));
	if (age < 120)
		(void)snprintf(ret, size, "%ld seconds", age < 0 ? 0 : age);
	else if (age < 120 * 60)
		(void)snprintf(ret, size, "%ld minutes", age / 60);
	else if (age < 48 * 3600)
		(void)snprintf(ret, size, "%ld hours", age / 3600);
	else
		(void)snprintf(ret, size, "%ld days", age / 86400);
}

static void keep_image(const struct image *image, const struct bb_err *broken, void *arg)
{
	bool nameless = strlen(image->name) == 64;
	json_t *all = arg, *one;

	one = json_pack("{s:s?, s:s, s:b}", "name", nameless ? NULL : image->name, "digest",
			nameless ? image->name : image->digest, "ok", !broken);
	if (broken)
		(void)json_object_set_new(one, "error", json_string(broken->msg));
	else
		(void)json_object_update_new(
			one, json_pack("{s:I, s:s, s:s, s:s}", "bytes", (json_int_t)image->bytes,
				       "built", image->built, "kernel", image->kernel_release,
				       "origin", image->origin[0] ? image->origin : "recipe"));
	(void)json_array_append_new(all, one);
}

static void on_image(const struct image *image, const struct bb_err *broken, void *arg)
{
	bool nameless = strlen(image->name) == 64; /* rebuilt; image rm takes its digest */
	size_t *n = arg;
	char age[64];

	(*n)++;
	if (broken) {
		(void)printf("%-17s %s\n", image->name, broken->msg);
		return;
	}
	age_of(image->built, age, sizeof(age));
	(void)printf("%-17s %.12s %5llu MiB  %-11s  kernel %s  %s\n", nameless ? "-" : image->name,
		     image->digest, (unsigned long long)(image->bytes >> 20), age,
		     image->kernel_release, image->origin[0] ? image->origin : "recipe");
}

void images_drop_old(void)
{
	uint64_t bytes = image_drop_installed();

	if (bytes)
		(void)fprintf(stderr, "%llu MiB of what image build had kept are removed\n",
			      (unsigned long long)(bytes >> 20));
}

/* It has a disk that was made on this image */
static bool goes_on_with(const struct paths *paths, const struct state_entry *e, const char *digest)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	const char *on = json_string_value(json_object_get(e->meta, "image_digest"));
	struct bb_err ignored = { 0 };

	return on && strcmp(on, digest) == 0 &&
	       state_bottle_open(paths, e->identity, false, &b, &ignored) == 0 &&
	       faccessat(b.state_fd, "disk.ext4", F_OK, 0) == 0;
}

static void add_user(char *text, size_t size, const char *what, const char *name)
{
	size_t n = strlen(text);

	(void)snprintf(text + n, size - n, "%s%s%.64s", n ? ", " : "", what, name);
}

/* Only with a user's word: a disk that was made on it fits no other, not even one of its name */
static int is_unused(const char *digest, struct bb_err *err)
{
	state_list_auto struct state_list list = { 0 };
	json_auto_t *commits = NULL;
	struct paths paths;
	char users[700] = "";
	json_t *name;
	size_t i;

	if (paths_get(&paths, err) < 0 || state_list_get(&paths, &list, err) < 0)
		return err->code;
	for (i = 0; i < list.n; i++) {
		if (goes_on_with(&paths, &list.entries[i], digest))
			add_user(users, sizeof(users), "", list.entries[i].identity);
	}
	commits = commit_names(&paths);
	json_array_foreach(commits, i, name)
	{
		struct bb_err ignored = { 0 };
		json_auto_t *notes = NULL;

		if (commit_read(&paths, json_string_value(name), &notes, &ignored) == 0 &&
		    strcmp(json_string_value(json_object_get(notes, "image_digest")), digest) == 0)
			add_user(users, sizeof(users), "commit ", json_string_value(name));
	}
	if (!*users)
		return 0;
	return bb_err_set(err, -EBUSY,
			  "image %.12s is what these go on with: %s; remove them first (bot-bottle "
			  "cleanup, commit rm), or --force, and their disks are of no use",
			  digest, users);
}

static int image_rm_cmd(const struct cli_args *args)
{
	int code = CLI_OK;

	if (args->n_operands < 2)
		return cli_error(CLI_USAGE, "image rm: which?");
	images_drop_old();
	for (size_t i = 1; i < args->n_operands; i++) {
		struct bb_err err = { 0 };

		if (image_remove(args->operands[i], cli_has(args, OPT_FORCE) ? NULL : is_unused,
				 &err) < 0)
			code = cli_error(CLI_FAILED, "%s", err.msg);
		else
			(void)printf("%s\n", args->operands[i]);
	}
	return code;
}

static int image_ls_cmd(const struct cli_args *args)
{
	json_auto_t *all = cli_has(args, OPT_JSON) ? json_array() : NULL;
	struct bb_err err = { 0 };
	size_t n = 0;

	if (image_list(all ? keep_image : on_image, all ? (void *)all : &n, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	if (all) {
		(void)json_dumpf(all, stdout, JSON_INDENT(1));
		(void)putchar('\n');
	} else if (n == 0) {
		(void)cli_error(0,
				"there is no image yet; a first one: bot-bottle image build base");
	}
	return CLI_OK;
}

int cmd_image(const struct cli_args *args)
{
	if (cli_has(args, OPT_JSON) && strcmp(args->operands[0], "ls") != 0)
		return cli_error(CLI_USAGE, "image: --json goes with ls");
	if (cli_has(args, OPT_FORCE) && strcmp(args->operands[0], "rm") != 0)
		return cli_error(CLI_USAGE, "image: --force goes with rm");
	if (strcmp(args->operands[0], "build") == 0)
		return image_build_cmd(args);
	if (strcmp(args->operands[0], "import") == 0)
		return image_import_cmd(args);
	if (strcmp(args->operands[0], "rm") == 0)
		return image_rm_cmd(args);
	if (strcmp(args->operands[0], "ls") != 0)
		return cli_error(CLI_USAGE, "image: ls, build, import or rm, not '%.40s'",
				 args->operands[0]);
	return image_ls_cmd(args);
}
