/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vmm.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* Every word of the machine's command line: a new one is a new way in for the guest, or out */
#define BEFORE_ACCEL                                                                               \
	"qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",  \
		"-sandbox",                                                                        \
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",         \
		"-machine", "microvm,rtc=on,memory-backend=ram"
#define BEFORE_APPEND                                                                              \
	"-global", "virtio-mmio.force-legacy=false", "-kernel", "/proc/self/fd/3", "-initrd",      \
		"/proc/self/fd/4"
#define CMDLINE "console=ttyS0 quiet panic=-1 reboot=t rdinit=/init random.trust_cpu=on"
#define DEVICES                                                                                    \
	"-add-fd", "fd=5,set=5", "-blockdev",                                                      \
		"driver=raw,node-name=root,read-only=on,discard=unmap,file.driver=file,"           \
		"file.filename=/dev/fdset/5,file.locking=off",                                     \
		"-device", "virtio-blk-device,drive=root", "-add-fd", "fd=6,set=6", "-blockdev",   \
		"driver=raw,node-name=disk,read-only=off,discard=unmap,file.driver=file,"          \
		"file.filename=/dev/fdset/6,file.locking=off",                                     \
		"-device", "virtio-blk-device,drive=disk,werror=report,rerror=report", "-chardev", \
		"socket,id=vsock,fd=7", "-device", "vhost-user-vsock-device,chardev=vsock",        \
		"-device", "virtio-rng-device", "-device",                                         \
		"virtio-balloon-device,free-page-reporting=on", "-chardev",                        \
		"socket,id=console,fd=8", "-serial", "chardev:console", "-chardev",                \
		"socket,id=qmp,fd=9", "-mon", "chardev=qmp,mode=control"

static const char *const tcg_words[] = {
	BEFORE_ACCEL,
	"-accel",
	"tcg,thread=multi,tb-size=64",
	"-cpu",
	"max",
	"-smp",
	"2",
	"-m",
	"2048M",
	"-object",
	"memory-backend-memfd,id=ram,share=on,seal=on,size=2048M",
	BEFORE_APPEND,
	"-append",
	CMDLINE " tsc_early_khz=2596000 tsc=reliable",
	DEVICES,
	NULL,
};

static const char *const kvm_words[] = {
	BEFORE_ACCEL,
	"-accel",
	"kvm",
	"-cpu",
	"host",
	"-smp",
	"1",
	"-m",
	"64M",
	"-object",
	"memory-backend-memfd,id=ram,share=on,seal=on,size=64M",
	BEFORE_APPEND,
	"-append",
	CMDLINE,
	DEVICES,
	NULL,
};

static void command_line(void **state)
{
	static const struct {
		struct vmm_config config;
		const char *const *words;
	} cases[] = {
		{ { VMM_ACCEL_TCG, 2048u << 20, 2, 2596000 }, tcg_words },
		/* a guest with KVM has the host's own clock: the rate is not passed on */
		{ { VMM_ACCEL_KVM, 64u << 20, 1, 2596000 }, kvm_words },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_err err = { 0 };
		struct vmm_command cmd;

		assert_int_equal(vmm_command_build(&cases[i].config, &cmd, &err), 0);
		for (size_t w = 0; w < cmd.n; w++) {
			assert_non_null(cases[i].words[w]);
			assert_string_equal(cmd.argv[w], cases[i].words[w]);
		}
		assert_null(cases[i].words[cmd.n]);
		assert_null(cmd.argv[cmd.n]);
		vmm_command_release(&cmd);
		assert_int_equal(cmd.n, 0);
	}
}

