/* SPDX-License-Identifier: Apache-2.0 */
#include "image/store.h"
#include "base/io.h"
#include "image/image.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define DIGEST_MIN 12 /* of a digest, as image_list() callers show it */

const char *const image_files[IMAGE_NUM_FILES] = { "vmlinux", "modules.cpio", "root.erofs",
						   "roots.pem" };

int image_store_dir(char ret[static PATHS_MAX], struct bb_err *err)
{
	struct paths paths;
	int r = paths_get(&paths, err);

	return r < 0 ? r : paths_join(paths.cache, "images", ret, err);
}

bool image_name_is_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= IMAGE_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		      c == '.'))
			return false;
	}
	return true;
}

/* What to say after `bot-bottle image`, before its name */
static const char *way_to_make(const char *name)
{
	return image_is_recipe(name) ? "build " : "import ARCHIVE --name ";
}

/* Sizes as recorded: a file that was cut short or lost is found before a boot is tried */
static int check_files(const char *dir, const json_t *files, struct image *ret, struct bb_err *err)
{
	for (size_t i = 0; i < IMAGE_NUM_FILES; i++) {
		const json_t *size =
			json_object_get(json_object_get(files, image_files[i]), "size");
		char path[PATHS_MAX];
		struct stat st;
		int r = paths_join(dir, image_files[i], path, err);

		if (r < 0)
			return r;
		if (access(path, R_OK) < 0 || stat(path, &st) < 0)
			return bb_err_set(err, -EBADMSG, "image %s: %s: %s", ret->name,
					  image_files[i], strerror(errno));
		if (!json_is_integer(size) || json_integer_value(size) != st.st_size)
			return bb_err_set(err, -EBADMSG,
					  "image %s: %s is damaged; make it anew: bot-bottle "
					  "image %s%s",
					  ret->name, image_files[i], way_to_make(ret->name),
					  ret->name);
		ret->bytes += (uint64_t)st.st_size;
	}
	return 0;
}

static void copy_text(const json_t *json, const char *key, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(json, key));

	(void)snprintf(ret, size, "%s", text ? text : "");
}

json_t *image_env(const struct image *image)
{
	json_error_t je;
	json_auto_t *json = json_load_file(image->manifest_path, 0, &je);
	json_t *env = json_object_get(json, "env");

	return json_is_object(env) ? json_incref(env) : json_object();
}

static int read_manifest(const char *dir, struct image *ret, struct bb_err *err)
{
	bb_auto_buf struct bb_buf text;
	const char *digest, *release, *built;
	json_auto_t *json = NULL;
	char path[PATHS_MAX];
	json_error_t je;
	json_t *files;
	int version, r;

	bb_buf_init(&text, 1u << 20);
	r = paths_join(dir, "manifest.json", path, err);
	if (r == 0)
		r = bb_read_file(path, &text, err);
	if (r < 0)
		return bb_err_wrap(err, "image %s", ret->name);
	json = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &je);
	if (!json ||
	    json_unpack_ex(json, &je, 0, "{s:i, s:s, s:s, s:s, s:o}", "version", &version, "digest",
			   &digest, "kernel", &release, "built", &built, "files", &files) < 0)
		return bb_err_set(err, -EBADMSG, "image %s: manifest.json: %s", ret->name, je.text);
	if (version != 1)
		return bb_err_set(err, -EBADMSG,
				  "image %s: made by another version; make it anew: "
				  "bot-bottle image %s%s",
				  ret->name, way_to_make(ret->name), ret->name);
	(void)snprintf(ret->digest, sizeof(ret->digest), "%s", digest);
	(void)snprintf(ret->kernel_release, sizeof(ret->kernel_release), "%s", release);
	(void)snprintf(ret->built, sizeof(ret->built), "%s", built);
	(void)snprintf(ret->manifest_path, sizeof(ret->manifest_path), "%s", path);
	copy_text(json, "origin", ret->origin, sizeof(ret->origin));
	copy_text(json, "stamp", ret->stamp, sizeof(ret->stamp));
	return check_files(dir, files, ret, err);
}

