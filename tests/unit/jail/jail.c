/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include "tests/unit/jail/alone.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define OK 0
#ifdef BB_JAIL_LOG_ONLY
#define KILLED OK
#else
#define KILLED (-SIGSYS)
#endif

typedef int (*child_fn)(void);

/* Run in a child. Return: its exit code, or -signal */
static int in_child(child_fn fn)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void lock_common(void)
{
	struct bb_err err = { 0 };

	if (jail_begin(NULL, 0, &err) < 0 || jail_lock(&jail_common, 1, &err) < 0) {
		(void)dprintf(STDERR_FILENO, "%s\n", err.msg);
		_exit(99);
	}
}

static int does_nothing(void)
{
	lock_common();
	return OK;
}

static int uses_memory(void)
{
	void *p, *q;

	lock_common();
	p = malloc(8u << 20);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!p || q == MAP_FAILED)
		return 1;
	memset(p, 1, 8u << 20);
	free(p);
	return OK;
}

static int maps_code(void)
{
	lock_common();
	(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	return OK;
}

static int opens_file(void)
{
	lock_common();
	(void)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
	return OK;
}

static int opens_socket(void)
{
	lock_common();
	(void)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	return OK;
}

static int makes_pair(void)
{
	int fds[2];

	lock_common();
	(void)syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds);
	return OK;
}

static int signals_parent(void)
{
	pid_t parent = getppid();

	lock_common();
	(void)syscall(SYS_kill, parent, 0);
	return OK;
}

static int signals_parent_thread(void)
{
	pid_t parent = getppid();

	lock_common();
	(void)syscall(SYS_tgkill, parent, parent, 0);
	return OK;
}

static int forks(void)
{
	lock_common();
	if (syscall(SYS_fork) == 0)
		_exit(0);
	return OK;
}

static int sends_to_address(void)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };

	lock_common();
	(void)syscall(SYS_sendto, 0, "x", 1, 0, &sa, sizeof(sa));
	return OK;
}

static int asks_ioctl(void)
{
	lock_common();
	(void)syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x");
	return OK;
}

static int uses_x32(void)
{
	lock_common();
	(void)syscall(0x40000000 | SYS_getpid);
	return OK;
}

/* abort() shows as abort, not as a filter kill */
static int aborts(void)
{
	lock_common();
	abort();
}

static void common_table(void **state)
{
	static const struct {
		const char *what;
		child_fn fn;
		int want;
	} cases[] = {
		{ "nothing", does_nothing, OK },
		{ "memory", uses_memory, OK },
		{ "abort", aborts, -SIGABRT },
		{ "executable memory", maps_code, KILLED },
		{ "open", opens_file, KILLED },
		{ "socket", opens_socket, KILLED },
		{ "socketpair", makes_pair, KILLED },
		{ "kill", signals_parent, KILLED },
		{ "tgkill another", signals_parent_thread, KILLED },
		{ "fork", forks, KILLED },
		{ "sendto with an address", sends_to_address, KILLED },
		{ "ioctl", asks_ioctl, KILLED },
#ifdef __x86_64__
		{ "x32", uses_x32, -SIGSYS },
#endif
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].what);
		assert_int_equal(in_child(cases[i].fn), cases[i].want);
	}
}

/* A role's own table adds to the common one, with its argument checks */
static const struct jail_rule dial_rules[] = {
	JAIL_IF2(socket, JAIL_INT(0, AF_INET), JAIL_BITS(1, 0xf, SOCK_STREAM)),
};

static int dials(int family, int type)
{
	const struct jail_table tables[] = { jail_common, JAIL_TABLE(dial_rules) };
	struct bb_err err = { 0 };

	if (jail_lock(tables, BB_ARRAY_LEN(tables), &err) < 0)
		return 99;
	return syscall(SYS_socket, family, type, 0) < 0 ? 1 : OK;
}

