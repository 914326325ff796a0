/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "state/bottle.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#define META_NAME "metadata.json"
#define META_MAX  (1u << 20)

int state_file_write(int dirfd, const char *name, struct bb_span data, struct bb_err *err)
{
	char tmp[64];
	bb_auto_close int fd = -1;
	int r;

	(void)snprintf(tmp, sizeof(tmp), ".%s.%d", name, (int)getpid());
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	r = bb_write_full(fd, data.p, data.len);
	if (r == 0 && (fsync(fd) < 0 || renameat(dirfd, tmp, dirfd, name) < 0 || fsync(dirfd) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, tmp, 0);
		return bb_err_set(err, r, "%s: %s", name, strerror(-r));
	}
	return 0;
}

/* A regular file of ours below @dirfd, whole. Return: 0 or -errno */
static int read_small(int dirfd, const char *name, struct bb_buf *buf)
{
	bb_auto_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : bb_read_all(fd, buf);
}

int state_file_read(int dirfd, const char *name, struct bb_buf *ret, struct bb_err *err)
{
	int r = read_small(dirfd, name, ret);

	return r < 0 ? bb_err_set(err, r, "%s: %s", name, strerror(-r)) : 0;
}

int state_meta_write(int state_fd, const json_t *meta, struct bb_err *err)
{
	bb_auto_free char *text = json_dumps(meta, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	if (!text)
		return bb_err_set(err, -ENOMEM, "metadata: out of memory");
	return state_file_write(state_fd, META_NAME, BB_SPAN_STR(text), err);
}

int state_meta_read(int state_fd, json_t **ret, struct bb_err *err)
{
	bb_auto_buf struct bb_buf buf;
	json_error_t why;
	json_t *meta;
	int r;

	bb_buf_init(&buf, META_MAX);
	r = read_small(state_fd, META_NAME, &buf);
	if (r < 0)
		return bb_err_set(err, r, "%s: %s", META_NAME, strerror(-r));
	meta = json_loadb((const char *)buf.p, buf.len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(meta)) {
		json_decref(meta);
		return bb_err_set(err, -EINVAL, "%s: line %d: %s", META_NAME, why.line,
				  meta ? "not an object" : why.text);
	}
	*ret = meta;
	return 0;
}

/* Field 22 of /proc/PID/stat, clock ticks since boot; 0 when it is gone or a zombie */
static unsigned long long start_time(pid_t pid)
{
	bb_auto_buf struct bb_buf buf;
	struct bb_err err = { 0 };
	unsigned long long start = 0;
	char path[32], state = 0;
	const char *text, *name_end;

	bb_buf_init(&buf, 4096);
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (bb_read_file(path, &buf, &err) < 0)
		return 0;
	text = bb_buf_str(&buf);
	/* The name may hold anything, parentheses too */
	name_end = text ? strrchr(text, ')') : NULL;
	if (!name_end)
		return 0;
	if (sscanf(name_end + 1,
		   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   &state, &start) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : start;
}

static int boot_id(char out[static 64], struct bb_err *err)
{
	bb_auto_buf struct bb_buf buf;
	size_t n;
	int r;

	bb_buf_init(&buf, 63);
	r = bb_read_file("/proc/sys/kernel/random/boot_id", &buf, err);
	if (r < 0)
		return r;
	for (n = 0; n < buf.len && buf.p[n] > ' '; n++)
		out[n] = (char)buf.p[n];
	out[n] = '\0';
	return 0;
}

int state_pid_write(int runtime_fd, pid_t pid, struct bb_err *err)
{
	unsigned long long start = start_time(pid);
	char boot[64], text[160];
	int r = boot_id(boot, err);

	if (r < 0)
		return r;
	if (start == 0)
		return bb_err_set(err, -ESRCH, "process %d is gone", (int)pid);
	(void)snprintf(text, sizeof(text), "%d %llu %s\n", (int)pid, start, boot);
	return state_file_write(runtime_fd, "pid", BB_SPAN_STR(text), err);
}

int state_pid_open(int runtime_fd, pid_t *ret_pid)
{
	bb_auto_buf struct bb_buf buf;
	bb_auto_close int pidfd = -1;
	struct bb_err err = { 0 };
	unsigned long long start;
	char boot[64], was[64];
	const char *text;
	int pid, r;

	bb_buf_init(&buf, 256);
	r = read_small(runtime_fd, "pid", &buf);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	text = bb_buf_str(&buf);
	if (!text || sscanf(text, "%d %llu %63s", &pid, &start, was) != 3 || pid <= 0 || start == 0)
		return -ESRCH;
	r = boot_id(boot, &err);
	if (r < 0)
		return r;
	if (strcmp(boot, was) != 0)
		return -ESRCH;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	/* Looked at after the pidfd is ours: a recycled number shows another start time */
	if (start_time(pid) != start)
		return -ESRCH;
	if (ret_pid)
		*ret_pid = pid;
	return BB_TAKE_FD(pidfd);
}
