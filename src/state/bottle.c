/* SPDX-License-Identifier: Apache-2.0 */
#include "state/bottle.h"
#include "base/hash.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define SUFFIX_LEN 5
#define TRIES      16
#define LOCK_TRIES 50 /* 20 ms apart */
#define TREE_DEPTH 80 /* of a scratch directory: deeper than any copy */

void state_bottle_release(struct state_bottle *b)
{
	bb_closep(&b->state_fd);
	bb_closep(&b->runtime_fd);
	b->state_fd = -1;
	b->runtime_fd = -1;
}

static bool is_base36(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool state_identity_is_valid(const char *identity)
{
	size_t len = strlen(identity);

	if (len < SUFFIX_LEN + 2 || len >= STATE_IDENTITY_MAX || !is_base36(identity[0]) ||
	    identity[len - SUFFIX_LEN - 1] != '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_base36(identity[i]) && (identity[i] != '-' || i >= len - SUFFIX_LEN))
			return false;
	}
	return true;
}

void state_alias(const char *identity, struct ip_addr *ret)
{
	uint64_t h = bb_fnv1a64(BB_SPAN_STR(identity));

	/* FNV's low bits alone are weak: fold the upper half in */
	h ^= h >> 32;
	*ret = (struct ip_addr){ .family = 4, .a = { 127 } };
	ret->a[1] = (uint8_t)(64 + (h >> 16) % 64);
	ret->a[2] = (uint8_t)(h >> 8);
	ret->a[3] = (uint8_t)(1 + h % 254);
}

/* @name as a DNS label that leaves room for the suffix */
static size_t clean_name(const char *name, char out[static STATE_NAME_MAX])
{
	size_t n = 0;

	for (const char *c = name; *c && n < STATE_NAME_MAX - 1; c++) {
		char low = *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c;

		if (is_base36(low))
			out[n++] = low;
		else if (n > 0)
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	if (n == 0)
		out[n++] = 'b';
	return n;
}

static int random_suffix(char out[static SUFFIX_LEN + 1], struct bb_err *err)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	size_t n = 0;

	while (n < SUFFIX_LEN) {
		uint8_t byte;

		if (getrandom(&byte, 1, 0) != 1)
			return bb_err_set(err, -errno, "getrandom: %s", strerror(errno));
		if (byte < 252) /* 7 * 36: every digit equally often */
			out[n++] = digits[byte % 36];
	}
	out[n] = '\0';
	return 0;
}

/* Make <base>/<identity> and open it; -EEXIST when the name is taken */
static int make_dir(int base, const char *identity, int *ret, struct bb_err *err)
{
	if (mkdirat(base, identity, 0700) < 0 && errno == EEXIST)
		return -EEXIST;
	*ret = paths_open_private_at(base, identity, true, err);
	return *ret < 0 ? *ret : 0;
}

/* The one with the lock first: `cleanup` must not find the other without it */
static int make_both(int state, int runtime, struct state_bottle *b, struct bb_err *err)
{
	int r = make_dir(runtime, b->identity, &b->runtime_fd, err);

	if (r < 0)
		return r;
	r = state_lock(b->runtime_fd, err);
	if (r == 0)
		r = make_dir(state, b->identity, &b->state_fd, err);
	if (r < 0) {
		(void)unlinkat(runtime, b->identity, AT_REMOVEDIR);
		bb_closep(&b->runtime_fd);
		b->runtime_fd = -1;
	}
	return r;
}

int state_bottle_create(const struct paths *paths, const char *name, struct state_bottle *ret,
			struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_close int state = paths_open_private(paths->state, err);
	bb_auto_close int runtime = state < 0 ? -1 : paths_open_private(paths->runtime, err);
	size_t n = clean_name(name, b.identity);
	int r = -EEXIST;

	if (runtime < 0)
		return err->code;
	b.identity[n] = '-';
	for (unsigned int i = 0; i < TRIES && r == -EEXIST; i++) {
		r = random_suffix(b.identity + n + 1, err);
		if (r == 0)
			r = make_both(state, runtime, &b, err);
	}
	if (r == -EEXIST)
		return bb_err_set(err, r, "no free identity for %s", name);
	if (r < 0)
		return r;
	*ret = b;
	b.state_fd = -1;
	b.runtime_fd = -1;
	return 0;
}

int state_bottle_open(const struct paths *paths, const char *identity, bool runtime,
		      struct state_bottle *ret, struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_close int state = -1, base = -1;
	struct bb_err unused = { 0 };

	if (!state_identity_is_valid(identity))
		return bb_err_set(err, -EINVAL, "%s: not the name of a bottle", identity);
	state = paths_open_private(paths->state, err);
	if (state < 0)
		return state;
	b.state_fd = paths_open_private_at(state, identity, false, err);
	if (b.state_fd < 0)
		return b.state_fd;
	base = paths_open_private(paths->runtime, err);
	if (base < 0)
		return base;
	b.runtime_fd = paths_open_private_at(base, identity, runtime, runtime ? err : &unused);
	if (b.runtime_fd < 0 && runtime)
		return b.runtime_fd;
	b.runtime_fd = b.runtime_fd < 0 ? -1 : b.runtime_fd;
	memcpy(b.identity, identity, strlen(identity) + 1);
	*ret = b;
	b.state_fd = -1;
	b.runtime_fd = -1;
	return 0;
}

/* Remove what is in a directory of ours, and in directories in it: @depth deep. Borrows @fd */
static void empty_dir(int fd, unsigned int depth)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;

	if (!dir) {
		bb_closep(&copy);
		return;
	}
	while ((e = readdir(dir))) {
		bb_auto_close int sub = -1;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    unlinkat(fd, e->d_name, 0) == 0 || depth == 0)
			continue;
		sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			empty_dir(sub, depth - 1);
		(void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	(void)closedir(dir);
}

static int remove_dir(const char *base_path, const char *identity, struct bb_err *err)
{
	bb_auto_close int base = paths_open_private(base_path, err);
	bb_auto_close int fd = -1;

	if (base < 0)
		return base;
	fd = paths_open_private_at(base, identity, false, err);
	if (fd < 0)
		return fd;
	empty_dir(fd, TREE_DEPTH);
	if (unlinkat(base, identity, AT_REMOVEDIR) < 0)
		return bb_err_set(err, -errno, "%s/%s: %s", base_path, identity, strerror(errno));
	return 0;
}

int state_scratch_make(int state_fd, const char *name, struct bb_err *err)
{
	bb_auto_close int fd = paths_open_private_at(state_fd, name, true, err);

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return bb_err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
				  "another command is at this bottle's files");
	empty_dir(fd, TREE_DEPTH);
	return BB_TAKE_FD(fd);
}