static int dials_tcp(void)
{
	return dials(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
}

static int dials_udp(void)
{
	return dials(AF_INET, SOCK_DGRAM);
}

static int dials_unix(void)
{
	return dials(AF_UNIX, SOCK_STREAM);
}

static void own_table(void **state)
{
	(void)state;
	assert_int_equal(in_child(dials_tcp), OK);
	assert_int_equal(in_child(dials_udp), KILLED);
	assert_int_equal(in_child(dials_unix), KILLED);
}

/* ---- a connection that dialer has made ---- */

static struct sockaddr_in elsewhere;

static int listen_on(struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	ret->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static int passed = -1;

/* The first call finds it reset, the next ones connect */
static int leads_it_elsewhere(void)
{
	struct iovec iov = { "x", 1 };
	struct msghdr mh = { .msg_name = &elsewhere,
			     .msg_namelen = sizeof(elsewhere),
			     .msg_iov = &iov,
			     .msg_iovlen = 1 };

	lock_common();
	for (int i = 0; i < 3; i++)
		(void)syscall(SYS_sendmsg, passed, &mh, MSG_FASTOPEN | MSG_NOSIGNAL);
	return OK;
}

static void a_connection_stays_where_it_was_made_to(void **state)
{
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in allowed;
	int listener = listen_on(&allowed), other = listen_on(&elsewhere), far;
	struct pollfd ready = { .events = POLLOUT }, come = { .fd = other, .events = POLLIN };

	(void)state;
	passed = ready.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(passed, (struct sockaddr *)&allowed, sizeof(allowed)), -1);
	assert_int_equal(poll(&ready, 1, 1000), 1);
	far = accept(listener, NULL, NULL);
	assert_int_equal(setsockopt(far, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	assert_int_equal(close(far), 0);
	assert_int_equal(in_child(leads_it_elsewhere), KILLED);
#ifndef BB_JAIL_LOG_ONLY
	assert_int_equal(poll(&come, 1, 100), 0);
#endif
	(void)come;
	(void)close(passed);
	(void)close(other);
	(void)close(listener);
}

static int begins(void)
{
	struct bb_err err = { 0 };
	struct rlimit core, files;
	const int keep[] = { 5, 8 };

	for (int fd = 3; fd < 12; fd++) {
		if (dup2(STDERR_FILENO, fd) != fd)
			return 1;
	}
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0)
		return 2;
	for (int fd = 0; fd < 12; fd++) {
		bool want = fd < 3 || fd == 5 || fd == 8;

		if ((fcntl(fd, F_GETFD) >= 0) != want)
			return 3;
	}
	if (prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 4;
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
		return 5;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur != files.rlim_max)
		return 6;
	return OK;
}

static bool is_eperm(long r)
{
	return r < 0 && errno == EPERM;
}

/* The user's other processes: neither a signal nor a limit, also not by way of a descriptor */
static bool signals_only_itself(void)
{
	const struct rlimit none = { 0, 0 };
	int fds[2];

	if (kill(getpid(), 0) < 0 || syscall(SYS_tgkill, getpid(), gettid(), 0) < 0 ||
	    prlimit(0, RLIMIT_CORE, &none, NULL) < 0 || pipe(fds) < 0)
		return false;
	return is_eperm(kill(getppid(), 0)) && is_eperm(kill(0, 0)) && is_eperm(kill(-1, 0)) &&
	       is_eperm(syscall(SYS_tgkill, getppid(), getppid(), 0)) &&
	       is_eperm(syscall(SYS_tkill, getppid(), 0)) &&
	       is_eperm(syscall(SYS_rt_sigqueueinfo, getppid(), 0, NULL)) &&
	       is_eperm(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), 0, NULL)) &&
	       is_eperm(syscall(SYS_pidfd_open, getppid(), 0)) &&
	       is_eperm(syscall(SYS_pidfd_send_signal, fds[0], 0, NULL, 0)) &&
	       is_eperm(prlimit(getppid(), RLIMIT_CORE, &none, NULL)) &&
	       is_eperm(fcntl(fds[0], F_SETOWN, getppid())) &&
	       is_eperm(fcntl(fds[0], F_SETSIG, SIGKILL));
}

