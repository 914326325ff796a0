/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_VMM_VMM_H
#define BB_VMM_VMM_H
#include "base/base.h"
#include "vmm/accel.h"

/**
 * DOC: vmm - the command line of the machine monitor, and what it is told later
 *
 * Layer:     vmm
 * Used by:   bottled; tests/unit/vmm/vmm.c
 * Trust:     QEMU parses what the guest does to its devices: it is started with the filter of
 *            jail/vmm.h, its own sandbox, and nothing but the descriptors below
 * Ownership: struct vmm_command owns its strings
 * Source:    QEMU 7.2 documentation: microvm, vhost-user, sandbox
 *
 * QEMU opens no path: kernel and initrd come as /proc/self/fd/N, disks as /dev/fdset/N, chardevs as
 * connected sockets. So the descriptor numbers are fixed here and the spawner puts them there.
 */
enum vmm_fd {
	VMM_FD_KERNEL = 3,
	VMM_FD_INITRD,
	VMM_FD_ROOT,    /* erofs, read-only */
	VMM_FD_DISK,    /* ext4, read-write */
	VMM_FD_VHOST,   /* connected stream to gate */
	VMM_FD_CONSOLE, /* connected stream to recorder */
	VMM_FD_QMP,     /* connected stream: bottled writes, recorder reads */

	VMM_FD_END,
};

/** VMM_QMP_START - What bottled writes first, before any other command */
#define VMM_QMP_START "{\"execute\":\"qmp_capabilities\"}\n"

/**
 * struct vmm_config - One machine
 * @tsc_khz:	the host's TSC rate; needed under TCG (see vmm_tsc_khz())
 */
struct vmm_config {
	enum vmm_accel accel;
	uint64_t memory_bytes;
	uint32_t cpus;
	uint32_t tsc_khz;
};

#define VMM_ARGS_MAX 80
struct vmm_command {
	size_t n;
	char *argv[VMM_ARGS_MAX + 1]; /* NULL-terminated; argv[0] is the program's name */
};

/** vmm_command_release() - Free the strings */
void vmm_command_release(struct vmm_command *cmd);

/**
 * vmm_command_build() - The whole command line
 *
 * Return: 0 with @ret to release; -ENOMEM or -EINVAL (memory under 64 MiB, no cpu) with @err
 */
BB_MUST_USE int vmm_command_build(const struct vmm_config *config, struct vmm_command *ret,
				  struct bb_err *err);

/**
 * vmm_find() - Full path of the monitor in PATH
 *
 * Return: 0; -ENOENT with an @err that names the package
 */
BB_MUST_USE int vmm_find(char *ret, size_t size, struct bb_err *err);
#endif
