/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/copytree.h"
#include "base/base.h"
#include "guest/say.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

static void copy_dir(int from, int to, unsigned int depth);

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	bb_auto_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bb_auto_close int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return -1;
	while ((n = sendfile(out, in, NULL, 1u << 20)) > 0)
		;
	if (n < 0 || fchown(out, st->st_uid, st->st_gid) < 0 ||
	    fchmod(out, st->st_mode & 07777) < 0)
		return -1;
	return 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return -1;
	return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_subdir(int from, int to, const char *name, const struct stat *st,
		       unsigned int depth)
{
	bb_auto_close int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bb_auto_close int out = -1;

	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return -1;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -1;
	copy_dir(in, out, depth + 1);
	if (fchown(out, st->st_uid, st->st_gid) < 0)
		return -1;
	return fchmod(out, st->st_mode & 07777);
}

static void copy_dir(int from, int to, unsigned int depth)
{
	int copy = fcntl(from, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	while (d && depth < DEPTH_MAX && (e = readdir(d))) {
		struct stat st;
		int r = 0;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = -1;
		else if (S_ISREG(st.st_mode))
			r = copy_file(from, to, e->d_name, &st);
		else if (S_ISLNK(st.st_mode))
			r = copy_link(from, to, e->d_name, &st);
		else if (S_ISDIR(st.st_mode))
			r = copy_subdir(from, to, e->d_name, &st, depth);
		if (r < 0)
			say("copying %s: %s", e->d_name, strerror(errno));
	}
	if (d)
		(void)closedir(d);
}

void copytree(const char *from, const char *to)
{
	bb_auto_close int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bb_auto_close int out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (in >= 0 && out >= 0)
		copy_dir(in, out, 0);
}
