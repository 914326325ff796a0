/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building: two scripts (data/images) do the work with Debian's own tools, each in a process group
 * of its own so that Ctrl-C ends all of it; here are the lock, the staging directory, the digests
 * and the rename that makes the result visible.
 */
#include "base/io.h"
#include "image/image.h"
#include "image/store.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct build {
	const char *name;
	const char *mirror;
	image_progress_fn fn;
	void *arg;
	char store[PATHS_MAX];
	char stage[PATHS_MAX]; /* <store>/.stage-NAME */
};

static volatile sig_atomic_t interrupted; /* set by the handler for the one build of a process */

static void on_interrupt(int signo)
{
	interrupted = signo;
}

/* Pass whole lines of the script's output to the caller */
static void relay_lines(struct build *b, int fd)
{
	char line[512];
	size_t n = 0;

	while (!interrupted) {
		char c;
		ssize_t got = read(fd, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		if (c == '\n' || n == sizeof(line) - 1) {
			line[n] = '\0';
			b->fn(line, b->arg);
			n = 0;
		} else {
			line[n++] = c;
		}
	}
}

_Noreturn static void exec_script(struct build *b, char *const argv[], int out)
{
	int null = open("/dev/null", O_RDONLY);

	(void)setpgid(0, 0);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	if (b->mirror)
		(void)setenv("BB_DEBIAN_MIRROR", b->mirror, 1);
	(void)setenv("LC_ALL", "C", 1);
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int run_command(struct build *b, char *const argv[], struct bb_err *err)
{
	int out[2], status;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return bb_err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_script(b, argv, out[1]);
	(void)close(out[1]);
	if (pid < 0) {
		(void)close(out[0]);
		return bb_err_set(err, -errno, "fork: %s", strerror(errno));
	}
	(void)setpgid(pid, pid);
	relay_lines(b, out[0]);
	(void)close(out[0]);
	if (interrupted)
		(void)kill(-pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (interrupted)
		return bb_err_set(err, -EINTR, "interrupted");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return bb_err_set(err, -EIO, "image %s: the build failed (see above)", b->name);
	return 0;
}

static int run_script(struct build *b, const char *script, const char *extra, struct bb_err *err)
{
	char path[PATHS_MAX], extra_path[PATHS_MAX] = "";
	int r = paths_data(script, path, err);

	if (r == 0 && extra)
		r = paths_data(extra, extra_path, err);
	if (r < 0)
		return r;
	char *argv[] = { (char[]){ "sh" }, path, b->stage, extra ? extra_path : NULL, NULL };

	return run_command(b, argv, err);
}

/* Also what lies outside the staging directory or belongs to subordinate ids */
static void remove_stage(struct build *b)
{
	struct bb_err ignored = { 0 };
	int keep = interrupted;

	interrupted = 0;
	if (access(b->stage, F_OK) == 0)
		(void)!run_script(b, "data/images/clean.sh", NULL, &ignored);
	interrupted = keep;
}

static void hex(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static int digest_file(const char *path, char ret[static 65], uint64_t *ret_size,
		       struct bb_err *err)
{
	bb_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	static uint8_t chunk[1 << 16];
	uint8_t sum[32];
	ssize_t n = -1;
	int ok;

	*ret_size = 0;
	ok = fd >= 0 && ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	while (ok && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		ok = EVP_DigestUpdate(ctx, chunk, (size_t)n);
		*ret_size += (uint64_t)n;
	}
	ok = ok && n == 0 && EVP_DigestFinal_ex(ctx, sum, NULL);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return bb_err_set(err, -EIO, "%s: cannot read", path);
	hex(sum, sizeof(sum), ret);
	return 0;
}

/* Digest of the digests, in the order of image_files */
static int describe(struct build *b, json_t *files, char ret[static 65], struct bb_err *err)
{
	char all[IMAGE_NUM_FILES * 65] = "", path[PATHS_MAX], one[65];
	uint8_t sum[32];
	uint64_t size = 0;

	for (size_t i = 0; i < IMAGE_NUM_FILES; i++) {
		int r = paths_join(b->stage, image_files[i], path, err);

		if (r == 0)
			r = digest_file(path, one, &size, err);
		if (r < 0)
			return r;
		memcpy(all + 65 * i, one, 65);
		(void)json_object_set_new(
			files, image_files[i],
			json_pack("{s:I, s:s}", "size", (json_int_t)size, "sha256", one));
	}
	if (!EVP_Digest(all, sizeof(all), sum, NULL, EVP_sha256(), NULL))
		return bb_err_set(err, -EIO, "sha256 failed");
	hex(sum, sizeof(sum), ret);
	return 0;
}

static int write_manifest(struct build *b, char digest[static 65], struct bb_err *err)
{
	char path[PATHS_MAX], built[32];
	bb_auto_buf struct bb_buf release;
	json_auto_t *json = NULL;
	json_t *files = json_object();
	time_t now = time(NULL);
	struct tm tm;
	int r = describe(b, files, digest, err);

	bb_buf_init(&release, 1024);
	if (r == 0)
		r = paths_join(b->stage, "kernel.version", path, err);
	if (r == 0)
		r = bb_read_file(path, &release, err);
	if (r < 0) {
		json_decref(files);
		return r;
	}
	while (release.len && release.p[release.len - 1] == '\n')
		release.len--;
	(void)strftime(built, sizeof(built), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json = json_pack("{s:i, s:s, s:s, s:s, s:s, s:o}", "version", 1, "name", b->name, "digest",
			 digest, "kernel", bb_buf_str(&release), "built", built, "files", files);
	r = paths_join(b->stage, "manifest.json", path, err);
	if (r == 0 && (!json || json_dump_file(json, path, JSON_INDENT(1)) < 0))
		r = bb_err_set(err, -EIO, "%s: cannot write", path);
	return r;
}

/* Drop what was only for building */
static int drop_leftovers(struct build *b, struct bb_err *err)
{
	char modules[PATHS_MAX], list[PATHS_MAX];
	char *argv[] = {
		(char[]){ "rm" }, (char[]){ "-rf" }, (char[]){ "--" }, modules, list, NULL
	};
	int r = paths_join(b->stage, "modules", modules, err);

	if (r == 0)
		r = paths_join(b->stage, "modules.list", list, err);
	return r == 0 ? run_command(b, argv, err) : r;
}

/* <store>/by-name/NAME → ../DIGEST, replaced by a rename */
static int point_name(struct build *b, const char *digest, struct bb_err *err)
{
	char names[PATHS_MAX], link[PATHS_MAX], temp[PATHS_MAX], target[80];
	int r = paths_join(b->store, "by-name", names, err);

	if (r == 0)
		r = paths_join(names, b->name, link, err);
	if (r == 0)
		r = paths_join(names, ".new", temp, err);
	if (r < 0)
		return r;
	(void)mkdir(names, 0700);
	(void)unlink(temp);
	(void)snprintf(target, sizeof(target), "../%s", digest);
	if (symlink(target, temp) < 0 || rename(temp, link) < 0)
		return bb_err_set(err, -errno, "%s: %s", link, strerror(errno));
	return 0;
}

static int publish(struct build *b, const char *digest, struct bb_err *err)
{
	char final[PATHS_MAX];
	int r = paths_join(b->store, digest, final, err);

	if (r == 0)
		r = drop_leftovers(b, err);
	/* the same content may be there already: then only the name changes */
	if (r == 0 && rename(b->stage, final) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		r = bb_err_set(err, -errno, "%s: %s", final, strerror(errno));
	return r == 0 ? point_name(b, digest, err) : r;
}

static int lock_store(struct build *b, struct bb_err *err)
{
	char path[PATHS_MAX];
	bb_auto_close int dir = paths_open_private(b->store, err), fd = -1;
	int r;

	if (dir < 0)
		return dir;
	r = paths_join(b->store, ".lock", path, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		b->fn("waiting for another build to finish", b->arg);
		while (flock(fd, LOCK_EX) < 0) {
			if (errno != EINTR || interrupted)
				return bb_err_set(err, -EINTR, "interrupted");
		}
	}
	return BB_TAKE_FD(fd);
}

static int build_locked(struct build *b, struct bb_err *err)
{
	char recipe[IMAGE_NAME_MAX + 16], digest[65];
	int r = 0;

	remove_stage(b); /* left by a builder that was killed */
	if (mkdir(b->stage, 0700) < 0)
		return bb_err_set(err, -errno, "%s: %s", b->stage, strerror(errno));
	(void)snprintf(recipe, sizeof(recipe), "data/images/%s.sh", b->name);
	r = run_script(b, "data/images/kernel.sh", "data/guest-modules.txt", err);
	if (r == 0)
		r = run_script(b, recipe, NULL, err);
	if (r == 0)
		r = image_pack_modules(b->stage, err);
	if (r == 0)
		r = write_manifest(b, digest, err);
	if (r == 0)
		r = publish(b, digest, err);
	remove_stage(b);
	return r;
}

static bool is_recipe(const char *name)
{
	static const char *const recipes[] = { "base", "claude", "codex" };

	for (size_t i = 0; i < BB_ARRAY_LEN(recipes); i++) {
		if (strcmp(name, recipes[i]) == 0)
			return true;
	}
	return false;
}

int image_build(const char *name, const char *mirror, image_progress_fn fn, void *arg,
		struct image *ret, struct bb_err *err)
{
	struct build b = { .name = name, .mirror = mirror, .fn = fn, .arg = arg };
	struct sigaction act = { .sa_handler = on_interrupt }, old_int, old_term;
	char missing[1024];
	int r, lock;

	if (!is_recipe(name))
		return bb_err_set(err, -EINVAL,
				  "image '%.60s': no such recipe; there are: base, claude, codex",
				  name);
	if (image_missing_tools(true, missing, sizeof(missing)) > 0)
		return bb_err_set(err, -ENOENT, "image %s: missing on this host:\n%s", name,
				  missing);
	r = image_store_dir(b.store, err);
	if (r == 0)
		r = paths_join(b.store, ".stage", b.stage, err);
	if (r < 0)
		return r;
	interrupted = 0;
	(void)sigaction(SIGINT, &act, &old_int);
	(void)sigaction(SIGTERM, &act, &old_term);
	lock = lock_store(&b, err);
	r = lock < 0 ? lock : build_locked(&b, err);
	bb_closep(&lock);
	(void)sigaction(SIGINT, &old_int, NULL);
	(void)sigaction(SIGTERM, &old_term, NULL);
	return r == 0 ? image_open(name, ret, err) : r;
}
