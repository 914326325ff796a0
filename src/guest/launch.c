/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/launch.h"
#include "base/io.h"
#include "guest/tarbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#define ENV_MAX 1024

/* What the child reports through the status pipe when it does not get as far as exec */
struct failure {
	int code; /* LAUNCH_* */
	int err;
	char stage[32];
};

/* Fds on the way to the child; each its own owner until the fork is done */
struct plumbing {
	int in[2], out[2], err[2]; /* [0] read end, [1] write end; a pty uses in[0] = slave only */
	int status[2];
};

struct env_list {
	const char *v[ENV_MAX + 1];
	size_t n;
};

static void env_put(struct env_list *l, const char *entry)
{
	size_t name = (size_t)(strchrnul(entry, '=') - entry) + 1;

	for (size_t i = 0; i < l->n; i++)
		if (strncmp(l->v[i], entry, name) == 0) {
			l->v[i] = entry;
			return;
		}
	if (l->n < ENV_MAX)
		l->v[l->n++] = entry;
}

static void env_set(struct env_list *l, const char *name, const char *value)
{
	char *entry;

	if (asprintf(&entry, "%s=%s", name, value) >= 0)
		env_put(l, entry); /* in the child: freed by exec */
}

static void env_build(struct env_list *l, const struct launch_env *env, const struct request *req,
		      const struct user *u)
{
	env_set(l, "PATH", LAUNCH_PATH_DEFAULT);
	env_set(l, "HOME", u->home);
	env_set(l, "USER", u->name);
	env_set(l, "LOGNAME", u->name);
	env_set(l, "SHELL", u->shell);
	env_set(l, "LANG", "C.UTF-8");
	for (size_t i = 0; i < env->config->n_env; i++)
		env_put(l, env->config->env[i]);
	if (*env->config->tz)
		env_set(l, "TZ", env->config->tz);
	if (req->tty)
		env_set(l, "TERM", env->config->term);
	for (char **e = req->env; *e; e++)
		env_put(l, *e);
}

static _Noreturn void child_fail(int status, int code, int err, const char *stage)
{
	struct failure f = { .code = code, .err = err };

	(void)snprintf(f.stage, sizeof(f.stage), "%s", stage);
	(void)!bb_write_full(status, &f, sizeof(f));
	_exit(code);
}

/* A script without #! runs under sh, as execvp() has it */
static void try_exec(const char *path, char **argv, char **envp)
{
	const char *sh_argv[ENV_MAX] = { "sh", path };

	(void)execve(path, argv, envp);
	if (errno != ENOEXEC)
		return;
	for (size_t i = 1; argv[i] && i < ENV_MAX - 2; i++)
		sh_argv[i + 1] = argv[i];
	(void)execve("/bin/sh", (char **)(uintptr_t)sh_argv, envp);
}

