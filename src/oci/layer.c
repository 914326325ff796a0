/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/layer.h"
#include "wire/le.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define WHITEOUT ".wh."
#define OPAQUE   ".wh..wh..opq"

/* erofs: how the first part of an attribute's name is written */
enum { XATTR_USER = 1, XATTR_SECURITY = 6 };

void layer_begin(struct layer *l, struct rootfs *fs, uint32_t number)
{
	l->fs = fs;
	l->number = number;
	l->file = NULL;
	l->left = l->behind = 0;
	tar_reader_init_layer(&l->reader);
}

/* The place and the reason; a name of the image is made printable */
static int refuse(const struct layer *l, int code, const char *why, struct bb_err *err)
{
	char name[121];
	size_t n = strlen(l->reader.entry.path), from = n > 120 ? n - 120 : 0;

	for (size_t i = 0; i <= n - from; i++) {
		char c = l->reader.entry.path[from + i];

		name[i] = c && (c < ' ' || c > '~') ? '?' : c;
	}
	return bb_err_set(err, code, "layer %u: %s: %s", l->number, name, why);
}

static int explain(const struct layer *l, int code, struct bb_err *err)
{
	switch (-code) {
	case ENOTDIR:
		return refuse(l, code, "lies below something that is no directory", err);
	case ELOOP:
		return refuse(l, code, "goes through too many symbolic links", err);
	case EXDEV:
		return refuse(l, code, "a symbolic link on its way leads out of the image", err);
	case ENAMETOOLONG:
		return refuse(l, code, "the name is too long, or too deep", err);
	case ENOSPC:
		return refuse(l, code,
			      "the image is too large: more than 500,000 names, 16 GiB of data or "
			      "256 MiB of names",
			      err);
	default:
		return refuse(l, code, strerror(-code), err);
	}
}

static struct bb_span parent_of(const char *path, struct bb_span *ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = BB_SPAN_STR(slash ? slash + 1 : path);
	return (struct bb_span){ (const uint8_t *)path, slash ? (size_t)(slash - path) : 0 };
}

static bool starts(struct bb_span s, const char *with)
{
	return s.len >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0;
}

/* ---- attributes ---- */

/* "user.*" and "security.capability": others mean something to this host's kernel or to overlays */
static bool xattr_is_kept(struct bb_span name, uint8_t *ret_index, struct bb_span *ret_rest)
{
	size_t cut = starts(name, "user.") ? 5 : 9;

	if (cut == 9 && !bb_span_eq(name, BB_SPAN_STR("security.capability")))
		return false;
	*ret_index = cut == 5 ? XATTR_USER : XATTR_SECURITY;
	*ret_rest = (struct bb_span){ name.p + cut, name.len - cut };
	return ret_rest->len > 0 && ret_rest->len <= ROOTFS_NAME_MAX;
}

static int take_xattrs(struct layer *l, struct rootfs_inode *inode, struct bb_err *err)
{
	uint8_t out[ROOTFS_XATTR_MAX] = { 0 }, index;
	struct bb_span name, value, rest;
	size_t at = 0, n = 0;
	int r;

	while (tar_reader_xattr(&l->reader, &at, &name, &value)) {
		size_t len;

		if (!xattr_is_kept(name, &index, &rest))
			continue;
		len = (4 + rest.len + value.len + 3) & ~(size_t)3;
		if (value.len > sizeof(out) || n + len > sizeof(out))
			return refuse(l, -E2BIG, "more than 2,048 octets of extended attributes",
				      err);
		out[n] = (uint8_t)rest.len;
		out[n + 1] = index;
		le_put16(out + n + 2, (uint16_t)value.len);
		memcpy(out + n + 4, rest.p, rest.len);
		if (value.len)
			memcpy(out + n + 4 + rest.len, value.p, value.len);
		n += len;
	}
	r = rootfs_set_text(l->fs, (char **)&inode->xattrs, out, n);
	inode->xattr_len = r == 0 ? (uint32_t)n : inode->xattr_len;
	return r < 0 ? explain(l, r, err) : 0;
}

