/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline INIT: boots the image's kernel with bottled's own QEMU command line, but without the
 * vsock device and with INIT (bench/init.c) in place of ours. Prints seconds of CPU and wall time
 * as JSON.
 */
#include "base/io.h"
#include "image/cpio.h"
#include "image/image.h"
#include "vmm/accel.h"
#include "vmm/vmm.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int fail(const struct bb_err *err)
{
	(void)fprintf(stderr, "baseline: %s\n", err->msg);
	return 1;
}

static int build_initrd(const struct image *image, const char *init, struct bb_err *err)
{
	bb_auto_buf struct bb_buf out, program;
	int r;

	bb_buf_init(&out, IMAGE_INITRD_MAX);
	bb_buf_init(&program, 16u << 20);
	r = bb_read_file(init, &program, err);
	if (r == 0)
		r = bb_read_file(image->modules_path, &out, err);
	if (r < 0)
		return r;
	if (cpio_dir(&out, "dev") < 0 || cpio_chardev(&out, "dev/console", 5, 1) < 0 ||
	    cpio_file(&out, "init", 0755, bb_buf_span(&program)) < 0 || cpio_end(&out) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	return bb_memfd_sealed("initrd", bb_buf_span(&out), err);
}

/* The vsock device and its socket out of the command line */
static void without_vsock(struct vmm_command *cmd)
{
	size_t to = 0;

	for (size_t i = 0; i < cmd->n; i++) {
		bool pair = i + 1 < cmd->n && strstr(cmd->argv[i + 1], "vsock");

		if (pair) {
			free(cmd->argv[i++]);
			free(cmd->argv[i]);
			continue;
		}
		cmd->argv[to++] = cmd->argv[i];
	}
	cmd->n = to;
	cmd->argv[to] = NULL;
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

/* Place the descriptors as vmm.h says, and become QEMU */
_Noreturn static void become(const char *path, char *const *argv, const int *fds)
{
	int high[VMM_FD_END];

	for (int i = VMM_FD_KERNEL; i < VMM_FD_END; i++)
		high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 100);
	for (int i = VMM_FD_KERNEL; i < VMM_FD_END; i++) {
		if (high[i] >= 0)
			(void)dup2(high[i], i);
	}
	(void)execv(path, argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct vmm_config config = { .accel = VMM_ACCEL_TCG,
				     .memory_bytes = 2ull << 30,
				     .cpus = 2 };
	struct vmm_accel_choice accel;
	char path[PATHS_MAX], dir[] = "/tmp/bb-baseline-XXXXXX", seen[65536] = "";
	int fds[VMM_FD_END], console[2], qmp[2], dirfd;
	uint64_t start = bb_now_ms();
	struct vmm_command cmd;
	struct bb_err err = { 0 };
	struct image image;
	struct rusage usage;
	size_t have = 0;
	ssize_t n;
	pid_t pid;

	if (argc != 2 || !mkdtemp(dir))
		return 2;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < VMM_FD_END; i++)
		fds[i] = -1;
	if (image_open("base", &image, &err) < 0 || vmm_accel_choose("auto", &accel, &err) < 0 ||
	    vmm_find(path, sizeof(path), &err) < 0)
		return fail(&err);
	config.accel = accel.accel;
	config.tsc_khz = accel.accel == VMM_ACCEL_TCG ? vmm_tsc_khz() : 0;
	fds[VMM_FD_KERNEL] = open(image.kernel_path, O_RDONLY | O_CLOEXEC);
	fds[VMM_FD_ROOT] = open(image.root_path, O_RDONLY | O_CLOEXEC);
	fds[VMM_FD_INITRD] = build_initrd(&image, argv[1], &err);
	fds[VMM_FD_DISK] = image_make_disk(dirfd, "disk", 8ull << 30, &err);
	if (err.code || vmm_command_build(&config, &cmd, &err) < 0)
		return fail(&err);
	without_vsock(&cmd);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) < 0)
		return 1;
	fds[VMM_FD_CONSOLE] = console[1];
	fds[VMM_FD_QMP] = qmp[1];
	pid = fork();
	if (pid == 0)
		become(path, cmd.argv, fds);
	(void)close(console[1]);
	(void)close(qmp[1]);
	while ((n = read(console[0], seen + have, sizeof(seen) - 1 - have)) > 0)
		have += (size_t)n;
	(void)wait4(pid, NULL, 0, &usage);
	(void)getrusage(RUSAGE_CHILDREN, &usage); /* mke2fs as well */
	(void)unlinkat(dirfd, "disk", 0);
	(void)rmdir(dir);
	if (!strstr(seen, "hello")) {
		(void)fprintf(stderr, "baseline: no hello on the console:\n%s\n", seen);
		return 1;
	}
	(void)printf("{\"cpu_s\": %.3f, \"wall_s\": %.3f, \"accel\": \"%s\"}\n",
		     seconds(usage.ru_utime) + seconds(usage.ru_stime),
		     (double)(bb_now_ms() - start) / 1000, vmm_accel_str[accel.accel]);
	return 0;
}
