/* SPDX-License-Identifier: Apache-2.0 */
/* Images that are named by a file: an archive, the directory of a layout, or a Dockerfile */
#include "base/buf.h"
#include "base/io.h"
#include "image/image.h"
#include "image/store.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>

#define DOCKERFILE_MAX (1u << 20)

bool image_is_path(const char *text)
{
	return text[0] == '/' || strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0;
}

static int digest_of(struct bb_span data, char ret[static 65], struct bb_err *err)
{
	uint8_t sum[32];

	if (!EVP_Digest(data.p, data.len, sum, NULL, EVP_sha256(), NULL))
		return bb_err_set(err, -EIO, "sha256 failed");
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static int real_path(const char *path, char ret[static PATH_MAX], struct bb_err *err)
{
	if (!realpath(path, ret))
		return bb_err_set(err, -errno, "image %s: %s", path, strerror(errno));
	return strlen(ret) < PATHS_MAX
		       ? 0
		       : bb_err_set(err, -ENAMETOOLONG, "image %s: path too long", path);
}

int image_path_name(const char *path, char ret[static IMAGE_NAME_MAX], struct bb_err *err)
{
	char real[PATH_MAX], hex[65];
	int r = real_path(path, real, err);

	if (r == 0)
		r = digest_of(BB_SPAN_STR(real), hex, err);
	if (r == 0)
		(void)snprintf(ret, IMAGE_NAME_MAX, "path-%.12s", hex);
	return r;
}

/* Archives begin with octets that no Dockerfile has: NUL within the first block, or a magic */
static int is_archive(const char *path, const struct stat *st, bool *ret, struct bb_err *err)
{
	bb_auto_close int fd = -1;
	uint8_t head[512];
	ssize_t n;

	*ret = S_ISDIR(st->st_mode);
	if (*ret)
		return 0;
	if (!S_ISREG(st->st_mode))
		return bb_err_set(err, -EINVAL, "image %s: neither a file nor a directory", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	n = fd < 0 ? -1 : read(fd, head, sizeof(head));
	if (n < 0)
		return bb_err_set(err, -errno, "image %s: %s", path, strerror(errno));
	*ret = memchr(head, '\0', (size_t)n) || (n > 1 && head[0] == 0x1f && head[1] == 0x8b);
	return 0;
}

/* An archive is known by size and time, a Dockerfile by its content */
static int stamp_of(const char *path, const struct stat *st, bool archive, char ret[static 96],
		    struct bb_err *err)
{
	bb_auto_buf struct bb_buf text;
	char hex[65];
	int r;

	if (archive) {
		(void)snprintf(ret, 96, "%llu:%lld.%09ld:%llu", (unsigned long long)st->st_size,
			       (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
			       (unsigned long long)st->st_ino);
		return 0;
	}
	bb_buf_init(&text, DOCKERFILE_MAX);
	r = bb_read_file(path, &text, err);
	if (r == 0)
		r = digest_of(bb_buf_span(&text), hex, err);
	if (r == 0)
		(void)snprintf(ret, 96, "%s", hex);
	return r;
}

int image_from_path(const char *path, const char *name, bool again, image_progress_fn fn, void *arg,
		    struct image *ret, struct bb_err *err)
{
	char real[PATH_MAX], stamp[96], derived[IMAGE_NAME_MAX];
	struct bb_err none = { 0 };
	bool archive = false;
	struct stat st;
	int r = real_path(path, real, err);

	if (r == 0 && stat(real, &st) < 0)
		r = bb_err_set(err, -errno, "image %s: %s", path, strerror(errno));
	if (r == 0)
		r = is_archive(real, &st, &archive, err);
	if (r == 0)
		r = stamp_of(real, &st, archive, stamp, err);
	if (r == 0 && !name)
		r = image_path_name(real, derived, err);
	if (r < 0)
		return r;
	name = name ? name : derived;
	if (!again && image_open(name, ret, &none) == 0 && strcmp(ret->stamp, stamp) == 0 &&
	    strcmp(ret->origin, real) == 0)
		return 0;
	return archive ? image_import(real, name, real, stamp, fn, arg, ret, err)
		       : image_build_dockerfile(real, name, stamp, fn, arg, ret, err);
}
