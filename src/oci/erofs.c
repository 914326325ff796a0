/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block 0 holds the superblock, then come the inodes, each with its attributes and, if it is small,
 * the end of its data, all within one block; then whole blocks of data. First everything gets its
 * place, then everything is written.
 */
#include "oci/erofs.h"
#include "wire/le.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define BLOCK       4096u
#define SLOT        32u /* inodes are numbered in units of this */
#define INODE       64u
#define INLINE_MAX  2048u /* more of a tail gets a block of its own */
#define DIRENT      12u
#define SUPER_AT    1024u
#define SUPER_MAGIC 0xE0F5E1E2u
#define COPY_CHUNK  (256u * BLOCK)

enum { LAYOUT_PLAIN = 0, LAYOUT_INLINE = 2 };
enum { FT_REG = 1, FT_DIR = 2, FT_SYMLINK = 7 };

struct writer {
	struct rootfs *fs;
	int fd;
	struct rootfs_node **nodes; /* one for each inode, the root first */
	size_t n, room;
	uint64_t meta; /* octets of the file up to here are taken */
	uint64_t next_block;
	uint8_t *chunk;
	struct bb_err *err;
};

struct name {
	const char *text;
	const struct rootfs_inode *inode;
};

static int no_memory(struct writer *w)
{
	return bb_err_set(w->err, -ENOMEM, "no memory for the file system");
}

static int put(struct writer *w, const void *p, size_t len, uint64_t at)
{
	int r = rootfs_write_holes(w->fd, p, len, at);

	return r < 0 ? bb_err_set(w->err, r, "writing the file system: %s", strerror(-r)) : 0;
}

/* ---- directories ---- */

static int by_text(const void *a, const void *b)
{
	const struct name *l = a, *r = b;

	return strcmp(l->text, r->text);
}

/* Names of @dir with "." and "..", sorted. Return: owned, or NULL */
static struct name *names_of(const struct rootfs_node *dir, size_t *ret_n)
{
	bb_auto_free struct rootfs_node **all = rootfs_children(dir);
	size_t n = dir->inode->n_names;
	struct name *names = all ? calloc(n + 2, sizeof(*names)) : NULL;

	if (!names)
		return NULL;
	for (size_t i = 0; i < n; i++)
		names[i] = (struct name){ all[i]->name, all[i]->inode };
	names[n] = (struct name){ ".", dir->inode };
	names[n + 1] = (struct name){ "..", dir->parent ? dir->parent->inode : dir->inode };
	qsort(names, n + 2, sizeof(*names), by_text);
	*ret_n = n + 2;
	return names;
}

/* How many of names[from…] one block holds, and their octets */
static size_t block_of(const struct name *names, size_t n, size_t from, size_t *ret_len)
{
	size_t i = from, len = 0;

	for (; i < n; i++) {
		size_t more = DIRENT + strlen(names[i].text);

		if (len + more > BLOCK)
			break;
		len += more;
	}
	*ret_len = len;
	return i - from;
}

static uint64_t dir_size(const struct name *names, size_t n)
{
	uint64_t size = 0;
	size_t len = 0;

	for (size_t at = 0; at < n;) {
		at += block_of(names, n, at, &len);
		size += at < n ? BLOCK : len;
	}
	return size;
}

static uint8_t file_type(const struct rootfs_inode *i)
{
	return S_ISDIR(i->mode) ? FT_DIR : S_ISLNK(i->mode) ? FT_SYMLINK : FT_REG;
}

static void fill_block(const struct name *names, size_t n, uint8_t *out)
{
	size_t text = n * DIRENT;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i].text);

		le_put64(out + i * DIRENT, names[i].inode->nid);
		le_put16(out + i * DIRENT + 8, (uint16_t)text);
		out[i * DIRENT + 10] = file_type(names[i].inode);
		memcpy(out + text, names[i].text, len);
		text += len;
	}
}

/* The content of a directory, owned */
static uint8_t *dir_data(const struct rootfs_node *dir)
{
	size_t n = 0, len;
	bb_auto_free struct name *names = names_of(dir, &n);
	uint8_t *data = names ? calloc(1, dir->inode->size) : NULL;
	uint64_t to = 0;

	for (size_t at = 0; data && at < n; to += BLOCK) {
		size_t count = block_of(names, n, at, &len);

		fill_block(names + at, count, data + to);
		at += count;
	}
	return data;
}

/* ---- places ---- */

static uint32_t tail_of(const struct rootfs_inode *i)
{
	uint32_t tail = (uint32_t)(i->size % BLOCK);

	return tail <= INLINE_MAX ? tail : 0;
}

static uint32_t xattr_space(const struct rootfs_inode *i)
{
	return i->xattr_len ? 12 + i->xattr_len : 0;
}

/* An inode and what stands behind it never cross a block */
static void place(struct writer *w, struct rootfs_inode *i)
{
	uint64_t len = INODE + xattr_space(i) + tail_of(i), in_block = w->meta % BLOCK;
	uint64_t whole = tail_of(i) ? i->size / BLOCK : (i->size + BLOCK - 1) / BLOCK;

	if (in_block + len > BLOCK)
		w->meta += BLOCK - in_block;
	i->nid = w->meta / SLOT;
	w->meta = (w->meta + len + SLOT - 1) / SLOT * SLOT;
	i->block = w->next_block; /* from the first block of data, for now */
	w->next_block += whole;
}