/* Nor how much of the processors and the disk they get */
static bool slows_only_itself(void)
{
	const struct sched_param param = { 0 };
	const uint32_t attr[12] = { sizeof(attr), SCHED_IDLE };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setscheduler(0, SCHED_OTHER, &param) < 0 || syscall(SYS_gettid) <= 0 ||
	    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0)) < 0)
		return false;
	return is_eperm(sched_setaffinity(getppid(), sizeof(one), &one)) &&
	       is_eperm(sched_setscheduler(getppid(), SCHED_IDLE, &param)) &&
	       is_eperm(sched_setparam(getppid(), &param)) &&
	       is_eperm(syscall(SYS_sched_setattr, getppid(), attr, 0)) &&
	       is_eperm(setpriority(PRIO_PROCESS, (id_t)getppid(), 0)) &&
	       is_eperm(setpriority(PRIO_PGRP, 0, 19)) && is_eperm(setpriority(PRIO_USER, 0, 19)) &&
	       is_eperm(syscall(SYS_ioprio_set, 1, getppid(), 0)) &&
	       is_eperm(syscall(SYS_ioprio_set, 3, 0, 0)) &&
	       is_eperm(syscall(SYS_migrate_pages, getppid(), 0, NULL, NULL)) &&
	       is_eperm(syscall(SYS_move_pages, getppid(), 0, NULL, NULL, NULL, 0));
}

/* By the calls that are newer than mount(2) and unshare(2), too */
static bool makes_no_namespace_and_no_mount(void)
{
	static const unsigned int kinds[] = { CLONE_NEWUSER,  CLONE_NEWNET, CLONE_NEWNS,
					      CLONE_NEWPID,   CLONE_NEWIPC, CLONE_NEWUTS,
					      CLONE_NEWCGROUP };

	for (size_t i = 0; i < BB_ARRAY_LEN(kinds); i++) {
		long pid = syscall(SYS_clone, kinds[i] | SIGCHLD, NULL, NULL, NULL, NULL);

		if (pid == 0)
			_exit(0);
		if (!is_eperm(pid))
			return false;
	}
	if (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS) /* glibc then takes clone() */
		return false;
	return is_eperm(syscall(SYS_fsopen, "tmpfs", 0)) &&
	       is_eperm(syscall(SYS_fspick, AT_FDCWD, "/", 0)) &&
	       is_eperm(syscall(SYS_fsmount, -1, 0, 0)) &&
	       is_eperm(syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0)) &&
	       is_eperm(syscall(SYS_open_tree, AT_FDCWD, "/", 1)) &&
	       is_eperm(syscall(SYS_move_mount, -1, "", -1, "", 0)) &&
	       is_eperm(syscall(SYS_mount_setattr, -1, "", 0, NULL, 0)) && is_eperm(chroot("/"));
}

/* What gate holds of dialer's it could pass on: a socket is led nowhere by sending either */
static bool connects_by_no_send(void)
{
	struct mmsghdr none = { 0 };

	return is_eperm(syscall(SYS_sendmsg, -1, &none.msg_hdr, MSG_FASTOPEN)) &&
	       is_eperm(syscall(SYS_sendmmsg, -1, &none, 1, MSG_NOSIGNAL | MSG_FASTOPEN)) &&
	       is_eperm(syscall(SYS_sendto, -1, "x", 1, MSG_FASTOPEN, NULL, 0)) &&
	       sendmsg(-1, &none.msg_hdr, MSG_NOSIGNAL) < 0 && errno == EBADF;
}

