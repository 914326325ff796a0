/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imports. The archive is decoded by proc/unpacker, which gets open files and nothing else; whoever
 * takes it over can write a bad root file system, which an image may be anyway. Its result is
 * checked here like any other hostile text.
 */
#include "base/io.h"
#include "image/image.h"
#include "image/stage.h"
#include "image/store.h"
#include "image/unpack.h"
#include "jail/jail.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define ENV_MAX        256
#define ENV_OCTETS_MAX 65536

struct import {
	const char *path, *origin, *stamp;
	char program[PATHS_MAX];
	int fds[UNPACK_FD_END]; /* by enum unpack_fd; -1 */
	bool keep_user;
};

/* ---- the kernel ---- */

struct newest {
	struct image image;
};

static void on_image(const struct image *image, const struct bb_err *broken, void *arg)
{
	struct newest *n = arg;

	if (!broken && strcmp(image->built, n->image.built) > 0)
		n->image = *image;
}

static int link_file(const struct stage *b, const char *from, const char *name, struct bb_err *err)
{
	char to[PATHS_MAX];
	int r = paths_join(b->dir, name, to, err);

	if (r == 0 && link(from, to) < 0)
		r = bb_err_set(err, -errno, "%s: %s", to, strerror(errno));
	return r;
}

/* The files of the newest image are shared; the first image of all has to fetch them */
static int take_kernel(struct stage *b, struct bb_err *err)
{
	struct newest n = { 0 };
	char dir[PATHS_MAX], version[PATHS_MAX], *slash;
	int r = image_list(on_image, &n, err);

	if (r < 0)
		return r;
	if (!n.image.built[0]) {
		r = stage_script(b, "data/images/kernel.sh", "data/guest-modules.txt", err);
		return r < 0 ? r : image_pack_modules(b->dir, err);
	}
	(void)snprintf(dir, sizeof(dir), "%s", n.image.kernel_path);
	slash = strrchr(dir, '/');
	*slash = '\0';
	r = link_file(b, n.image.kernel_path, "vmlinux", err);
	if (r == 0)
		r = link_file(b, n.image.modules_path, "modules.cpio", err);
	if (r == 0)
		r = paths_join(dir, "kernel.version", version, err);
	return r == 0 ? link_file(b, version, "kernel.version", err) : r;
}

/* ---- the process ---- */

_Noreturn static void fail_child(const char *what)
{
	(void)dprintf(STDERR_FILENO, "import: %s: %s\n", what, strerror(errno));
	_exit(126);
}