static void refuses_machines(void **state)
{
	static const struct vmm_config cases[] = {
		{ VMM_ACCEL_TCG, (64u << 20) - 1, 1, 1 },
		{ VMM_ACCEL_TCG, 0, 1, 1 },
		{ VMM_ACCEL_KVM, 1u << 30, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_err err = { 0 };
		struct vmm_command cmd;

		assert_int_equal(vmm_command_build(&cases[i], &cmd, &err), -EINVAL);
		assert_true(err.msg[0] != '\0');
	}
}

static void accel_by_name(void **state)
{
	static const char *const words[] = { "", "KVM", "tcg ", "hvf", "auto,tcg" };
	struct vmm_accel_choice c = { 0 };
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(vmm_accel_choose("tcg", &c, &err), 0);
	assert_int_equal(c.accel, VMM_ACCEL_TCG);
	assert_true(c.forced);
	for (size_t i = 0; i < BB_ARRAY_LEN(words); i++) {
		err = (struct bb_err){ 0 };
		assert_int_equal(vmm_accel_choose(words[i], &c, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "auto, kvm, tcg"));
	}
}

/* "auto" and "kvm" come from the same look at this host, whatever it is */
static void accel_auto_says_why(void **state)
{
	struct vmm_accel_choice by_itself = { 0 }, by_name = { 0 };
	struct bb_err err = { 0 }, none = { 0 };
	int r = vmm_accel_choose("kvm", &by_name, &err);

	(void)state;
	assert_int_equal(vmm_accel_choose("auto", &by_itself, &none), 0);
	assert_false(by_itself.forced);
	assert_true(by_itself.why[0] != '\0');
	if (r == 0) {
		assert_int_equal(by_itself.accel, VMM_ACCEL_KVM);
		assert_int_equal(by_name.accel, VMM_ACCEL_KVM);
		assert_true(by_name.forced);
	} else {
		assert_int_equal(r, -ENODEV);
		assert_int_equal(by_itself.accel, VMM_ACCEL_TCG);
		assert_non_null(strstr(err.msg, by_itself.why));
	}
}

static void cpu_flags(void **state)
{
	static const struct {
		const char *cpuinfo, *flag;
		bool want;
	} cases[] = {
		{ "processor\t: 0\nflags\t\t: fpu vme vmx sse\n", "vmx", true },
		{ "processor\t: 0\nflags\t\t: fpu svm\n", "svm", true }, /* last of its line */
		{ "processor\t: 0\nflags\t\t: svm fpu", "svm", true },
		{ "processor\t: 0\nflags\t\t: fpu vmx_x svm_lock\n", "svm", false },
		{ "processor\t: 0\nflags\t\t: fpu avmx\n", "vmx", false },
		{ "processor\t: 0\nflags\t\t: fpu\nvmx flags\t: vmx x\n", "vmx", false },
		{ "processor\t: 0\nmodel name\t: vmx\nflags\t\t: fpu\n", "vmx", false },
		{ "processor\t: 0\nFeatures\t: vmx\n", "vmx", false },
		{ "", "vmx", false },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		if (vmm_cpu_has_flag(cases[i].cpuinfo, cases[i].flag) != cases[i].want)
			fail_msg("case %zu", i);
	}
}

static void tsc_rate(void **state)
{
	uint32_t khz = vmm_tsc_khz();

	(void)state;
#if defined(__x86_64__)
	assert_in_range(khz, 100000, 10000000); /* 0.1 to 10 GHz */
#else
	assert_int_equal(khz, 0);
#endif
}

static void finds_the_monitor(void **state)
{
	char dir[] = "/tmp/bb-vmm-XXXXXX", path[128], found[128], search[256];
	bb_auto_free char *old = strdup(getenv("PATH"));
	struct bb_err err = { 0 };
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/qemu-system-x86_64", dir);
	(void)snprintf(search, sizeof(search), "/nonexistent:%s", dir);
	assert_int_equal(setenv("PATH", search, 1), 0);
	assert_int_equal(vmm_find(found, sizeof(found), &err), -ENOENT);
	assert_non_null(strstr(err.msg, "apt-get install qemu-system-x86"));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	err = (struct bb_err){ 0 };
	assert_int_equal(vmm_find(found, sizeof(found), &err), -ENOENT); /* not executable */
	assert_int_equal(chmod(path, 0755), 0);
	err = (struct bb_err){ 0 };
	assert_int_equal(vmm_find(found, sizeof(found), &err), 0);
	assert_string_equal(found, path);
	err = (struct bb_err){ 0 };
	assert_int_equal(vmm_find(found, 10, &err), -ENOENT); /* does not fit: never cut */
	assert_int_equal(setenv("PATH", old, 1), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_line),      cmocka_unit_test(refuses_machines),
		cmocka_unit_test(accel_by_name),     cmocka_unit_test(accel_auto_says_why),
		cmocka_unit_test(cpu_flags),         cmocka_unit_test(tsc_rate),
		cmocka_unit_test(finds_the_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