static int vmm_filter(void)
{
	struct iovec iov = { 0 };
	struct bb_err err = { 0 };
	int fds[2];

	if (jail_vmm(&err) < 0)
		return 1;
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 2;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) >= 0 || errno != EPERM)
		return 3;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) >= 0 || errno != EPERM)
		return 4;
	if (process_vm_readv(getpid(), &iov, 1, &iov, 1, 0) >= 0 || errno != EPERM)
		return 5;
	if (syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM)
		return 6;
	if (syscall(SYS_pidfd_getfd, 0, 0, 0) >= 0 || errno != EPERM)
		return 7;
	if (open("/etc/passwd", O_RDONLY) < 0)
		return 8;
	if (!signals_only_itself())
		return 11;
	if (!connects_by_no_send())
		return 12;
	if (!slows_only_itself())
		return 13;
	if (!makes_no_namespace_and_no_mount())
		return 14;
	/* what it execs inherits the filter */
	(void)execl("/usr/bin/env", "env", "python3", "-c",
		    "import socket,sys\n"
		    "try: socket.socket()\n"
		    "except PermissionError: sys.exit(0)\n"
		    "sys.exit(9)",
		    (char *)NULL);
	return 10;
}

static int orphan_is_refused(void)
{
	struct bb_err err = { 0 };

	return jail_die_with_parent(getppid(), &err) == 0 &&
			       jail_die_with_parent(getpid(), &err) == -ESRCH
		       ? OK
		       : 1;
}

/* The child dies as soon as its parent does */
static void dies_with_parent(void **state)
{
	int fds[2];
	pid_t middle;
	char c;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	middle = fork();
	if (middle == 0) {
		pid_t self = getpid();
		struct bb_err err = { 0 };

		if (fork() == 0) {
			if (jail_die_with_parent(self, &err) < 0 || write(fds[1], "r", 1) != 1)
				_exit(1);
			(void)pause();
			_exit(0);
		}
		(void)pause();
		_exit(0);
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(kill(middle, SIGKILL), 0);
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	assert_int_equal(read(fds[0], &c, 1), 0); /* the last writer is gone */
	(void)close(fds[0]);
}

static void begin_and_vmm(void **state)
{
	(void)state;
	assert_int_equal(in_child(begins), OK);
	assert_int_equal(in_child(vmm_filter), OK);
	assert_int_equal(in_child(orphan_is_refused), OK);
}

/* ---- Landlock ---- */

static char land[64]; /* holds "in/file" and "out/file" */

static int try_open(const char *name, int flags)
{
	char path[96];
	bb_auto_close int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", land, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : 0;
}

/* Return: OK, the number of the expectation that failed, or 98 where there is no Landlock */
static int confined(enum jail_access access)
{
	bool change = access == JAIL_CHANGE;
	bb_auto_close int dir = -1, before = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	struct bb_err err = { 0 };
	char path[96], octet;
	int r;

	(void)snprintf(path, sizeof(path), "%s/in", land);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = jail_files(dir, access, &err);
	if (r != 1)
		return r < 0 ? 97 : 98;
	if (try_open("in/file", O_RDONLY) != (change ? -EACCES : 0) ||
	    try_open("in/link", O_RDONLY) != -EACCES || try_open("in", O_RDONLY) != 0)
		return 1;
	if (try_open("out/file", O_RDONLY) != -EACCES || try_open("out", O_RDONLY) != -EACCES)
		return 2;
	if (try_open("in/new", O_WRONLY | O_CREAT) != (change ? 0 : -EACCES))
		return 3;
	if (try_open("out/new", O_WRONLY | O_CREAT) != -EACCES)
		return 4;
	if (mkdirat(dir, "sub", 0700) != (change ? 0 : -1) || mkdirat(dir, "../sub", 0700) != -1)
		return 5;
	if (unlinkat(dir, "new", 0) != (change ? 0 : -1) || unlinkat(dir, "../out/file", 0) != -1)
		return 6;
	if (mknodat(dir, "pipe", S_IFIFO | 0600, 0) != -1) /* never */
		return 7;
	if (open("/proc/self/mem", O_RDWR) >= 0 || open("/etc/passwd", O_RDONLY) >= 0)
		return 8;
	return read(before, &octet, 1) == 1 ? OK : 9;
}

static int confined_read(void)
{
	return confined(JAIL_READ);
}

static int confined_change(void)
{
	return confined(JAIL_CHANGE);
}

static int confined_all(void)
{
	struct bb_err err = { 0 };
	int r = jail_files(-1, JAIL_READ, &err);

	if (r != 1)
		return r < 0 ? 97 : 98;
	return try_open("in/file", O_RDONLY) == -EACCES ? OK : 1;
}

/* As QEMU is confined: its program's files, and what it was given, also when opened again */
static int confined_vmm(void)
{
	bb_auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct bb_err err = { 0 };
	char path[96], again[64];
	int fds[2], r;

	(void)snprintf(path, sizeof(path), "%s/in/file", land);
	fds[0] = open(path, O_RDONLY | O_CLOEXEC);
	fds[1] = null;
	r = jail_vmm_files("/usr/bin/true", fds, 2, &err);
	if (r != 1)
		return r < 0 ? 97 : 98;
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", fds[0]);
	if (open(again, O_RDONLY) < 0 || open(again, O_RDWR) >= 0)
		return 1;
	if (open("/usr/bin/env", O_RDONLY) < 0 || open("/usr/bin/env", O_WRONLY) >= 0)
		return 2;
	if (try_open("out/file", O_RDONLY) != -EACCES ||
	    try_open("out/new", O_WRONLY | O_CREAT) != -EACCES)
		return 3;
	if (open("/etc/passwd", O_RDONLY) >= 0 || open("/proc/1/status", O_RDONLY) >= 0)
		return 4;
	return open("/dev/null", O_RDWR) >= 0 ? OK : 5;
}

/* No network, and no capability over what is outside */
static int apart(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!jail_namespaces())
		return 98;
	if (!jail_apart(0))
		return 1;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)&sin, sizeof(sin)) == 0 || errno != ENETUNREACH)
		return 2;
	return sethostname("x", 1) == 0 && mount("none", "/mnt", "tmpfs", 0, "") < 0 ? OK : 3;
}

