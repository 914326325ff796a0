/* SPDX-License-Identifier: Apache-2.0 */
/* commit: put a bottle's disk aside, to start others from */
#include "proc/cli/commands.h"
#include "proc/cli/commits.h"
#include "proc/cli/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

#define STOPPED_MS 1000

/* ---- a machine that holds still ---- */

struct hold {
	int pidfd; /* of the machine */
	int line;  /* its end lets the machine go on */
};

static int tell(int pidfd, int signo)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

/* A process of its own lets it go on, in case this one is killed meanwhile */
_Noreturn static void watch(int line, int pidfd)
{
	char c;

	(void)setsid();
	while (read(line, &c, 1) < 0 && errno == EINTR)
		;
	(void)tell(pidfd, SIGCONT);
	_exit(0);
}

static bool is_stopped(pid_t pid)
{
	char path[32], state = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	(void)fclose(f);
	return state == 'T';
}

static int hold_begin(struct hold *h, pid_t machine, struct bb_err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int line[2];
	pid_t pid;

	h->pidfd = (int)syscall(SYS_pidfd_open, machine, 0);
	if (h->pidfd < 0 || pipe2(line, O_CLOEXEC) < 0)
		return bb_err_set(err, -errno, "the machine: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		(void)close(line[1]);
		watch(line[0], h->pidfd);
	}
	(void)close(line[0]);
	h->line = line[1];
	if (pid < 0 || tell(h->pidfd, SIGSTOP) < 0)
		return bb_err_set(err, -errno, "the machine: %s", strerror(errno));
	for (int i = 0; i < STOPPED_MS; i++) {
		if (is_stopped(machine))
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return bb_err_set(err, -ETIMEDOUT, "the machine does not hold still");
}

static void hold_end(struct hold *h)
{
	if (h->pidfd >= 0)
		(void)tell(h->pidfd, SIGCONT);
	bb_closep(&h->line);
	bb_closep(&h->pidfd);
}

/* ---- one commit ---- */

static int commit_running(const struct paths *paths, const struct state_bottle *b,
			  const json_t *meta, const char *name, struct bb_err *err)
{
	BB_CLEANUP(hold_end) struct hold hold = { .pidfd = -1, .line = -1 };
	char identity[STATE_IDENTITY_MAX];
	bb_auto_close int control = launch_connect(b->identity, identity, err);
	json_auto_t *status = control < 0 ? NULL : launch_status(control);
	const json_t *pid = json_object_get(json_object_get(status, "pids"), "vmm");
	int r;

	if (control < 0)
		return err->code;
	if (!json_is_integer(pid) || json_integer_value(pid) <= 1)
		return bb_err_set(err, -EAGAIN, "its machine is not up");
	launch_sync(control);
	r = hold_begin(&hold, (pid_t)json_integer_value(pid), err);
	return r < 0 ? r : commit_make(paths, b, meta, name, err);
}

static int commit_one(const char *id, const char *name, char identity[static STATE_IDENTITY_MAX],
		      struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_close int pidfd = -1;
	json_auto_t *meta = NULL;
	struct paths paths;
	int r = paths_get(&paths, err);

	if (r == 0)
		r = state_find(&paths, id, false, identity, err);
	if (r == 0)
		r = state_bottle_open(&paths, identity, false, &b, err);
	if (r == 0)
		r = state_meta_read(b.state_fd, &meta, err);
	if (r < 0)
		return r;
	if (faccessat(b.state_fd, "disk.ext4", F_OK, 0) < 0)
		return bb_err_set(err, -ENOENT,
				  "%s has no disk: it was removed at the end (--keep keeps it), or "
				  "its backend has none",
				  identity);
	pidfd = b.runtime_fd < 0 ? -1 : state_pid_open(b.runtime_fd, NULL);
	if (pidfd < 0)
		r = state_lock(b.state_fd, err);
	if (r == 0)
		r = pidfd >= 0 ? commit_running(&paths, &b, meta, name ? name : identity, err)
			       : commit_make(&paths, &b, meta, name ? name : identity, err);
	return r < 0 ? bb_err_wrap(err, "%s", identity) : 0;
}

/* ---- all of them ---- */

static int list(const struct cli_args *args)
{
	json_auto_t *names = NULL, *all = json_array();
	struct bb_err err = { 0 };
	struct paths paths;
	json_t *n;
	size_t i;

	if (paths_get(&paths, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	names = commit_names(&paths);
	json_array_foreach(names, i, n)
	{
		const char *name = json_string_value(n), *of, *image;
		struct bb_err one = { 0 };
		json_t *notes = NULL;

		if (commit_read(&paths, name, &notes, &one) < 0) {
			(void)cli_error(0, "%s", one.msg);
			continue;
		}
		(void)json_object_set(notes, "name", n);
		(void)json_array_append_new(all, notes);
		of = json_string_value(json_object_get(notes, "of"));
		image = json_string_value(json_object_get(notes, "image"));
		if (!cli_has(args, OPT_JSON))
			(void)printf("%-32s of %-32s image %.40s\n", name, of ? of : "?",
				     image ? image : "?");
	}
	if (!cli_has(args, OPT_JSON) && json_array_size(names) == 0)
		(void)cli_error(0,
				"there is no commit yet; a first one: bot-bottle commit ID NAME");
	if (cli_has(args, OPT_JSON)) {
		(void)json_dumpf(all, stdout, JSON_INDENT(1));
		(void)putchar('\n');
	}
	return CLI_OK;
}

static int remove_them(const struct cli_args *args)
{
	struct bb_err err = { 0 };
	struct paths paths;
	int code = CLI_OK;

	if (args->n_operands < 2)
		return cli_error(CLI_USAGE, "commit rm: which? bot-bottle commit ls");
	if (paths_get(&paths, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	for (size_t i = 1; i < args->n_operands; i++) {
		struct bb_err one = { 0 };

		if (commit_remove(&paths, args->operands[i], &one) < 0)
			code = cli_error(CLI_FAILED, "%s", one.msg);
	}
	return code;
}

int cmd_commit(const struct cli_args *args)
{
	const char *first = args->n_operands ? args->operands[0] : NULL;
	const char *name = args->n_operands > 1 ? args->operands[1] : NULL;
	char identity[STATE_IDENTITY_MAX];
	struct bb_err err = { 0 };

	if (first && strcmp(first, "ls") == 0)
		return list(args);
	if (cli_has(args, OPT_JSON))
		return cli_error(CLI_USAGE, "commit: --json goes with ls");
	if (first && strcmp(first, "rm") == 0)
		return remove_them(args);
	if (args->n_operands > 2)
		return cli_error(CLI_USAGE, "commit: one bottle, and a name");
	if (name && !commit_name_is_ok(name))
		return cli_error(CLI_USAGE, "commit: '%.60s' is no name: a-z, 0-9, '.', '_', '-'",
				 name);
	if (commit_one(first, name, identity, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	(void)printf("%s\n", name ? name : identity);
	(void)fprintf(stderr, "to start from it: bot-bottle run --from %s -- CMD\n",
		      name ? name : identity);
	return CLI_OK;
}
