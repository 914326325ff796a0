/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifdef BB_JAIL_LOG_ONLY
#define JAIL_DEFAULT SCMP_ACT_LOG
#else
#define JAIL_DEFAULT SCMP_ACT_KILL_PROCESS
#endif

static const struct jail_rule common_rules[] = {
	/* octets through fds we have */
	JAIL_ALLOW(read),
	JAIL_ALLOW(readv),
	JAIL_ALLOW(write),
	JAIL_ALLOW(writev),
	JAIL_ALLOW(recvmsg),
	JAIL_ALLOW(sendmsg),
	JAIL_ALLOW(recvfrom),
	JAIL_IF(sendto, JAIL_ZERO(4)), /* send(2): no address */
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

static int add_tables(scmp_filter_ctx ctx, const struct jail_table *tables, size_t n_tables)
{
	for (size_t t = 0; t < n_tables; t++) {
		for (size_t i = 0; i < tables[t].n; i++) {
			const struct jail_rule *rule = &tables[t].rules[i];
			int r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr, rule->n_args,
						       rule->args);

			/* -EEXIST: an earlier table has the same rule */
			if (r < 0 && r != -EEXIST)
				return r;
		}
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
	if (r == 0)
		r = add_tables(ctx, tables, n_tables);
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

static const int vmm_denied[] = {
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
};

int jail_vmm(struct bb_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return fail(err, -ENOMEM, "filter");
	r = set_attributes(ctx);
	for (size_t i = 0; i < BB_ARRAY_LEN(vmm_denied) && r == 0; i++)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), vmm_denied[i], 0, NULL);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? fail(err, r, "vmm filter") : 0;
}
