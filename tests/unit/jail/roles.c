/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each role's filter as its main() builds it: its exact list against roles.golden, and every system
 * call that a process taken over would want, tried in a child of its own: it dies.
 */
#include "base/buf.h"
#include "base/io.h"
#include "proc/dialer/rules.h"
#include "proc/gate/rules.h"
#include "proc/porter/rules.h"
#include "proc/recorder/rules.h"
#include "proc/unpacker/rules.h"
#include "tests/unit/jail/alone.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *golden;

/* What main() gives to jail_lock() */
static const struct {
	const char *name;
	const struct jail_table *tables[3];
} roles[] = {
	{ "gate", { &jail_common, &gate_rules } },
	{ "gate (container)", { &jail_common, &gate_rules, &gate_listen_rules } },
	{ "egress", { &jail_common } },
	{ "dialer", { &jail_common, &dialer_rules } },
	{ "keyd", { &jail_common } },
	{ "recorder", { &jail_common, &recorder_rules } },
	{ "porter (command)", { &jail_common } },
	{ "porter (copy)", { &jail_common, &porter_copy_rules } },
	{ "unpacker", { &jail_common, &unpacker_rules } },
	{ "unpacker (directory)", { &jail_common, &unpacker_rules, &unpacker_dir_rules } },
};

/* ---- the lists ---- */

static void add_rule(struct bb_buf *out, const struct jail_rule *r)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, r->nr);

	assert_non_null(name);
	assert_int_equal(bb_buf_addf(out, "\t%s", name), 0);
	free(name);
	for (uint8_t i = 0; i < r->n_args; i++) {
		const struct scmp_arg_cmp *a = &r->args[i];

		if (a->op == SCMP_CMP_MASKED_EQ)
			assert_int_equal(bb_buf_addf(out, " arg%u&%#llx==%#llx", a->arg,
						     (unsigned long long)a->datum_a,
						     (unsigned long long)a->datum_b),
					 0);
		else
			assert_int_equal(bb_buf_addf(out, " arg%u%s%#llx", a->arg,
						     a->op == SCMP_CMP_EQ   ? "=="
						     : a->op == SCMP_CMP_NE ? "!="
									    : "?",
						     (unsigned long long)a->datum_a),
					 0);
	}
	assert_int_equal(bb_buf_add(out, "\n", 1), 0);
}

static void add_table(struct bb_buf *out, const struct jail_table *t)
{
	if (t == &jail_common)
		assert_int_equal(bb_buf_addf(out, "\t(common)\n"), 0);
	for (size_t i = 0; t != &jail_common && i < t->n; i++)
		add_rule(out, &t->rules[i]);
}

static void each_list_is_as_it_was_agreed(void **state)
{
	bb_auto_buf struct bb_buf is, was;
	struct bb_err err = { 0 };

	(void)state;
	bb_buf_init(&is, 1u << 20);
	bb_buf_init(&was, 1u << 20);
	assert_int_equal(bb_buf_addf(&is, "common, with tgkill of its own threads:\n"), 0);
	for (size_t i = 0; i < jail_common.n; i++)
		add_rule(&is, &jail_common.rules[i]);
	for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++) {
		assert_int_equal(bb_buf_addf(&is, "%s:\n", roles[i].name), 0);
		for (size_t t = 0; t < BB_ARRAY_LEN(roles[i].tables) && roles[i].tables[t]; t++)
			add_table(&is, roles[i].tables[t]);
	}
	assert_int_equal(bb_buf_addf(&is, "vmm, refused, with kill and tgkill of others:\n"), 0);
	add_table(&is, &jail_vmm_denied);
	assert_int_equal(bb_read_file(golden, &was, &err), 0);
	if (is.len != was.len || memcmp(is.p, was.p, is.len) != 0) {
		(void)fwrite(is.p, 1, is.len, stdout);
		fail_msg("%s says otherwise; what the roles have now stands above", golden);
	}
}

/* ---- what a process taken over would want ---- */

struct attempt {
	const char *what;
	long nr;
	long args[6];
};

#define AT(s) ((long)(intptr_t)(s))
static struct sockaddr_in loopback;
static const struct open_how how = { .flags = O_RDONLY };
static char page[4096] __attribute__((aligned(4096)));

