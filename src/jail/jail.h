/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_JAIL_JAIL_H
#define BB_JAIL_JAIL_H
#include "base/base.h"
#include <seccomp.h>
#include <sys/types.h>

/**
 * DOC: jail - what a process takes away from itself before it meets a hostile octet
 *
 * Layer:     jail
 * Used by:   main() of every role; bottled between fork and exec of the vmm
 * Trust:     trusted input only; after jail_lock() the process may be taken over and still has no
 *            system call but those in its tables
 * Source:    seccomp(2), landlock(7), prctl(2), docs/protocol/ipc.md (start-up order)
 *
 * Order in a role's main():
 *
 *   1. jail_begin() first: stray fds closed, not dumpable, no new privileges, no core files
 *   2. start-up with everything that opens files: configuration, OpenSSL, event_base_new()
 *   3. jail_lock() with the role's table; then READY, then the loop
 *
 * The filter is an allow-list and a system call outside it kills the whole process, which ends the
 * bottle. In builds with BB_JAIL_LOG_ONLY (sanitizers) it is logged by the kernel instead.
 */

/**
 * struct jail_rule - One allowed system call
 * @nr:		SCMP_SYS(name)
 * @n_args:	Conditions in @args, all of which must hold
 *
 * Two rules for the same call are alternatives.
 */
struct jail_rule {
	int nr;
	uint8_t n_args;
	struct scmp_arg_cmp args[3];
};

/* The kernel takes most arguments as int: the upper half of the register is not compared */
#define JAIL_INT(n, v)                                                                             \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t)(v)                                \
	}
#define JAIL_BITS(n, m, v)                                                                         \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, (m), (v)                                                  \
	}
#define JAIL_ZERO(n)                                                                               \
	{                                                                                          \
		(n), SCMP_CMP_EQ, 0, 0                                                             \
	}
#define JAIL_NOT(n, v)                                                                             \
	{                                                                                          \
		(n), SCMP_CMP_NE, (v), 0                                                           \
	}
#define JAIL_NOT_ZERO(n) JAIL_NOT(n, 0)
#define JAIL_ALLOW(name)                                                                           \
	{                                                                                          \
		.nr = SCMP_SYS(name)                                                               \
	}
#define JAIL_IF(name, cond)                                                                        \
	{                                                                                          \
		.nr = SCMP_SYS(name), .n_args = 1, .args = { cond }                                \
	}
#define JAIL_IF2(name, cond1, cond2)                                                               \
	{                                                                                          \
		.nr = SCMP_SYS(name), .n_args = 2, .args = { cond1, cond2 }                        \
	}
#define JAIL_IF3(name, cond1, cond2, cond3)                                                        \
	{                                                                                          \
		.nr = SCMP_SYS(name), .n_args = 3, .args = { cond1, cond2, cond3 }                 \
	}

/** struct jail_table - Static rules of one role or of several */
struct jail_table {
	const struct jail_rule *rules;
	size_t n;
};
#define JAIL_TABLE(array) ((struct jail_table){ (array), BB_ARRAY_LEN(array) })

/**
 * jail_common - What a role on libevent, malloc and OpenSSL needs while it runs
 *
 * Octets in and out of fds it already has, memory that is never executable, timers, epoll, end.
 * No way to open, create, connect, name or signal anything; fds come only by SCM_RIGHTS. Sends take
 * no flag that connects: what dialer hands over stays connected to where it was.
 */
extern const struct jail_table jail_common;

/**
 * jail_begin() - First thing in main()
 * @keep:	ascending fds to keep besides 0, 1 and 2
 *
 * Closes every other fd, raises RLIMIT_NOFILE to its hard limit, forbids core files, dumps, ptrace
 * by the same user and new privileges.
 *
 * Return: 0 or -errno with @err
 */
BB_MUST_USE int jail_begin(const int *keep, size_t n_keep, struct bb_err *err);

/**
 * jail_lock() - Install the allow-list for this process and all its threads
 * @tables:	usually jail_common and the role's own
 *
 * Return: 0 or -errno with @err; on failure the process must exit
 */
