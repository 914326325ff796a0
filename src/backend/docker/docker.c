/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/docker/docker.h"
#include "backend/supervisor.h"
#include "base/io.h"
#include "image/image.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define SAID_MAX 4096
#define TAG_MAX  160

int docker_find(char *ret, size_t size, struct bb_err *err)
{
	if (bb_find_program("docker", ret, size) || bb_find_program("podman", ret, size))
		return 0;
	return bb_err_set(err, -ENOENT,
			  "no container engine: neither docker nor podman is in PATH; "
			  "apt-get install docker.io (or podman)");
}

_Noreturn static void exec_quietly(char *const *argv, int out)
{
	int null = open("/dev/null", O_RDONLY);

	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	(void)execvp(argv[0], argv);
	_exit(127);
}

/* Run a program to its end. @said: the last of what it printed. Return: its exit code, or -errno */
static int run(char *const *argv, char said[static SAID_MAX], struct bb_err *err)
{
	size_t n = 0;
	int out[2], status = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return bb_err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_quietly(argv, out[1]);
	(void)close(out[1]);
	while (pid > 0 && ((got = read(out[0], said + n, SAID_MAX - 1 - n)) > 0 ||
			   (got < 0 && errno == EINTR))) {
		n += got > 0 ? (size_t)got : 0;
		if (n == SAID_MAX - 1) /* the end says why */
			n = SAID_MAX / 2, memmove(said, said + SAID_MAX - 1 - n, n);
	}
	(void)close(out[0]);
	while (n > 0 && said[n - 1] == '\n')
		n--;
	said[n] = '\0';
	if (pid < 0)
		return bb_err_set(err, -errno, "fork: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Why the engine does not answer, from what its program says */
static void explain(const char *engine, const char *said, char *ret, size_t size)
{
	const char *host = getenv("DOCKER_HOST");

	if (strstr(said, "permission denied"))
		(void)snprintf(
			ret, size,
			"%s: no permission to talk to the engine: join its group (sudo usermod "
			"-aG docker $USER, then log in again) or use rootless docker or podman",
			engine);
	else if (strstr(said, "Cannot connect") || strstr(said, "connection refused"))
		(void)snprintf(ret, size,
			       "%s: the engine%s%s is not running: sudo systemctl start docker",
			       engine, host ? " at " : "", host ? host : "");
	else
		(void)snprintf(ret, size, "%s: the engine does not answer: %.600s", engine, said);
}

static int docker_missing(char *ret, size_t size, struct bb_err *err)
{
	char engine[PATHS_MAX], said[SAID_MAX];
	struct bb_err none = { 0 };
	int r = docker_find(engine, sizeof(engine), &none);

	if (r < 0) {
		(void)snprintf(ret, size, "%s", none.msg);
		return 1;
	}
	r = run((char *[]){ engine, (char[]){ "version" }, NULL }, said, err);
	if (r > 0)
		explain(engine, said, ret, size);
	return r > 0 ? 1 : r;
}

/* One of our images goes to the engine under its digest; any other name is the engine's own */
static int find_image(const char *engine, const char *name, char tag[static TAG_MAX],
		      struct bb_err *err)
{
	char script[PATHS_MAX], said[SAID_MAX];
	struct bb_err none = { 0 };
	struct image image;
	int r;

	if (*name == '-')
		return bb_err_set(err, -EINVAL, "image '%.100s': that is no name", name);
	if (image_open(name, &image, &none) < 0) {
		(void)snprintf(tag, TAG_MAX, "%s", name);
		r = run((char *[]){ (char *)(uintptr_t)engine, (char[]){ "image" },
				    (char[]){ "inspect" }, tag, NULL },
			said, err);
		if (r > 0)
			r = bb_err_set(err, -ENOENT,
				       "image %.100s: neither ours (%s) nor the engine's", name,
				       none.msg);
		return r;
	}
	(void)snprintf(tag, TAG_MAX, "bot-bottle/%s:%.12s", image.name, image.digest);
	r = paths_data("data/images/docker.sh", script, err);
	if (r == 0)
		r = run((char *[]){ (char[]){ "sh" }, script, (char *)(uintptr_t)engine, tag,
				    image.root_path, NULL },
			said, err);
	return r > 0 ? bb_err_set(err, -EIO, "image %s: %.900s", name, said) : r;
}

static int docker_start(const struct backend_start *start, struct bb_err *err)
{
	char engine[PATHS_MAX], tag[TAG_MAX];
	struct backend_start s = *start;
	int r = docker_find(engine, sizeof(engine), err);

	if (r == 0)
		r = find_image(engine, start->image, tag, err);
	s.image = tag;
	return r < 0 ? r : supervisor_start(&s, engine, err);
}

/* Under its own name, which no other bottle has; --rm has mostly done it */
static void docker_forget(const char *identity)
{
	char engine[PATHS_MAX], said[SAID_MAX];
	struct bb_err ignored = { 0 };

	if (docker_find(engine, sizeof(engine), &ignored) == 0)
		(void)run((char *[]){ engine, (char[]){ "rm" }, (char[]){ "--force" },
				      (char *)(uintptr_t)identity, NULL },
			  said, &ignored);
}

const struct backend backend_docker = {
	.name = "docker",
	.legacy = true,
	.missing = docker_missing,
	.start = docker_start,
	.forget = docker_forget,
	.connect = supervisor_connect,
};
