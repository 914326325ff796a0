/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "image/cpio.h"
#include "image/store.h"
#include <errno.h>
#include <fcntl.h>

static int read_staged(const char *stage, const char *name, struct bb_buf *ret, struct bb_err *err)
{
	char path[PATHS_MAX];
	int r = paths_join(stage, name, path, err);

	return r == 0 ? bb_read_file(path, ret, err) : r;
}

static int add_module(const char *stage, const char *line, struct bb_buf *cpio, struct bb_buf *file,
		      struct bb_err *err)
{
	int r;

	if (line[0] != '/' || strstr(line, ".."))
		return bb_err_set(err, -EINVAL, "modules.list: '%.100s' is not an absolute path",
				  line);
	file->len = 0;
	r = read_staged(stage, line + 1, file, err);
	if (r < 0)
		return r;
	r = cpio_file(cpio, line + 1, 0644, bb_buf_span(file));
	return r < 0 ? bb_err_set(err, r, "modules: %s", strerror(-r)) : 0;
}

static int add_modules(const char *stage, struct bb_buf *list, struct bb_buf *cpio,
		       struct bb_err *err)
{
	bb_auto_buf struct bb_buf file;
	char *save = NULL;
	int r = bb_buf_str(list) ? 0 : bb_err_set(err, -ENOMEM, "modules: no memory");

	bb_buf_init(&file, 64u << 20);
	for (char *line = r == 0 ? strtok_r((char *)list->p, "\n", &save) : NULL; line && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		if (*line != '#')
			r = add_module(stage, line, cpio, &file, err);
	}
	return r;
}

static int write_staged(const char *stage, const char *name, struct bb_span data,
			struct bb_err *err)
{
	bb_auto_close int fd = -1;
	char path[PATHS_MAX];
	int r = paths_join(stage, name, path, err);

	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : bb_write_full(fd, data.p, data.len);
	return r < 0 ? bb_err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

int image_pack_modules(const char *stage, struct bb_err *err)
{
	bb_auto_buf struct bb_buf cpio, list;
	int r;

	bb_buf_init(&cpio, IMAGE_INITRD_MAX);
	bb_buf_init(&list, 1u << 20);
	r = read_staged(stage, "modules.list", &list, err);
	if (r < 0)
		return r;
	r = cpio_file(&cpio, "modules.list", 0644, bb_buf_span(&list));
	if (r == 0)
		r = cpio_dir(&cpio, "modules");
	if (r < 0)
		return bb_err_set(err, r, "modules: %s", strerror(-r));
	r = add_modules(stage, &list, &cpio, err);
	if (r < 0)
		return r;
	r = cpio_end(&cpio);
	if (r < 0)
		return bb_err_set(err, r, "modules: %s", strerror(-r));
	return write_staged(stage, "modules.cpio", bb_buf_span(&cpio), err);
}
