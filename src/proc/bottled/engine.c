/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bottle in a container (legacy): an engine's program (docker, podman) takes the place of the
 * machine monitor, and UNIX sockets that of virtio-vsock. The container has no network; all it
 * shares with the host, besides the kernel, is one directory of the bottle's runtime directory.
 * Its PID 1 is our guest program and ends when gate is gone, and with PID 1 all else in it.
 */
#include "base/io.h"
#include "base/log.h"
#include "proc/bottled/bottle.h"
#include "proc/bottled/guest_config.h"
#include "proc/bottled/java_trust.h"
#include "proc/bottled/spawn.h"
#include "state/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define SHARED     "bottle" /* in the runtime directory */
#define GUEST      "/bottle-guest"
#define ARGS_MAX   64
#define PEM_MAX    (4u << 20)
#define SAID_MAX   400
#define REMOVE_MS  10000
#define GUEST_USER "1000:1000"

static const char *const ports[] = { "5000", "5001", "6002", "6003" };
static const char *const files[] = { "config.json", "bundle.pem",  "root.pem",
				     "java.p12",    "resolv.conf", "hosts" };

/* ---- the shared directory ---- */

/* Everybody may use what is in it; only its owner, and the engine, come as far as it */
static int open_shared(struct bottle *b, struct bb_err *err)
{
	int fd;

	if (mkdirat(b->runtime_dir, SHARED, 0755) < 0 && errno != EEXIST)
		return bb_err_set(err, -errno, "%s/" SHARED ": %s", b->spec.runtime_dir,
				  strerror(errno));
	fd = openat(b->runtime_dir, SHARED, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return bb_err_set(err, -errno, "%s/" SHARED ": %s", b->spec.runtime_dir,
				  strerror(errno));
	return fd;
}

static int make_listener(int dir, const char *name, struct bb_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	bb_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* The path may be longer than sun_path: name it through the directory's descriptor */
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/%s", dir, name);
	(void)unlinkat(dir, name, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    fchmodat(dir, name, 0666, 0) < 0 || listen(fd, 1024) < 0)
		return bb_err_set(err, -errno, "socket %s: %s", name, strerror(errno));
	return BB_TAKE_FD(fd);
}

int engine_listen(struct bottle *b, struct bb_err *err)
{
	bb_auto_close int dir = open_shared(b, err);
	int r = dir < 0 ? dir : 0;

	for (size_t i = 0; i < BB_ARRAY_LEN(ports) && r == 0; i++) {
		struct ipc_msg msg = { .type = IPC_FD };

		msg.u.kind.kind = (uint8_t)(IPC_FD_LISTEN_EXEC + i);
		msg.fd = make_listener(dir, ports[i], err);
		if (msg.fd < 0)
			return msg.fd;
		r = ipc_peer_send(b->children[IPC_ROLE_GATE].peer, &msg);
		(void)close(msg.fd);
		if (r < 0)
			(void)bb_err_set(err, r, "gate: %s", strerror(-r));
	}
	return r;
}

static int put(int dir, const char *name, struct bb_span text, struct bb_err *err)
{
	bb_auto_close int fd = -1;

	(void)unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0 || bb_write_full(fd, text.p, text.len) < 0)
		return bb_err_set(err, -errno, "%s: %s", name, strerror(errno));
	return 0;
}

/* The host's roots and the bottle's: the image's own cannot be read before it runs */
static int put_trust(struct bottle *b, int dir, struct bb_err *err)
{
	bb_auto_buf struct bb_buf bundle, java;
	struct bb_err none = { 0 };
	int r;

	bb_buf_init(&bundle, PEM_MAX);
	bb_buf_init(&java, PEM_MAX);
	if (bb_read_file("/etc/ssl/certs/ca-certificates.crt", &bundle, &none) < 0)
		bundle.len = 0;
	r = bb_buf_addf(&bundle, "\n%s", b->root_pem);
	if (r < 0)
		return bb_err_set(err, r, "the host's certificate bundle is too large");
	r = put(dir, "bundle.pem", bb_buf_span(&bundle), err);
	if (r == 0)
		r = put(dir, "root.pem", BB_SPAN_STR(b->root_pem), err);
	if (r == 0)
		r = java_trust_make(bb_buf_span(&bundle), &java, err);
	return r == 0 ? put(dir, "java.p12", bb_buf_span(&java), err) : r;
}

