/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/copyfiles.h"
#include "base/printable.h"
#include "ipc/sock.h"
#include "proc/cli/session.h"
#include "workspace/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/statvfs.h>

/* Names that stay behind: whole ones in each message */
static int send_skips(int porter, struct bb_span names, struct bb_err *err)
{
	int r = 0;

	while (names.len && r == 0) {
		struct ipc_msg msg = { .type = IPC_COPY_SKIP, .fd = -1 };
		size_t n = names.len < IPC_DATA_MAX ? names.len : IPC_DATA_MAX;

		while (n && names.p[n - 1])
			n--;
		msg.u.data.data = (struct bb_span){ names.p, n };
		r = n ? ipc_send(porter, &msg, err)
		      : bb_err_set(err, -EINVAL, "copy: a name without an end");
		names = (struct bb_span){ names.p + n, names.len - n };
	}
	return r;
}

/* One COPY message to a new porter, and its answer */
static int copy_run(int control, struct ipc_msg *msg, struct bb_span skip, struct bb_err *err)
{
	bb_auto_close int porter = session_open(control, NULL, err);
	struct ipc_msg answer = { .fd = -1 };
	uint8_t buf[IPC_MSG_MAX];
	char text[600];
	int r;

	if (porter < 0)
		return porter;
	r = send_skips(porter, skip, err);
	if (r == 0)
		r = ipc_send(porter, msg, err);
	if (r == 0)
		r = ipc_recv(porter, buf, &answer, err);
	if (r < 0)
		return bb_err_wrap(err, "copy");
	bb_closep(&answer.fd);
	if (answer.type == IPC_FAILED)
		return bb_err_set(err, -EIO, "copy: %s",
				  bb_printable_span(answer.u.text.text, text, sizeof(text)));
	if (answer.type != IPC_COPY_DONE)
		return bb_err_set(err, -EBADMSG, "copy: unexpected %s", ipc_type_name(answer.type));
	if (answer.u.copy_done.err)
		return bb_err_set(err, -(int)answer.u.copy_done.err, "copy: %s",
				  bb_printable_span(answer.u.copy_done.text, text, sizeof(text)));
	if (answer.u.copy_done.text.len)
		(void)cli_error(0, "copy: %s",
				bb_printable_span(answer.u.copy_done.text, text, sizeof(text)));
	return 0;
}

int copy_directory_in(int control, const char *from, const char *to, struct bb_err *err)
{
	return copy_directory_but(control, from, to, (struct bb_span){ 0 }, err);
}

int copy_directory_but(int control, const char *from, const char *to, struct bb_span skip,
		       struct bb_err *err)
{
	bb_auto_close int fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ipc_msg msg = { .type = IPC_COPY_IN, .fd = fd };

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", from, strerror(errno));
	msg.u.copy.path = BB_SPAN_STR(to);
	return copy_run(control, &msg, skip, err);
}

int copy_in(int control, const char *from, const char *to, struct bb_err *err)
{
	bb_auto_free char *copy = strdup(from), *copy2 = strdup(from);
	const char *dir = copy ? dirname(copy) : NULL, *name = copy2 ? basename(copy2) : NULL;
	struct ipc_msg msg = { .type = IPC_COPY_IN };
	bb_auto_close int fd = -1;

	if (!dir || !name)
		return bb_err_set(err, -ENOMEM, "no memory");
	if (access(from, R_OK) < 0)
		return bb_err_set(err, -errno, "%s: %s", from, strerror(errno));
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "/") == 0)
		return copy_directory_in(control, from, to, err);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	msg.fd = fd;
	msg.u.copy.name = BB_SPAN_STR(name);
	msg.u.copy.path = BB_SPAN_STR(to);
	return copy_run(control, &msg, (struct bb_span){ 0 }, err);
}

/* Nine tenths of what is free: a guest does not fill the host's disk */
static uint64_t room_at(int fd)
{
	struct statvfs vfs;

	return fstatvfs(fd, &vfs) < 0 ? 0 : (uint64_t)vfs.f_bavail * vfs.f_frsize / 10 * 9;
}

/* The same of names, with what a workspace can have at most */
static uint32_t names_at(int fd)
{
	struct statvfs vfs;

	if (fstatvfs(fd, &vfs) < 0)
		return 0;
	/* none at all: a file system that does not count them */
	return vfs.f_files && vfs.f_favail / 10 * 9 < TREE_ENTRIES_MAX
		       ? (uint32_t)(vfs.f_favail / 10 * 9)
		       : TREE_ENTRIES_MAX;
}

int copy_out_raw(int control, const char *from, int to, struct bb_err *err)
{
	struct ipc_msg msg = { .type = IPC_COPY_OUT, .fd = to };

	msg.u.copy.path = BB_SPAN_STR(from);
	msg.u.copy.raw = true;
	msg.u.copy.limit = room_at(to);
	msg.u.copy.entries = names_at(to);
	return copy_run(control, &msg, (struct bb_span){ 0 }, err);
}

/* Without anything of the user's in it? One that cannot be listed is not */
static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	unsigned int n = 0;

	if (!dir) {
		bb_closep(&copy);
		return false;
	}
	errno = 0;
	while (n <= 2 && readdir(dir))
		n++;
	n = errno ? 3 : n;
	(void)closedir(dir);
	return n <= 2; /* "." and ".." */
}

/* The one name that may come from @from; "": it names a directory, whatever is in that */
static const char *only_name(const char *from)
{
	const char *slash = strrchr(from, '/'), *name = slash ? slash + 1 : from;

	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? "" : name;
}

int copy_out(int control, const char *from, const char *to, struct bb_err *err)
{
	bb_auto_close int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ipc_msg msg = { .type = IPC_COPY_OUT, .fd = fd };

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s (the target has to be a directory)", to,
				  strerror(errno));
	msg.u.copy.path = BB_SPAN_STR(from);
	msg.u.copy.name = BB_SPAN_STR(is_empty(fd) ? "" : only_name(from));
	msg.u.copy.limit = room_at(fd);
	msg.u.copy.entries = names_at(fd);
	return copy_run(control, &msg, (struct bb_span){ 0 }, err);
}
