/* SPDX-License-Identifier: Apache-2.0 */
#include "workspace/apply.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#define CHUNK 65536

/* As a new file of the user's gets it; one that is there keeps its bits but for "executable" */
static mode_t mode_for(int dir, const char *name, enum tree_type type)
{
	mode_t mask = umask(0), mode = 0666 & ~mask, execute = 0111 & ~mask;
	struct stat st;

	(void)umask(mask);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		mode = st.st_mode & 0666;
	return type == TREE_EXEC ? mode | execute : mode;
}

static int copy_content(int from, int to)
{
	static uint8_t chunk[CHUNK];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(from, chunk, sizeof(chunk))) != 0)
		r = n < 0 ? -errno : bb_write_full(to, chunk, (size_t)n);
	return r;
}

/* A name in the same directory that nobody has */
static void temporary(char ret[static 48])
{
	uint64_t random = 0;

	(void)!getrandom(&random, sizeof(random), 0);
	(void)snprintf(ret, 48, ".bot-bottle.%016llx", (unsigned long long)random);
}

static int put_file(int dir, const char *name, const struct tree_entry *is, int stage)
{
	bb_auto_close int from = tree_open(stage, is->path, O_RDONLY | O_NONBLOCK);
	bb_auto_close int to = -1;
	char tmp[48];
	int r;

	if (from < 0)
		return from;
	temporary(tmp);
	to = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_content(from, to);
	if (r == 0 && fchmod(to, mode_for(dir, name, is->type)) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, tmp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, tmp, 0);
	return r;
}

static int put_link(int dir, const char *name, const char *target)
{
	char tmp[48];
	int r;

	temporary(tmp);
	if (symlinkat(target, dir, tmp) < 0)
		return -errno;
	if (renameat(dir, tmp, dir, name) == 0)
		return 0;
	r = -errno;
	(void)unlinkat(dir, tmp, 0);
	return r;
}

/* Directory to something else, or the other way: the old one goes first */
static int make_room(int dir, const char *name, const struct change *c)
{
	bool was_dir = c->was && c->was->type == TREE_DIR, is_dir = c->is->type == TREE_DIR;

	if (!c->was || was_dir == is_dir)
		return 0;
	return unlinkat(dir, name, was_dir ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

static int put(int dir, const char *name, const struct change *c, int stage)
{
	int r = make_room(dir, name, c);

	if (r < 0)
		return r;
	switch (c->is->type) {
	case TREE_DIR:
		return mkdirat(dir, name, 0777) < 0 && errno != EEXIST ? -errno : 0;
	case TREE_LINK:
		return put_link(dir, name, c->is->target);
	case TREE_FILE:
	case TREE_EXEC:
		return put_file(dir, name, c->is, stage);
	case TREE_NONE:
	case TREE_OTHER:
	case TREE_NUM_TYPES:
		break;
	}
	return -EINVAL;
}

static int take_away(int dir, const char *name, const struct change *c)
{
	int flags = c->was->type == TREE_DIR ? AT_REMOVEDIR : 0;

	return unlinkat(dir, name, flags) < 0 && errno != ENOENT ? -errno : 0;
}

static void apply_one(struct change *c, int host, int stage)
{
	struct tree_entry now;
	const char *name;
	bb_auto_close int dir = tree_open_parent(host, c->path, &name);
	bool as_before = dir >= 0 && tree_look(dir, name, &now) == 0;
	int r = dir;

	if (as_before) {
		as_before = tree_same(&now, c->was);
		free(now.target);
	}
	if (dir < 0 || as_before)
		r = dir < 0 ? dir : c->is ? put(dir, name, c, stage) : take_away(dir, name, c);
	else
		c->state = CHANGE_CONFLICT;
	if (c->state == CHANGE_CONFLICT)
		return;
	c->state = r < 0 ? CHANGE_FAILED : CHANGE_DONE;
	c->failed = r < 0 ? -r : 0;
	/* There is something of the user's in it, or on the way to it */
	if (r == -ENOTEMPTY || r == -EEXIST || r == -ENOTDIR || r == -ELOOP)
		c->state = CHANGE_CONFLICT;
}

void apply_changes(struct changes *c, int host, int stage)
{
	/* What goes, from the leaves up, makes room for what comes, from the root down */
	for (size_t i = c->n; i > 0; i--) {
		if (c->list[i - 1].state == CHANGE_WANTED && c->list[i - 1].kind == CHANGE_DELETE)
			apply_one(&c->list[i - 1], host, stage);
	}
	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i].state == CHANGE_WANTED)
			apply_one(&c->list[i], host, stage);
	}
}