static int put_files(struct bottle *b, struct bb_err *err)
{
	bb_auto_close int dir = open_shared(b, err);
	bb_auto_buf struct bb_buf config, hosts;
	int r;

	bb_buf_init(&config, 1u << 20);
	bb_buf_init(&hosts, 4096);
	if (dir < 0)
		return dir;
	r = guest_config_json(&b->spec, b->root_pem, &config, err);
	if (r == 0)
		r = put(dir, "config.json", bb_buf_span(&config), err);
	if (r == 0)
		r = put_trust(b, dir, err);
	if (r == 0)
		r = put(dir, "resolv.conf", BB_SPAN_STR("nameserver 127.0.0.1\n"), err);
	if (r == 0 && bb_buf_addf(&hosts, "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost\n",
				  b->spec.policy.identity) < 0)
		r = bb_err_set(err, -ENOMEM, "no memory");
	return r == 0 ? put(dir, "hosts", bb_buf_span(&hosts), err) : r;
}

void engine_hello(struct bottle *b)
{
	struct bb_err err = { 0 };
	bb_auto_close int dir = open_shared(b, &err);

	if (dir < 0 || unlinkat(dir, "config.json", 0) < 0)
		bb_log("config.json stays: %s", dir < 0 ? err.msg : strerror(errno));
}

/* ---- the container ---- */

struct args {
	char *v[ARGS_MAX];
	size_t n;
	bool failed;
};

BB_PRINTF(2, 3) static void arg(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->n + 1 >= ARGS_MAX || vasprintf(&a->v[a->n], fmt, ap) < 0)
		a->failed = true;
	else
		a->n++;
	va_end(ap);
}

static void args_release(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
}

static void mount_arg(struct args *a, const struct bottle *b, const char *file, const char *target)
{
	arg(a, "--mount");
	arg(a, "type=bind,source=%s/" SHARED "%s%s,target=%s,readonly", b->spec.runtime_dir,
	    *file ? "/" : "", file, target);
}

static void limits(struct args *a, const struct spec *s)
{
	arg(a, "--pids-limit=%u", s->pids);
	arg(a, "--memory=%llu", (unsigned long long)s->memory_bytes);
	arg(a, "--memory-swap=%llu", (unsigned long long)s->memory_bytes);
	arg(a, "--cpus=%u", s->cpus);
	arg(a, "--ulimit=core=0");
}

static void confine(struct args *a)
{
	arg(a, "--network=none");
	arg(a, "--cap-drop=ALL");
	arg(a, "--security-opt=no-new-privileges");
	arg(a, "--user=" GUEST_USER);
	/* so that PID 1 serves 127.0.0.1:53 as that user; in a network namespace of its own */
	arg(a, "--sysctl=net.ipv4.ip_unprivileged_port_start=0");
}

static void make_args(struct args *a, const struct bottle *b, const char *guest)
{
	const char *id = b->spec.policy.identity;
	const json_t *option;
	size_t i;

	arg(a, "%s", b->spec.engine);
	arg(a, "run");
	arg(a, "--rm");
	arg(a, "--name=%s", id);
	arg(a, "--label=bot-bottle=%s", id);
	arg(a, "--hostname=%s", id);
	arg(a, "--log-driver=none");
	arg(a, "--pull=never");
	confine(a);
	limits(a, &b->spec);
	json_array_foreach(b->spec.engine_options, i, option)
	{
		arg(a, "%s", json_string_value(option));
	}
	mount_arg(a, b, "", "/bottle");
	mount_arg(a, b, "resolv.conf", "/etc/resolv.conf");
	mount_arg(a, b, "hosts", "/etc/hosts");
	mount_arg(a, b, "bundle.pem", GUEST_CONFIG_BUNDLE);
	mount_arg(a, b, "java.p12", GUEST_CONFIG_JAVA_STORE);
	arg(a, "--mount");
	arg(a, "type=bind,source=%s,target=" GUEST ",readonly", guest);
	arg(a, "--workdir=/");
	arg(a, "--entrypoint=" GUEST);
	arg(a, "%s", b->spec.image);
	arg(a, "--container");
}

int engine_command(struct bottle *b, char ***ret_argv, struct bb_err *err)
{
	struct args a = { .n = 0 };
	char guest[PATHS_MAX];
	int r = paths_guest_binary(guest, err);

	if (r < 0)
		return r;
	/* what is between commas is read as CSV */
	if (strpbrk(b->spec.runtime_dir, ",\"\n") || strpbrk(guest, ",\"\n"))
		return bb_err_set(err, -EINVAL,
				  "%s: the engine cannot mount a path with a comma or quote in it",
				  b->spec.runtime_dir);
	make_args(&a, b, guest);
	*ret_argv = a.failed ? NULL : calloc(a.n + 1, sizeof(**ret_argv));
	if (!*ret_argv) {
		args_release(&a);
		return bb_err_set(err, -ENOMEM, "no memory");
	}
	memcpy(*ret_argv, a.v, a.n * sizeof(*a.v));
	return 0;
}

