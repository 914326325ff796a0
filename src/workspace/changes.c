/* SPDX-License-Identifier: Apache-2.0 */
#include "workspace/changes.h"
#include "wire/tar.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>

const char *const change_state_str[] = {
	[CHANGE_WANTED] = "wanted",     [CHANGE_DONE] = "done", [CHANGE_CONFLICT] = "conflict",
	[CHANGE_LINK] = "link_outside", [CHANGE_LEFT] = "left", [CHANGE_FAILED] = "failed",
};
static_assert(BB_ARRAY_LEN(change_state_str) == CHANGE_NUM_STATES, "change_state_str[]");

void changes_release(struct changes *c)
{
	free(c->list);
	*c = (struct changes){ 0 };
}

/* The next path of two sorted trees: which of them has it */
static int order(const struct tree *a, size_t i, const struct tree *b, size_t j)
{
	if (i == a->n)
		return 1;
	return j == b->n ? -1 : strcmp(a->entries[i].path, b->entries[j].path);
}

static void put(struct changes *c, const struct tree_entry *was, const struct tree_entry *is)
{
	struct change *to = &c->list[c->n];

	if (tree_same(was, is))
		return;
	*to = (struct change){ .path = is ? is->path : was->path,
			       .was = was,
			       .is = is,
			       .kind = !was  ? CHANGE_ADD
				       : !is ? CHANGE_DELETE
					     : CHANGE_MODIFY };
	to->run = names_run(to->path);
	c->n++;
}

/* What a bare repository has beside its objects: git obeys it where it finds one */
static bool is_of_bare_repository(const struct tree *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;
	char at[TREE_PATH_MAX + 8];

	if (n >= 6 && memcmp(path + n - 6, "hooks/", 6) == 0)
		n -= 6;
	else if (strcmp(path + n, "config") != 0)
		return false;
	memcpy(at, path, n);
	(void)memcpy(at + n, "objects", 8);
	if (!tree_find(t, at))
		return false;
	(void)memcpy(at + n, "HEAD", 5);
	return tree_find(t, at) != NULL;
}

int changes_make(const struct tree *was, const struct tree *is, struct changes *ret)
{
	struct changes c = { .list = calloc(was->n + is->n + 1, sizeof(*c.list)) };
	size_t i = 0, j = 0;

	if (!c.list)
		return -ENOMEM;
	while (i < was->n || j < is->n) {
		int o = order(was, i, is, j);

		put(&c, o <= 0 ? &was->entries[i] : NULL, o >= 0 ? &is->entries[j] : NULL);
		i += o <= 0;
		j += o >= 0;
	}
	for (i = 0; i < c.n; i++) {
		if (c.list[i].run != NAMES_RUN_SELF && is_of_bare_repository(is, c.list[i].path))
			c.list[i].run = NAMES_RUN_SELF;
	}
	*ret = c;
	return 0;
}

static int by_path(const void *key, const void *c)
{
	return strcmp(key, ((const struct change *)c)->path);
}

/* A part of the path is no directory here, but will be: that is a change of its own, before */
static bool will_be_reached(const struct changes *all, const char *path)
{
	char dir[TREE_PATH_MAX];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	while ((slash = strrchr(dir, '/'))) {
		const struct change *c;

		*slash = '\0';
		c = bsearch(dir, all->list, all->n, sizeof(*c), by_path);
		if (c && c->is && c->is->type == TREE_DIR && c->state == CHANGE_WANTED)
			return true;
	}
	return false;
}

static void judge(const struct changes *all, struct change *c, int host)
{
	struct tree_entry now;
	int r = tree_look(host, c->path, &now);

	if (r == -ENOTDIR && !c->was && will_be_reached(all, c->path))
		r = 0;
	if (r < 0)
		c->state = CHANGE_CONFLICT; /* a part of its path is something else here */
	else if (tree_same(&now, c->is))
		c->state = CHANGE_DONE;
	else if (!tree_same(&now, c->was))
		c->state = CHANGE_CONFLICT;
	else if (c->is && c->is->type == TREE_LINK &&
		 !tar_target_is_inside(c->path, c->is->target ? c->is->target : ""))
		c->state = CHANGE_LINK;
	else
		c->state = CHANGE_WANTED;
	free(now.target);
}

void changes_judge(struct changes *c, int host)
{
	for (size_t i = 0; i < c->n; i++)
		judge(c, &c->list[i], host);
}

size_t changes_count(const struct changes *c, enum change_state state, enum names_run run)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->list[i].state == state && (run == NAMES_NUM_RUNS || c->list[i].run == run);
	return n;
}

int changes_settle(const struct changes *c, const struct tree *was, struct tree *ret)
{
	tree_auto struct tree t = { 0 };
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < was->n || j < c->n)) {
		int o = i == was->n ? 1
			: j == c->n ? -1
				    : strcmp(was->entries[i].path, c->list[j].path);
		const struct tree_entry *e = o <= 0 ? &was->entries[i] : NULL;

		if (o >= 0 && c->list[j].state == CHANGE_DONE)
			e = c->list[j].is;
		if (e)
			r = tree_add(&t, e->path, e);
		i += o <= 0;
		j += o >= 0;
	}
	if (r < 0)
		return r;
	*ret = t;
	t = (struct tree){ 0 };
	return 0;
}
