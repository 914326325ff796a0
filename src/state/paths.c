/* SPDX-License-Identifier: Apache-2.0 */
#include "state/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

static int too_long(const char *what, struct bb_err *err)
{
	return bb_err_set(err, -ENAMETOOLONG, "%s: path too long", what);
}

int paths_join(const char *dir, const char *name, char ret[static PATHS_MAX], struct bb_err *err)
{
	char buf[PATHS_MAX];
	int n = snprintf(buf, sizeof(buf), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(buf))
		return too_long(name, err);
	memcpy(ret, buf, (size_t)n + 1);
	return 0;
}

static const char *env_dir(const char *name)
{
	const char *v = getenv(name);

	return v && v[0] == '/' ? v : NULL;
}

/* $@var/bot-bottle, else $HOME/@below/bot-bottle */
static int xdg_dir(const char *var, const char *home, const char *below, char ret[static PATHS_MAX],
		   struct bb_err *err)
{
	const char *dir = env_dir(var);
	char parent[PATHS_MAX];
	int r = 0;

	if (!dir) {
		r = paths_join(home, below, parent, err);
		dir = parent;
	}
	return r < 0 ? r : paths_join(dir, "bot-bottle", ret, err);
}

int paths_get(struct paths *ret, struct bb_err *err)
{
	const char *home = env_dir("HOME"), *config = env_dir("BOT_BOTTLE_HOME");
	struct paths p = { 0 };
	int r;

	if (!home) {
		const struct passwd *pw = getpwuid(geteuid());

		if (!pw || !pw->pw_dir || pw->pw_dir[0] != '/')
			return bb_err_set(err, -ENOENT, "no home directory: set HOME");
		home = pw->pw_dir;
	}
	/* others' manifests in the place of those that were meant would be a policy of nobody */
	if (!config && getenv("BOT_BOTTLE_HOME") && *getenv("BOT_BOTTLE_HOME"))
		return bb_err_set(err, -EINVAL,
				  "BOT_BOTTLE_HOME: '%.100s' is no absolute path (/…)",
				  getenv("BOT_BOTTLE_HOME"));
	if (config && strlen(config) >= sizeof(p.config))
		return too_long("BOT_BOTTLE_HOME", err);
	if (config)
		memcpy(p.config, config, strlen(config) + 1);
	r = config ? 0 : paths_join(home, ".bot-bottle", p.config, err);
	if (r == 0)
		r = xdg_dir("XDG_STATE_HOME", home, ".local/state", p.state, err);
	if (r == 0)
		r = xdg_dir("XDG_CACHE_HOME", home, ".cache", p.cache, err);
	if (r == 0 && env_dir("XDG_RUNTIME_DIR"))
		r = paths_join(env_dir("XDG_RUNTIME_DIR"), "bot-bottle", p.runtime, err);
	else if (r == 0)
		r = paths_join(p.state, "run", p.runtime, err);
	if (r == 0)
		*ret = p;
	return r;
}

/* Ours alone? The fd decides, not the name, which may be swapped meanwhile */
static int check_private(int fd, const char *name, struct bb_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	if (st.st_uid != geteuid())
		return bb_err_set(err, -EPERM, "%s: belongs to user %u, not to us", name,
				  (unsigned int)st.st_uid);
	if (st.st_mode & 077)
		return bb_err_set(err, -EPERM, "%s: mode %04o, must be 0700", name,
				  (unsigned int)st.st_mode & 07777);
	return 0;
}

int paths_open_private_at(int dirfd, const char *name, bool create, struct bb_err *err)
{
	bb_auto_close int fd = -1;
	int r;

	if (create && mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", name,
				  errno == ELOOP ? "is a symbolic link" : strerror(errno));
	r = check_private(fd, name, err);
	return r < 0 ? r : BB_TAKE_FD(fd);
}

int paths_open_private(const char *path, struct bb_err *err)
{
	char part[PATHS_MAX];
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(part))
		return bb_err_set(err, -EINVAL, "%s: not an absolute path", path);
	memcpy(part, path, len + 1);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return bb_err_set(err, -errno, "%s: %s", part, strerror(errno));
		*slash = '/';
	}
	return paths_open_private_at(AT_FDCWD, path, true, err);
}
