/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_OCI_ROOTFS_H
#define BB_OCI_ROOTFS_H
#include "base/base.h"
#include <sys/types.h>

/**
 * DOC: rootfs - a root file system in memory, the data of its files in one scratch file
 *
 * Nothing of an image is ever a file of the host: names are keys of a tree, symbolic links are
 * followed in it, and no path is given to the kernel. There is nothing to escape to.
 *
 * Layer:     oci
 * Used by:   unpacker; fuzz/layer.c
 * Trust:     names, links, owners and data are the image's
 * Ownership: rootfs_init() borrows the scratch descriptor, rootfs_release() frees the tree
 * Limits:    struct rootfs_limits; names of 255 octets, 1,024 directories deep, 40 links in a path
 */
#define ROOTFS_NAME_MAX  255
#define ROOTFS_DEPTH_MAX 1024
#define ROOTFS_LINKS_MAX 40
#define ROOTFS_XATTR_MAX 2048 /* encoded, of one inode */

/** struct rootfs_limits - What all layers together may have */
struct rootfs_limits {
	uint64_t entries; /* counted as they come, also those that a later layer removes */
	uint64_t bytes;   /* of files' data */
	uint64_t text;    /* of names, targets and attributes */
};
extern const struct rootfs_limits rootfs_limits;

/**
 * struct rootfs_inode - What one or several names (hard links) stand for
 * @mode:	S_IFDIR, S_IFREG or S_IFLNK and 07777
 * @data:	of a file, in the scratch file
 * @target:	of a symbolic link
 * @xattrs:	as erofs has them, entries padded to four octets
 * @names:	of a directory: tsearch(3) root over struct rootfs_node
 * @nid, @block, @number: where erofs.c puts it
 */
struct rootfs_inode {
	uint32_t mode, uid, gid, links;
	uint64_t size, data;
	int64_t mtime;
	char *target;
	uint8_t *xattrs;
	uint32_t xattr_len;
	void *names;
	uint32_t n_names, n_dirs;
	uint64_t nid, block, number;
};

/** struct rootfs_node - A name in a directory; @layer: the last one that had it */
struct rootfs_node {
	struct rootfs_node *parent; /* NULL: the root */
	struct rootfs_inode *inode;
	uint32_t layer, depth;
	char name[];
};

struct rootfs {
	struct rootfs_node *root;
	int scratch;
	uint64_t scratch_len;
	struct rootfs_limits used;
	struct rootfs_limits limits;
	uint64_t dropped; /* devices below /dev */
};

/** rootfs_init() - An empty root directory. Return: 0 or -ENOMEM */
BB_MUST_USE int rootfs_init(struct rootfs *r, int scratch, const struct rootfs_limits *limits);
void rootfs_release(struct rootfs *r);

static inline bool rootfs_is_dir(const struct rootfs_node *n)
{
	return (n->inode->mode & 0170000) == 0040000;
}
static inline bool rootfs_is_file(const struct rootfs_node *n)
{
	return (n->inode->mode & 0170000) == 0100000;
}
static inline bool rootfs_is_link(const struct rootfs_node *n)
{
	return (n->inode->mode & 0170000) == 0120000;
}

/** rootfs_child() - The name @name in @dir, or NULL */
struct rootfs_node *rootfs_child(const struct rootfs_node *dir, struct bb_span name);
/** rootfs_children() - All names in order of their octets. Return: owned array of n_names, or NULL
 */
struct rootfs_node **rootfs_children(const struct rootfs_node *dir);

/**
 * rootfs_walk() - The node at @path, symbolic links in it followed as a chroot would
 * @make_layer:	> 0: directories that are missing are made, for this layer
 * @last:	also follow the last component
 *
 * Return: 0 with @ret; -ENOENT; -ENOTDIR, -ELOOP, -EXDEV (".." above the root), -ENAMETOOLONG,
 * -ENOSPC (over a limit), -ENOMEM
 */
BB_MUST_USE int rootfs_walk(struct rootfs *r, struct bb_span path, uint32_t make_layer, bool last,
			    struct rootfs_node **ret);

/**
 * rootfs_add() - A new name with a new inode, or with @inode
 * @mode:	with its type
 *
 * Return: 0 with @ret; -EEXIST; -ENAMETOOLONG, -ENOSPC, -ENOMEM
 */
BB_MUST_USE int rootfs_add(struct rootfs *r, struct rootfs_node *dir, struct bb_span name,
			   uint32_t mode, uint32_t layer, struct rootfs_inode *inode,
			   struct rootfs_node **ret);
/** rootfs_remove() - A name and all below it */
void rootfs_remove(struct rootfs *r, struct rootfs_node *n);
/** rootfs_prune() - Of what is in @dir, remove what layers before @layer had. Return: 0, -ENOMEM */
BB_MUST_USE int rootfs_prune(struct rootfs *r, struct rootfs_node *dir, uint32_t layer);

/** rootfs_set_text() - Replace target or xattrs by a copy. Return: 0, -ENOSPC, -ENOMEM */
BB_MUST_USE int rootfs_set_text(struct rootfs *r, char **to, const void *p, size_t len);

/** rootfs_append() - Data to the end of the scratch file; zeros become holes. Return: 0, -errno */
BB_MUST_USE int rootfs_append(struct rootfs *r, struct bb_span data);
/** rootfs_read() - @len octets of a file at @at. Return: 0, -errno */
BB_MUST_USE int rootfs_read(const struct rootfs *r, const struct rootfs_inode *inode, uint64_t at,
			    void *p, size_t len);
/** rootfs_write_holes() - pwrite(2) in full, but for blocks of zeros. Return: 0, -errno */
BB_MUST_USE int rootfs_write_holes(int fd, const uint8_t *p, size_t len, uint64_t at);
#endif