static _Noreturn void exec_in_path(int status, char **argv, char **envp)
{
	const char *path = LAUNCH_PATH_DEFAULT;
	int err = ENOENT;

	for (char **e = envp; *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			path = *e + 5;
	if (strchr(argv[0], '/')) {
		try_exec(argv[0], argv, envp);
		err = errno;
		path = "";
	}
	while (*path) {
		size_t len = (size_t)(strchrnul(path, ':') - path);
		char full[4096];

		if (len && (size_t)snprintf(full, sizeof(full), "%.*s/%s", (int)len, path,
					    argv[0]) < sizeof(full)) {
			try_exec(full, argv, envp);
			if (errno != ENOENT && errno != ENOTDIR)
				err = errno;
		}
		path += len + (path[len] == ':');
	}
	child_fail(status, err == ENOENT || err == ENOTDIR ? LAUNCH_NOT_FOUND : LAUNCH_NOT_EXEC,
		   err, "exec");
}

static void write_file(const char *path, const char *text)
{
	bb_auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!bb_write_full(fd, text, strlen(text));
}

static void child_signals_default(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_stdio(const struct plumbing *p, const struct request *req)
{
	int in = p->in[0], out = req->tty ? in : p->out[1], err = req->tty ? in : p->err[1];

	(void)setsid();
	if (req->tty && ioctl(in, TIOCSCTTY, 0) < 0)
		child_fail(p->status[1], LAUNCH_FAILED, errno, "controlling terminal");
	/* every one of these is above 2: launch() ran with 0, 1 and 2 open */
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		child_fail(p->status[1], LAUNCH_FAILED, errno, "stdio");
}

static _Noreturn void child_main(const struct launch_env *env, const struct request *req,
				 const struct user *u, const struct plumbing *p, const char *cgroup)
{
	static struct env_list list;
	char path[96];
	int r;

	child_signals_default();
	if (*cgroup) {
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
		write_file(path, "0");
	}
	write_file("/proc/self/oom_score_adj", "0");
	child_stdio(p, req);
	r = user_become(u);
	if (r < 0)
		child_fail(p->status[1], LAUNCH_FAILED, -r,
			   r == -EPERM ? "--user in a container" : "user");
	(void)umask(022);
	if (!req->argv) {
		(void)close_range(3, ~0u, 0);
		_exit(req->tar_in ? tarbox_unpack(0, req->tar_in) : tarbox_pack(1, req->tar_out));
	}
	if (req->cwd ? chdir(req->cwd) < 0 : chdir(u->home) < 0 && chdir("/") < 0)
		child_fail(p->status[1], LAUNCH_FAILED, errno, "working directory");
	env_build(&list, env, req, u);
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	exec_in_path(p->status[1], req->argv, (char **)(uintptr_t)list.v);
}

static void close_pair(int fd[2])
{
	bb_closep(&fd[0]);
	bb_closep(&fd[1]);
	fd[0] = fd[1] = -1;
}

static int open_pty(struct plumbing *p, const struct request *req, const struct user *u)
{
	struct winsize ws = { .ws_row = req->size.rows, .ws_col = req->size.cols };
	int unlock = 0;

	p->in[1] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->in[1] < 0 || ioctl(p->in[1], TIOCSPTLCK, &unlock) < 0)
		return -errno;
	p->in[0] = ioctl(p->in[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->in[0] < 0 || ioctl(p->in[1], TIOCSWINSZ, &ws) < 0)
		return -errno;
	/* group tty as devpts sets it: only the owner changes; not fatal without the right to */
	(void)!fchown(p->in[0], u->uid, (gid_t)-1);
	p->out[0] = fcntl(p->in[1], F_DUPFD_CLOEXEC, 3);
	return p->out[0] < 0 ? -errno : 0;
}

static int open_pipes(struct plumbing *p)
{
	if (pipe2(p->in, O_CLOEXEC) < 0 || pipe2(p->out, O_CLOEXEC) < 0 ||
	    pipe2(p->err, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static void make_cgroup(const struct launch_env *env, char *out, size_t size)
{
	if (env->cgroup)
		(void)snprintf(out, size, "%s/%d", env->cgroup, (int)getpid());
	if (env->cgroup && mkdir(out, 0755) < 0 && errno != EEXIST)
		*out = '\0';
}

/* Waits for exec or for the child's own account of why not */
static int await_exec(const struct request *req, int status, pid_t pid, struct bb_err *err)
{
	const char *what = req->argv ? req->argv[0] : "copy";
	struct failure f = { 0 };

	if (bb_read_full(status, &f, sizeof(f)) < 0)
		return 0; /* closed by exec */
	(void)waitpid(pid, NULL, 0);
	f.stage[sizeof(f.stage) - 1] = '\0';
	if (f.code == LAUNCH_NOT_FOUND)
		(void)bb_err_set(err, -ENOENT, "%.100s: command not found", what);
	else
		(void)bb_err_set(err, -EIO, "%.100s: %s: %s", what, f.stage, strerror(f.err));
	return f.code;
}

static int start(const struct launch_env *env, const struct request *req, const struct user *u,
		 struct plumbing *p, struct child *c, struct bb_err *err)
{
	int r = req->tty ? open_pty(p, req, u) : open_pipes(p);

	if (r < 0 || pipe2(p->status, O_CLOEXEC) < 0)
		return bb_err_set(err, r < 0 ? r : -errno, "no pipe or pty");
	make_cgroup(env, c->cgroup, sizeof(c->cgroup));
	c->pid = fork();
	if (c->pid < 0)
		return bb_err_set(err, -errno, "fork: %s", strerror(errno));
	if (c->pid == 0)
		child_main(env, req, u, p, c->cgroup);
	bb_closep(&p->status[1]);
	p->status[1] = -1;
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	return 0;
}

int launch(const struct launch_env *env, const struct request *req, struct child *ret,
	   struct bb_err *err)
{
	struct plumbing p = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct child c = { .pidfd = -1, .in = -1, .out = -1, .err = -1, .tty = req->tty };
	struct user u;
	int code = LAUNCH_FAILED;

	if (user_find(env->etc, req->user ? req->user : env->config->user, &u, err) < 0)
		return LAUNCH_FAILED;
	if (start(env, req, &u, &p, &c, err) == 0)
		code = await_exec(req, p.status[0], c.pid, err);
	if (code == 0) {
		c.in = BB_TAKE_FD(p.in[1]);
		c.out = BB_TAKE_FD(p.out[0]);
		c.err = BB_TAKE_FD(p.err[0]);
		(void)bb_set_nonblock(c.in, true);
		(void)bb_set_nonblock(c.out, true);
		if (c.err >= 0)
			(void)bb_set_nonblock(c.err, true);
		*ret = c;
	} else {
		child_release(&c);
	}
	close_pair(p.in);
	close_pair(p.out);
	close_pair(p.err);
	close_pair(p.status);
	return code;
}

void child_signal(const struct child *c, int signal)
{
	pid_t group = c->pid;

	if (c->tty && (ioctl(c->in, TIOCGPGRP, &group) < 0 || group <= 1))
		group = c->pid;
	(void)kill(-group, signal);
}

void child_kill_all(const struct child *c)
{
	char path[96];

	(void)kill(-c->pid, SIGKILL);
	if (!*c->cgroup)
		return;
	(void)snprintf(path, sizeof(path), "%s/cgroup.kill", c->cgroup);
	write_file(path, "1");
}

bool child_was_oom_killed(const struct child *c)
{
	struct bb_err err = { 0 };
	bb_auto_buf struct bb_buf b;
	const char *text, *at;
	char path[96];

	bb_buf_init(&b, 4096);
	(void)snprintf(path, sizeof(path), "%s/memory.events", c->cgroup);
	if (!*c->cgroup || bb_read_file(path, &b, &err) < 0 || !(text = bb_buf_str(&b)))
		return false;
	at = strstr(text, "oom_kill ");
	return at && at[9] != '0';
}

void child_release(struct child *c)
{
	bb_closep(&c->pidfd);
	bb_closep(&c->in);
	bb_closep(&c->out);
	bb_closep(&c->err);
	if (*c->cgroup)
		(void)rmdir(c->cgroup);
	c->pidfd = c->in = c->out = c->err = -1;
}
