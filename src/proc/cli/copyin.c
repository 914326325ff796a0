/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/copyin.h"
#include "base/printable.h"
#include "proc/cli/copyfiles.h"
#include "workspace/ignored.h"
#include "workspace/names.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define SKIP_MAX  (8u << 20)
#define SHOWN_MAX 6 /* names in one line of the preflight */

struct look {
	struct bb_buf *skip;
	struct ignored ignored;
	bool secrets; /* they go along */
	bool overflow;
	unsigned int masked, left;
	char shown[300];
};

void copyin_release(struct copyin *c)
{
	tree_release(&c->base);
	bb_buf_release(&c->skip);
}

static void show(struct look *l, const char *path)
{
	char text[100];
	size_t n = strlen(l->shown);

	if (l->masked <= SHOWN_MAX)
		(void)snprintf(l->shown + n, sizeof(l->shown) - n, "%s%s", n ? ", " : "",
			       bb_printable(path, text, 48));
}

static bool skip(const char *path, bool is_dir, void *arg)
{
	struct look *l = arg;
	bool secret = names_is_secret(path);

	if (!secret && !ignored_has(&l->ignored, path, is_dir))
		return false;
	if (secret && l->secrets) {
		l->masked++;
		show(l, path);
		return false;
	}
	/* A name that is ignored and like a secret counts as the latter: it is why it stays */
	if (secret)
		l->masked++;
	else
		l->left++;
	if (secret)
		show(l, path);
	if (bb_buf_add(l->skip, path, strlen(path) + 1) < 0)
		l->overflow = true;
	return true;
}

static void say(struct plan *p, const struct look *l)
{
	char more[32] = "";

	if (l->masked > SHOWN_MAX)
		(void)snprintf(more, sizeof(more), " and %u more", l->masked - SHOWN_MAX);
	if (l->masked && l->secrets)
		plan_warn(p, "copied although it looks like secrets: %s%s", l->shown, more);
	else if (l->masked)
		plan_warn(p,
			  "stays behind because it looks like secrets: %s%s (--include-secrets "
			  "copies it)",
			  l->shown, more);
	if (l->left)
		plan_warn(p, "%u names that git ignores stay behind", l->left);
}

static bool is_here(const char *path)
{
	struct stat there, here;

	return stat(path, &there) == 0 && stat(".", &here) == 0 && there.st_dev == here.st_dev &&
	       there.st_ino == here.st_ino;
}

int copyin_plan(const struct cli_args *args, struct plan *p, struct copyin *ret, struct bb_err *err)
{
	bb_auto_close int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	copyin_auto struct copyin c = { 0 };
	struct look l = { .skip = &c.skip, .secrets = cli_has(args, OPT_INCLUDE_SECRETS) };
	int r = 0;

	bb_buf_init(&c.skip, SKIP_MAX);
	if (root < 0)
		return bb_err_set(err, -errno, "working directory: %s", strerror(errno));
	if (is_here("/"))
		return bb_err_set(err, -EINVAL,
				  "--cwd: / is this host's whole file system; go to a project's "
				  "directory first");
	if (getenv("HOME") && is_here(getenv("HOME")))
		plan_warn(p, "--cwd copies the whole home directory: go to a project's directory "
			     "first?");
	if (cli_has(args, OPT_GITIGNORE))
		r = ignored_read(&l.ignored, err);
	if (r == 0)
		r = tree_read(root, skip, &l, &c.base, err);
	ignored_release(&l.ignored);
	if (r == 0 && l.overflow)
		r = bb_err_set(err, -E2BIG, "too many names that stay behind");
	if (r < 0)
		return bb_err_wrap(err, "--cwd");
	say(p, &l);
	*ret = c;
	c = (struct copyin){ 0 };
	return 0;
}

static int note_start(const struct copyin *c, const struct plan *p, const char *identity,
		      struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_buf struct bb_buf text;
	int r = state_bottle_open(&p->paths, identity, false, &b, err);

	bb_buf_init(&text, COPYIN_MAX);
	if (r < 0)
		return r;
	r = tree_save(&c->base, &text);
	if (r < 0)
		return bb_err_set(err, r, "list of files: %s", strerror(-r));
	return state_file_write(b.state_fd, COPYIN_FILE, bb_buf_span(&text), err);
}

int copyin_run(const struct copyin *c, const struct plan *p, const char *identity, int control,
	       struct bb_err *err)
{
	int r = note_start(c, p, identity, err);

	return r < 0 ? r : copy_directory_but(control, ".", COPYIN_DIR, bb_buf_span(&c->skip), err);
}
