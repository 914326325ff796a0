/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/tarbox.h"
#include "base/io.h"
#include "wire/tar.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CHUNK     65536
#define DEPTH_MAX 64

/* What both directions carry along; static, as TAR_PATH_MAX twice is much for a stack */
struct box {
	int fd; /* the archive */
	int failures;
	struct tar_entry entry;
	uint8_t header[TAR_HEADER_MAX];
	uint8_t chunk[CHUNK];
};

static void complain(struct box *b, const char *path, int err)
{
	(void)dprintf(2, "bot-bottle: %s: %s\n", path, strerror(err));
	b->failures++;
}

/* Open below @dir whatever links the archive has made: nothing resolves outside */
static int open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* The directory that holds @path, made with all above it; @ret_base points into @path */
static int open_parent(int root, char *path, const char **ret_base)
{
	char *slash = strrchr(path, '/');
	int fd;

	*ret_base = slash ? slash + 1 : path;
	if (!slash)
		return open_beneath(root, ".", O_PATH | O_DIRECTORY, 0);
	*slash = '\0';
	fd = open_beneath(root, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 && errno == ENOENT) {
		const char *base;
		bb_auto_close int up = open_parent(root, path, &base);

		if (up >= 0 && (mkdirat(up, base, 0755) == 0 || errno == EEXIST))
			fd = open_beneath(up, base, O_PATH | O_DIRECTORY, 0);
	}
	*slash = '/';
	return fd;
}

static void set_times(int fd, const struct tar_entry *e)
{
	const struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)e->mtime } };

	(void)futimens(fd, ts);
}

/* Makes one member. Return: owned fd to write a file's data to, -1 when there is none */
static int make_member(struct box *b, int root)
{
	struct tar_entry *e = &b->entry;
	const char *base;
	bb_auto_close int up = open_parent(root, e->path, &base);
	int fd = -1, r = 0;

	if (up < 0) {
		complain(b, e->path, errno);
		return -1;
	}
	if (e->type != TAR_TYPE_DIR)
		(void)unlinkat(up, base, 0);
	switch (e->type) {
	case TAR_TYPE_FILE:
		r = fd = openat(up, base, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
				0600);
		break;
	case TAR_TYPE_DIR:
		if (strcmp(base, ".") != 0 && mkdirat(up, base, 0700) < 0 && errno != EEXIST)
			r = -1;
		else if (strcmp(base, ".") != 0)
			r = fchmodat(up, base, (e->mode & 0777) | 0700, 0);
		break;
	case TAR_TYPE_SYMLINK:
		r = symlinkat(e->target, up, base);
		break;
	case TAR_TYPE_HARDLINK: /* not in copies */
	case TAR_TYPE_SPECIAL:
	case TAR_NUM_TYPES:
		break;
	}
	if (r < 0)
		complain(b, e->path, errno);
	return fd;
}

/* A file's data has come: its mode and time, then it is done */
static void finish_file(struct box *b, int *fd)
{
	if (*fd < 0)
		return;
	if (fchmod(*fd, b->entry.mode & 0777) < 0)
		complain(b, b->entry.path, errno);
	set_times(*fd, &b->entry);
	bb_closep(fd);
	*fd = -1;
}