void state_scratch_remove(int state_fd, const char *name, int fd)
{
	empty_dir(fd, TREE_DEPTH);
	(void)unlinkat(state_fd, name, AT_REMOVEDIR);
}

void state_runtime_remove(const struct paths *paths, const char *identity)
{
	struct bb_err err = { 0 };

	if (state_identity_is_valid(identity) && remove_dir(paths->runtime, identity, &err) < 0)
		return; /* not there, or a later cleanup removes it */
}

int state_lock(int state_fd, struct bb_err *err)
{
	if (flock(state_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return bb_err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
			  errno == EWOULDBLOCK ? "the bottle is running" : "lock: %s",
			  strerror(errno));
}

/* One that is ending has said so already, and holds on for as long as its processes take to go */
static int lock_soon(int state_fd, struct bb_err *err)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int r = -EBUSY;

	for (unsigned int i = 0; i < LOCK_TRIES && r == -EBUSY; i++) {
		if (i)
			(void)nanosleep(&pause, NULL);
		*err = (struct bb_err){ 0 };
		r = state_lock(state_fd, err);
	}
	return r;
}

int state_bottle_remove(const struct paths *paths, const char *identity,
			int (*forget)(const json_t *note, const char *identity, struct bb_err *err),
			const json_t *note, struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_close int pidfd = -1;
	int r = state_bottle_open(paths, identity, false, &b, err);

	if (r < 0)
		return r;
	pidfd = b.runtime_fd < 0 ? -1 : state_pid_open(b.runtime_fd, NULL);
	if (pidfd >= 0)
		return bb_err_set(err, -EBUSY, "%s is running", identity);
	r = lock_soon(b.state_fd, err);
	if (r == 0 && b.runtime_fd >= 0)
		r = state_lock(b.runtime_fd, err); /* else it is being started */
	if (r == 0 && forget)
		r = forget(note, identity, err);
	if (r < 0)
		return bb_err_wrap(err, "%s", identity);
	state_runtime_remove(paths, identity);
	return remove_dir(paths->state, identity, err);
}
