/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vmm.h"
#include "base/io.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define MEMORY_MIN (64u << 20)
#define QEMU       "qemu-system-x86_64"

void vmm_command_release(struct vmm_command *cmd)
{
	for (size_t i = 0; i < cmd->n; i++)
		free(cmd->argv[i]);
	*cmd = (struct vmm_command){ 0 };
}

/* Append one formatted argument; a failure is remembered by argv[n] == NULL with n > 0 slots used
 */
BB_PRINTF(3, 4) static void add(struct vmm_command *cmd, bool *failed, const char *fmt, ...)
{
	va_list ap;
	int r;

	if (*failed)
		return;
	BB_BUG_ON(cmd->n >= VMM_ARGS_MAX);
	va_start(ap, fmt);
	r = vasprintf(&cmd->argv[cmd->n], fmt, ap);
	va_end(ap);
	if (r < 0) {
		cmd->argv[cmd->n] = NULL;
		*failed = true;
		return;
	}
	cmd->n++;
}

static void add_pair(struct vmm_command *cmd, bool *failed, const char *option, const char *value)
{
	add(cmd, failed, "%s", option);
	add(cmd, failed, "%s", value);
}

/* Accelerator, memory, CPUs */
static void add_machine(struct vmm_command *cmd, bool *failed, const struct vmm_config *c)
{
	bool kvm = c->accel == VMM_ACCEL_KVM;

	add(cmd, failed, "-machine");
	add(cmd, failed, "microvm,rtc=on,memory-backend=ram");
	/* The default translation cache costs 1 GiB of host memory a machine and is no faster */
	add_pair(cmd, failed, "-accel", kvm ? "kvm" : "tcg,thread=multi,tb-size=64");
	add_pair(cmd, failed, "-cpu", kvm ? "host" : "max");
	add(cmd, failed, "-smp");
	add(cmd, failed, "%u", c->cpus);
	add(cmd, failed, "-m");
	add(cmd, failed, "%lluM", (unsigned long long)(c->memory_bytes >> 20));
	add(cmd, failed, "-object");
	add(cmd, failed, "memory-backend-memfd,id=ram,share=on,seal=on,size=%lluM",
	    (unsigned long long)(c->memory_bytes >> 20));
	/* vhost-user needs modern virtio-mmio */
	add_pair(cmd, failed, "-global", "virtio-mmio.force-legacy=false");
}

static void add_kernel(struct vmm_command *cmd, bool *failed, const struct vmm_config *c)
{
	char tsc[64] = "";

	if (c->accel == VMM_ACCEL_TCG && c->tsc_khz)
		(void)snprintf(tsc, sizeof(tsc), " tsc_early_khz=%u tsc=reliable", c->tsc_khz);
	add(cmd, failed, "-kernel");
	add(cmd, failed, "/proc/self/fd/%d", VMM_FD_KERNEL);
	add(cmd, failed, "-initrd");
	add(cmd, failed, "/proc/self/fd/%d", VMM_FD_INITRD);
	add(cmd, failed, "-append");
	add(cmd, failed, "console=ttyS0 quiet panic=-1 reboot=t rdinit=/init random.trust_cpu=on%s",
	    tsc);
}

static void add_disk(struct vmm_command *cmd, bool *failed, const char *id, int fd, bool read_only)
{
	add(cmd, failed, "-add-fd");
	add(cmd, failed, "fd=%d,set=%d", fd, fd);
	add(cmd, failed, "-blockdev");
	add(cmd, failed,
	    "driver=raw,node-name=%s,read-only=%s,discard=unmap,file.driver=file,"
	    "file.filename=/dev/fdset/%d,file.locking=off",
	    id, read_only ? "on" : "off", fd);
	add(cmd, failed, "-device");
	/* report: the default would freeze the machine silently when the host's disk is full */
	add(cmd, failed, "virtio-blk-device,drive=%s%s", id,
	    read_only ? "" : ",werror=report,rerror=report");
}

static void add_devices(struct vmm_command *cmd, bool *failed)
{
	add_disk(cmd, failed, "root", VMM_FD_ROOT, true);
	add_disk(cmd, failed, "disk", VMM_FD_DISK, false);
	add(cmd, failed, "-chardev");
	add(cmd, failed, "socket,id=vsock,fd=%d", VMM_FD_VHOST);
	add_pair(cmd, failed, "-device", "vhost-user-vsock-device,chardev=vsock");
	add_pair(cmd, failed, "-device", "virtio-rng-device");
	add_pair(cmd, failed, "-device", "virtio-balloon-device,free-page-reporting=on");
	add(cmd, failed, "-chardev");
	add(cmd, failed, "socket,id=console,fd=%d", VMM_FD_CONSOLE);
	add_pair(cmd, failed, "-serial", "chardev:console");
	add(cmd, failed, "-chardev");
	add(cmd, failed, "socket,id=qmp,fd=%d", VMM_FD_QMP);
	add_pair(cmd, failed, "-mon", "chardev=qmp,mode=control");
}

int vmm_command_build(const struct vmm_config *config, struct vmm_command *ret, struct bb_err *err)
{
	struct vmm_command cmd = { 0 };
	bool failed = false;

	if (config->memory_bytes < MEMORY_MIN || config->cpus < 1)
		return bb_err_set(err, -EINVAL, "a machine needs one cpu and 64 MiB");
	add(&cmd, &failed, QEMU);
	add(&cmd, &failed, "-nodefaults");
	add(&cmd, &failed, "-no-user-config");
	add(&cmd, &failed, "-no-reboot");
	add_pair(&cmd, &failed, "-display", "none");
	add_pair(&cmd, &failed, "-sandbox",
		 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	add_machine(&cmd, &failed, config);
	add_kernel(&cmd, &failed, config);
	add_devices(&cmd, &failed);
	if (failed) {
		vmm_command_release(&cmd);
		return bb_err_set(err, -ENOMEM, "no memory for the machine's command line");
	}
	*ret = cmd;
	return 0;
}

int vmm_find(char *ret, size_t size, struct bb_err *err)
{
	if (bb_find_program(QEMU, ret, size))
		return 0;
	return bb_err_set(err, -ENOENT, QEMU " is missing: apt-get install qemu-system-x86");
}