int image_open(const char *name, struct image *ret, struct bb_err *err)
{
	char store[PATHS_MAX], rel[PATHS_MAX], link[PATHS_MAX], dir[PATH_MAX];
	struct image image = { 0 };
	int r;

	if (!image_name_is_ok(name))
		return bb_err_set(err, -EINVAL,
				  "image '%.80s': names are lower-case letters, digits, '-', '_', "
				  "'.'; a file is "
				  "written /… or ./Dockerfile, an image of a registry is FROM in a "
				  "Dockerfile",
				  name);
	(void)snprintf(image.name, sizeof(image.name), "%s", name);
	r = image_store_dir(store, err);
	if (r == 0)
		r = paths_join("by-name", name, rel, err);
	if (r == 0)
		r = paths_join(store, rel, link, err);
	if (r < 0)
		return r;
	/* The real directory: a rebuild moves the name, not what we opened */
	if (!realpath(link, dir)) {
		r = paths_join(store, name, link, err);
		if (r < 0)
			return r;
		if (strlen(name) == 64 && !realpath(link, dir))
			return bb_err_set(err, -ENOENT,
					  "the image %.12s was removed: a disk that was made on it "
					  "fits no other",
					  name);
		if (strlen(name) != 64)
			return bb_err_set(err, -ENOENT,
					  "image '%s' is not there (bot-bottle image ls lists "
					  "them); to make it: bot-bottle image %s%s",
					  name, way_to_make(name), name);
	}
	r = read_manifest(dir, &image, err);
	if (r == 0)
		r = paths_join(dir, "vmlinux", image.kernel_path, err);
	if (r == 0)
		r = paths_join(dir, "modules.cpio", image.modules_path, err);
	if (r == 0)
		r = paths_join(dir, "root.erofs", image.root_path, err);
	if (r == 0)
		r = paths_join(dir, "roots.pem", image.roots_path, err);
	if (r == 0)
		*ret = image;
	return r;
}

static int is_name(const struct dirent *e)
{
	return image_name_is_ok(e->d_name);
}

/* A name leads to @dir, another one than @but (NULL: any) */
static bool has_other_name(const char *names, const char *dir, const char *but)
{
	struct dirent **list = NULL;
	int n = scandir(names, &list, is_name, NULL);
	bool found = false;

	for (int i = 0; i < n; i++) {
		char link[PATHS_MAX], real[PATH_MAX];
		struct bb_err ignored = { 0 };

		if ((!but || strcmp(list[i]->d_name, but) != 0) &&
		    paths_join(names, list[i]->d_name, link, &ignored) == 0 &&
		    realpath(link, real) && strcmp(real, dir) == 0)
			found = true;
		free(list[i]);
	}
	free(list);
	return found;
}

static bool has_name(const char *names, const char *dir)
{
	return has_other_name(names, dir, NULL);
}

/* One that was rebuilt: kept bottles and commits may need it */
static bool is_nameless(const char *store, const char *names, const char *digest)
{
	char path[PATHS_MAX], dir[PATH_MAX];
	struct bb_err ignored = { 0 };

	return strlen(digest) == 64 && strspn(digest, "0123456789abcdef") == 64 &&
	       paths_join(store, digest, path, &ignored) == 0 && realpath(path, dir) &&
	       !has_name(names, dir);
}

/* Images of one directory: @nameless: those of the store that no name leads to, else all */
static int list_dir(const char *store, const char *names, bool nameless,
		    void (*fn)(const struct image *image, const struct bb_err *broken, void *arg),
		    void *arg, struct bb_err *err)
{
	const char *path = nameless ? store : names;
	struct dirent **list = NULL;
	int n = scandir(path, &list, is_name, alphasort);

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return bb_err_set(err, -errno, "%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		struct bb_err broken = { 0 };
		struct image image = { 0 };

		(void)snprintf(image.name, sizeof(image.name), "%.64s", list[i]->d_name);
		if (!nameless || is_nameless(store, names, image.name)) {
			(void)!image_open(list[i]->d_name, &image, &broken);
			fn(&image, broken.code ? &broken : NULL, arg);
		}
		free(list[i]);
	}
	free(list);
	return 0;
}

int image_list(void (*fn)(const struct image *image, const struct bb_err *broken, void *arg),
	       void *arg, struct bb_err *err)
{
	char store[PATHS_MAX], names[PATHS_MAX];
	int r = image_store_dir(store, err);

	if (r == 0)
		r = paths_join(store, "by-name", names, err);
	if (r == 0)
		r = list_dir(store, names, false, fn, arg, err);
	return r < 0 ? r : list_dir(store, names, true, fn, arg, err);
}

