/* SPDX-License-Identifier: Apache-2.0 */
#include "state/audit_files.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

void audit_file_name(unsigned int n, char out[static AUDIT_NAME_MAX])
{
	if (n)
		(void)snprintf(out, AUDIT_NAME_MAX, "audit.%u.jsonl", n);
	else
		(void)snprintf(out, AUDIT_NAME_MAX, "audit.jsonl");
}

int audit_file_open(int dir, const char *name, struct bb_err *err)
{
	bb_auto_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return bb_err_set(err, -EINVAL, "%s: not a regular file", name);
	return BB_TAKE_FD(fd);
}

static int open_file(int dir, unsigned int n, struct bb_err *err)
{
	char name[AUDIT_NAME_MAX];

	audit_file_name(n, name);
	return audit_file_open(dir, name, err);
}

bool audit_file_is_numbered(int dir, unsigned int n)
{
	char name[AUDIT_NAME_MAX];

	audit_file_name(n, name);
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int audit_file_after(int dir, unsigned int *n, bool *ret_last, struct bb_err *err)
{
	unsigned int next = *n + 1;
	struct bb_err none = { 0 };
	int fd = open_file(dir, next, &none);

	*ret_last = fd == -ENOENT;
	if (*ret_last)
		fd = open_file(dir, 0, err);
	/* moved between the two looks: it is the numbered one that comes now */
	if (*ret_last && audit_file_is_numbered(dir, next)) {
		bb_closep(&fd);
		*err = (struct bb_err){ 0 };
		*ret_last = false;
		fd = open_file(dir, next, &none);
	}
	if (fd < 0 && !*ret_last)
		*err = none;
	if (fd >= 0)
		*n = next;
	return fd;
}

int audit_file_rotate(int dir, struct bb_err *err)
{
	char old[AUDIT_NAME_MAX], new[AUDIT_NAME_MAX];
	unsigned int n = 1;
	int fd;

	audit_file_name(0, old);
	while (n <= AUDIT_FILES_MAX && audit_file_is_numbered(dir, n))
		n++;
	if (n > AUDIT_FILES_MAX)
		return bb_err_set(err, -EMFILE, "%s: %u files are there already", old,
				  AUDIT_FILES_MAX);
	audit_file_name(n, new);
	if (renameat2(dir, old, dir, new, RENAME_NOREPLACE) < 0)
		return bb_err_set(err, -errno, "%s to %s: %s", old, new, strerror(errno));
	fd = openat(dir, old, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	(void)bb_err_set(err, -errno, "%s: %s", old, strerror(errno));
	(void)renameat2(dir, new, dir, old, RENAME_NOREPLACE); /* recorder still has it open */
	return err->code;
}
