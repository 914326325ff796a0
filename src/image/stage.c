/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What builds and imports share: the lock, the staging directory, programs in a process group of
 * their own so that Ctrl-C ends all of it, the digests, and the rename that makes the result
 * visible.
 */
#include "image/stage.h"
#include "base/io.h"
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

static volatile sig_atomic_t interrupted; /* set by the handler for the one build of a process */

static void on_interrupt(int signo)
{
	interrupted = signo;
}

/* Pass whole lines of the script's output to the caller */
static void relay_lines(struct stage *b, int fd)
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

/* In the child: a process group of its own, its output to us */
static void settle(int out)
{
	int null = open("/dev/null", O_RDONLY);

	(void)setpgid(0, 0);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
}

/* How long a group has between SIGTERM and SIGKILL */
#define GRACE_MS 10000

static bool group_ends(pid_t group, uint64_t until)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	while (kill(-group, 0) == 0) {
		if (bb_now_ms() > until)
			return false;
		(void)nanosleep(&pause, NULL);
	}
	return true;
}

/*
 * A process that ends the group when we have ended without doing so, by SIGKILL for example. It has
 * the store's lock as well: who builds next does not begin beside what is left of this one.
 * Return: our end of its pipe, at whose end it acts, or -1: then nobody watches
 */
static int watch_group(pid_t group, int out, pid_t *ret_pid)
{
	int life[2];
	char c;

	*ret_pid = -1;
	if (pipe2(life, O_CLOEXEC) < 0)
		return -1;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		(void)setpgid(0, 0);
		(void)close(out);
		(void)close(life[1]);
		if (read(life[0], &c, 1) == 0 && kill(-group, SIGTERM) == 0 &&
		    !group_ends(group, bb_now_ms() + GRACE_MS)) {
			(void)kill(-group, SIGKILL);
			(void)group_ends(group, bb_now_ms() + GRACE_MS);
		}
		_exit(0);
	}
	(void)close(life[0]);
	return life[1];
}

/* The program has ended; what it started may not outlive it: it would be at the next one's files */
static void end_group(pid_t group, int status)
{
	if (kill(-group, WIFSIGNALED(status) ? SIGKILL : SIGTERM) == 0)
		(void)group_ends(group, bb_now_ms() + GRACE_MS);
}

int stage_fork(struct stage *b, void (*child)(struct stage *b, void *arg), void *arg,
	       struct bb_err *err)
{
	int out[2], status = 0, life;
	pid_t pid, watcher;

