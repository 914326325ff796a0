/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/archive.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CHUNK     (128u * 1024)
#define LINKS_MAX 4

static struct archive_entry *find(const struct archive *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->entries[i].name, name) == 0)
			return &a->entries[i];
	}
	return NULL;
}

static int add(struct archive *a, const struct tar_entry *e, uint64_t at, struct bb_err *err)
{
	struct archive_entry *to;

	if (e->type == TAR_TYPE_DIR)
		return 0;
	if (e->type == TAR_TYPE_SPECIAL || e->type == TAR_TYPE_HARDLINK)
		return bb_err_set(err, -EBADMSG, "%.100s: not a file: no image archive", e->path);
	if (strlen(e->path) >= ARCHIVE_NAME_MAX || strlen(e->target) >= ARCHIVE_NAME_MAX)
		return bb_err_set(err, -EBADMSG, "a name of more than 255 octets");
	if (a->n == ARCHIVE_ENTRIES_MAX)
		return bb_err_set(err, -E2BIG, "more than 4,096 files: no image archive");
	if (find(a, e->path))
		return bb_err_set(err, -EBADMSG, "%.100s stands twice in the archive", e->path);
	to = &a->entries[a->n++];
	*to = (struct archive_entry){ .at = at, .size = e->size };
	(void)snprintf(to->name, sizeof(to->name), "%s", e->path);
	(void)snprintf(to->link, sizeof(to->link), "%s", e->target);
	return 0;
}

/* Headers only: what is in the files is passed over */
static int read_index(struct archive *a, struct tar_reader *t, uint8_t *chunk, uint64_t size,
		      struct bb_err *err)
{
	uint64_t at = 0;

	while (!tar_reader_is_done(t)) {
		ssize_t n = pread(a->fd, chunk, TAR_BLOCK, (off_t)at);
		struct bb_span in = { chunk, n > 0 ? (size_t)n : 0 }, data;
		enum tar_event ev;
		int r = 0;

		if (n <= 0)
			return bb_err_set(err, -EBADMSG, "the archive is cut short");
		at += (uint64_t)n;
		ev = tar_reader_next(t, &in, &data);
		if (ev == TAR_EVENT_BAD)
			return bb_err_set(err, -EBADMSG, "no image archive: %s",
					  tar_result_str[t->result]);
		if (ev == TAR_EVENT_ENTRY) {
			r = add(a, &t->entry, at, err);
			at += tar_reader_skip(t);
		}
		if (r < 0)
			return r;
		if (at > size)
			return bb_err_set(err, -EBADMSG, "the archive is cut short");
	}
	return 0;
}

int archive_open(struct archive *a, int fd, struct bb_err *err)
{
	bb_auto_free struct tar_reader *t = calloc(1, sizeof(*t));
	uint8_t chunk[TAR_BLOCK];
	struct stat st;
	int r;

	*a = (struct archive){ .fd = fd };
	if (fstat(fd, &st) < 0)
		return bb_err_set(err, -errno, "the archive: %s", strerror(errno));
	a->is_dir = S_ISDIR(st.st_mode);
	if (a->is_dir)
		return 0;
	if (!S_ISREG(st.st_mode))
		return bb_err_set(err, -EINVAL, "neither a file nor a directory");
	a->entries = calloc(ARCHIVE_ENTRIES_MAX, sizeof(*a->entries));
	if (!a->entries || !t)
		return bb_err_set(err, -ENOMEM, "no memory");
	tar_reader_init_layer(t);
	r = read_index(a, t, chunk, (uint64_t)st.st_size, err);
	if (r < 0)
		archive_release(a);
	return r;
}

void archive_release(struct archive *a)
{
	free(a->entries);
	a->entries = NULL;
	a->n = 0;
}

static int open_in_dir(const struct archive *a, const char *name, struct archive_file *ret)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	bb_auto_close int fd = (int)syscall(SYS_openat2, a->fd, name, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*ret = (struct archive_file){ BB_TAKE_FD(fd), true, 0, (uint64_t)st.st_size };
	return 0;
}

/* Old archives of docker have a layer once, and links to it */
static const struct archive_entry *follow(const struct archive *a, const char *name)
{
	char path[TAR_PATH_MAX];
	const struct archive_entry *e = find(a, name);

	for (int i = 0; e && e->link[0]; i++) {
		const char *slash = strrchr(e->name, '/'), *target = e->link;
		size_t n = slash ? (size_t)(slash - e->name) : 0;
		char joined[2 * ARCHIVE_NAME_MAX + 2];

		if (i == LINKS_MAX)
			return NULL;
		while (strncmp(target, "../", 3) == 0 && n > 0) {
			target += 3;
			while (n > 0 && e->name[--n] != '/')
				;
		}
		(void)snprintf(joined, sizeof(joined), "%.*s/%s", (int)n, e->name, target);
		e = tar_path_normalize(BB_SPAN_STR(joined + (n == 0)), path) ? find(a, path) : NULL;
	}
	return e;
}

int archive_find(const struct archive *a, const char *name, struct archive_file *ret,
		 struct bb_err *err)
{
	const struct archive_entry *e;
	int r = -ENOENT;

	if (a->is_dir) {
		r = open_in_dir(a, name, ret);
	} else if ((e = follow(a, name))) {
		*ret = (struct archive_file){ a->fd, false, e->at, e->size };
		return 0;
	}
	return r < 0 ? bb_err_set(err, r, "%.120s is not in the archive%s%s", name,
				  r == -ENOENT ? "" : ": ", r == -ENOENT ? "" : strerror(-r))
		     : 0;
}

void archive_close(struct archive_file *f)
{
	if (f->owned)
		(void)close(f->fd);
	*f = (struct archive_file){ .fd = -1 };
}

ssize_t archive_read(struct archive_file *f, void *p, size_t len)
{
	ssize_t n;

	if (f->size == 0)
		return 0;
	do
		n = pread(f->fd, p, f->size < len ? (size_t)f->size : len, (off_t)f->at);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ENODATA; /* it has become shorter */
	if (n < 0)
		return -errno;
	f->at += (uint64_t)n;
	f->size -= (uint64_t)n;
	return n;
}

int archive_load(struct archive_file *f, struct bb_buf *ret, struct bb_err *err)
{
	BB_UNINIT uint8_t chunk[16384];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = archive_read(f, chunk, sizeof(chunk))) != 0)
		r = n < 0 ? (int)n : bb_buf_add(ret, chunk, (size_t)n);
	return r < 0 ? bb_err_set(err, r, "%s",
				  r == -ENOBUFS ? "the description is too large" : strerror(-r))
		     : 0;
}