static const struct attempt attempts[] = {
	/* files */
	{ "openat", SYS_openat, { AT_FDCWD, AT("/etc/passwd"), O_RDONLY } },
	{ "openat2", SYS_openat2, { AT_FDCWD, AT("/etc/passwd"), AT(&how), sizeof(how) } },
	{ "open_by_handle_at", SYS_open_by_handle_at, { AT_FDCWD, AT(page), O_RDONLY } },
	{ "unlinkat", SYS_unlinkat, { AT_FDCWD, AT("/nowhere/x"), 0 } },
	{ "renameat2", SYS_renameat2, { AT_FDCWD, AT("/nowhere/x"), AT_FDCWD, AT("/nowhere/y") } },
	{ "linkat", SYS_linkat, { AT_FDCWD, AT("/nowhere/x"), AT_FDCWD, AT("/nowhere/y") } },
	{ "mkdirat", SYS_mkdirat, { AT_FDCWD, AT("/nowhere/x"), 0700 } },
	{ "mknodat", SYS_mknodat, { AT_FDCWD, AT("/nowhere/x"), 0600 } },
	{ "symlinkat", SYS_symlinkat, { AT("x"), AT_FDCWD, AT("/nowhere/x") } },
	{ "readlinkat", SYS_readlinkat, { AT_FDCWD, AT("/nowhere/x"), AT(page), 9 } },
	{ "fchmodat", SYS_fchmodat, { AT_FDCWD, AT("/nowhere/x"), 0777 } },
	{ "fchownat", SYS_fchownat, { AT_FDCWD, AT("/nowhere/x") } },
	{ "getdents64", SYS_getdents64, { 0, AT(page), sizeof(page) } },
	{ "memfd_create", SYS_memfd_create, { AT("x"), 0 } },
	{ "ftruncate", SYS_ftruncate, { -1, 0 } },
	{ "pwrite64", SYS_pwrite64, { -1, AT(page), 1, 0 } },
	{ "fallocate", SYS_fallocate, { -1, 0, 0, 1 } },
	{ "chdir", SYS_chdir, { AT("/") } },
	{ "chroot", SYS_chroot, { AT("/") } },
	{ "mount", SYS_mount, { AT("none"), AT("/nowhere"), AT("tmpfs") } },
	/* sockets */
	{ "TCP socket", SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "UDP socket", SYS_socket, { AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK } },
	{ "raw socket", SYS_socket, { AF_INET, SOCK_RAW, IPPROTO_ICMP } },
	{ "UNIX socket", SYS_socket, { AF_UNIX, SOCK_STREAM } },
	{ "packet socket", SYS_socket, { AF_PACKET, SOCK_RAW } },
	{ "netlink socket", SYS_socket, { AF_NETLINK, SOCK_RAW } },
	{ "vsock socket", SYS_socket, { AF_VSOCK, SOCK_STREAM } },
	{ "UNIX pair", SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, AT(page) } },
	/* with sendmsg() it reaches every datagram socket that the user may write to: the log's,
	   init's */
	{ "UNIX datagram pair",
	  SYS_socketpair,
	  { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, AT(page) } },
	{ "INET pair", SYS_socketpair, { AF_INET, SOCK_STREAM, 0, AT(page) } },
	{ "connect", SYS_connect, { -1, AT(&loopback), sizeof(loopback) } },
	{ "bind", SYS_bind, { -1, AT(&loopback), sizeof(loopback) } },
	{ "listen", SYS_listen, { -1, 1 } },
	{ "accept4", SYS_accept4, { -1, 0, 0, 0 } },
	{ "sendto", SYS_sendto, { -1, AT(page), 1, 0, AT(&loopback), sizeof(loopback) } },
	{ "sendmmsg", SYS_sendmmsg, { -1, AT(page), 1 } },
	/* connects what dialer has handed over to another address (MSG_FASTOPEN) */
	{ "sendmsg that connects", SYS_sendmsg, { -1, AT(page), MSG_NOSIGNAL | MSG_FASTOPEN } },
	{ "sendto that connects", SYS_sendto, { -1, AT(page), 1, MSG_FASTOPEN, 0, 0 } },
	{ "MSG_OOB", SYS_sendmsg, { -1, AT(page), MSG_OOB } },
	{ "MPTCP socket", SYS_socket, { AF_INET, SOCK_STREAM, IPPROTO_MPTCP } },
	{ "SCTP socket", SYS_socket, { AF_INET6, SOCK_STREAM, IPPROTO_SCTP } },
	{ "ping socket", SYS_socket, { AF_INET, SOCK_DGRAM, IPPROTO_ICMP } },
	{ "UDP-Lite socket", SYS_socket, { AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE } },
	{ "SO_BINDTODEVICE", SYS_setsockopt, { -1, SOL_SOCKET, SO_BINDTODEVICE, AT("lo"), 3 } },
	/* other programs and processes */
	{ "execve", SYS_execve, { AT("/bin/true"), 0, 0 } },
	{ "execveat", SYS_execveat, { AT_FDCWD, AT("/bin/true"), 0, 0, 0 } },
	{ "clone", SYS_clone, { SIGCHLD } },
	{ "clone3", SYS_clone3, { 0, 0 } },
	{ "kill", SYS_kill, { 1, 0 } },
	{ "tgkill another", SYS_tgkill, { 1, 1, 0 } },
	{ "tkill", SYS_tkill, { 1, 0 } },
	{ "rt_sigqueueinfo", SYS_rt_sigqueueinfo, { 1, 0, 0 } },
	{ "ptrace", SYS_ptrace, { 16 /* PTRACE_ATTACH */, 1 } },
	{ "process_vm_readv", SYS_process_vm_readv, { 1, 0, 0, 0, 0, 0 } },
	{ "process_vm_writev", SYS_process_vm_writev, { 1, 0, 0, 0, 0, 0 } },
	{ "pidfd_open", SYS_pidfd_open, { 1, 0 } },
	{ "pidfd_getfd", SYS_pidfd_getfd, { 0, 0, 0 } },
	{ "prlimit another", SYS_prlimit64, { 1, 0, 0, 0 } },
	{ "F_SETOWN", SYS_fcntl, { 0, F_SETOWN, 1 } },
	{ "shmget", SYS_shmget, { 1, 4096, 0600 } },
	/* the kernel */
	{ "io_uring_setup", SYS_io_uring_setup, { 1, 0 } },
	{ "bpf", SYS_bpf, { 0, 0, 0 } },
	{ "perf_event_open", SYS_perf_event_open, { 0, 0, 0, 0, 0 } },
	{ "userfaultfd", SYS_userfaultfd, { 0 } },
	{ "keyctl", SYS_keyctl, { 0, 0, 0, 0, 0 } },
	{ "unshare", SYS_unshare, { 0x10000000 /* CLONE_NEWUSER */ } },
	{ "setns", SYS_setns, { 0, 0 } },
	{ "seccomp", SYS_seccomp, { 0, 0, 0 } },
	{ "prctl", SYS_prctl, { 4 /* PR_SET_DUMPABLE */, 1 } },
	{ "setuid", SYS_setuid, { 0 } },
	{ "TIOCSTI", SYS_ioctl, { 0, 0x5412, AT("x") } },
	{ "executable map",
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "executable page", SYS_mprotect, { AT(page), sizeof(page), PROT_READ | PROT_EXEC } },
};