static int add_inode(struct writer *w, struct rootfs_node *n)
{
	struct rootfs_node **grown;

	if (n->inode->number)
		return 0; /* another name of it */
	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 1024;
		grown = realloc(w->nodes, w->room * sizeof(struct rootfs_node *));
		if (!grown)
			return no_memory(w);
		w->nodes = grown;
	}
	w->nodes[w->n++] = n;
	n->inode->number = w->n;
	return 0;
}

/* Every directory adds what is in it: the root first, so that its number is small */
static int place_all(struct writer *w)
{
	int r = add_inode(w, w->fs->root);

	for (size_t i = 0; r == 0 && i < w->n; i++) {
		struct rootfs_node *n = w->nodes[i];

		if (rootfs_is_dir(n)) {
			bb_auto_free struct rootfs_node **all = rootfs_children(n);
			size_t count = 0;
			bb_auto_free struct name *names = names_of(n, &count);

			if (!all || !names)
				return no_memory(w);
			n->inode->size = dir_size(names, count);
			for (size_t j = 0; r == 0 && j < n->inode->n_names; j++)
				r = add_inode(w, all[j]);
		}
		place(w, n->inode);
	}
	return r;
}

/* ---- writing ---- */

static void fill_inode(const struct rootfs_inode *i, uint8_t *out)
{
	unsigned int layout = tail_of(i) ? LAYOUT_INLINE : LAYOUT_PLAIN;
	uint32_t links = S_ISDIR(i->mode) ? 2 + i->n_dirs : i->links;

	memset(out, 0, INODE);
	le_put16(out, (uint16_t)(1u | layout << 1)); /* the long form */
	le_put16(out + 2, (uint16_t)(i->xattr_len ? 1 + i->xattr_len / 4 : 0));
	le_put16(out + 4, (uint16_t)i->mode);
	le_put64(out + 8, i->size);
	le_put32(out + 16, (uint32_t)i->block);
	le_put32(out + 20, (uint32_t)i->number);
	le_put32(out + 24, i->uid);
	le_put32(out + 28, i->gid);
	le_put64(out + 32, (uint64_t)i->mtime);
	le_put32(out + 44, links);
}

/* Data from @from on, where a piece of it is wanted at once */
static int copy_file(struct writer *w, const struct rootfs_inode *i, uint64_t len)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < len; at += COPY_CHUNK) {
		size_t n = len - at < COPY_CHUNK ? (size_t)(len - at) : COPY_CHUNK;

		r = rootfs_read(w->fs, i, at, w->chunk, n);
		r = r < 0 ? bb_err_set(w->err, r, "reading back: %s", strerror(-r))
			  : put(w, w->chunk, n, i->block * BLOCK + at);
	}
	return r;
}

static int write_node(struct writer *w, const struct rootfs_node *n)
{
	const struct rootfs_inode *i = n->inode;
	bb_auto_free uint8_t *dir = NULL;
	const void *memory = i->target;
	uint8_t out[BLOCK];
	uint32_t tail = tail_of(i), at = INODE;
	uint64_t whole = i->size - tail;
	int r = 0;

	fill_inode(i, out);
	if (i->xattr_len) {
		memset(out + at, 0, 12);
		memcpy(out + at + 12, i->xattrs, i->xattr_len);
		at += 12 + i->xattr_len;
	}
	if (rootfs_is_dir(n)) {
		memory = dir = dir_data(n);
		if (!dir)
			return no_memory(w);
	}
	if (tail && memory)
		memcpy(out + at, (const uint8_t *)memory + whole, tail);
	else if (tail)
		r = rootfs_read(w->fs, i, whole, out + at, tail);
	if (r < 0)
		return bb_err_set(w->err, r, "reading back: %s", strerror(-r));
	r = put(w, out, at + tail, i->nid * SLOT);
	if (r < 0 || whole == 0)
		return r;
	return memory ? put(w, memory, whole, i->block * BLOCK) : copy_file(w, i, whole);
}

static int write_super(struct writer *w)
{
	uint8_t s[128] = { 0 };

	le_put32(s, SUPER_MAGIC);
	s[12] = 12; /* log2 of BLOCK */
	le_put16(s + 14, (uint16_t)w->fs->root->inode->nid);
	le_put64(s + 16, w->n);
	le_put32(s + 36, (uint32_t)w->next_block);
	return put(w, s, sizeof(s), SUPER_AT);
}

static int write_all(struct writer *w)
{
	int r = place_all(w);
	uint64_t first = (w->meta + BLOCK - 1) / BLOCK;

	w->next_block += first;
	for (size_t i = 0; r == 0 && i < w->n; i++) {
		w->nodes[i]->inode->block += first;
		r = write_node(w, w->nodes[i]);
	}
	if (r == 0)
		r = write_super(w);
	if (r == 0 && ftruncate(w->fd, (off_t)(w->next_block * BLOCK)) < 0)
		r = bb_err_set(w->err, -errno, "writing the file system: %s", strerror(errno));
	return r;
}

int erofs_write(struct rootfs *fs, int fd, struct bb_err *err)
{
	struct writer w = { .fs = fs, .fd = fd, .meta = BLOCK, .err = err };
	int r;

	w.chunk = malloc(COPY_CHUNK);
	r = w.chunk ? write_all(&w) : no_memory(&w);
	free(w.chunk);
	free(w.nodes);
	return r;
}
