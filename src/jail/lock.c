/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifdef BB_JAIL_LOG_ONLY
#define JAIL_DEFAULT SCMP_ACT_LOG
#else
#define JAIL_DEFAULT SCMP_ACT_KILL_PROCESS
#endif

/*
 * What our sends may say. MSG_FASTOPEN is a connect(2) by another name: once its far end has reset
 * it, a TCP socket that dialer handed over would go to any address there is.
 */
#define SEND_FLAGS       (MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE)
#define SEND_FLAGS_IN(n) JAIL_BITS(n, 0xffffffffu & ~(unsigned int)SEND_FLAGS, 0)

static const struct jail_rule common_rules[] = {
	/* octets through fds we have */
	JAIL_ALLOW(read),
	JAIL_ALLOW(readv),
	JAIL_ALLOW(pread64), /* blobs that come later: their offset is shared */
	JAIL_ALLOW(write),
	JAIL_ALLOW(writev),
	JAIL_ALLOW(recvmsg),
	JAIL_IF(sendmsg, SEND_FLAGS_IN(2)),
	JAIL_ALLOW(recvfrom),
	JAIL_IF2(sendto, JAIL_ZERO(4), SEND_FLAGS_IN(3)), /* send(2): no address */
	JAIL_ALLOW(shutdown),
	JAIL_ALLOW(close),
	JAIL_ALLOW(fstat),
	JAIL_IF(newfstatat, JAIL_INT(3, AT_EMPTY_PATH)), /* glibc's fstat */
	JAIL_IF(fcntl, JAIL_INT(1, F_GETFD)),
	JAIL_IF(fcntl, JAIL_INT(1, F_SETFD)),
	JAIL_IF(fcntl, JAIL_INT(1, F_GETFL)),
	JAIL_IF(fcntl, JAIL_INT(1, F_SETFL)),
	JAIL_IF(fcntl, JAIL_INT(1, F_DUPFD_CLOEXEC)),
	JAIL_IF(ioctl, JAIL_INT(1, FIONREAD)), /* evbuffer_read() */

	/* the loop */
	JAIL_ALLOW(epoll_wait),
	JAIL_ALLOW(epoll_pwait),
	JAIL_ALLOW(epoll_pwait2),
	JAIL_ALLOW(epoll_ctl),
	JAIL_ALLOW(poll),
	JAIL_ALLOW(ppoll),
	JAIL_ALLOW(timerfd_settime),
	JAIL_ALLOW(clock_gettime),
	JAIL_ALLOW(clock_nanosleep),
	JAIL_ALLOW(gettimeofday),
	JAIL_ALLOW(restart_syscall),

	/* memory, never executable */
	JAIL_ALLOW(brk),
	JAIL_IF(mmap, JAIL_BITS(2, PROT_EXEC, 0)),
	JAIL_IF(mprotect, JAIL_BITS(2, PROT_EXEC, 0)),
	JAIL_ALLOW(mremap),
	JAIL_ALLOW(munmap),
	JAIL_ALLOW(madvise),
	JAIL_ALLOW(mlock),
	JAIL_ALLOW(munlock),

	/* ourselves */
	JAIL_ALLOW(futex),
	JAIL_ALLOW(getrandom),
	JAIL_ALLOW(getpid),
	JAIL_ALLOW(gettid),
	JAIL_ALLOW(sysinfo), /* glibc's qsort */
	JAIL_ALLOW(sched_yield),
	JAIL_ALLOW(rt_sigaction),
	JAIL_ALLOW(rt_sigprocmask),
	JAIL_ALLOW(rt_sigreturn),
	JAIL_ALLOW(sigaltstack),
	JAIL_IF2(prlimit64, JAIL_INT(0, 0), JAIL_ZERO(2)), /* getrlimit */
	JAIL_ALLOW(getrlimit),
	JAIL_ALLOW(exit),
	JAIL_ALLOW(exit_group),
};
const struct jail_table jail_common = { common_rules, BB_ARRAY_LEN(common_rules) };

static int fail(struct bb_err *err, int r, const char *what)
{
	return bb_err_set(err, r, "seccomp %s: %s", what, strerror(-r));
}

static int add_table(scmp_filter_ctx ctx, uint32_t action, const struct jail_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct jail_rule *rule = &table->rules[i];
		int r = seccomp_rule_add_array(ctx, action, rule->nr, rule->n_args, rule->args);

		/* -EEXIST: an earlier table has the same rule */
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

/* Another ABI always kills; the filter covers every thread; no_new_privs is set with it */
static int set_attributes(scmp_filter_ctx ctx)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	return r;
}

int jail_lock(const struct jail_table *tables, size_t n_tables, struct bb_err *err)
{
	/* abort() signals our own thread; no other process can be signalled */
	const struct scmp_arg_cmp self = { 0, SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t)getpid() };
	scmp_filter_ctx ctx = seccomp_init(JAIL_DEFAULT);
	int r;

	if (!ctx)
		return fail(err, -ENOMEM, "filter");
	r = set_attributes(ctx);
	for (size_t i = 0; i < n_tables && r == 0; i++)
		r = add_table(ctx, SCMP_ACT_ALLOW, &tables[i]);
	if (r == 0)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? fail(err, r, "allow-list") : 0;
}

int jail_lock_all(const struct jail_table *tables, size_t n_tables, struct bb_err *err)
{
	int r = jail_files(-1, JAIL_READ, err);

	return r < 0 ? r : jail_lock(tables, n_tables, err);
}

