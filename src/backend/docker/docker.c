/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/docker/docker.h"
#include "backend/docker/facts.h"
#include "backend/docker/where.h"
#include "backend/supervisor.h"
#include "base/io.h"
#include "image/image.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define SAID_MAX    4096
#define INFO_MAX    (1u << 20)
#define TAG_MAX     160
#define ASK_SECONDS 30
#define PID_SECONDS 2
#define REMOVE_MS   10000

/* Asked once: for the remarks before a start, and for the start */
static struct engine_facts known;
static bool is_known;

int docker_find(char *ret, size_t size, struct bb_err *err)
{
	const char *asked = getenv("BOT_BOTTLE_ENGINE");

	if (asked && *asked) {
		if (*asked == '/'
			    ? snprintf(ret, size, "%s", asked) < (int)size && access(ret, X_OK) == 0
			    : bb_find_program(asked, ret, size))
			return 0;
		return bb_err_set(err, -ENOENT,
				  "BOT_BOTTLE_ENGINE: no program '%.200s'; docker, podman, or a "
				  "path",
				  asked);
	}
	if (bb_find_program("docker", ret, size) || bb_find_program("podman", ret, size))
		return 0;
	return bb_err_set(err, -ENOENT,
			  "no container engine: neither docker nor podman is in PATH; "
			  "apt-get install docker.io (or podman)");
}

/* @said < 0: standard error is thrown away */
_Noreturn static void exec_quietly(char *const *argv, const json_t *where, int out, int said)
{
	int null = open("/dev/null", O_RDWR);

	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(said < 0 ? null : said, 2) < 0)
		_exit(127);
	where_enter(where);
	(void)execvp(argv[0], argv);
	_exit(127);
}

/* Up to the end, or until @deadline (0: none) */
static ssize_t read_until(int fd, char *at, size_t max, uint64_t deadline)
{
	for (;;) {
		uint64_t now = bb_now_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int wait = !deadline ? -1 : deadline > now ? (int)(deadline - now) : 0;
		int n = poll(&p, 1, wait);
		ssize_t got = n == 1 ? read(fd, at, max) : -1;

		if (got >= 0 || (n == 1 && errno != EINTR) || (n < 0 && errno != EINTR))
			return got;
		if (n == 0)
			return -ETIMEDOUT;
	}
}

/* The end of what there is to say says why */
static size_t keep_end(char *text, size_t n, size_t max)
{
	if (n < max)
		return n;
	memmove(text, text + n - max / 2, max / 2);
	return max / 2;
}

/**
 * struct call - One call of the engine's program
 * @where:	with these variables, or NULL: with today's
 * @seconds:	until it has to be over, 0: no limit
 * @quiet:	standard error is not part of what it said
 * @said:	the last @max octets of it, terminated
 */
struct call {
	char *const *argv;
	const json_t *where;
	unsigned int seconds;
	bool quiet;
	char *said;
	size_t max;
};

static ssize_t listen_to(const struct call *c, int fd)
{
	uint64_t deadline = c->seconds ? bb_now_ms() + c->seconds * 1000u : 0;
	size_t n = 0;
	ssize_t got;

	while ((got = read_until(fd, c->said + n, c->max - 1 - n, deadline)) > 0)
		n = keep_end(c->said, n + (size_t)got, c->max - 1);
	while (n > 0 && c->said[n - 1] == '\n')
		n--;
	c->said[n] = '\0';
	return got;
}

