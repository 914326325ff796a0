/* SPDX-License-Identifier: Apache-2.0 */
#include "workspace/ignored.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#define NAMES_MAX (16u << 20)

void ignored_release(struct ignored *i)
{
	bb_buf_release(&i->text);
	free(i->names);
	*i = (struct ignored){ 0 };
}

_Noreturn static void exec_git(int out)
{
	static char *const argv[] = { "git",
				      "-c",
				      "core.fsmonitor=false",
				      "-c",
				      "core.hooksPath=/dev/null",
				      "ls-files",
				      "-z",
				      "--others",
				      "--ignored",
				      "--exclude-standard",
				      "--directory",
				      NULL };

	(void)dup2(out, STDOUT_FILENO);
	(void)setenv("GIT_OPTIONAL_LOCKS", "0", 1);
	(void)unsetenv("GIT_DIR");
	(void)unsetenv("GIT_WORK_TREE");
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int ask_git(struct bb_buf *ret, struct bb_err *err)
{
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return bb_err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_git(fds[1]);
	(void)close(fds[1]);
	r = pid < 0 ? -errno : bb_read_all(fds[0], ret);
	(void)close(fds[0]); /* if that was too much, git ends by SIGPIPE */
	if (pid > 0 && waitpid(pid, &status, 0) != pid)
		status = -1;
	if (r < 0)
		return bb_err_set(err, r, "--gitignore: %s", strerror(-r));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return bb_err_set(err, -ENOENT, "--gitignore: git is missing: apt-get install git");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return bb_err_set(err, -EINVAL,
				  "--gitignore: git does not answer here (is this a git working "
				  "tree?)");
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int ignored_read(struct ignored *ret, struct bb_err *err)
{
	ignored_auto struct ignored i = { 0 };
	char *at, *end;
	int r;

	bb_buf_init(&i.text, NAMES_MAX);
	r = ask_git(&i.text, err);
	if (r < 0)
		return r;
	end = (char *)i.text.p + i.text.len;
	for (at = (char *)i.text.p; at < end; at += strnlen(at, (size_t)(end - at)) + 1)
		i.n++;
	if (i.n && (end[-1] || !(i.names = calloc(i.n, sizeof(*i.names)))))
		return bb_err_set(err, -ENOMEM, "--gitignore: no memory");
	i.n = 0;
	for (at = (char *)i.text.p; at < end; at += strlen(at) + 1)
		i.names[i.n++] = at;
	if (i.n)
		qsort(i.names, i.n, sizeof(*i.names), by_name);
	*ret = i;
	i = (struct ignored){ 0 };
	return 0;
}

bool ignored_has(const struct ignored *i, const char *path, bool is_dir)
{
	char with_slash[4097];
	const char *key = with_slash;

	if ((size_t)snprintf(with_slash, sizeof(with_slash), "%s%s", path, is_dir ? "/" : "") >=
	    sizeof(with_slash))
		return false;
	return i->n && bsearch(&key, i->names, i->n, sizeof(*i->names), by_name);
}
