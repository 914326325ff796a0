/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_VMM_ACCEL_H
#define BB_VMM_ACCEL_H
#include "base/base.h"

/**
 * DOC: accel - hardware virtualisation or not, and why
 *
 * Layer:     vmm
 * Used by:   bottled, cli (doctor, preflight)
 *
 * /dev/kvm may open, make a VM and a vCPU and still be unable to run a stock kernel (software KVM
 * on a CPU without vmx or svm). So "auto" wants the CPU flag and the device; and bottled takes a
 * first boot with KVM that never says hello as a no, and boots again with TCG.
 */
enum vmm_accel {
	VMM_ACCEL_TCG = 0,
	VMM_ACCEL_KVM,

	VMM_NUM_ACCELS,
};
extern const char *const vmm_accel_str[VMM_NUM_ACCELS];

/**
 * struct vmm_accel_choice - The answer
 * @forced:	asked for by name: no falling back
 * @why:	one sentence for doctor, preflight and the audit
 */
struct vmm_accel_choice {
	enum vmm_accel accel;
	bool forced;
	char why[200];
};

/**
 * vmm_accel_choose() - Look at this host
 * @want:	"auto", "kvm" or "tcg"
 *
 * Return: 0; -EINVAL for another word; -ENODEV when "kvm" cannot work here, @err says why
 */
BB_MUST_USE int vmm_accel_choose(const char *want, struct vmm_accel_choice *ret,
				 struct bb_err *err);

/** vmm_cpu_has_flag() - Does the first "flags" line of /proc/cpuinfo's text have the word @flag? */
bool vmm_cpu_has_flag(const char *cpuinfo, const char *flag);

/**
 * vmm_tsc_khz() - Rate of the host's time stamp counter
 *
 * Measured against CLOCK_MONOTONIC_RAW for 10 ms. microvm has no timer that the guest could
 * calibrate by under TCG (boots hang at random), so the guest is told.
 *
 * Return: kHz, or 0 where the CPU has no such counter
 */
uint32_t vmm_tsc_khz(void);
#endif
