/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

int bb_write_full(int fd, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int bb_read_full(int fd, void *p, size_t len)
{
	uint8_t *at = p;

	while (len) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Everything up to the end: from the fd's own offset, or from the start by pread */
static int append_all(int fd, struct bb_buf *b, bool from_start)
{
	uint8_t chunk[16384];
	off_t at = 0;

	for (;;) {
		ssize_t n = from_start ? pread(fd, chunk, sizeof(chunk), at)
				       : read(fd, chunk, sizeof(chunk));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		r = bb_buf_add(b, chunk, (size_t)n);
		if (r < 0)
			return r;
		at += n;
	}
}

int bb_read_all(int fd, struct bb_buf *b)
{
	return append_all(fd, b, false);
}

int bb_memfd_read(int fd, struct bb_buf *b)
{
	return append_all(fd, b, true);
}

int bb_read_file(const char *path, struct bb_buf *b, struct bb_err *err)
{
	bb_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", path, strerror(errno));
	r = bb_read_all(fd, b);
	if (r == -ENOBUFS)
		return bb_err_set(err, r, "%s: larger than %zu bytes", path, b->cap);
	if (r < 0)
		return bb_err_set(err, r, "%s: %s", path, strerror(-r));
	return 0;
}

int bb_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int bb_memfd_sealed(const char *name, struct bb_span data, struct bb_err *err)
{
	bb_auto_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return bb_err_set(err, -errno, "memfd %s: %s", name, strerror(errno));
	r = bb_write_full(fd, data.p, data.len);
	if (r < 0)
		return bb_err_set(err, r, "memfd %s: %s", name, strerror(-r));
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return bb_err_set(err, -errno, "memfd %s: %s", name, strerror(errno));
	return BB_TAKE_FD(fd);
}

bool bb_find_program(const char *name, char *ret, size_t size)
{
	const char *path = getenv("PATH");
	bb_auto_free char *copy = strdup(path ? path : "/usr/bin:/bin");
	char *save = NULL;

	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir;
	     dir = strtok_r(NULL, ":", &save)) {
		int n = snprintf(ret, size, "%s/%s", dir, name);

		if (n > 0 && (size_t)n < size && access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

static uint64_t clock_ms(clockid_t id)
{
	struct timespec ts;

	BB_BUG_ON(clock_gettime(id, &ts) < 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t bb_now_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

uint64_t bb_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}