/* Like mkdir -p: the session's user named it, links on the way are theirs */
static int make_dir_all(const char *dir)
{
	char path[TAR_PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s", dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	(void)mkdir(path, 0755);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void unpack_events(struct box *b, struct tar_reader *r, int root, int *file,
			  struct bb_span in)
{
	for (;;) {
		struct bb_span data;

		switch (tar_reader_next(r, &in, &data)) {
		case TAR_EVENT_ENTRY:
			finish_file(b, file);
			b->entry = r->entry;
			*file = make_member(b, root);
			break;
		case TAR_EVENT_DATA:
			if (*file >= 0 && bb_write_full(*file, data.p, data.len) < 0) {
				complain(b, b->entry.path, errno);
				bb_closep(file);
				*file = -1;
			}
			break;
		case TAR_EVENT_MORE:
		case TAR_EVENT_END:
		case TAR_EVENT_BAD:
			return;
		}
	}
}

int tarbox_unpack(int fd, const char *dir)
{
	static struct box b;
	static struct tar_reader r;
	bb_auto_close int root = make_dir_all(dir), file = -1;

	if (root < 0) {
		complain(&b, dir, errno);
		return 1;
	}
	tar_reader_init(&r);
	for (;;) {
		ssize_t n = read(fd, b.chunk, sizeof(b.chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		unpack_events(&b, &r, root, &file, (struct bb_span){ b.chunk, (size_t)n });
	}
	finish_file(&b, &file);
	if (!tar_reader_is_done(&r)) {
		(void)dprintf(2, "bot-bottle: archive: %s\n",
			      r.result ? tar_result_str[r.result] : "cut short");
		return 1;
	}
	return b.failures ? 1 : 0;
}

static bool put(struct box *b, const void *p, size_t len)
{
	return bb_write_full(b->fd, p, len) == 0;
}

/* Exactly entry.size octets, whatever the file does meanwhile */
static bool put_data(struct box *b, int file)
{
	uint64_t left = b->entry.size;

	while (left) {
		size_t want = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t n = read(file, b->chunk, want);

		if (n <= 0) { /* shorter than stat() said */
			memset(b->chunk, 0, want);
			n = (ssize_t)want;
		}
		if (!put(b, b->chunk, (size_t)n))
			return false;
		left -= (size_t)n;
	}
	memset(b->chunk, 0, TAR_BLOCK);
	return put(b, b->chunk, tar_padding(b->entry.size));
}

static bool put_header(struct box *b, const char *path)
{
	size_t n = 0;

	if (strlen(path) < sizeof(b->entry.path)) {
		memcpy(b->entry.path, path, strlen(path) + 1);
		n = tar_header_write(b->header, &b->entry);
	}
	if (n == 0) {
		complain(b, path, ENAMETOOLONG);
		return true;
	}
	return put(b, b->header, n);
}

static bool pack_dir(struct box *b, int dir, const char *path, unsigned int depth);

/* Return: false when the archive's reader is gone */
static bool pack_one(struct box *b, int dir, const char *name, const char *path, unsigned int depth)
{
	bb_auto_close int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bb_auto_close int open_fd = -1;
	struct tar_entry *e = &b->entry;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		complain(b, path, errno);
		return true;
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		open_fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	else if (!S_ISLNK(st.st_mode))
		return true; /* sockets, fifos, devices stay behind */
	if (open_fd < 0 && !S_ISLNK(st.st_mode)) {
		complain(b, path, errno);
		return true;
	}
	e->mode = st.st_mode & 07777;
	e->mtime = st.st_mtime;
	e->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	e->target[0] = '\0';
	e->type = S_ISREG(st.st_mode)   ? TAR_TYPE_FILE
		  : S_ISDIR(st.st_mode) ? TAR_TYPE_DIR
					: TAR_TYPE_SYMLINK;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(fd, "", e->target, sizeof(e->target) - 1);
		e->target[n > 0 ? n : 0] = '\0';
	}
	if (!put_header(b, path))
		return false;
	if (S_ISREG(st.st_mode))
		return put_data(b, open_fd);
	return !S_ISDIR(st.st_mode) || pack_dir(b, open_fd, path, depth + 1);
}

static bool pack_dir(struct box *b, int dir, const char *path, unsigned int depth)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	bool going = true;
	struct dirent *e;

	if (!d || depth > DEPTH_MAX) {
		complain(b, path, d ? ELOOP : errno);
		if (d)
			(void)closedir(d);
		return true;
	}
	while (going && (e = readdir(d))) {
		char *child;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((strcmp(path, ".") == 0 ? asprintf(&child, "%s", e->d_name)
					    : asprintf(&child, "%s/%s", path, e->d_name)) < 0)
			break;
		going = pack_one(b, dir, e->d_name, child, depth);
		free(child);
	}
	(void)closedir(d);
	return going;
}

int tarbox_pack(int fd, const char *path)
{
	static const uint8_t end[TAR_END_BYTES];
	static struct box b;
	const char *base = strrchr(path, '/');
	struct stat st;
	bool ok;

	b.fd = fd;
	if (stat(path, &st) < 0) {
		complain(&b, path, errno);
		return 1;
	}
	base = base && base[1] ? base + 1 : ".";
	if (S_ISDIR(st.st_mode)) {
		bb_auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		ok = dir >= 0 && pack_one(&b, dir, ".", ".", 0);
	} else {
		ok = pack_one(&b, AT_FDCWD, path, base, 0);
	}
	return ok && put(&b, end, sizeof(end)) && !b.failures ? 0 : 1;
}
