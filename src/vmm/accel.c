/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/accel.h"
#include "base/io.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#define CPUINFO_MAX (4u << 20)

const char *const vmm_accel_str[] = {
	[VMM_ACCEL_TCG] = "tcg",
	[VMM_ACCEL_KVM] = "kvm",
};
static_assert(BB_ARRAY_LEN(vmm_accel_str) == VMM_NUM_ACCELS, "vmm_accel_str[]");

bool vmm_cpu_has_flag(const char *cpuinfo, const char *flag)
{
	const char *line = strstr(cpuinfo, "\nflags"), *end, *at;
	size_t len = strlen(flag);

	if (!line)
		return false;
	end = strchrnul(line + 1, '\n');
	for (at = line; (at = strstr(at, flag)) && at < end; at += len) {
		if (at[-1] == ' ' && (at[len] == ' ' || at[len] == '\n' || at[len] == '\0'))
			return true;
	}
	return false;
}

/* NULL when KVM should work, else why not */
static const char *kvm_obstacle(void)
{
	bb_auto_close int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct bb_err err = { 0 };
	bb_auto_buf struct bb_buf cpuinfo;

	if (fd < 0 && errno == ENOENT)
		return "this host has no /dev/kvm";
	if (fd < 0 && errno == EACCES)
		return "no permission on /dev/kvm (add yourself to the group kvm)";
	if (fd < 0)
		return "/dev/kvm does not open";
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return "/dev/kvm speaks another version";

	bb_buf_init(&cpuinfo, CPUINFO_MAX);
	if (bb_read_file("/proc/cpuinfo", &cpuinfo, &err) < 0)
		return "/proc/cpuinfo cannot be read";
#if defined(__x86_64__)
	if (!vmm_cpu_has_flag(bb_buf_str(&cpuinfo), "vmx") &&
	    !vmm_cpu_has_flag(bb_buf_str(&cpuinfo), "svm"))
		return "/dev/kvm is there, but the CPU shows neither vmx nor svm";
#endif
	return NULL;
}

int vmm_accel_choose(const char *want, struct vmm_accel_choice *ret, struct bb_err *err)
{
	struct vmm_accel_choice c = { .accel = VMM_ACCEL_TCG };
	const char *obstacle;

	if (strcmp(want, "tcg") == 0) {
		c.forced = true;
		(void)snprintf(c.why, sizeof(c.why), "asked for by name");
		*ret = c;
		return 0;
	}
	if (strcmp(want, "kvm") != 0 && strcmp(want, "auto") != 0)
		return bb_err_set(err, -EINVAL, "accel: '%.20s' is not one of auto, kvm, tcg",
				  want);
	obstacle = kvm_obstacle();
	if (strcmp(want, "kvm") == 0) {
		if (obstacle)
			return bb_err_set(err, -ENODEV, "accel: kvm: %s", obstacle);
		c.forced = true;
	}
	c.accel = obstacle ? VMM_ACCEL_TCG : VMM_ACCEL_KVM;
	(void)snprintf(c.why, sizeof(c.why), "%s",
		       obstacle ? obstacle : "/dev/kvm works and the CPU has vmx or svm");
	*ret = c;
	return 0;
}

#if defined(__x86_64__)
#include <x86intrin.h>

static uint64_t raw_ns(void)
{
	struct timespec ts;

	BB_BUG_ON(clock_gettime(CLOCK_MONOTONIC_RAW, &ts) < 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint32_t vmm_tsc_khz(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t t0 = raw_ns(), c0 = __rdtsc(), t1, c1;

	(void)nanosleep(&pause, NULL);
	t1 = raw_ns();
	c1 = __rdtsc();
	return (uint32_t)((c1 - c0) * 1000000u / (t1 - t0));
}
#else
uint32_t vmm_tsc_khz(void)
{
	return 0;
}
#endif
