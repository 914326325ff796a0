/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bb-guest: PID 1 of a bottle.
 *
 * Theory of operation. Everything that must happen before the first session happens here, in order
 * and in one process: modules, mounts, files, network, rules, listening sockets. Then each role
 * (relay, DNS proxy, exec agent) runs in a forked child that inherits its sockets, so that a role
 * that dies loses its connections but not its port, and is started again. What is left for PID 1 is
 * to reap, to pass on what the roles say, and to start them again. It never executes a program.
 */
#include "base/io.h"
#include "guest/agent.h"
#include "guest/clock.h"
#include "guest/dnsproxy.h"
#include "guest/fence.h"
#include "guest/files.h"
#include "guest/mounts.h"
#include "guest/net.h"
#include "guest/probe.h"
#include "guest/relay.h"
#include "guest/say.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CGROUP        "/sys/fs/cgroup/s"
#define LISTENERS_MAX (GUEST_SERVICES_MAX + 2)

/** enum role - Children of PID 1 that must always run */
enum role { ROLE_RELAY, ROLE_DNS, ROLE_AGENT, NUM_ROLES };
static const char *const role_str[NUM_ROLES] = { "relay", "dns", "agent" };

struct init {
	struct host_link link;
	struct guest_config config;
	struct launch_env launch;
	struct dnsproxy_sockets dns;
	struct relay_listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	int exec_listener;
	int said[2]; /* roles write [1], PID 1 reads [0] */
	int log;     /* stream to port 5001, -1 while there is none */
	int signals;
	pid_t pid[NUM_ROLES];
	sigset_t old_mask;
};

static _Noreturn void give_up(const struct init *in, const struct bb_err *err)
{
	(void)dprintf(2, "bot-bottle: guest: %s\n", err->msg);
	if (in->link.dir)
		_exit(1); /* and with PID 1 the container */
	sync();
	(void)reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot: a reset is the end */
	for (;;)
		(void)pause();
}

/* A bound socket, or -1 after saying why */
static int bind_socket(int type, const struct sockaddr *sa, socklen_t len, const char *what)
{
	bb_auto_close int fd = socket(sa->sa_family, type | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd >= 0 && sa->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, sa, len) < 0 || (type == SOCK_STREAM && listen(fd, 1024) < 0)) {
		if (sa->sa_family == AF_INET6 && errno == EADDRNOTAVAIL)
			return -1; /* a container without IPv6, also on lo */
		say("%s: %s", what, strerror(errno));
		return -1;
	}
	return BB_TAKE_FD(fd);
}

static int bind4(int type, struct in_addr addr, uint16_t port, const char *what)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	sa.sin_addr = addr;
	return bind_socket(type, (const struct sockaddr *)&sa, sizeof(sa), what);
}

static int bind6(int type, struct in6_addr addr, uint16_t port, const char *what)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	sa.sin6_addr = addr;
	return bind_socket(type, (const struct sockaddr *)&sa, sizeof(sa), what);
}

static void add_listener(struct init *in, int fd, enum relay_kind kind)
{
	if (fd >= 0)
		in->listeners[in->n_listeners++] = (struct relay_listener){ fd, kind };
}

/* On every address: what comes from a nested network is sent to the device that it came by */
static void open_redirected(struct init *in)
{
	const struct in_addr any = { htonl(INADDR_ANY) };
	uint16_t port = in->config.redirect_port, dns = FENCE_NESTED_DNS_PORT;

	add_listener(in, bind4(SOCK_STREAM, any, port, "redirect"), RELAY_KIND_REDIRECTED);
	add_listener(in, bind6(SOCK_STREAM, in6addr_any, port, "redirect"), RELAY_KIND_REDIRECTED);
	in->dns.udp[2] = bind4(SOCK_DGRAM, any, dns, "nested dns");
	in->dns.udp[3] = bind6(SOCK_DGRAM, in6addr_any, dns, "nested dns");
	in->dns.tcp[2] = bind4(SOCK_STREAM, any, dns, "nested dns");
	in->dns.tcp[3] = bind6(SOCK_STREAM, in6addr_any, dns, "nested dns");
}

