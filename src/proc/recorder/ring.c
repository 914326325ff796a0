/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/ring.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define HALF (RING_MAX / 2)

static int ring_err(const struct ring *ring, struct bb_err *err)
{
	return bb_err_set(err, -errno, "%s: %s", ring->name, strerror(errno));
}

static int write_at(const struct ring *ring, const uint8_t *p, size_t len, size_t off,
		    struct bb_err *err)
{
	while (len) {
		ssize_t n = pwrite(ring->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ring_err(ring, err);
		p += n;
		off += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Move the newest half, from its first whole line, to the front */
static int halve(struct ring *ring, struct bb_err *err)
{
	bb_auto_free uint8_t *half = malloc(HALF);
	const uint8_t *from, *newline;
	size_t keep, off = ring->len > HALF ? ring->len - HALF : 0;
	ssize_t n;
	int r;

	if (!half)
		return bb_err_set(err, -ENOMEM, "%s: out of memory", ring->name);
	n = pread(ring->fd, half, HALF, (off_t)off);
	if (n < 0)
		return ring_err(ring, err);
	newline = memchr(half, '\n', (size_t)n);
	from = newline ? newline + 1 : half;
	keep = (size_t)(half + n - from);
	r = write_at(ring, from, keep, 0, err);
	if (r == 0 && ftruncate(ring->fd, (off_t)keep) < 0)
		r = ring_err(ring, err);
	if (r == 0)
		ring->len = keep;
	return r;
}

int ring_open(int dirfd, const char *name, struct ring *ring, struct bb_err *err)
{
	bb_auto_close int fd =
		openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return bb_err_set(err, -EINVAL, "%s: not a regular file", name);
	*ring = (struct ring){ .name = name, .fd = BB_TAKE_FD(fd), .len = (size_t)st.st_size };
	return 0;
}

void ring_release(struct ring *ring)
{
	bb_closep(&ring->fd);
	ring->fd = -1;
}

int ring_add(struct ring *ring, struct bb_span text, struct bb_err *err)
{
	int r = 0;

	if (text.len > HALF)
		text = (struct bb_span){ text.p + text.len - HALF, HALF };
	if (ring->len + text.len > RING_MAX)
		r = halve(ring, err);
	if (r == 0)
		r = write_at(ring, text.p, text.len, ring->len, err);
	if (r == 0)
		ring->len += text.len;
	return r;
}