static void apart_from_the_host(void **state)
{
	char before[65], after[65];
	int code;

	(void)state;
	assert_int_equal(gethostname(before, sizeof(before)), 0);
	code = in_child(apart);
	if (code == 98)
		print_message("this host refuses namespaces\n");
	else
		assert_int_equal(code, OK);
	assert_int_equal(gethostname(after, sizeof(after)), 0);
	assert_string_equal(before, after);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void files_beneath_only(void **state)
{
	static const child_fn cases[] = { confined_read, confined_change, confined_all,
					  confined_vmm };
	char path[96];

	(void)state;
	(void)snprintf(land, sizeof(land), "/tmp/bb-jail-XXXXXX");
	assert_non_null(mkdtemp(land));
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", land, i ? "out" : "in");
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(try_open(i ? "out/file" : "in/file", O_WRONLY | O_CREAT), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/in/link", land);
	assert_int_equal(symlink("../out/file", path), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		int code = in_child(cases[i]);

		if (code == 98)
			print_message("this kernel has no Landlock\n");
		else if (code != OK)
			fail_msg("case %zu: expectation %d", i, code);
	}
	assert_int_equal(nftw(land, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_table),
		cmocka_unit_test(own_table),
		cmocka_unit_test(begin_and_vmm),
		cmocka_unit_test(dies_with_parent),
		cmocka_unit_test(a_connection_stays_where_it_was_made_to),
		cmocka_unit_test(files_beneath_only),
		cmocka_unit_test(apart_from_the_host),
	};

	if (!alone(argc, argv))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