static void exec_unpacker(struct stage *b, void *arg)
{
	char *argv[] = { (char[]){ "unpacker" }, NULL }, *env[] = { NULL };
	struct import *im = arg;

	(void)b;
	(void)!jail_apart(im->keep_user ? JAIL_KEEP_USER : 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail_child("prctl");
	/* first out of the way, then to the places that are agreed on */
	for (int i = UNPACK_FD_SOURCE; i < UNPACK_FD_END; i++) {
		im->fds[i] = fcntl(im->fds[i], F_DUPFD_CLOEXEC, 64);
		if (im->fds[i] < 0)
			fail_child("descriptors");
	}
	for (int i = UNPACK_FD_SOURCE; i < UNPACK_FD_END; i++) {
		if (dup2(im->fds[i], i) < 0)
			fail_child("descriptors");
	}
	(void)execve(im->program, argv, env);
	fail_child(im->program);
}

static int make_file(const struct stage *b, const char *name, struct bb_err *err)
{
	char path[PATHS_MAX];
	int fd, r = paths_join(b->dir, name, path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? bb_err_set(err, -errno, "%s: %s", path, strerror(errno)) : fd;
}

/* A file without a name: whatever happens it does not stay */
static int make_scratch(const struct stage *b, struct bb_err *err)
{
	int fd = make_file(b, "scratch", err);
	char path[PATHS_MAX];

	if (fd >= 0 && paths_join(b->dir, "scratch", path, err) == 0)
		(void)unlink(path);
	return fd;
}

static int open_files(const struct stage *b, struct import *im, struct bb_err *err)
{
	struct stat st;

	im->fds[UNPACK_FD_SOURCE] = open(im->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (im->fds[UNPACK_FD_SOURCE] < 0 || fstat(im->fds[UNPACK_FD_SOURCE], &st) < 0)
		return bb_err_set(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return bb_err_set(err, -EINVAL, "neither a file nor a directory");
	/* root imports a layout of somebody else's: in a user namespace it could not read it */
	im->keep_user = S_ISDIR(st.st_mode) && geteuid() == 0;
	im->fds[UNPACK_FD_SCRATCH] = make_scratch(b, err);
	im->fds[UNPACK_FD_SPOOL] = make_scratch(b, err);
	im->fds[UNPACK_FD_ROOT] = make_file(b, "root.erofs", err);
	im->fds[UNPACK_FD_ROOTS] = make_file(b, "roots.pem", err);
	im->fds[UNPACK_FD_RESULT] = memfd_create("result", MFD_CLOEXEC);
	for (int i = UNPACK_FD_SOURCE; i < UNPACK_FD_END; i++) {
		if (im->fds[i] < 0)
			return err->code ? err->code
					 : bb_err_set(err, -errno, "%s", strerror(errno));
	}
	return 0;
}

/* ---- its result ---- */

static bool name_is_ok(const char *name, size_t len)
{
	/* what the bottle decides by itself */
	static const char *const ours[] = { "HOME", "USER",     "LOGNAME", "SHELL",
					    "TERM", "HOSTNAME", "PWD",     "TZ" };

	if (len == 0 || isdigit((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] != '_' && !isalnum((unsigned char)name[i]))
			return false;
	}
	for (size_t i = 0; i < BB_ARRAY_LEN(ours); i++) {
		if (strlen(ours[i]) == len && memcmp(ours[i], name, len) == 0)
			return false;
	}
	return true;
}

/* "NAME=value" lines as an object; the last of a name counts */
static json_t *env_object(const json_t *list)
{
	json_t *env = json_object();
	size_t octets = 0, i;
	const json_t *one;

	json_array_foreach(list, i, one)
	{
		const char *s = json_string_value(one), *eq = s ? strchr(s, '=') : NULL;
		char name[128];

		if (!eq || i >= ENV_MAX || (octets += strlen(s)) > ENV_OCTETS_MAX)
			break;
		if ((size_t)(eq - s) >= sizeof(name) || !name_is_ok(s, (size_t)(eq - s)))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - s), s);
		(void)json_object_set_new(env, name, json_string(eq + 1));
	}
	return env;
}

static int no_result(int code, struct bb_err *err)
{
	return bb_err_set(err, -EIO,
			  code == 128 + SIGSYS
				  ? "unpacking it ended: it made a system call it must not make"
				  : "unpacking it ended without a result (%d)",
			  code);
}

/* Return: owned result, or NULL with @err */
static json_t *read_result(const struct import *im, int code, struct bb_err *err)
{
	bb_auto_buf struct bb_buf text;
	json_error_t je;
	json_t *json = NULL;
	const char *said;

	bb_buf_init(&text, UNPACK_RESULT_MAX);
	if (bb_memfd_read(im->fds[UNPACK_FD_RESULT], &text) == 0 && text.len)
		json = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &je);
	said = json_string_value(json_object_get(json, "error"));
	if (json && !said && code == 0)
		return json;
	if (said)
		(void)bb_err_set(err, -EBADMSG, "%.200s", said);
	else
		(void)no_result(code, err);
	json_decref(json);
	return NULL;
}

/* What is recorded of it, in manifest.json */
static json_t *about(const struct import *im, const json_t *result, struct stage *b,
		     struct bb_err *err)
{
	const char *digest, *name;
	json_int_t layers, names, dropped;
	json_error_t je;
	json_t *env, *ret;
	char line[160];

	if (json_unpack_ex((json_t *)(uintptr_t)result, &je, JSON_STRICT,
			   "{s:s, s:s, s:I, s:I, s:I, s:o}", "digest", &digest, "name", &name,
			   "layers", &layers, "names", &names, "dropped", &dropped, "env",
			   &env) < 0 ||
	    strspn(digest, "0123456789abcdef") != 64 || !json_is_array(env)) {
		(void)bb_err_set(err, -EIO, "unpacking it gave no proper result");
		return NULL;
	}
	(void)snprintf(line, sizeof(line), "import: %lld layers, %lld names", (long long)layers,
		       (long long)names);
	b->fn(line, b->arg);
	if (dropped) {
		(void)snprintf(line, sizeof(line), "import: %lld devices below /dev left out",
			       (long long)dropped);
		b->fn(line, b->arg);
	}
	ret = json_pack("{s:s, s:s, s:s, s:o}", "origin", im->origin, "stamp", im->stamp, "source",
			digest, "env", env_object(env));
	if (!ret)
		(void)bb_err_set(err, -EINVAL, "its path is not UTF-8");
	return ret;
}

static int fill(struct stage *b, void *arg, struct bb_err *err)
{
	struct import *im = arg;
	json_auto_t *result = NULL, *more = NULL;
	int r = open_files(b, im, err);

	if (r == 0)
		r = stage_fork(b, exec_unpacker, im, err);
	if (r < 0)
		return r;
	result = read_result(im, r, err);
	more = result ? about(im, result, b, err) : NULL;
	r = more ? take_kernel(b, err) : err->code;
	return r == 0 ? stage_publish(b, more, err) : r;
}

int image_import(const char *path, const char *name, const char *origin, const char *stamp,
		 image_progress_fn fn, void *arg, struct image *ret, struct bb_err *err)
{
	struct stage b = { .name = name, .fn = fn, .arg = arg };
	struct import im = { .path = path,
			     .origin = origin ? origin : path,
			     .stamp = stamp ? stamp : "" };
	int r = paths_libexec("unpacker", im.program, err);

	if (r == 0 && (!image_name_is_ok(name) || image_is_recipe(name)))
		return bb_err_set(err, -EINVAL, "image '%.60s': %s", name,
				  image_is_recipe(name)
					  ? "that is the name of a recipe"
					  : "names are lower-case letters, digits, '-', '_', '.'");
	for (size_t i = 0; i < BB_ARRAY_LEN(im.fds); i++)
		im.fds[i] = -1;
	if (r == 0)
		r = stage_with(&b, fill, &im, err);
	for (size_t i = 0; i < BB_ARRAY_LEN(im.fds); i++)
		bb_closep(&im.fds[i]);
	if (r < 0 && r != -EINTR)
		return bb_err_wrap(err, "%s", path);
	return r == 0 ? image_open(name, ret, err) : r;
}
