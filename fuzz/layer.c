/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/layer.h"
#include "oci/erofs.h"
#include "oci/fit.h"
#include "wire/le.h"
#include <sys/mman.h>
#include <sys/stat.h>

/*
 * Input: up to four layers, parted by 0xff 0x00 0xff 0x00 'L'. Invariants: every name in the tree
 * is one, its types are three, its counts are right; the input cut into pieces gives the same tree;
 * limits hold; the file system that is written has the tree's names, sorted, and its inodes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOCK 4096u
static const uint8_t between[] = { 0xff, 0, 0xff, 0, 'L' };
static const struct rootfs_limits limits = { 500, 1 << 20, 1 << 16 };

struct tally {
	uint64_t hash, names, bytes;
};

static void mix(struct tally *t, const void *p, size_t len)
{
	const uint8_t *at = p;

	for (size_t i = 0; i < len; i++)
		t->hash = (t->hash ^ at[i]) * 0x100000001b3u;
}

static void check_node(const struct rootfs *fs, const struct rootfs_node *n, bool whole,
		       struct tally *t)
{
	struct rootfs_node **all = rootfs_is_dir(n) ? rootfs_children(n) : NULL;
	const char *last = "";
	uint32_t dirs = 0;

	BB_BUG_ON(rootfs_is_dir(n) + rootfs_is_file(n) + rootfs_is_link(n) != 1);
	BB_BUG_ON(n->depth > ROOTFS_DEPTH_MAX || n->inode->links == 0);
	BB_BUG_ON(rootfs_is_dir(n) && n->inode->links != 1);
	BB_BUG_ON(rootfs_is_link(n) != (n->inode->target != NULL));
	/* one that was refused may end inside a file */
	BB_BUG_ON(whole && rootfs_is_file(n) && n->inode->data + n->inode->size > fs->scratch_len);
	BB_BUG_ON(n->inode->xattr_len > ROOTFS_XATTR_MAX || n->inode->xattr_len % 4);
	mix(t, n->name, strlen(n->name) + 1);
	mix(t, &n->inode->mode, sizeof(n->inode->mode));
	mix(t, &n->inode->size, sizeof(n->inode->size));
	t->names++;
	for (uint32_t i = 0; all && i < n->inode->n_names; i++) {
		const char *name = all[i]->name;

		BB_BUG_ON(strcmp(last, name) >= 0 || strlen(name) > ROOTFS_NAME_MAX);
		BB_BUG_ON(strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0);
		BB_BUG_ON(strncmp(name, ".wh.", 4) == 0 || all[i]->parent != n);
		dirs += rootfs_is_dir(all[i]);
		last = name;
		check_node(fs, all[i], whole, t);
	}
	BB_BUG_ON(rootfs_is_dir(n) && dirs != n->inode->n_dirs);
	free(all);
}

/* ---- what was written ---- */

static void check_dir(const uint8_t *image, size_t size, const struct rootfs_node *dir);

/* Where octet @at of an inode's data is */
static const uint8_t *data_at(const uint8_t *image, size_t size, const uint8_t *inode, uint64_t at)
{
	uint64_t len = le_get64(inode + 8), whole = len - len % BLOCK, icount = le_get16(inode + 2);
	uint64_t where = (uint64_t)le_get32(inode + 16) * BLOCK + at;

	if (le_get16(inode) >> 1 == 2 && at >= whole)
		return inode + 64 + (icount ? 12 + 4 * (icount - 1) : 0) + (at - whole);
	BB_BUG_ON(where >= size);
	return image + where;
}

static void check_inode(const uint8_t *image, size_t size, const struct rootfs_node *n)
{
	uint64_t at = n->inode->nid * 32, len = n->inode->size;
	const uint8_t *inode = image + at;

	BB_BUG_ON(at + 64 > size || le_get16(inode + 4) != n->inode->mode);
	BB_BUG_ON(le_get64(inode + 8) != len || le_get32(inode + 24) != n->inode->uid);
	if (rootfs_is_link(n))
		BB_BUG_ON(memcmp(data_at(image, size, inode, 0), n->inode->target, len) != 0);
	if (rootfs_is_dir(n))
		check_dir(image, size, n);
}