BB_MUST_USE int jail_lock(const struct jail_table *tables, size_t n_tables, struct bb_err *err);

/**
 * jail_lock_all() - As jail_lock(), and no file can be opened either, where there is Landlock
 *
 * Return: 0 or -errno with @err
 */
BB_MUST_USE int jail_lock_all(const struct jail_table *tables, size_t n_tables, struct bb_err *err);

/* What jail_apart() leaves as it is */
#define JAIL_KEEP_NET  1u /* the network: for the one process that dials */
#define JAIL_KEEP_USER 2u /* the user: root keeps its rights over others' files, for copies */

/**
 * jail_apart() - Namespaces of our own: user, network (only a loopback that is down), IPC, UTS
 *
 * The second layer: whoever gets past the allow-list finds no network, and as root no capability
 * over anything outside. Between fork and exec. PR_SET_PDEATHSIG has to be set again after it.
 *
 * Return: false when the host refuses (unprivileged user namespaces are often switched off)
 */
BB_MUST_USE bool jail_apart(unsigned int what);

/** jail_namespaces() - Would jail_apart() work here? Forks */
bool jail_namespaces(void);
/** jail_apparmor() - Does AppArmor keep user namespaces to programs that have a profile for it? */
bool jail_apparmor(void);
/** jail_landlock() - ABI of this kernel's Landlock; 0: none */
long jail_landlock(void);

/** enum jail_access - What jail_files() leaves */
enum jail_access {
	JAIL_READ = 0, /* read files, list directories */
	/* list directories and make them, make, write and remove files and symbolic links; what is
	 * in a file of the user's is not read */
	JAIL_CHANGE,
};

/**
 * jail_files() - Landlock: no file can be opened, made or removed but beneath one directory
 * @dir:	borrowed; -1: none at all
 * @access:	what stays allowed beneath @dir
 *
 * The second layer for a process whose allow-list must have openat2: seccomp cannot look into its
 * arguments. Descriptors that are open already keep working. For the calling thread and what it
 * forks; before jail_lock(), whose tables do not have the calls this makes.
 *
 * Return: 1 when in force; 0 when this kernel has no Landlock (or BB_JAIL_LOG_ONLY); -errno with
 * @err
 */
BB_MUST_USE int jail_files(int dir, enum jail_access access, struct bb_err *err);

/** jail_vmm_denied - What answers EPERM in QEMU; beside it, signals to any other process */
extern const struct jail_table jail_vmm_denied;

/**
 * jail_vmm() - The filter that QEMU inherits: no sockets, no other process, no foreign ABI
 *
 * A deny-list, because QEMU is not ours: socket, socketpair, connect, bind, listen, accept*, sends
 * that connect (MSG_FASTOPEN), io_uring_*, ptrace, process_vm_*, pidfd_*, bpf, userfaultfd,
 * keyrings, mounts, namespaces, and signals, limits and priorities for other processes of the user
 * answer EPERM, clone3 ENOSYS; a call of another ABI kills. Called between fork and exec; also sets
 * no_new_privs.
 *
 * Return: 0 or -errno with @err
 */
BB_MUST_USE int jail_vmm(struct bb_err *err);

/**
 * jail_vmm_files() - Landlock for QEMU: its program and libraries, what it was given, nothing else
 * @program:	absolute path of QEMU
 * @fds:	files it was given: those that it opens again by /proc/self/fd
 *
 * It cannot read the user's home, nor write anywhere but to its disk and /dev/kvm. Between fork and
 * exec, before jail_vmm().
 *
 * Return: 1 when in force; 0 when this kernel has no Landlock; -errno with @err
 */
BB_MUST_USE int jail_vmm_files(const char *program, const int *fds, size_t n_fds,
			       struct bb_err *err);

/**
 * jail_die_with_parent() - SIGKILL for us when the thread that forked us ends
 * @parent:	getpid() of the parent, taken before fork
 *
 * Return: 0; -ESRCH with @err when the parent is already gone
 */
BB_MUST_USE int jail_die_with_parent(pid_t parent, struct bb_err *err);
#endif
