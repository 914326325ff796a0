/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "image/cpio.h"
#include "image/image.h"
#include <errno.h>

/* Directories of @path that the archive has not got yet; @made remembers the last parent */
static int add_parents(struct bb_buf *b, const char *path, char made[static PATHS_MAX])
{
	int r = 0;

	for (const char *slash = strchr(path, '/'); slash && r == 0;
	     slash = strchr(slash + 1, '/')) {
		char dir[PATHS_MAX];
		size_t n = (size_t)(slash - path);

		if (n >= sizeof(dir))
			return -ENAMETOOLONG;
		memcpy(dir, path, n);
		dir[n] = '\0';
		if (strncmp(made, dir, n) == 0 && (made[n] == '\0' || made[n] == '/'))
			continue;
		r = cpio_dir(b, dir);
		memcpy(made, dir, n + 1);
	}
	return r;
}

static int add_extra(struct bb_buf *b, const struct image_extra_file *extra, size_t n)
{
	char made[PATHS_MAX] = "";
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = add_parents(b, extra[i].path, made);
		if (r == 0)
			r = cpio_file(b, extra[i].path, 0644, extra[i].data);
	}
	return r;
}

/*
 * QEMU puts an initrd at the end of the memory below 4 GiB, on the last page boundary from which it
 * fits. There newer firmware (Debian 13's) has put its ACPI tables by then, 1 KiB or so: without
 * them the guest finds no device. Whole pages leave the last one alone.
 */
#define PAGE 4096

int image_initrd_memfd(const struct image *image, const struct image_extra_file *extra,
		       size_t n_extra, struct bb_err *err)
{
	bb_auto_buf struct bb_buf out, guest;
	char path[PATHS_MAX];
	int r;

	bb_buf_init(&out, IMAGE_INITRD_MAX);
	bb_buf_init(&guest, 16u << 20);
	r = paths_guest_binary(path, err);
	if (r == 0)
		r = bb_read_file(path, &guest, err);
	if (r == 0)
		r = bb_read_file(image->modules_path, &out, err);
	if (r < 0)
		return r;
	r = cpio_dir(&out, "dev");
	if (r == 0)
		r = cpio_chardev(&out, "dev/console", 5, 1);
	if (r == 0)
		r = cpio_file(&out, "init", 0755, bb_buf_span(&guest));
	if (r == 0)
		r = add_extra(&out, extra, n_extra);
	if (r == 0)
		r = cpio_end(&out);
	if (r == 0)
		r = cpio_pad(&out, PAGE);
	if (r < 0)
		return bb_err_set(err, r, "initramfs: %s", strerror(-r));
	return bb_memfd_sealed("initrd", bb_buf_span(&out), err);
}
