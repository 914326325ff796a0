/* SPDX-License-Identifier: Apache-2.0 */
#include "image/cpio.h"
#include <errno.h>
#include <sys/stat.h>

struct entry {
	const char *path;
	unsigned int mode;
	unsigned int major;
	unsigned int minor;
	struct bb_span data;
};

int cpio_pad(struct bb_buf *b, size_t to)
{
	static const uint8_t zeros[CPIO_PAD_MAX];
	size_t over = b->len % to;

	BB_BUG_ON(to > sizeof(zeros));
	return over ? bb_buf_add(b, zeros, to - over) : 0;
}

static int add_entry(struct bb_buf *b, const struct entry *e)
{
	int r;

	if (e->data.len > UINT32_MAX)
		return -E2BIG;
	r = bb_buf_addf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0u,
			e->mode, 0u, 0u, S_ISDIR(e->mode) ? 2u : 1u, 0u, (unsigned int)e->data.len,
			0u, 0u, e->major, e->minor, (unsigned int)strlen(e->path) + 1, 0u);
	if (r == 0)
		r = bb_buf_add(b, e->path, strlen(e->path) + 1);
	if (r == 0)
		r = cpio_pad(b, 4);
	if (r == 0)
		r = bb_buf_add(b, e->data.p, e->data.len);
	return r == 0 ? cpio_pad(b, 4) : r;
}

int cpio_file(struct bb_buf *b, const char *path, unsigned int mode, struct bb_span data)
{
	return add_entry(b, &(struct entry){ .path = path, .mode = S_IFREG | mode, .data = data });
}

int cpio_dir(struct bb_buf *b, const char *path)
{
	return add_entry(b, &(struct entry){ .path = path, .mode = S_IFDIR | 0755 });
}

int cpio_chardev(struct bb_buf *b, const char *path, unsigned int major, unsigned int minor)
{
	return add_entry(
		b, &(struct entry){
			   .path = path, .mode = S_IFCHR | 0600, .major = major, .minor = minor });
}

int cpio_end(struct bb_buf *b)
{
	int r = add_entry(b, &(struct entry){ .path = "TRAILER!!!" });

	return r == 0 ? cpio_pad(b, 512) : r;
}
