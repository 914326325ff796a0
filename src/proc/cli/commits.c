/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/commits.h"
#include "base/io.h"
#include "proc/cli/copyin.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define DISK  "disk.ext4"
#define NOTES "commit.json"
#define NEW   ".new" /* what becomes a commit by a rename; the lock says whose it is */
#define CHUNK (1u << 20)

bool commit_name_is_ok(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

	return *name && *name != '.' && *name != '_' && *name != '-' &&
	       strspn(name, allowed) == strlen(name) && strlen(name) < COMMIT_NAME_MAX;
}

/* The directory of all of them */
static int open_commits(const struct paths *paths, struct bb_err *err)
{
	bb_auto_close int state = paths_open_private(paths->state, err);

	return state < 0 ? state : paths_open_private_at(state, "commits", true, err);
}

static int open_commit(const struct paths *paths, const char *name, struct bb_err *err)
{
	bb_auto_close int dir = open_commits(paths, err);
	struct bb_err why = { 0 };
	int fd;

	if (dir < 0)
		return dir;
	fd = commit_name_is_ok(name) ? paths_open_private_at(dir, name, false, &why) : -ENOENT;
	if (fd < 0)
		return bb_err_set(err, fd, "there is no commit '%.60s'; see: bot-bottle commit ls",
				  name);
	return fd;
}

/* ---- octets ---- */

static int copy_range(int from, int to, off_t at, off_t end)
{
	static uint8_t chunk[CHUNK];

	while (at < end) {
		size_t want = end - at < (off_t)CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = pread(from, chunk, want, at);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = pwrite(to, chunk + done, (size_t)(n - done), at + done);

			if (w < 0)
				return -errno;
			done += w;
		}
		at += n;
	}
	return 0;
}

/* Shared blocks where the file system can do that; else what is not a hole */
static int copy_sparse(int from, int to)
{
	struct stat st;
	off_t at = 0;
	int r = 0;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
		return -errno;
	while (r == 0 && at < st.st_size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno; /* nothing but a hole is left */
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		r = copy_range(from, to, data, hole);
		at = hole;
	}
	return r;
}

static int check_room(int disk, int to, struct bb_err *err)
{
	struct statvfs vfs;
	struct stat st;
	uint64_t need, room;

	if (fstat(disk, &st) < 0 || fstatvfs(to, &vfs) < 0)
		return bb_err_set(err, -errno, "disk: %s", strerror(errno));
	need = (uint64_t)st.st_blocks * 512;
	room = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (need > room)
		return bb_err_set(err, -ENOSPC, "the disk takes %llu MiB, and %llu MiB are free",
				  (unsigned long long)(need >> 20),
				  (unsigned long long)(room >> 20));
	return 0;
}

static int copy_file(int from_dir, const char *name, int to_dir, struct bb_err *err)
{
	bb_auto_close int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bb_auto_close int to = -1;
	int r;

	if (from < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	r = check_room(from, to_dir, err);
	if (r < 0)
		return r;
	to = openat(to_dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	r = copy_sparse(from, to);
	if (r == 0 && fsync(to) < 0)
		r = -errno;
	return r < 0 ? bb_err_set(err, r, "%s: %s", name, strerror(-r)) : 0;
}

/* The disk, and the list where there is one */
static int copy_files(int from_dir, int to_dir, struct bb_err *err)
{
	int r = copy_file(from_dir, DISK, to_dir, err);

	if (r == 0 && faccessat(from_dir, COPYIN_FILE, F_OK, 0) == 0)
		r = copy_file(from_dir, COPYIN_FILE, to_dir, err);
	return r;
}

/* ---- commits ---- */

static int write_notes(int dir, const char *identity, const json_t *meta, struct bb_err *err)
{
	json_auto_t *notes = json_pack(
		"{s:i, s:s, s:I, s:O?, s:O?, s:O?, s:O?}", "version", 1, "of", identity,
		"created_ms", (json_int_t)bb_wall_ms(), "image", json_object_get(meta, "image"),
		"image_digest", json_object_get(meta, "image_digest"), "cwd",
		json_object_get(meta, "cwd"), "workspace", json_object_get(meta, "workspace"));
	bb_auto_free char *text = notes ? json_dumps(notes, JSON_INDENT(1)) : NULL;

	if (!text)
		return bb_err_set(err, -ENOMEM, "no memory");
	return state_file_write(dir, NOTES, BB_SPAN_STR(text), err);
}

int commit_make(const struct paths *paths, const struct state_bottle *b, const json_t *meta,
		const char *name, struct bb_err *err)
{
	bb_auto_close int dir = open_commits(paths, err);
	bb_auto_close int new = dir < 0 ? -1 : state_scratch_make(dir, NEW, err);
	int r = 0;

	if (new < 0)
		return err->code;
	if (!commit_name_is_ok(name))
		r = bb_err_set(err, -EINVAL, "'%.60s' is no name: a-z, 0-9, '.', '_' and '-'",
			       name);
	else if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = bb_err_set(err, -EEXIST, "there is a commit '%s'; bot-bottle commit rm %s",
			       name, name);
	if (r == 0)
		r = copy_files(b->state_fd, new, err);
	if (r == 0)
		r = write_notes(new, b->identity, meta, err);
	if (r == 0 && renameat(dir, NEW, dir, name) < 0)
		r = bb_err_set(err, -errno, "commit: %s", strerror(errno));
	if (r < 0)
		state_scratch_remove(dir, NEW, new);
	return r;
}

int commit_read(const struct paths *paths, const char *name, json_t **ret, struct bb_err *err)
{
	bb_auto_close int dir = open_commit(paths, name, err);
	bb_auto_buf struct bb_buf text;
	json_t *notes;
	int r;

	bb_buf_init(&text, 1u << 16);
	if (dir < 0)
		return dir;
	r = state_file_read(dir, NOTES, &text, err);
	if (r < 0)
		return bb_err_wrap(err, "commit %s", name);
	notes = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_string_value(json_object_get(notes, "image_digest"))) {
		json_decref(notes);
		return bb_err_set(err, -EBADMSG, "commit %s: " NOTES " is damaged", name);
	}
	*ret = notes;
	return 0;
}

int commit_place(const struct paths *paths, const char *name, int state_fd, struct bb_err *err)
{
	bb_auto_close int dir = open_commit(paths, name, err);
	int r = dir < 0 ? dir : copy_files(dir, state_fd, err);

	return r < 0 ? bb_err_wrap(err, "commit %s", name) : 0;
}

json_t *commit_names(const struct paths *paths)
{
	json_t *names = json_array();
	struct dirent **list = NULL;
	char path[PATHS_MAX];
	struct bb_err ignored = { 0 };
	int n = -1;

	if (paths_join(paths->state, "commits", path, &ignored) == 0)
		n = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (commit_name_is_ok(list[i]->d_name))
			(void)json_array_append_new(names, json_string(list[i]->d_name));
		free(list[i]);
	}
	free(list);
	return names;
}

int commit_remove(const struct paths *paths, const char *name, struct bb_err *err)
{
	bb_auto_close int dir = open_commits(paths, err);
	bb_auto_close int fd = dir < 0 ? -1 : open_commit(paths, name, err);

	if (fd < 0)
		return err->code;
	state_scratch_remove(dir, name, fd);
	return 0;
}