static void check_dir(const uint8_t *image, size_t size, const struct rootfs_node *dir)
{
	const uint8_t *inode = image + dir->inode->nid * 32;
	uint64_t len = dir->inode->size, seen = 0;
	char last[ROOTFS_NAME_MAX + 1] = "", name[ROOTFS_NAME_MAX + 1];

	for (uint64_t at = 0; at < len; at += BLOCK) {
		const uint8_t *block = data_at(image, size, inode, at);
		size_t room = len - at < BLOCK ? (size_t)(len - at) : BLOCK;
		size_t n = le_get16(block + 8) / 12;

		BB_BUG_ON(n == 0 || n * 12 > room);
		for (size_t i = 0; i < n; i++, seen++) {
			size_t from = le_get16(block + 12 * i + 8);
			size_t to = i + 1 < n ? le_get16(block + 12 * i + 20) : room;
			size_t chars = strnlen((const char *)block + from, to - from);
			const struct rootfs_node *child;

			BB_BUG_ON(to > room || from >= to || chars > ROOTFS_NAME_MAX);
			memcpy(name, block + from, chars);
			name[chars] = '\0';
			BB_BUG_ON(strcmp(last, name) >= 0);
			memcpy(last, name, sizeof(last));
			child = rootfs_child(dir, BB_SPAN_STR(name));
			BB_BUG_ON(!child && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
			BB_BUG_ON(child && le_get64(block + 12 * i) != child->inode->nid);
			if (child)
				check_inode(image, size, child);
		}
	}
	BB_BUG_ON(seen != dir->inode->n_names + 2u);
}

static void check_image(struct rootfs *fs)
{
	struct bb_err err = { 0 };
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct stat st;
	uint8_t *image;

	BB_BUG_ON(fd < 0 || erofs_write(fs, fd, &err) < 0 || fstat(fd, &st) < 0);
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	BB_BUG_ON(image == MAP_FAILED || le_get32(image + 1024) != 0xE0F5E1E2u);
	BB_BUG_ON(le_get16(image + 1038) != fs->root->inode->nid);
	BB_BUG_ON((uint64_t)le_get32(image + 1060) * BLOCK != (uint64_t)st.st_size);
	check_inode(image, (size_t)st.st_size, fs->root);
	(void)munmap(image, (size_t)st.st_size);
	(void)close(fd);
}

/* One layer in pieces of @step */
static int unpack(struct rootfs *fs, uint32_t number, struct bb_span all, size_t step)
{
	static struct layer layer;
	struct bb_err err = { 0 };
	int r = 0;

	layer_begin(&layer, fs, number);
	while (all.len && r == 0) {
		size_t n = all.len < step ? all.len : step;

		r = layer_feed(&layer, (struct bb_span){ all.p, n }, &err);
		all.p += n;
		all.len -= n;
	}
	if (r == 0)
		r = layer_end(&layer, &err);
	BB_BUG_ON(r < 0 && !err.msg[0]);
	return r;
}

static struct tally run(const uint8_t *data, size_t size, size_t step, bool image)
{
	struct tally t = { .hash = 0xcbf29ce484222325u };
	int scratch = memfd_create("scratch", MFD_CLOEXEC), r = 0;
	struct bb_err err = { 0 };
	struct rootfs fs;

	BB_BUG_ON(scratch < 0 || rootfs_init(&fs, scratch, &limits) < 0);
	for (uint32_t number = 1; r == 0 && number <= 4; number++) {
		const uint8_t *end = size ? memmem(data, size, between, sizeof(between)) : NULL;
		size_t n = end ? (size_t)(end - data) : size;

		r = unpack(&fs, number, (struct bb_span){ data, n }, step);
		n += end ? sizeof(between) : 0;
		data += n;
		size -= n;
		if (!end)
			break;
	}
	check_node(&fs, fs.root, r == 0, &t);
	BB_BUG_ON(fs.used.entries > limits.entries || fs.used.bytes > limits.bytes);
	BB_BUG_ON(fs.used.text > limits.text || t.names > limits.entries + 1);
	if (image && r == 0) {
		r = fit_rootfs(&fs, 5, &err);
		BB_BUG_ON(r < 0 && !err.msg[0]);
		check_image(&fs);
	}
	mix(&t, &r, sizeof(r));
	rootfs_release(&fs);
	(void)close(scratch);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tally whole = run(data, size, SIZE_MAX, false);
	struct tally pieces = run(data, size, 13, false);

	BB_BUG_ON(whole.hash != pieces.hash || whole.names != pieces.names);
	(void)run(data, size, SIZE_MAX, true);
	return 0;
}