static void open_sockets(struct init *in)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	const struct guest_config *c = &in->config;

	for (size_t i = 0; i < c->services.n; i++)
		add_listener(in, bind4(SOCK_STREAM, c->alias, c->services.port[i], "service"),
			     RELAY_KIND_LOCAL);
	in->dns = (struct dnsproxy_sockets){
		.udp = { bind4(SOCK_DGRAM, loopback, 53, "dns"),
			 bind6(SOCK_DGRAM, in6addr_loopback, 53, "dns"), -1, -1 },
		.tcp = { bind4(SOCK_STREAM, loopback, 53, "dns"),
			 bind6(SOCK_STREAM, in6addr_loopback, 53, "dns"), -1, -1 },
	};
	if (!in->link.dir) /* a container has no rules that send anything there */
		open_redirected(in);
	if (in->link.dir)
		return; /* the agent connects instead */
	in->exec_listener = host_listen(&in->link, HOST_PORT_EXEC);
	if (in->exec_listener < 0)
		say("port 5000: %s", strerror(-in->exec_listener));
}

static void start_role(struct init *in, enum role role)
{
	pid_t pid = fork();
	char name[16];

	if (pid != 0) {
		in->pid[role] = pid;
		return;
	}
	(void)sigprocmask(SIG_SETMASK, &in->old_mask, NULL);
	(void)snprintf(name, sizeof(name), "bb-%s", role_str[role]);
	(void)prctl(PR_SET_NAME, name);
	say_init(role_str[role], in->said[1]);
	switch (role) {
	case ROLE_RELAY:
		relay_run(&in->link, in->listeners, in->n_listeners);
		break;
	case ROLE_DNS:
		dnsproxy_run(&in->link, &in->dns);
		break;
	case ROLE_AGENT:
		if (in->link.dir)
			agent_run_dialling(&in->link, &in->launch);
		agent_run(in->exec_listener, &in->link, &in->launch);
	case NUM_ROLES:
		break;
	}
	_exit(1);
}

static void reap(struct init *in)
{
	struct signalfd_siginfo info;
	pid_t pid;

	(void)!read(in->signals, &info, sizeof(info));
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (int role = 0; role < NUM_ROLES; role++)
			if (pid == in->pid[role]) {
				say("%s ended, starting it again", role_str[role]);
				(void)usleep(50000); /* not in a tight circle */
				start_role(in, (enum role)role);
			}
}

/* Blocking write of one line; a host that is gone ends the VM anyway */
static void log_line(struct init *in, const char *line, size_t len)
{
	char text[SAY_MAX + 1];

	if (len > SAY_MAX)
		len = SAY_MAX;
	memcpy(text, line, len);
	text[len] = '\n';
	if (in->log >= 0 && bb_write_full(in->log, text, len + 1) == 0)
		return;
	(void)!write(2, text, len + 1);
}

static void pass_on(struct init *in)
{
	char line[SAY_MAX];
	ssize_t n = recv(in->said[0], line, sizeof(line), MSG_DONTWAIT);

	if (n > 0)
		log_line(in, line, (size_t)n);
}

static int read_config(int bottle, struct guest_config *ret, struct bb_err *err)
{
	bb_auto_close int fd = openat(bottle, "config.json", O_RDONLY | O_CLOEXEC);
	bb_auto_buf struct bb_buf b;
	int r;

	bb_buf_init(&b, GUEST_CONFIG_MAX);
	if (fd < 0)
		return bb_err_set(err, -errno, "/bottle/config.json: %s", strerror(errno));
	r = bb_read_all(fd, &b);
	if (r < 0)
		return bb_err_set(err, r, "/bottle/config.json: %s", strerror(-r));
	return guest_config_parse(bb_buf_span(&b), ret, err);
}

static void empty_bottle(int bottle, int trust)
{
	static const char *const files[] = { "bundle.pem", "root.pem", "java.p12" };

	for (size_t i = 0; i < BB_ARRAY_LEN(files) && trust >= 0; i++)
		(void)unlinkat(trust, files[i], 0);
	(void)unlinkat(bottle, "config.json", 0);
}

/* Everything of the file system. The fds of /bottle outlive the switch of the root. */
static int set_up_files(struct init *in, struct bb_err *err)
{
	bb_auto_close int bottle = -1, trust = -1, root = -1;
	struct user u = { .home = "/" };
	struct bb_err no_user = { 0 };
	int r;

	bottle = open("/bottle", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	trust = open("/bottle/trust", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if ((r = read_config(bottle, &in->config, err)) < 0 || (r = mounts_root(err)) < 0 ||
	    (r = mounts_switch(err)) < 0)
		return r;
	mounts_late();
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (user_find("/etc", in->config.user, &u, &no_user) < 0)
		say("%s", no_user.msg);
	mounts_disk_dirs(&u);
	files_write(root, &in->config);
	if (*in->config.trust_hash && trust >= 0)
		files_trust(root, trust, &in->config);
	empty_bottle(bottle, trust);
	files_sysctl();
	if (sethostname(in->config.hostname, strlen(in->config.hostname)) < 0)
		say("hostname: %s", strerror(errno));
	return 0;
}

static void set_up_network(const struct guest_config *c)
{
	struct bb_err err = { 0 };

	if (net_up(&err) < 0)
		say("%s", err.msg);
	err = (struct bb_err){ 0 };
	if (fence_up(c, &err) < 0)
		say("%s", err.msg);
}

static void cgroup_write(const char *file, const char *text)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), CGROUP "/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		say("%s: %s", path, strerror(errno));
	bb_closep(&fd);
}