static int take_metadata(struct layer *l, struct rootfs_inode *inode, struct bb_err *err)
{
	const struct tar_entry *e = &l->reader.entry;

	inode->mode = (inode->mode & S_IFMT) | (e->mode & 07777);
	inode->uid = e->uid;
	inode->gid = e->gid;
	inode->mtime = e->mtime;
	return take_xattrs(l, inode, err);
}

/* ---- entries ---- */

static int whiteout(struct layer *l, struct bb_span dir, struct bb_span name, struct bb_err *err)
{
	struct rootfs_node *parent, *n;
	struct bb_span hidden = { name.p + strlen(WHITEOUT), name.len - strlen(WHITEOUT) };
	int r;

	l->left = l->reader.entry.size;
	if (l->reader.entry.type == TAR_TYPE_DIR)
		return refuse(l, -EINVAL, "a whiteout that is a directory", err);
	if (hidden.len == 0 || bb_span_eq(hidden, BB_SPAN_STR(".")) ||
	    bb_span_eq(hidden, BB_SPAN_STR("..")))
		return refuse(l, -EINVAL, "a whiteout of no name", err);
	r = rootfs_walk(l->fs, dir, 0, true, &parent);
	if (r == -ENOENT)
		return 0; /* it hides what is not there */
	if (r < 0 || !rootfs_is_dir(parent))
		return explain(l, r < 0 ? r : -ENOTDIR, err);
	if (bb_span_eq(name, BB_SPAN_STR(OPAQUE)))
		r = rootfs_prune(l->fs, parent, l->number);
	else if (!starts(hidden, WHITEOUT) && (n = rootfs_child(parent, hidden))) {
		if (n->layer < l->number)
			rootfs_remove(l->fs, n);
		else if (rootfs_is_dir(n))
			r = rootfs_prune(l->fs, n, l->number);
	}
	return r < 0 ? explain(l, r, err) : 0;
}

/* What a hard link is to share, in this layer or below */
static int link_target(struct layer *l, struct rootfs_inode **ret, struct bb_err *err)
{
	struct rootfs_node *dir, *n = NULL;
	struct bb_span name, path = parent_of(l->reader.entry.target, &name);
	int r = rootfs_walk(l->fs, path, 0, true, &dir);

	if (r == 0 && rootfs_is_dir(dir))
		n = rootfs_child(dir, name);
	if (!n || rootfs_is_dir(n))
		return refuse(l, -ENOENT, "a hard link to what is no file of the image", err);
	*ret = n->inode;
	return 0;
}

static uint32_t type_bits(enum tar_type t)
{
	return t == TAR_TYPE_DIR ? S_IFDIR : t == TAR_TYPE_SYMLINK ? S_IFLNK : S_IFREG;
}

/* Make room for the entry at @name. A directory over a directory stays: *ret */
static int make_room(struct layer *l, struct rootfs_node *dir, struct bb_span name,
		     const struct rootfs_inode *shared, struct rootfs_node **ret,
		     struct bb_err *err)
{
	struct rootfs_node *old = rootfs_child(dir, name);

	*ret = NULL;
	if (!old)
		return 0;
	if (l->reader.entry.type == TAR_TYPE_DIR && rootfs_is_dir(old)) {
		old->layer = l->number;
		*ret = old;
		return 0;
	}
	if (old->layer == l->number)
		return refuse(l, -EEXIST, "stands twice in this layer", err);
	if (shared && old->inode == shared)
		return refuse(l, -EEXIST, "a hard link to itself", err);
	rootfs_remove(l->fs, old);
	return 0;
}

static int file_begins(struct layer *l, struct rootfs_inode *inode, struct bb_err *err)
{
	uint64_t size = l->reader.entry.size;
	struct rootfs *fs = l->fs;

	if (size > fs->limits.bytes || fs->used.bytes > fs->limits.bytes - size)
		return explain(l, -ENOSPC, err);
	fs->used.bytes += size;
	inode->data = fs->scratch_len;
	inode->size = size;
	l->file = size ? inode : NULL;
	l->left = size;
	return 0;
}