/* Return: its exit code, or -errno */
static int call(const struct call *c, struct bb_err *err)
{
	const char *host = where_host(c->where);
	int out[2], status = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return bb_err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_quietly(c->argv, c->where, out[1], c->quiet ? -1 : out[1]);
	(void)close(out[1]);
	got = pid > 0 ? listen_to(c, out[0]) : -1;
	(void)close(out[0]);
	if (pid < 0)
		return bb_err_set(err, -errno, "fork: %s", strerror(errno));
	if (got == -ETIMEDOUT)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (got == -ETIMEDOUT)
		return bb_err_set(
			err, -ETIMEDOUT,
			"%.80s: the engine%s%.80s has not answered for %u s: if it hangs, "
			"sudo systemctl restart docker",
			c->argv[0], host ? " at " : "", host ? host : "", c->seconds);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(char *const *argv, unsigned int seconds, char said[static SAID_MAX],
	       struct bb_err *err)
{
	const struct call c = { .argv = argv, .seconds = seconds, .said = said, .max = SAID_MAX };

	return call(&c, err);
}

/* Why the engine does not answer, from what its program says */
static void explain(const char *engine, const json_t *where, const char *said, char *ret,
		    size_t size)
{
	const char *host = where_host(where), *last = strrchr(said, '\n');

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
		(void)snprintf(ret, size, "%s: the engine does not answer: %.600s", engine,
			       last ? last + 1 : said);
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
	r = run((char *[]){ engine, (char[]){ "version" }, NULL }, ASK_SECONDS, said, err);
	if (r > 0)
		explain(engine, NULL, said, ret, size);
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
			ASK_SECONDS, said, err);
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
			0, said, err);
	return r > 0 ? bb_err_set(err, -EIO, "image %s: %.900s", name, said) : r;
}

static int learn(const char *engine, struct bb_err *err)
{
	bb_auto_free char *text = calloc(1, INFO_MAX);
	const struct call c = {
		.argv = (char *[]){ (char *)(uintptr_t)engine, (char[]){ "info" },
				    (char[]){ "--format" }, (char[]){ "{{json .}}" }, NULL },
		.seconds = ASK_SECONDS,
		.quiet = true,
		.said = text,
		.max = INFO_MAX,
	};
	int r;

	if (is_known)
		return 0;
	r = text ? call(&c, err) : bb_err_set(err, -ENOMEM, "no memory");
	if (r > 0)
		return bb_err_set(err, -EIO, "%s info: exit code %d", engine, r);
	if (r == 0)
		r = engine_facts_read(BB_SPAN_STR(text), &known, err);
	is_known = r == 0;
	return r;
}

static void docker_remarks(char *ret, size_t size)
{
	char engine[PATHS_MAX];
	struct bb_err err = { 0 }; /* the start will say it */

	*ret = '\0';
	if (docker_find(engine, sizeof(engine), &err) == 0 && learn(engine, &err) == 0)
		engine_remarks(&known, ret, size);
}

static int docker_start(const struct backend_start *start, struct bb_err *err)
{
	char engine[PATHS_MAX], tag[TAG_MAX];
	struct backend_start s = *start;
	json_auto_t *options = NULL;
	int r = docker_find(engine, sizeof(engine), err);

	if (r == 0)
		r = learn(engine, err);
	if (r == 0)
		r = find_image(engine, start->image, tag, err);
	options = r == 0 ? engine_options(&known) : NULL;
	if (r == 0 && !options)
		r = bb_err_set(err, -ENOMEM, "no memory");
	s.image = tag;
	return r < 0 ? r : supervisor_start(&s, engine, options, err);
}

/* The context that is chosen now: later, when the container is to go, it may be another */
static int pin_context(char *engine, struct bb_err *err)
{
	char said[SAID_MAX];
	const struct call c = {
		.argv = (char *[]){ engine, (char[]){ "context" }, (char[]){ "inspect" },
				    (char[]){ "--format" }, (char[]){ "{{.Name}}" }, NULL },
		.seconds = ASK_SECONDS,
		.quiet = true,
		.said = said,
		.max = sizeof(said),
	};
	int r;

	if (getenv("DOCKER_HOST") || getenv("DOCKER_CONTEXT"))
		return 0;
	r = call(&c, err);
	if (r == 0 && *said) /* podman has none */
		(void)setenv("DOCKER_CONTEXT", said, 1);
	return r < 0 ? r : 0;
}

static int docker_note(json_t **ret, struct bb_err *err)
{
	char engine[PATHS_MAX];
	int r = docker_find(engine, sizeof(engine), err);

	if (r == 0)
		r = pin_context(engine, err);
	if (r < 0)
		return r;
	*ret = where_now(engine);
	return *ret ? 0
		    : bb_err_set(err, -EINVAL,
				 "DOCKER_HOST, or another variable for the engine, is not UTF-8");
}

/*
 * The program that started it. When that is gone nobody else is asked in its place, unless the
 * operator names another; with no engine's program here at all, its containers are gone, too.
 * Return: 1, 0 when there is none to ask, or -errno
 */