/* All sessions together; this process and its roles are outside, so that exec and stop always work
 */
static void limit_pids(uint32_t max)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", max);
	if (max)
		cgroup_write("pids.max", text);
}

static void set_up_supervision(struct init *in)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &mask, &in->old_mask);
	in->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, in->said) < 0)
		in->said[0] = in->said[1] = -1;
	if (!in->link.dir && mkdir(CGROUP, 0755) == 0) {
		in->launch.cgroup = CGROUP;
		cgroup_write("cgroup.subtree_control", "+memory +pids");
		limit_pids(in->config.pids);
	}
}

/* The first thing the host hears of us */
static void say_hello(struct init *in)
{
	struct bb_err err = { 0 };

	for (int i = 0; i < 50 && in->log < 0; i++) {
		in->log = host_connect(&in->link, HOST_PORT_LOG, HOST_CONNECT_MS, false);
		if (in->log < 0)
			(void)usleep(20000);
	}
	/* gate is gone already, or out of reach; and nothing else would ever end this container */
	if (in->log < 0 && in->link.dir) {
		(void)bb_err_set(&err, in->log, "gate's socket %s/5001: %s", in->link.dir,
				 strerror(-in->log));
		give_up(in, &err);
	}
	if (in->log < 0)
		say("port 5001: %s", strerror(-in->log));
	log_line(in, "hello 1", 7);
}

static void report_probe(struct init *in)
{
	struct bb_err err = { 0 };
	char line[300];
	int n;

	if (!in->config.probe.on)
		return;
	if (probe_run(&in->link, &in->config, &err) == 0)
		n = snprintf(line, sizeof(line), "probe ok");
	else
		n = snprintf(line, sizeof(line), "probe fail %s", err.msg);
	log_line(in, line, (size_t)n);
}

static _Noreturn void supervise(struct init *in)
{
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = in->signals, .events = POLLIN },
			{ .fd = in->said[0], .events = POLLIN },
			{ .fd = in->link.dir ? in->log : -1, .events = POLLIN },
		};

		if (poll(p, BB_ARRAY_LEN(p), -1) < 0)
			continue;
		if (p[2].revents)
			_exit(0); /* gate never writes there: it is gone, and so is the container */
		if (p[1].revents)
			pass_on(in);
		if (p[0].revents)
			reap(in);
	}
}

static void open_and_supervise(struct init *in)
{
	in->launch.config = &in->config;
	in->launch.etc = "/etc";
	set_up_supervision(in);
	open_sockets(in);
	start_role(in, ROLE_RELAY);
	start_role(in, ROLE_DNS);
	say_hello(in);
	report_probe(in);
	start_role(in, ROLE_AGENT);
	say_init("init", in->said[1]);
	supervise(in);
}

/*
 * PID 1 of a container: one user, no capability, files as the engine mounted them. Nobody but this
 * program may look into it: the commands run as the same user.
 */
static void run_container(struct init *in)
{
	bb_auto_close int bottle = open("/bottle", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bb_err err = { 0 };

	in->link.dir = "/bottle";
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (read_config(bottle, &in->config, &err) < 0)
		give_up(in, &err);
	open_and_supervise(in);
}

/* A machine without a timer says no hello and idles: the host's watchdog starts it anew */
static void insist_on_timer(void)
{
	bb_auto_close int sys = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (clock_has_timer(sys))
		return;
	say("the kernel could not measure its timer on a busy host; waiting to be started again");
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	static struct init in = { .log = -1, .exec_listener = -1 };
	struct bb_err err = { 0 };
	bb_auto_close int oom = -1;

	if (getpid() != 1) {
		(void)dprintf(2, "bb-guest: this is the init of a bottle\n");
		return 1;
	}
	say_init("init", -1);
	(void)umask(022);
	if (argc == 2 && strcmp(argv[1], "--container") == 0)
		run_container(&in);
	if (mounts_early(&err) < 0)
		give_up(&in, &err);
	insist_on_timer();
	mounts_modules("/modules.list");
	if (set_up_files(&in, &err) < 0)
		give_up(&in, &err);
	oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	(void)!write(oom, "-1000", 5);
	set_up_network(&in.config);
	open_and_supervise(&in);
}
