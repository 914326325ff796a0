/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/rootfs.h"
#include <errno.h>
#include <search.h>
#include <stdalign.h>
#include <sys/stat.h>

#define BLOCK 4096u

const struct rootfs_limits rootfs_limits = { 500000, 16ull << 30, 256u << 20 };

static int compare(const void *a, const void *b)
{
	const struct rootfs_node *l = a, *r = b;

	return strcmp(l->name, r->name);
}

static int take(uint64_t *used, uint64_t limit, uint64_t n)
{
	if (n > limit || *used > limit - n)
		return -ENOSPC;
	*used += n;
	return 0;
}

static bool name_is_ok(struct bb_span name)
{
	return name.len > 0 && name.len <= ROOTFS_NAME_MAX && !memchr(name.p, '/', name.len) &&
	       !memchr(name.p, '\0', name.len) &&
	       !(name.p[0] == '.' && (name.len == 1 || (name.len == 2 && name.p[1] == '.')));
}

static struct rootfs_node *node_new(struct bb_span name)
{
	struct rootfs_node *n = calloc(1, sizeof(*n) + name.len + 1);

	if (n)
		memcpy(n->name, name.p, name.len);
	return n;
}

static void inode_drop(struct rootfs_inode *i)
{
	if (--i->links)
		return;
	free(i->target);
	free(i->xattrs);
	free(i);
}

static struct rootfs_inode *inode_new(uint32_t mode)
{
	struct rootfs_inode *i = calloc(1, sizeof(*i));

	if (i)
		i->mode = mode;
	return i;
}

int rootfs_init(struct rootfs *r, int scratch, const struct rootfs_limits *limits)
{
	*r = (struct rootfs){ .scratch = scratch, .limits = *limits };
	r->root = node_new((struct bb_span){ (const uint8_t *)"", 0 });
	if (!r->root)
		return -ENOMEM;
	r->root->inode = inode_new(S_IFDIR | 0755);
	if (!r->root->inode) {
		free(r->root);
		r->root = NULL;
		return -ENOMEM;
	}
	r->root->inode->links = 1;
	return 0;
}

struct rootfs_node *rootfs_child(const struct rootfs_node *dir, struct bb_span name)
{
	alignas(struct rootfs_node) char room[sizeof(struct rootfs_node) + ROOTFS_NAME_MAX + 1];
	struct rootfs_node *probe = (struct rootfs_node *)(void *)room;
	struct rootfs_node *const *found;

	if (!name_is_ok(name))
		return NULL;
	memcpy(probe->name, name.p, name.len);
	probe->name[name.len] = '\0';
	found = tfind(probe, &dir->inode->names, compare);
	return found ? *found : NULL;
}

static void collect(const void *at, VISIT which, void *arg)
{
	struct rootfs_node ***next = arg;

	if (which == postorder || which == leaf)
		*(*next)++ = *(struct rootfs_node *const *)at;
}

struct rootfs_node **rootfs_children(const struct rootfs_node *dir)
{
	struct rootfs_node **all = calloc(dir->inode->n_names + 1u, sizeof(struct rootfs_node *));
	struct rootfs_node **next = all;

	if (all)
		twalk_r(dir->inode->names, collect, (void *)&next);
	return all;
}

/* Below a directory that goes: depth is bounded by ROOTFS_DEPTH_MAX */
static void free_names(void *arg)
{
	struct rootfs_node *n = arg;

	if (rootfs_is_dir(n))
		tdestroy(n->inode->names, free_names);
	inode_drop(n->inode);
	free(n);
}

void rootfs_release(struct rootfs *r)
{
	if (r->root)
		free_names(r->root);
	r->root = NULL;
}

int rootfs_add(struct rootfs *r, struct rootfs_node *dir, struct bb_span name, uint32_t mode,
	       uint32_t layer, struct rootfs_inode *inode, struct rootfs_node **ret)
{
	struct rootfs_node *n, **at;

	if (!name_is_ok(name) || dir->depth >= ROOTFS_DEPTH_MAX)
		return -ENAMETOOLONG;
	if (take(&r->used.entries, r->limits.entries, 1) < 0 ||
	    take(&r->used.text, r->limits.text, name.len) < 0)
		return -ENOSPC;
	n = node_new(name);
	if (!n)
		return -ENOMEM;
	n->inode = inode ? inode : inode_new(mode);
	at = n->inode ? tsearch(n, &dir->inode->names, compare) : NULL;
	if (!at || *at != n) {
		if (!inode)
			free(n->inode);
		free(n);
		return at ? -EEXIST : -ENOMEM;
	}
	n->parent = dir;
	n->layer = layer;
	n->depth = dir->depth + 1;
	n->inode->links++;
	dir->inode->n_names++;
	dir->inode->n_dirs += rootfs_is_dir(n);
	*ret = n;
	return 0;
}

void rootfs_remove(struct rootfs *r, struct rootfs_node *n)
{
	struct rootfs_inode *dir = n->parent->inode;

	(void)r;
	(void)tdelete(n, &dir->names, compare);
	dir->n_names--;
	dir->n_dirs -= rootfs_is_dir(n);
	free_names(n);
}