/* Some minutes more than base.sh says: a build that has just chosen it keeps it */
#define INSTALLED_MAX_S (65 * 60)

static int is_installed(const struct dirent *e)
{
	return strncmp(e->d_name, "installed-", strlen("installed-")) == 0;
}

uint64_t image_drop_installed(void)
{
	char store[PATHS_MAX], dir[PATHS_MAX];
	struct bb_err ignored = { 0 };
	bb_auto_close int fd = -1;
	struct dirent **list = NULL;
	uint64_t bytes = 0;
	int n;

	if (image_store_dir(store, &ignored) < 0 ||
	    paths_join(store, IMAGE_DOWNLOADS, dir, &ignored) < 0)
		return 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : scandir(dir, &list, is_installed, NULL);
	for (int i = 0; i < n; i++) {
		struct stat st;

		if (fstatat(fd, list[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < time(NULL) - INSTALLED_MAX_S &&
		    unlinkat(fd, list[i]->d_name, 0) == 0)
			bytes += (uint64_t)st.st_size;
		free(list[i]);
	}
	free(list);
	return bytes;
}

/* The files of an image stand in its one directory */
static int remove_files(const char *dir, struct bb_err *err)
{
	bb_auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent **list = NULL;
	int n = fd < 0 ? -1 : scandir(dir, &list, NULL, NULL);

	for (int i = 0; i < n; i++) {
		(void)unlinkat(fd, list[i]->d_name, 0);
		free(list[i]);
	}
	free(list);
	if (n < 0 || rmdir(dir) < 0)
		return bb_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	return 0;
}

/* The one whose digest begins so, where no name leads to it. Return: 0 or -ENOENT */
static int find_nameless(const char *store, const char *names, const char *begins,
			 char ret[static PATH_MAX])
{
	struct dirent **list = NULL;
	int n = scandir(store, &list, is_name, NULL), found = 0;

	for (int i = 0; i < n; i++) {
		if (strlen(begins) >= DIGEST_MIN &&
		    strncmp(list[i]->d_name, begins, strlen(begins)) == 0 &&
		    is_nameless(store, names, list[i]->d_name)) {
			(void)snprintf(ret, PATH_MAX, "%s/%s", store, list[i]->d_name);
			found++;
		}
		free(list[i]);
	}
	free(list);
	return found == 1 ? 0 : -ENOENT;
}

static int ask(const char *dir, int (*may)(const char *digest, struct bb_err *err),
	       struct bb_err *err)
{
	return may ? may(strrchr(dir, '/') + 1, err) : 0;
}

int image_remove(const char *name, int (*may)(const char *digest, struct bb_err *err),
		 struct bb_err *err)
{
	char store[PATHS_MAX], names[PATHS_MAX], link[PATHS_MAX], dir[PATH_MAX], real[PATH_MAX];
	int r = image_name_is_ok(name)
			? image_store_dir(store, err)
			: bb_err_set(err, -ENOENT,
				     "image '%.80s' is not there; see: bot-bottle image ls", name);

	if (r == 0)
		r = paths_join(store, "by-name", names, err);
	if (r == 0)
		r = paths_join(names, name, link, err);
	if (r < 0)
		return r;
	if (!realpath(link, dir) && find_nameless(store, names, name, dir) == 0) {
		r = ask(dir, may, err);
		return r < 0 ? r : remove_files(dir, err);
	}
	if (!realpath(link, dir) || !realpath(store, real))
		return bb_err_set(err, -ENOENT, "image '%s' is not there; see: bot-bottle image ls",
				  name);
	if (strncmp(dir, real, strlen(real)) != 0 || dir[strlen(real)] != '/')
		return bb_err_set(err, -EINVAL, "image '%s' leads out of %s", name, store);
	if (!has_other_name(names, dir, name)) {
		r = ask(dir, may, err);
		if (r < 0)
			return r;
	}
	if (unlink(link) < 0)
		return bb_err_set(err, -errno, "%s: %s", link, strerror(errno));
	return has_name(names, dir) ? 0 : remove_files(dir, err);
}