	if (pipe2(out, O_CLOEXEC) < 0)
		return bb_err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		settle(out[1]);
		child(b, arg);
		_exit(127);
	}
	(void)close(out[1]);
	if (pid < 0) {
		(void)close(out[0]);
		return bb_err_set(err, -errno, "fork: %s", strerror(errno));
	}
	(void)setpgid(pid, pid);
	life = watch_group(pid, out[0], &watcher);
	relay_lines(b, out[0]);
	(void)close(out[0]);
	if (interrupted)
		(void)kill(-pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	end_group(pid, status);
	(void)!write(life, "", 1); /* it has nothing to do */
	bb_closep(&life);
	while (watcher > 0 && waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
		;
	if (interrupted)
		return bb_err_set(err, -EINTR, "interrupted");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void exec_program(struct stage *b, void *arg)
{
	char *const *argv = arg;

	if (b->mirror)
		(void)setenv("BB_DEBIAN_MIRROR", b->mirror, 1);
	(void)setenv("BB_DOWNLOADS", b->downloads, 1);
	(void)setenv("LC_ALL", "C", 1);
	(void)execvp(argv[0], argv);
}

int stage_run(struct stage *b, char *const argv[], struct bb_err *err)
{
	int r = stage_fork(b, exec_program, (void *)(uintptr_t)argv, err);

	if (r > 0)
		r = bb_err_set(err, -EIO, "image %s: the build failed (see above)", b->name);
	return r;
}

int stage_script(struct stage *b, const char *script, const char *extra, struct bb_err *err)
{
	char path[PATHS_MAX], extra_path[PATHS_MAX] = "";
	int r = paths_data(script, path, err);

	if (r == 0 && extra)
		r = paths_data(extra, extra_path, err);
	if (r < 0)
		return r;
	char *argv[] = { (char[]){ "sh" }, path, b->dir, extra ? extra_path : NULL, NULL };

	return stage_run(b, argv, err);
}

/* Also what lies outside the staging directory or belongs to subordinate ids */
static void remove_stage(struct stage *b)
{
	struct bb_err ignored = { 0 };
	int keep = interrupted;

	interrupted = 0;
	if (access(b->dir, F_OK) == 0)
		(void)!stage_script(b, "data/images/clean.sh", NULL, &ignored);
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

/* Digest of the digests, in the order of image_files, and of the environment if there is one */
static int describe(struct stage *b, const json_t *env, json_t *files, char ret[static 65],
		    struct bb_err *err)
{
	char all[(IMAGE_NUM_FILES + 1) * 65] = "", path[PATHS_MAX], one[65];
	bb_auto_free char *text = env ? json_dumps(env, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	size_t n = IMAGE_NUM_FILES;
	uint8_t sum[32];
	uint64_t size = 0;

	for (size_t i = 0; i < IMAGE_NUM_FILES; i++) {
		int r = paths_join(b->dir, image_files[i], path, err);

		if (r == 0)
			r = digest_file(path, one, &size, err);
		if (r < 0)
			return r;
		memcpy(all + 65 * i, one, 65);
		(void)json_object_set_new(
			files, image_files[i],
			json_pack("{s:I, s:s}", "size", (json_int_t)size, "sha256", one));
	}
	if (text) {
		if (!EVP_Digest(text, strlen(text), sum, NULL, EVP_sha256(), NULL))
			return bb_err_set(err, -EIO, "sha256 failed");
		hex(sum, sizeof(sum), all + 65 * n++);
	}
	if (!EVP_Digest(all, 65 * n, sum, NULL, EVP_sha256(), NULL))
		return bb_err_set(err, -EIO, "sha256 failed");
	hex(sum, sizeof(sum), ret);
	return 0;
}

static int write_manifest(struct stage *b, const json_t *about, char digest[static 65],
			  struct bb_err *err)
{
	char path[PATHS_MAX], built[32];
	bb_auto_buf struct bb_buf release;
	json_auto_t *json = NULL;
	json_t *files = json_object();
	time_t now = time(NULL);
	struct tm tm;
	int r = describe(b, json_object_get(about, "env"), files, digest, err);

	bb_buf_init(&release, 1024);
	if (r == 0)
		r = paths_join(b->dir, "kernel.version", path, err);
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
	if (json && about)
		(void)json_object_update(json, (json_t *)(uintptr_t)about);
	r = paths_join(b->dir, "manifest.json", path, err);
	if (r == 0 && (!json || json_dump_file(json, path, JSON_INDENT(1)) < 0))
		r = bb_err_set(err, -EIO, "%s: cannot write", path);
	return r;
}

/* Drop what was only for building */
static int drop_leftovers(struct stage *b, struct bb_err *err)
{
	char modules[PATHS_MAX], list[PATHS_MAX];
	char *argv[] = {
		(char[]){ "rm" }, (char[]){ "-rf" }, (char[]){ "--" }, modules, list, NULL
	};
	int r = paths_join(b->dir, "modules", modules, err);

	if (r == 0)
		r = paths_join(b->dir, "modules.list", list, err);
	return r == 0 ? stage_run(b, argv, err) : r;
}

/* <store>/by-name/NAME → ../DIGEST, replaced by a rename */
static int point_name(struct stage *b, const char *digest, struct bb_err *err)
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

static int replace_manifest(struct stage *b, const char *final, struct bb_err *err)
{
	char from[PATHS_MAX], to[PATHS_MAX];
	int r = paths_join(b->dir, "manifest.json", from, err);

	if (r == 0)
		r = paths_join(final, "manifest.json", to, err);
	if (r == 0 && rename(from, to) < 0)
		r = bb_err_set(err, -errno, "%s: %s", to, strerror(errno));
	return r;
}

int stage_publish(struct stage *b, const json_t *about, struct bb_err *err)
{
	char final[PATHS_MAX], digest[65];
	int r = write_manifest(b, about, digest, err);

	if (r == 0)
		r = paths_join(b->store, digest, final, err);
	if (r == 0)
		r = drop_leftovers(b, err);
	if (r == 0 && rename(b->dir, final) < 0) {
		/* the same content is there already: only what is said of it changes */
		r = errno == ENOTEMPTY || errno == EEXIST
			    ? replace_manifest(b, final, err)
			    : bb_err_set(err, -errno, "%s: %s", final, strerror(errno));
	}
	return r == 0 ? point_name(b, digest, err) : r;
}

static int lock_store(struct stage *b, struct bb_err *err)
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

static int with_stage(struct stage *b, int (*fill)(struct stage *b, void *arg, struct bb_err *err),
		      void *arg, struct bb_err *err)
{
	int r;

	remove_stage(b); /* left by one that was killed */
	(void)mkdir(b->downloads, 0700);
	if (mkdir(b->dir, 0700) < 0)
		return bb_err_set(err, -errno, "%s: %s", b->dir, strerror(errno));
	r = fill(b, arg, err);
	remove_stage(b);
	return r;
}

int stage_with(struct stage *b, int (*fill)(struct stage *b, void *arg, struct bb_err *err),
	       void *arg, struct bb_err *err)
{
	struct sigaction act = { .sa_handler = on_interrupt }, old_int, old_term;
	int lock, r = image_store_dir(b->store, err);

	if (r == 0)
		r = paths_join(b->store, ".stage", b->dir, err);
	if (r == 0)
		r = paths_join(b->store, IMAGE_DOWNLOADS, b->downloads, err);
	if (r < 0)
		return r;
	interrupted = 0;
	(void)sigaction(SIGINT, &act, &old_int);
	(void)sigaction(SIGTERM, &act, &old_term);
	lock = lock_store(b, err);
	r = lock < 0 ? lock : with_stage(b, fill, arg, err);
	bb_closep(&lock);
	(void)sigaction(SIGINT, &old_int, NULL);
	(void)sigaction(SIGTERM, &old_term, NULL);
	return r;
}
