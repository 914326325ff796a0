/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/supervisor.h"
#include "base/io.h"
#include "ipc/policy_json.h"
#include "ipc/sock.h"
#include "scan/vendor.h"
#include "state/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define BOTTLED_FD 3

static const char *timezone_name(char link[static PATHS_MAX])
{
	const char *tz = getenv("TZ"), *zone;
	ssize_t n;

	if (tz && *tz)
		return *tz == ':' ? tz + 1 : tz;
	n = readlink("/etc/localtime", link, PATHS_MAX - 1);
	if (n <= 0)
		return "";
	link[n] = '\0';
	zone = strstr(link, "zoneinfo/");
	return zone ? zone + strlen("zoneinfo/") : "";
}

static int spec_memfd(const struct backend_start *s, const char *engine, json_t *options,
		      struct bb_err *err)
{
	char link[PATHS_MAX];
	json_auto_t *none = json_array();
	json_auto_t *json = json_pack(
		"{s:s, s:O, s:s, s:s, s:s, s:O, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:b, s:b, "
		"s:b}",
		"engine", engine, "engine_options", options ? options : none, "state_dir",
		s->state_dir, "runtime_dir", s->runtime_dir, "image", s->image, "env", s->env,
		"upstream_ca_pem", s->upstream_ca_pem, "memory_bytes", (json_int_t)s->memory_bytes,
		"disk_bytes", (json_int_t)s->disk_bytes, "cpus", (json_int_t)s->cpus, "pids",
		(json_int_t)s->pids, "boot_seconds", (json_int_t)s->boot_seconds, "accel", s->accel,
		"tz", timezone_name(link), "ephemeral", s->ephemeral, "keep_disk", s->keep_disk,
		"jail_strict", s->jail_strict);
	bb_auto_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int fd;

	if (!text)
		return bb_err_set(err, -ENOMEM, "no memory for the bottle's settings");
	fd = bb_memfd_sealed("bottle", BB_SPAN_STR(text), err);
	explicit_bzero(text, strlen(text)); /* the environment may hold secrets */
	return fd;
}

static int secrets_memfd(const struct backend_start *s, struct bb_err *err)
{
	bb_auto_free char *text = json_dumps(s->secrets, JSON_COMPACT);
	int fd;

	if (!text)
		return bb_err_set(err, -ENOMEM, "no memory for the bottle's secrets");
	fd = bb_memfd_sealed("secrets", BB_SPAN_STR(text), err);
	explicit_bzero(text, strlen(text));
	return fd;
}

/* Empty where there is none to give */
static int proxy_auth_memfd(const struct backend_start *s, struct bb_err *err)
{
	return bb_memfd_sealed("proxy-auth", BB_SPAN_STR(s->proxy_auth ? s->proxy_auth : ""), err);
}

/* The compiled rules, from the cache where it has them: every bottle's guard uses the same */
static int rules_memfd(struct bb_err *err)
{
	bb_auto_buf struct bb_buf bytes;
	struct vendor_db *db = NULL;
	char path[PATHS_MAX];
	struct paths paths;
	int r = paths_get(&paths, err);

	if (r == 0)
		r = paths_join(paths.cache, "vendor-rules", path, err);
	if (r == 0)
		r = vendor_db_open(path, &db, err);
	if (r < 0)
		return r;
	bb_buf_init(&bytes, VENDOR_SERIALIZED_MAX);
	r = vendor_db_serialize(db, &bytes, err);
	vendor_db_free(db);
	return r < 0 ? r : bb_memfd_sealed("rules", bb_buf_span(&bytes), err);
}

static int send_blob(int sock, enum ipc_blob_kind kind, int fd, struct bb_err *err)
{
	struct ipc_msg msg = { .type = IPC_BLOB, .fd = fd, .u.kind.kind = (uint8_t)kind };

	return fd < 0 ? fd : ipc_send(sock, &msg, err);
}

const char *const supervisor_engine_env[] = {
	"DOCKER_HOST",      "DOCKER_CONFIG",           "DOCKER_CONTEXT",
	"DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",       "CONTAINER_HOST",
	"CONTAINERS_CONF",  "CONTAINERS_STORAGE_CONF", NULL
};