/* What a role has beyond that: what the call answers then is the kernel's to say */
static const struct {
	const char *role;
	const char *may[8];
} exceptions[] = {
	{ "gate", { "UNIX pair" } },
	{ "gate (container)", { "UNIX pair", "accept4" } },
	{ "dialer", { "TCP socket", "UDP socket", "connect" } },
	{ "recorder", { "ftruncate", "pwrite64" } },
	{ "porter (copy)",
	  { "openat2", "unlinkat", "mkdirat", "symlinkat", "readlinkat", "getdents64" } },
	{ "unpacker", { "ftruncate", "pwrite64" } },
	{ "unpacker (directory)", { "openat2", "ftruncate", "pwrite64" } },
};

static bool may(const char *role, const char *what)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(exceptions); i++) {
		for (size_t k = 0; strcmp(role, exceptions[i].role) == 0 && k < 8; k++) {
			if (exceptions[i].may[k] && strcmp(exceptions[i].may[k], what) == 0)
				return true;
		}
	}
	return false;
}

/* Return: 0 when it goes on behind the call, 99 when it could not be locked, -signal */
static int try_it(size_t role, const struct attempt *a)
{
	struct jail_table tables[3];
	struct bb_err err = { 0 };
	size_t n = 0;
	int status;
	pid_t pid;

	while (n < 3 && roles[role].tables[n]) {
		tables[n] = *roles[role].tables[n];
		n++;
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (jail_begin(NULL, 0, &err) < 0 || jail_lock(tables, n, &err) < 0)
			_exit(99);
		(void)syscall(a->nr, a->args[0], a->args[1], a->args[2], a->args[3], a->args[4],
			      a->args[5]);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void what_a_role_must_not_do_kills_it(void **state)
{
	unsigned int killed = 0;

	(void)state;
#ifdef BB_JAIL_LOG_ONLY
	skip();
#endif
	for (size_t r = 0; r < BB_ARRAY_LEN(roles); r++) {
		for (size_t i = 0; i < BB_ARRAY_LEN(attempts); i++) {
			int want = may(roles[r].name, attempts[i].what) ? 0 : -SIGSYS;
			int got = try_it(r, &attempts[i]);

			if (got != want)
				fail_msg("%s, %s: %d instead of %d", roles[r].name,
					 attempts[i].what, got, want);
			killed += got == -SIGSYS;
		}
	}
	print_message("%u attempts, %u deaths\n",
		      (unsigned int)(BB_ARRAY_LEN(roles) * BB_ARRAY_LEN(attempts)), killed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_list_is_as_it_was_agreed),
		cmocka_unit_test(what_a_role_must_not_do_kills_it),
	};

	if (argc < 2 || !alone(argc, argv))
		return 2;
	golden = argv[1];
	loopback.sin_family = AF_INET;
	loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