int engine_prepare(struct bottle *b, char ***ret_argv, struct bb_err *err)
{
	int r = put_files(b, err);

	return r == 0 ? engine_command(b, ret_argv, err) : r;
}

void engine_command_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}

/* ---- the end ---- */

/* The last of what the engine and PID 1 have printed; recorder takes a moment to write it */
static void console_end(const struct bottle *b, char ret[static SAID_MAX])
{
	bb_auto_close int fd =
		openat(b->state_dir, "console.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size = 0, before = 0;
	ssize_t n;

	for (int i = 0; fd >= 0 && i < 30 && (size == 0 || size != before); i++) {
		(void)usleep(10000);
		before = size;
		size = lseek(fd, 0, SEEK_END);
	}
	n = size > 0 ? pread(fd, ret, SAID_MAX - 1, size < SAID_MAX ? 0 : size - SAID_MAX + 1) : 0;
	while (n > 0 && ret[n - 1] == '\n')
		n--;
	ret[n < 0 ? 0 : n] = '\0';
	for (char *c = ret; *c; c++) {
		if (*c == '\n')
			*c = ' ';
	}
}

/* What a container says, or the engine of it, that does not see this machine's files */
static bool is_elsewhere(const char *said)
{
	return strstr(said, "bot-bottle: guest:") || strstr(said, "source path does not exist") ||
	       strstr(said, "statfs ");
}

void engine_explain(struct bottle *b, const siginfo_t *info, struct bb_err *why)
{
	bool exited = info->si_code == CLD_EXITED;
	char said[SAID_MAX];

	if (b->phase == BOTTLE_UP) {
		(void)bb_err_set(why, -ECHILD, "the container ended, or its engine (%s %s %d)",
				 b->spec.engine, exited ? "exited with" : "was killed by signal",
				 info->si_status);
		return;
	}
	console_end(b, said);
	if (is_elsewhere(said))
		(void)bb_err_set(why, -ECHILD,
				 "the engine does not see this host's files and sockets: it has to "
				 "run on this machine, not elsewhere or in a virtual machine: %s",
				 said);
	else
		(void)bb_err_set(why, -ECHILD, "the container did not start (%s %d): %s",
				 exited ? "exit code" : "killed by signal", info->si_status, said);
}

/* Return: exit code, or -1 when there was none until @until */
static int wait_for(pid_t pid, int pidfd, uint64_t until)
{
	struct timespec pause = { .tv_nsec = 5000000 };
	int status = 0;
	pid_t r;

	while ((r = waitpid(pid, &status, WNOHANG)) == 0) {
		if (bb_now_ms() > until) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	(void)close(pidfd);
	return r == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int engine_call(struct bottle *b, const char *verb, const char *option, uint64_t until)
{
	char *argv[] = { (char *)(uintptr_t)b->spec.engine, (char *)(uintptr_t)verb,
			 (char *)(uintptr_t)option, (char *)(uintptr_t)b->spec.policy.identity,
			 NULL };
	struct spawn s = {
		.path = b->spec.engine, .argv = argv, .log_fd = b->log_fd, .operators = true
	};
	struct bb_err err = { 0 };
	int pidfd = -1;
	pid_t pid = spawn_child(&s, &pidfd, &err);

	return pid > 0 ? wait_for(pid, pidfd, until) : -1;
}

/* The engine may be at it already, for --rm, and refuses then: until it knows of none */
static void remove_container(struct bottle *b)
{
	uint64_t until = bb_now_ms() + REMOVE_MS;

	while (engine_call(b, "rm", "--force", until) != 0) {
		if (bb_now_ms() > until) {
			bb_log("the engine has not removed the container in %d s: cleanup will",
			       REMOVE_MS / 1000);
			break;
		}
		if (engine_call(b, "inspect", "--format={{.State.Status}}", until) != 0)
			break;
		(void)usleep(50000);
	}
}

void engine_remove(struct bottle *b)
{
	bb_auto_close int dir = -1;

	remove_container(b);
	dir = openat(b->runtime_dir, SHARED, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	for (size_t i = 0; i < BB_ARRAY_LEN(ports) && dir >= 0; i++)
		(void)unlinkat(dir, ports[i], 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(files) && dir >= 0; i++)
		(void)unlinkat(dir, files[i], 0);
	(void)unlinkat(b->runtime_dir, SHARED, AT_REMOVEDIR);
}
