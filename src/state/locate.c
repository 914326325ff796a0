/* SPDX-License-Identifier: Apache-2.0 */
#include "state/paths.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/*
 * Our own files. Installed they are at fixed places; in a build tree they are found from
 * /proc/self/exe, because a build must run without being installed and must never pick up the
 * programs of another version.
 */

/* A directory that only we or root can have put things into */
static bool is_trusted_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && !(st.st_mode & S_IWOTH) &&
	       (st.st_uid == 0 || st.st_uid == geteuid());
}

/* The build directory that holds our executable. Return: true with @ret */
static bool build_tree(char ret[static PATHS_MAX])
{
	char exe[PATHS_MAX], mark[PATHS_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return false;
	exe[n] = '\0';
	for (char *slash = strrchr(exe, '/'); slash && slash != exe; slash = strrchr(exe, '/')) {
		struct bb_err err = { 0 };

		*slash = '\0';
		if (paths_join(exe, "meson-private", mark, &err) == 0 && is_trusted_dir(exe) &&
		    is_trusted_dir(mark)) {
			memcpy(ret, exe, strlen(exe) + 1);
			return true;
		}
	}
	return false;
}

static int need(const char *path, int mode, struct bb_err *err)
{
	if (access(path, mode) < 0)
		return bb_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int program(const char *in_tree, const char *installed, char ret[static PATHS_MAX],
		   struct bb_err *err)
{
	char dir[PATHS_MAX], path[PATHS_MAX];
	bool tree = build_tree(dir);
	int r;

	r = paths_join(tree ? dir : BB_LIBEXECDIR, tree ? in_tree : installed, path, err);
	if (r == 0)
		r = need(path, X_OK, err);
	if (r == 0)
		memcpy(ret, path, sizeof(path));
	return r;
}

int paths_libexec(const char *role, char ret[static PATHS_MAX], struct bb_err *err)
{
	char in_tree[128];

	(void)snprintf(in_tree, sizeof(in_tree), "src/proc/%s/%s", role, role);
	return program(in_tree, role, ret, err);
}

int paths_guest_binary(char ret[static PATHS_MAX], struct bb_err *err)
{
	return program("src/guest/bb-guest", "bb-guest", ret, err);
}

int paths_data(const char *name, char ret[static PATHS_MAX], struct bb_err *err)
{
	char build[PATHS_MAX], dir[PATHS_MAX], path[PATHS_MAX];
	int r = 0;

	if (build_tree(build))
		r = paths_join(build, "..", dir, err);
	else
		(void)snprintf(dir, sizeof(dir), "%s", BB_DATADIR);
	if (r == 0)
		r = paths_join(dir, name, path, err);
	if (r == 0)
		r = need(path, R_OK, err);
	if (r == 0)
		memcpy(ret, path, sizeof(path));
	return r;
}
