/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IMAGE_IMAGE_H
#define BB_IMAGE_IMAGE_H
#include "base/buf.h"
#include "state/paths.h"
#include <jansson.h>

/**
 * DOC: image - what bottles boot: kernel, modules, read-only root, and the disk they write to
 *
 * Layer:     image
 * Used by:   cli (image ls|build, doctor), bottled
 * Trust:     built from signed Debian archives by the operator, or imported: then by a process in a
 *            jail (proc/unpacker), whose result is checked; read-only afterwards
 * Ownership: struct image holds paths only
 *
 * Store: <cache>/images/<digest>/ holds vmlinux, modules.cpio, root.erofs, roots.pem and
 * manifest.json; <cache>/images/by-name/NAME is a symbolic link to it. The digest is over the
 * files' digests, a directory appears by one rename and never changes. Builders take a lock.
 */
#define IMAGE_NAME_MAX   65 /* with NUL: a digest is a name too */
#define IMAGE_INITRD_MAX (256u << 20)

struct image {
	char name[IMAGE_NAME_MAX];
	char digest[65];
	char kernel_release[128];
	char built[32];   /* RFC 3339, UTC */
	char origin[256]; /* what it was made of */
	char stamp[96];   /* of that, to see whether it has changed; or "" */
	uint64_t bytes;
	char kernel_path[PATHS_MAX];
	char modules_path[PATHS_MAX];
	char root_path[PATHS_MAX];
	char roots_path[PATHS_MAX]; /* PEM: the image's own certificate roots */
	char manifest_path[PATHS_MAX];
};

/** struct image_extra_file - One file that bottled adds to the initramfs */
struct image_extra_file {
	const char *path; /* without leading slash; its directories are made */
	struct bb_span data;
};

/**
 * image_open() - Find an image and check that its files are there in full
 * @name:	name, or digest
 *
 * Return: 0; -ENOENT with an @err that says how to build it; -EBADMSG when it is damaged
 */
BB_MUST_USE int image_open(const char *name, struct image *ret, struct bb_err *err);

/**
 * image_list() - All images, those without a name (rebuilt since) last, under their digest
 * @fn:		called for each, in order of name; a damaged one comes with its error
 */
BB_MUST_USE int image_list(void (*fn)(const struct image *image, const struct bb_err *broken,
				      void *arg),
			   void *arg, struct bb_err *err);

/** image_progress_fn - One line about what the build does */
typedef void (*image_progress_fn)(const char *line, void *arg);

/** image_is_recipe() - Is it the name of one that image_build() knows? */
bool image_is_recipe(const char *name);

/**
 * image_build() - Build a recipe ("base", "claude", "codex", "dev") and give it its name
 * @mirror:	Debian mirror, or NULL for the default
 * @fn:		progress, also "waiting for another build"
 *
 * Ctrl-C (SIGINT, SIGTERM) ends it with -EINTR and leaves nothing behind.
 *
 * Return: 0 with @ret; -errno with @err
 */
BB_MUST_USE int image_build(const char *name, const char *mirror, image_progress_fn fn, void *arg,
			    struct image *ret, struct bb_err *err);

/**
 * image_import() - Make an image of an archive: OCI layout (tar or directory) or `docker save`
 * @path:	the archive
 * @name:	to give it; not a recipe's
 * @origin, @stamp: recorded; NULL: @path, and none
 *
 * The archive is decoded in a process that can open nothing (proc/unpacker). The kernel is that of
 * the newest image that is there; without one it is fetched.
 *
 * Return: 0 with @ret; -errno with an @err that names the archive; then the store is as before
 */
BB_MUST_USE int image_import(const char *path, const char *name, const char *origin,
			     const char *stamp, image_progress_fn fn, void *arg, struct image *ret,
			     struct bb_err *err);

/**
 * image_build_dockerfile() - Have buildah, podman or docker build it, then import the result
 * @path:	of the Dockerfile; its directory is the context
 *
 * Return: as image_import(); -ENOENT when none of the three is there
 */
BB_MUST_USE int image_build_dockerfile(const char *path, const char *name, const char *stamp,
				       image_progress_fn fn, void *arg, struct image *ret,
				       struct bb_err *err);

/** image_is_path() - Does this name a file, not an image? "/…", "./…", "../…" */
bool image_is_path(const char *text);
/** image_path_name() - The name that an image has which was made of this file, without being given
 * one: "path-" and twelve digits of a digest. Return: 0 or -errno with @err */
BB_MUST_USE int image_path_name(const char *path, char ret[static IMAGE_NAME_MAX],
				struct bb_err *err);
/**
 * image_from_path() - An archive or Dockerfile as an image; made only when the file has changed
 * @name:	NULL: image_path_name()
 * @again:	also when it has not
 */
BB_MUST_USE int image_from_path(const char *path, const char *name, bool again,
				image_progress_fn fn, void *arg, struct image *ret,
				struct bb_err *err);

/** image_env() - Environment that an imported image asks for; owned object, {} without one, NULL
 * without memory */
json_t *image_env(const struct image *image);

/**
 * image_remove() - Take its name away, and its files where no other name is left
 * @name:	a name, or at least 12 digits of the digest of one that has none
 * @may:	asked before files go, with the digest: 0, or -errno with @err and all stays; or
 * NULL
 *
 * Running bottles keep what they have open; one that was kept needs the files to go on.
 *
 * Return: 0; -ENOENT when there is none; what @may said; -errno with @err
 */
BB_MUST_USE int image_remove(const char *name, int (*may)(const char *digest, struct bb_err *err),
			     struct bb_err *err);

/**
 * image_drop_installed() - Remove what was installed for one recipe and is too old for another
 *
 * Builds leave it for an hour (data/images/base.sh) and remove it themselves, if there is another.
 *
 * Return: octets that were removed
 */
uint64_t image_drop_installed(void);

/**
 * image_initrd_memfd() - Initramfs for one start: modules, /init and @extra
 *
 * Return: owned sealed memfd or -errno with @err
 */
BB_MUST_USE int image_initrd_memfd(const struct image *image, const struct image_extra_file *extra,
				   size_t n_extra, struct bb_err *err);

/**
 * image_make_disk() - Sparse file with an empty ext4
 *
 * Return: owned fd, O_RDWR; -EEXIST, or -errno with @err; no file is left on failure
 */
BB_MUST_USE int image_make_disk(int dirfd, const char *name, uint64_t bytes, struct bb_err *err);

/**
 * image_missing_tools() - Host programs that are not there
 * @for_build:	also what image_build() needs
 * @ret:	one line each, "mkfs.erofs (package erofs-utils)"
 *
 * Return: how many
 */
int image_missing_tools(bool for_build, char *ret, size_t size);
#endif