static int add(struct layer *l, struct rootfs_node *dir, struct bb_span name, struct bb_err *err)
{
	const struct tar_entry *e = &l->reader.entry;
	struct rootfs_inode *shared = NULL;
	struct rootfs_node *n;
	int r = e->type == TAR_TYPE_HARDLINK ? link_target(l, &shared, err) : 0;

	if (r == 0)
		r = make_room(l, dir, name, shared, &n, err);
	/* what made room may have held it */
	if (r == 0 && shared)
		r = link_target(l, &shared, err);
	if (r < 0)
		return r;
	if (!n) {
		r = rootfs_add(l->fs, dir, name, type_bits(e->type), l->number, shared, &n);
		if (r < 0)
			return explain(l, r, err);
	}
	if (shared)
		return 0; /* owner and mode are those of the file */
	r = take_metadata(l, n->inode, err);
	if (r == 0 && e->type == TAR_TYPE_SYMLINK) {
		n->inode->size = strlen(e->target);
		r = rootfs_set_text(l->fs, &n->inode->target, e->target, strlen(e->target));
		r = r < 0 ? explain(l, r, err) : 0;
	}
	return r == 0 && e->type == TAR_TYPE_FILE ? file_begins(l, n->inode, err) : r;
}

static int take_entry(struct layer *l, struct bb_err *err)
{
	const struct tar_entry *e = &l->reader.entry;
	struct bb_span name, path = parent_of(e->path, &name);
	struct rootfs_node *dir;
	int r;

	l->file = NULL;
	l->left = 0;
	if (strcmp(e->path, ".") == 0)
		return take_metadata(l, l->fs->root->inode, err);
	if (starts(name, WHITEOUT))
		return whiteout(l, path, name, err);
	if (e->type == TAR_TYPE_SPECIAL) {
		if (strncmp(e->path, "dev/", 4) != 0)
			return refuse(l, -EPERM, "a device or fifo outside of dev/", err);
		l->fs->dropped++; /* /dev is the bottle's own */
		return 0;
	}
	r = rootfs_walk(l->fs, path, l->number, true, &dir);
	if (r == 0 && !rootfs_is_dir(dir))
		r = -ENOTDIR;
	return r < 0 ? explain(l, r, err) : add(l, dir, name, err);
}

static int take_data(struct layer *l, struct bb_span data, struct bb_err *err)
{
	int r = 0;

	l->left -= data.len;
	if (l->file)
		r = rootfs_append(l->fs, data);
	return r < 0 ? bb_err_set(err, r, "layer %u: writing its files: %s", l->number,
				  strerror(-r))
		     : 0;
}

int layer_feed(struct layer *l, struct bb_span in, struct bb_err *err)
{
	for (;;) {
		struct bb_span data = { 0 };
		enum tar_event ev = tar_reader_next(&l->reader, &in, &data);
		int r;

		if (ev == TAR_EVENT_MORE)
			return 0;
		if (ev == TAR_EVENT_END) {
			l->behind += in.len;
			return l->behind <= LAYER_PADDING_MAX
				       ? 0
				       : bb_err_set(err, -EBADMSG,
						    "layer %u: more than padding behind its end",
						    l->number);
		}
		if (ev == TAR_EVENT_BAD)
			return bb_err_set(err, -EBADMSG, "layer %u: behind %.100s: %s", l->number,
					  *l->reader.entry.path ? l->reader.entry.path
								: "its start",
					  tar_result_str[l->reader.result]);
		r = ev == TAR_EVENT_ENTRY ? take_entry(l, err) : take_data(l, data, err);
		if (r < 0)
			return r;
	}
}

int layer_end(const struct layer *l, struct bb_err *err)
{
	if (!tar_reader_is_done(&l->reader))
		return bb_err_set(err, -EBADMSG, "layer %u: its archive is cut short", l->number);
	return 0;
}