static int program_of(const json_t *where, char *ret, size_t size, struct bb_err *err)
{
	const char *recorded = where_program(where), *asked = getenv("BOT_BOTTLE_ENGINE");
	struct bb_err none = { 0 };

	if (recorded && access(recorded, X_OK) == 0) {
		(void)snprintf(ret, size, "%s", recorded);
		return 1;
	}
	if (docker_find(ret, size, &none) < 0)
		return 0;
	if (!recorded || (asked && *asked))
		return 1;
	return bb_err_set(err, -EHOSTDOWN,
			  "%.100s, which started it, is not there any more; where %.60s has its "
			  "containers now: BOT_BOTTLE_ENGINE=…",
			  recorded, ret);
}

/* Under its own name, which no other bottle has; --rm has mostly done it */
static int remove_by_name(char *engine, const json_t *where, const char *identity,
			  char said[static SAID_MAX], struct bb_err *err)
{
	const struct call c = {
		.argv = (char *[]){ engine, (char[]){ "rm" }, (char[]){ "--force" },
				    (char *)(uintptr_t)identity, NULL },
		.where = where,
		.seconds = ASK_SECONDS,
		.said = said,
		.max = SAID_MAX,
	};
	uint64_t until = bb_now_ms() + REMOVE_MS;
	int r;

	do { /* the engine may be at it, for --rm */
		r = call(&c, err);
	} while (r > 0 && strstr(said, "already in progress") && bb_now_ms() < until &&
		 usleep(100000) == 0);
	if (r > 0 && (strstr(said, "No such container") || strstr(said, "no such container") ||
		      strstr(said, "no container with")))
		return 0;
	return r;
}

static int docker_forget(const json_t *note, const char *identity, struct bb_err *err)
{
	static json_t *silent; /* it is not waited for again, for each of its bottles */
	char engine[PATHS_MAX], said[SAID_MAX] = "no answer either";
	char why[1024];
	struct bb_err ignored = { 0 };
	int r = program_of(note, engine, sizeof(engine), err);

	if (r <= 0)
		return r;
	r = json_equal(silent, note) ? 1 : remove_by_name(engine, note, identity, said, err);
	if (r == 0)
		return 0;
	if (r > 0)
		explain(engine, note, said, why, sizeof(why));
	else
		(void)snprintf(why, sizeof(why), "%s", err->msg);
	if (r == -ETIMEDOUT)
		silent = json_incref((json_t *)(uintptr_t)note);
	*err = (struct bb_err){ 0 };
	(void)pin_context(engine, &ignored);
	return bb_err_set(err, -EHOSTDOWN, "%.190s%s", why,
			  where_differs(note, engine) ? "; today's is another" : "");
}

/* An engine that has said nothing is not waited for again, for each of its bottles */
static pid_t docker_main_pid(const json_t *note, const char *identity)
{
	static json_t *silent;
	char engine[PATHS_MAX], said[SAID_MAX], *end;
	const struct call c = {
		.argv = (char *[]){ engine, (char[]){ "container" }, (char[]){ "inspect" },
				    (char[]){ "--format={{.State.Pid}}" },
				    (char *)(uintptr_t)identity, NULL },
		.where = note,
		.seconds = PID_SECONDS,
		.quiet = true,
		.said = said,
		.max = sizeof(said),
	};
	struct bb_err ignored = { 0 };
	long pid;
	int r;

	if (program_of(note, engine, sizeof(engine), &ignored) <= 0 || json_equal(silent, note))
		return -EHOSTDOWN;
	r = call(&c, &ignored);
	if (r == -ETIMEDOUT && !silent)
		silent = json_incref((json_t *)(uintptr_t)note);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	pid = strtol(said, &end, 10);
	return *end || pid < 2 || pid > INT32_MAX ? -ENOENT : (pid_t)pid;
}

const struct backend backend_docker = {
	.name = "docker",
	.legacy = true,
	.missing = docker_missing,
	.start = docker_start,
	.remarks = docker_remarks,
	.note = docker_note,
	.forget = docker_forget,
	.main_pid = docker_main_pid,
	.connect = supervisor_connect,
};