#define NO_CLONE(flag)     JAIL_IF(clone, JAIL_BITS(0, flag, flag))
#define IOPRIO_WHO_PROCESS 1 /* include/uapi/linux/ioprio.h, which Debian 12 does not have */

static const struct jail_rule vmm_rules[] = {
	JAIL_ALLOW(socket),
	JAIL_ALLOW(socketpair),
	JAIL_ALLOW(connect),
	JAIL_ALLOW(bind),
	JAIL_ALLOW(listen),
	JAIL_ALLOW(accept),
	JAIL_ALLOW(accept4),
	JAIL_IF(sendto, JAIL_BITS(3, MSG_FASTOPEN, MSG_FASTOPEN)), /* what gate may pass on */
	JAIL_IF(sendmsg, JAIL_BITS(2, MSG_FASTOPEN, MSG_FASTOPEN)),
	JAIL_IF(sendmmsg, JAIL_BITS(3, MSG_FASTOPEN, MSG_FASTOPEN)),
	JAIL_ALLOW(io_uring_setup),
	JAIL_ALLOW(io_uring_enter),
	JAIL_ALLOW(io_uring_register),
	JAIL_ALLOW(ptrace),
	JAIL_ALLOW(process_vm_readv),
	JAIL_ALLOW(process_vm_writev),
	JAIL_ALLOW(process_madvise),
	JAIL_ALLOW(pidfd_getfd),
	JAIL_ALLOW(kcmp),
	JAIL_ALLOW(bpf),
	JAIL_ALLOW(perf_event_open),
	JAIL_ALLOW(userfaultfd),
	JAIL_ALLOW(add_key),
	JAIL_ALLOW(request_key),
	JAIL_ALLOW(keyctl),
	JAIL_ALLOW(mount),
	JAIL_ALLOW(umount2),
	JAIL_ALLOW(pivot_root),
	JAIL_ALLOW(fsopen),
	JAIL_ALLOW(fspick),
	JAIL_ALLOW(fsconfig),
	JAIL_ALLOW(fsmount),
	JAIL_ALLOW(open_tree),
	JAIL_ALLOW(move_mount),
	JAIL_ALLOW(mount_setattr),
	JAIL_ALLOW(chroot),
	JAIL_ALLOW(unshare),
	JAIL_ALLOW(setns),
	/* what unshare() would make; clone3() hides its flags in memory: jail_vmm() */
	NO_CLONE(CLONE_NEWUSER),
	NO_CLONE(CLONE_NEWNET),
	NO_CLONE(CLONE_NEWNS),
	NO_CLONE(CLONE_NEWPID),
	NO_CLONE(CLONE_NEWIPC),
	NO_CLONE(CLONE_NEWUTS),
	NO_CLONE(CLONE_NEWCGROUP),

	/* the user's other processes: no signal, by no way, and no limit */
	JAIL_ALLOW(tkill),
	JAIL_ALLOW(rt_sigqueueinfo),
	JAIL_ALLOW(rt_tgsigqueueinfo),
	JAIL_ALLOW(pidfd_open),
	JAIL_ALLOW(pidfd_send_signal),
	JAIL_IF(fcntl, JAIL_INT(1, F_SETOWN)),
	JAIL_IF(fcntl, JAIL_INT(1, F_SETOWN_EX)),
	JAIL_IF(fcntl, JAIL_INT(1, F_SETSIG)),
	JAIL_IF(ioctl, JAIL_INT(1, FIOSETOWN)),
	JAIL_IF(ioctl, JAIL_INT(1, SIOCSPGRP)),
	JAIL_IF(prlimit64, JAIL_NOT_ZERO(0)),
	/* ... nor their share of processors, disk and memory */
	JAIL_IF(sched_setaffinity, JAIL_NOT_ZERO(0)),
	JAIL_IF(sched_setscheduler, JAIL_NOT_ZERO(0)),
	JAIL_IF(sched_setparam, JAIL_NOT_ZERO(0)),
	JAIL_IF(sched_setattr, JAIL_NOT_ZERO(0)),
	JAIL_IF(setpriority, JAIL_NOT_ZERO(0)), /* PRIO_PROCESS */
	JAIL_IF(setpriority, JAIL_NOT_ZERO(1)),
	JAIL_IF(ioprio_set, JAIL_NOT(0, IOPRIO_WHO_PROCESS)),
	JAIL_IF(ioprio_set, JAIL_NOT_ZERO(1)),
	JAIL_IF(migrate_pages, JAIL_NOT_ZERO(0)),
	JAIL_IF(move_pages, JAIL_NOT_ZERO(0)),
};
const struct jail_table jail_vmm_denied = { vmm_rules, BB_ARRAY_LEN(vmm_rules) };

int jail_vmm(struct bb_err *err)
{
	/* exec keeps the process id */
	const struct scmp_arg_cmp other = { 0, SCMP_CMP_NE, (uint32_t)getpid(), 0 };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return fail(err, -ENOMEM, "filter");
	r = set_attributes(ctx);
	if (r == 0)
		r = add_table(ctx, SCMP_ACT_ERRNO(EPERM), &jail_vmm_denied);
	/* glibc asks clone() then, whose flags can be compared */
	if (r == 0)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
	if (r == 0)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1, &other);
	if (r == 0)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1, &other);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? fail(err, r, "vmm filter") : 0;
}