/* Those of @names that are set, after the @n in @env. Return: how many there are then */
static size_t add_variables(const char *const *names, char **env, size_t n)
{
	for (; *names; names++) {
		const char *value = getenv(*names);

		if (value && asprintf(&env[n], "%s=%s", *names, value) >= 0)
			n++;
	}
	return n;
}

/* What bottled finds its directories by. The rest of the user's environment may hold secrets, and
 * an environment can be read in /proc for as long as the process lives. */
static void exec_with_few_variables(const char *path, char *const *argv)
{
	static const char *const names[] = { "PATH",
					     "HOME",
					     "TMPDIR",
					     "XDG_CACHE_HOME",
					     "XDG_STATE_HOME",
					     "XDG_RUNTIME_DIR",
					     "BOT_BOTTLE_HOME",
					     "DBUS_SESSION_BUS_ADDRESS",
					     NULL };
	char *env[BB_ARRAY_LEN(names) + BB_ARRAY_LEN(supervisor_engine_env)] = { NULL };
	size_t n = add_variables(names, env, 0);

	env[add_variables(supervisor_engine_env, env, n)] = NULL;
	(void)execve(path, argv, env);
}

/* In the child: bottled with the socket as fd 3 and nothing else of ours */
_Noreturn static void exec_bottled(const char *path, int sock)
{
	char *argv[] = { (char[]){ "bottled" }, NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (sock == BOTTLED_FD)
		(void)fcntl(sock, F_SETFD, 0);
	else
		(void)dup2(sock, BOTTLED_FD);
	(void)dup2(null, 0);
	(void)dup2(null, 1);
	(void)dup2(null, 2); /* it writes to the bottle's host.log; the terminal is the CLI's */
	(void)syscall(SYS_close_range, BOTTLED_FD + 1, ~0u, 0u);
	exec_with_few_variables(path, argv);
	_exit(127);
}

static int hand_over(int sock, const struct backend_start *s, const char *engine, json_t *options,
		     struct bb_err *err)
{
	static const enum ipc_blob_kind kinds[] = { IPC_BLOB_BOTTLE, IPC_BLOB_POLICY,
						    IPC_BLOB_SECRETS, IPC_BLOB_PROXY_AUTH,
						    IPC_BLOB_RULES };
	int r = 0;

	for (size_t i = 0; i < BB_ARRAY_LEN(kinds) && r == 0; i++) {
		bb_auto_close int fd = -1;

		if (kinds[i] == IPC_BLOB_BOTTLE)
			fd = spec_memfd(s, engine, options, err);
		else if (kinds[i] == IPC_BLOB_POLICY)
			fd = policy_to_memfd(s->policy, err);
		else if (kinds[i] == IPC_BLOB_SECRETS)
			fd = secrets_memfd(s, err);
		else
			fd = kinds[i] == IPC_BLOB_PROXY_AUTH ? proxy_auth_memfd(s, err)
							     : rules_memfd(err);
		r = send_blob(sock, kinds[i], fd, err);
	}
	if (r == 0)
		r = ipc_send(sock, &(struct ipc_msg){ .type = IPC_START, .fd = -1 }, err);
	return r;
}

int supervisor_start(const struct backend_start *s, const char *engine, json_t *options,
		     struct bb_err *err)
{
	char path[PATHS_MAX];
	int fds[2], r = paths_libexec("bottled", path, err);
	pid_t pid;

	if (r == 0)
		r = ipc_pair(fds, err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		exec_bottled(path, fds[1]);
	(void)close(fds[1]);
	r = pid < 0 ? bb_err_set(err, -errno, "fork: %s", strerror(errno))
		    : hand_over(fds[0], s, engine, options, err);
	if (r < 0) {
		(void)close(fds[0]);
		return r;
	}
	return fds[0];
}

int supervisor_connect(const char *runtime_dir, struct bb_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	bb_auto_close int dir = open(runtime_dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bb_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (dir < 0 || fd < 0)
		return bb_err_set(err, -errno, "%s: %s", runtime_dir, strerror(errno));
	/* The path may be longer than sun_path */
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/control", dir);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		return bb_err_set(err, -errno, "the bottle does not answer: %s", strerror(errno));
	return BB_TAKE_FD(fd);
}
