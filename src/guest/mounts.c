/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/mounts.h"
#include "base/io.h"
#include "guest/copytree.h"
#include "guest/say.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define DEVICE_WAIT_MS 3000
#define DISK           "/disk"
#define DISK_LATER     "/run/.disk" /* where the disk's root is while homes are set up */

static int mount_on(const char *what, const char *where, const char *type, unsigned long flags,
		    const char *data, struct bb_err *err)
{
	if (mkdir(where, 0755) < 0 && errno != EEXIST)
		return bb_err_set(err, -errno, "mkdir %s: %s", where, strerror(errno));
	if (mount(what, where, type, flags, data) < 0)
		return bb_err_set(err, -errno, "mount %s on %s: %s", what, where, strerror(errno));
	return 0;
}

int mounts_early(struct bb_err *err)
{
	int r, fd;

	if ((r = mount_on("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL, err)) <
		    0 ||
	    (r = mount_on("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL, err)) <
		    0 ||
	    (r = mount_on("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755", err)) < 0)
		return r;
	/* 0, 1 and 2 must be open for good: the kernel opens them only if the archive has a node */
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 2)
		fd = dup(fd);
	if (fd > 2) {
		for (int i = 0; i < 3; i++)
			(void)dup2(fd, i);
		(void)close(fd);
	}
	return 0;
}

static void load_module(const char *path)
{
	bb_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		say("module %s: %s", path, strerror(errno));
	(void)unlink(path); /* its memory is ours again */
}

void mounts_modules(const char *list)
{
	struct bb_err err = { 0 };
	bb_auto_buf struct bb_buf b;
	char *text, *line;

	bb_buf_init(&b, 65536);
	if (bb_read_file(list, &b, &err) < 0 || bb_buf_add(&b, "", 1) < 0) {
		say("%s", err.msg);
		return;
	}
	text = (char *)b.p;
	while ((line = strsep(&text, "\n")))
		if (*line == '/')
			load_module(line);
}

static int wait_for_device(const char *path, struct bb_err *err)
{
	for (int ms = 0; ms < DEVICE_WAIT_MS; ms += 10) {
		if (access(path, F_OK) == 0)
			return 0;
		(void)usleep(10000);
	}
	return bb_err_set(err, -ENODEV, "%s did not appear", path);
}

int mounts_root(struct bb_err *err)
{
	static const char *const dirs[] = { DISK "/upper", DISK "/work", DISK "/data" };
	int r;

	if ((r = wait_for_device("/dev/vda", err)) < 0 ||
	    (r = wait_for_device("/dev/vdb", err)) < 0 ||
	    (r = mount_on("/dev/vda", "/lower", "erofs", MS_RDONLY, NULL, err)) < 0 ||
	    (r = mount_on("/dev/vdb", DISK, "ext4", MS_NOATIME, NULL, err)) < 0)
		return r;
	for (size_t i = 0; i < BB_ARRAY_LEN(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0 && errno != EEXIST)
			return bb_err_set(err, -errno, "mkdir %s: %s", dirs[i], strerror(errno));
	return mount_on("overlay", "/newroot", "overlay", MS_NOATIME,
			"lowerdir=/lower,upperdir=" DISK "/upper,workdir=" DISK
			"/work,redirect_dir=on",
			err);
}

/* A mount point inside the image, made where it is missing */
static int move_mount_to(const char *from, const char *to, struct bb_err *err)
{
	if (mkdir(to, 0755) < 0 && errno != EEXIST)
		return bb_err_set(err, -errno, "mkdir %s: %s", to, strerror(errno));
	if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
		return bb_err_set(err, -errno, "move %s: %s", from, strerror(errno));
	return 0;
}

int mounts_switch(struct bb_err *err)
{
	int r;

	if ((r = move_mount_to("/proc", "/newroot/proc", err)) < 0 ||
	    (r = move_mount_to("/sys", "/newroot/sys", err)) < 0 ||
	    (r = move_mount_to("/dev", "/newroot/dev", err)) < 0 ||
	    (r = mount_on("tmpfs", "/newroot/run", "tmpfs", MS_NOSUID | MS_NODEV,
			  "mode=0755,size=25%", err)) < 0 ||
	    (r = move_mount_to(DISK, "/newroot" DISK_LATER, err)) < 0)
		return r;
	(void)unlink("/init");
	(void)unlink("/modules.list");
	if (chdir("/newroot") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return bb_err_set(err, -errno, "switching the root: %s", strerror(errno));
	return 0;
}

static void late(const char *what, const char *where, const char *type, unsigned long flags,
		 const char *data)
{
	struct bb_err err = { 0 };

	if (mount_on(what, where, type, flags, data, &err) < 0)
		say("%s", err.msg);
}

static void link_dev(const char *target, const char *path)
{
	(void)unlink(path);
	if (symlink(target, path) < 0)
		say("%s: %s", path, strerror(errno));
}

void mounts_late(void)
{
	bb_auto_close int fd = -1;

	late("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
	     "gid=5,mode=0620,ptmxmode=0666");
	late("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=50%");
	late("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	late("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	link_dev("/proc/self/fd", "/dev/fd");
	link_dev("/proc/self/fd/0", "/dev/stdin");
	link_dev("/proc/self/fd/1", "/dev/stdout");
	link_dev("/proc/self/fd/2", "/dev/stderr");
	link_dev("pts/ptmx", "/dev/ptmx");
	(void)mkdir("/run/lock", 01777);
	fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "+memory +pids", 13);
}

static void make_path(const char *path)
{
	char at[512];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(at, sizeof(at), "%.*s", (int)(slash - path), path);
		(void)mkdir(at, 0755);
	}
	(void)mkdir(path, 0755);
}

/* One directory of the disk over one of the root */
static void bind_dir(const char *name, const char *where, mode_t mode, uid_t uid, gid_t gid,
		     bool copy)
{
	char path[128];
	bool is_new;

	(void)snprintf(path, sizeof(path), DISK_LATER "/data/%s", name);
	is_new = mkdir(path, 0700) == 0;
	if (is_new && copy && access(where, F_OK) == 0)
		copytree(where, path);
	if (is_new && (chown(path, uid, gid) < 0 || chmod(path, mode) < 0))
		say("%s: %s", path, strerror(errno));
	make_path(where);
	if (mount(path, where, NULL, MS_BIND, NULL) < 0)
		say("%s: %s", where, strerror(errno));
}

void mounts_disk_dirs(const struct user *u)
{
	bind_dir("tmp", "/tmp", 01777, 0, 0, false);
	bind_dir("workspace", "/workspace", 0755, u->uid, u->gid, false);
	bind_dir("docker", "/var/lib/docker", 0710, 0, 0, false);
	if (strncmp(u->home, "/home/", 6) == 0)
		bind_dir("home", u->home, 0755, u->uid, u->gid, true);
	/* the mounts above hold it; nobody needs the whole disk, whose upper/ must not be touched
	 */
	if (umount2(DISK_LATER, MNT_DETACH) < 0)
		say("%s: %s", DISK_LATER, strerror(errno));
	(void)rmdir(DISK_LATER);
}