int rootfs_prune(struct rootfs *r, struct rootfs_node *dir, uint32_t layer)
{
	bb_auto_free struct rootfs_node **all = rootfs_children(dir);
	size_t n = dir->inode->n_names;
	int res = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n && res == 0; i++) {
		if (all[i]->layer < layer)
			rootfs_remove(r, all[i]);
		else if (rootfs_is_dir(all[i]))
			res = rootfs_prune(r, all[i], layer);
	}
	return res;
}

int rootfs_set_text(struct rootfs *r, char **to, const void *p, size_t len)
{
	char *copy = NULL;

	if (take(&r->used.text, r->limits.text, len) < 0)
		return -ENOSPC;
	if (len) {
		copy = malloc(len + 1);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, p, len);
		copy[len] = '\0';
	}
	free(*to);
	*to = copy;
	return 0;
}

/* ---- paths ---- */

/* What is left of a path: the links in it put their targets before the rest */
struct path {
	char text[2 * 4096 + 2];
	char *at;
	unsigned int links;
};

static int path_push(struct path *p, const char *target, size_t len)
{
	char rest[4096 + 1];
	size_t n = strlen(p->at);

	if (len + 1 + n >= sizeof(rest) || ++p->links > ROOTFS_LINKS_MAX)
		return -ELOOP;
	memcpy(rest, p->at, n + 1);
	memcpy(p->text, target, len);
	p->text[len] = '/';
	memcpy(p->text + len + 1, rest, n + 1);
	p->at = p->text;
	return 0;
}

/* The next component, without slashes. Return: false at the end */
static bool path_next(struct path *p, struct bb_span *ret, bool *is_last)
{
	size_t n;

	p->at += strspn(p->at, "/");
	n = strcspn(p->at, "/");
	*ret = (struct bb_span){ (const uint8_t *)p->at, n };
	p->at += n;
	*is_last = p->at[strspn(p->at, "/")] == '\0';
	return n > 0;
}

static int step_into(struct rootfs *r, struct rootfs_node **at, struct bb_span name,
		     uint32_t make_layer)
{
	struct rootfs_node *next;
	int res;

	if (!rootfs_is_dir(*at))
		return -ENOTDIR;
	if (name.len == 1 && name.p[0] == '.')
		return 0;
	if (name.len == 2 && name.p[0] == '.' && name.p[1] == '.') {
		if (!(*at)->parent)
			return -EXDEV;
		*at = (*at)->parent;
		return 0;
	}
	next = rootfs_child(*at, name);
	if (!next) {
		if (!make_layer)
			return -ENOENT;
		res = rootfs_add(r, *at, name, S_IFDIR | 0755, make_layer, NULL, &next);
		if (res < 0)
			return res;
	}
	if (make_layer && rootfs_is_dir(next))
		next->layer = make_layer;
	*at = next;
	return 0;
}

int rootfs_walk(struct rootfs *r, struct bb_span path, uint32_t make_layer, bool last,
		struct rootfs_node **ret)
{
	struct rootfs_node *at = r->root;
	struct path p = { .at = p.text };
	struct bb_span name;
	bool is_last;

	if (path.len >= 4096)
		return -ENAMETOOLONG;
	if (path.len)
		memcpy(p.text, path.p, path.len);
	while (path_next(&p, &name, &is_last)) {
		struct rootfs_node *dir = at;
		int res = step_into(r, &at, name, make_layer);

		if (res == 0 && rootfs_is_link(at) && (!is_last || last)) {
			const char *target = at->inode->target;

			at = target[0] == '/' ? r->root : dir;
			res = path_push(&p, target, strlen(target));
		}
		if (res < 0)
			return res;
	}
	*ret = at;
	return 0;
}

/* ---- data ---- */

static bool is_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static int write_at(int fd, const uint8_t *p, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

int rootfs_write_holes(int fd, const uint8_t *p, size_t len, uint64_t at)
{
	size_t from = 0, to = 0;
	int r = 0;

	/* [from, to) is to be written; a block of zeros ends it */
	while (to < len && r == 0) {
		size_t n = BLOCK - (at + to) % BLOCK;

		n = n < len - to ? n : len - to;
		if (is_zero(p + to, n)) {
			r = write_at(fd, p + from, to - from, at + from);
			from = to + n;
		}
		to += n;
	}
	return r < 0 ? r : write_at(fd, p + from, to - from, at + from);
}

int rootfs_append(struct rootfs *r, struct bb_span data)
{
	int res = rootfs_write_holes(r->scratch, data.p, data.len, r->scratch_len);

	if (res == 0)
		r->scratch_len += data.len;
	return res;
}

int rootfs_read(const struct rootfs *r, const struct rootfs_inode *inode, uint64_t at, void *p,
		size_t len)
{
	uint8_t *to = p;

	while (len) {
		ssize_t n = pread(r->scratch, to, len, (off_t)(inode->data + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) { /* a hole at the very end */
			memset(to, 0, len);
			return 0;
		}
		to += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}
