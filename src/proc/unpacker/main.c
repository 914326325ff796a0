/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/log.h"
#include "image/unpack.h"
#include "jail/jail.h"
#include "oci/erofs.h"
#include "oci/fit.h"
#include "proc/unpacker/rules.h"
#include "proc/unpacker/unpacker.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

static int lock_in(struct bb_err *err)
{
	const struct jail_table tables[] = { jail_common, unpacker_rules, unpacker_dir_rules };
	struct stat st;
	bool is_dir;
	int r;

	if (fstat(UNPACK_FD_SOURCE, &st) < 0)
		return bb_err_set(err, -errno, "fstat: %s", strerror(errno));
	is_dir = S_ISDIR(st.st_mode);
	r = jail_files(is_dir ? UNPACK_FD_SOURCE : -1, JAIL_READ, err);
	return r < 0 ? r : jail_lock(tables, is_dir ? 3 : 2, err);
}

static int write_roots(struct rootfs *fs, struct bb_err *err)
{
	bb_auto_buf struct bb_buf roots;
	int r;

	bb_buf_init(&roots, FIT_ROOTS_MAX);
	r = fit_roots(fs, &roots, err);
	if (r == 0 && roots.len)
		r = bb_write_full(UNPACK_FD_ROOTS, roots.p, roots.len);
	return r < 0 && !err->code ? bb_err_set(err, r, "certificate roots: %s", strerror(-r)) : r;
}

static int unpack(struct image *image, struct rootfs *fs, struct bb_err *err)
{
	struct archive a = { .fd = -1 };
	struct stat st;
	int r = fstat(UNPACK_FD_SOURCE, &st) < 0 ? -errno : 0;

	if (r == 0 && S_ISREG(st.st_mode))
		r = spool_plain(UNPACK_FD_SOURCE, UNPACK_FD_SPOOL, err);
	if (r >= 0)
		r = archive_open(&a, r == 1 ? UNPACK_FD_SPOOL : UNPACK_FD_SOURCE, err);
	if (r == 0)
		r = image_describe(&a, image, err);
	if (r == 0)
		r = layers_unpack(&a, image, fs, err);
	archive_release(&a);
	if (r == 0)
		r = fit_rootfs(fs, (uint32_t)image->n_layers + 1, err);
	if (r == 0)
		r = write_roots(fs, err);
	if (r == 0)
		(void)dprintf(STDOUT_FILENO, "import: writing the file system\n");
	return r == 0 ? erofs_write(fs, UNPACK_FD_ROOT, err) : r;
}

static int say(json_t *result)
{
	bb_auto_free char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;

	json_decref(result);
	return text && bb_write_full(UNPACK_FD_RESULT, text, strlen(text)) == 0 ? 0 : 1;
}

static json_t *error_text(const struct bb_err *err)
{
	char text[sizeof(err->msg)];

	/* names of an image need not be UTF-8 */
	(void)snprintf(text, sizeof(text), "%s", err->msg);
	for (char *c = text; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return json_pack("{s:s}", "error", text);
}

int main(void)
{
	static const int keep[] = { UNPACK_FD_SOURCE, UNPACK_FD_SCRATCH, UNPACK_FD_SPOOL,
				    UNPACK_FD_ROOT,   UNPACK_FD_ROOTS,   UNPACK_FD_RESULT };
	static struct image image;
	struct rootfs fs = { 0 };
	struct bb_err err = { 0 };
	int r;

	bb_log_init("unpacker");
	(void)signal(SIGPIPE, SIG_DFL);
	json_object_seed(0); /* reads /dev/urandom: now, not behind the filter */
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0)
		return say(error_text(&err)) | 1;
	(void)digest_is((struct bb_span){ (const uint8_t *)"", 0 }, ""); /* OpenSSL reads files */
	r = lock_in(&err);
	if (r == 0)
		r = rootfs_init(&fs, UNPACK_FD_SCRATCH, &rootfs_limits);
	if (r == 0)
		r = unpack(&image, &fs, &err);
	if (r < 0 && !err.code)
		(void)bb_err_set(&err, r, "%s", strerror(-r));
	r = r < 0 ? say(error_text(&err)) | 1
		  : say(json_pack("{s:s, s:s, s:I, s:I, s:I, s:O}", "digest", image.digest, "name",
				  image.name, "layers", (json_int_t)image.n_layers, "names",
				  (json_int_t)fs.used.entries, "dropped", (json_int_t)fs.dropped,
				  "env", image.env));
	rootfs_release(&fs);
	json_decref(image.env);
	return r;
}
