/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* mke2fs on the descriptor; no journal options that need root, 13 ms for a sparse 8 GiB */
static int run_mke2fs(int fd, struct bb_err *err)
{
	char path[32];
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return bb_err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0) {
		char *argv[] = { (char[]){ "mke2fs" },
				 (char[]){ "-q" },
				 (char[]){ "-F" },
				 (char[]){ "-t" },
				 (char[]){ "ext4" },
				 (char[]){ "-m" },
				 (char[]){ "0" },
				 (char[]){ "-E" },
				 (char[]){
					 "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0" },
				 path,
				 NULL };
		char *env[] = { (char[]){ "PATH=/usr/sbin:/sbin:/usr/bin:/bin" }, NULL };
		int copy = dup(fd); /* without CLOEXEC */
		int null = open("/dev/null", O_RDWR);

		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
		(void)execvpe(argv[0], argv, env);
		(void)execve("/sbin/mke2fs", argv, env);
		(void)execve("/usr/sbin/mke2fs", argv, env);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		return bb_err_set(err, -errno, "mke2fs: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return bb_err_set(err, -ENOENT, "mke2fs is missing: apt-get install e2fsprogs");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return bb_err_set(err, -EIO, "mke2fs failed");
	return 0;
}

int image_make_disk(int dirfd, const char *name, uint64_t bytes, struct bb_err *err)
{
	bb_auto_close int fd =
		openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	if (ftruncate(fd, (off_t)bytes) < 0)
		r = bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	else
		r = run_mke2fs(fd, err);
	if (r < 0) {
		(void)unlinkat(dirfd, name, 0);
		return r;
	}
	return BB_TAKE_FD(fd);
}
