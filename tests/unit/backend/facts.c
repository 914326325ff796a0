/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/docker/facts.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>

/* As docker.io 20.10 of Debian 12 says it, of an engine at which runsc is registered; shortened */
static const char docker[] =
	"{\"Driver\":\"overlay2\",\"MemoryLimit\":true,\"SwapLimit\":true,\"KernelMemory\":"
	"true,\"CpuCfsPeriod\":true,\"CpuCfsQuota\":true,\"CPUShares\":true,\"CPUSet\":true"
	",\"PidsLimit\":true,\"CgroupDriver\":\"cgroupfs\",\"CgroupVersion\":\"1\",\"Operat"
	"ingSystem\":\"Debian GNU/Linux 12 (bookworm)\",\"ServerVersion\":\"20.10.24+dfsg1"
	"\",\"Runtimes\":{\"io.containerd.runc.v2\":{\"path\":\"runc\"},\"io.containerd.run"
	"time.v1.linux\":{\"path\":\"runc\"},\"runc\":{\"path\":\"runc\"},\"runsc\":{\"path"
	"\":\"/usr/bin/runc\",\"runtimeArgs\":[\"--host-uds=open\"]}},\"DefaultRuntime\":\""
	"runc\",\"SecurityOptions\":[\"name=seccomp,profile=default\"],\"Warnings\":[\"WARN"
	"ING: IPv4 forwarding is disabled\"]}";

/* As podman 4.3 of Debian 12 says it; shortened */
static const char podman[] =
	"{\"host\":{\"arch\":\"amd64\",\"cgroupControllers\":[\"cpuset\",\"cpu\",\"cpuacct"
	"\",\"blkio\",\"memory\",\"devices\",\"freezer\",\"pids\"],\"cgroupManager\":\"cgro"
	"upfs\",\"cgroupVersion\":\"v1\",\"ociRuntime\":{\"name\":\"runc\",\"package\":\"ru"
	"nc_1.1.5+ds1-1+deb12u1_amd64\",\"path\":\"/usr/bin/runc\"},\"security\":{\"apparmo"
	"rEnabled\":false,\"capabilities\":\"CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSET"
	"ID,CAP_KILL,CAP_NET_BIND_SERVICE,CAP_SETFCAP,CAP_SETGID,CAP_SETPCAP,CAP_SETUID,CAP"
	"_SYS_CHROOT\",\"rootless\":false,\"seccompEnabled\":true,\"seccompProfilePath\":\""
	"/usr/share/containers/seccomp.json\",\"selinuxEnabled\":false},\"serviceIsRemote\""
	":false},\"version\":{\"APIVersion\":\"4.3.1\",\"Version\":\"4.3.1\",\"GoVersion\":"
	"\"go1.19.8\",\"GitCommit\":\"\",\"BuiltTime\":\"Thu Jan  1 00:00:00 1970\",\"Built"
	"\":0,\"OsArch\":\"linux/amd64\",\"Os\":\"linux\"}}";

/* @text with the first @from replaced by @to; of static storage */
static struct bb_span with(const char *text, const char *from, const char *to)
{
	static char out[4096];
	const char *at = strstr(text, from);

	assert_non_null(at);
	(void)snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return BB_SPAN_STR(out);
}

/* The facts of @text; the options are those of @want, the remarks have @says in them, or are none
 */
static void check(struct bb_span text, const char *want, const char *says)
{
	struct engine_facts f;
	struct bb_err err = { 0 };
	char remarks[1024];
	json_auto_t *options = NULL;
	bb_auto_free char *got = NULL;

	if (engine_facts_read(text, &f, &err) < 0)
		fail_msg("%s", err.msg);
	options = engine_options(&f);
	assert_non_null(options);
	got = json_dumps(options, JSON_COMPACT);
	assert_string_equal(got, want);
	engine_remarks(&f, remarks, sizeof(remarks));
	if (says ? !strstr(remarks, says) : *remarks)
		fail_msg("remarks: %s", remarks);
}

static void gvisor_only_with_sockets(void **state)
{
	static const char open[] = "\"--host-uds=open\"";

	(void)state;
	check(BB_SPAN_STR(docker), "[\"--runtime=runsc\"]", "under gVisor");
	check(with(docker, open, "\"--host-uds=all\""), "[\"--runtime=runsc\"]", "under gVisor");
	check(with(docker, open, "\"--debug\",\"--host-uds=open\""), "[\"--runtime=runsc\"]",
	      "gVisor");
	check(with(docker, open, "\"--host-uds=none\""), "[]", "it is not used");
	check(with(docker, open, ""), "[]", "without --host-uds=open");
	check(with(docker, open, "7"), "[]", "it is not used");
	check(with(docker, ",\"runtimeArgs\":[\"--host-uds=open\"]", ""), "[]", "it is not used");
	check(with(docker, "\"runsc\"", "\"runsc-kvm\""), "[]", NULL);
	check(with(docker, "\"Runtimes\"", "\"Other\""), "[]", NULL);
}

static struct bb_span without_gvisor(const char *from, const char *to)
{
	static char plain[4096];

	(void)snprintf(plain, sizeof(plain), "%s",
		       (const char *)with(docker, "\"runsc\"", "\"x\"").p);
	return with(plain, from, to);
}

static void selinux_is_said(void **state)
{
	static const char label[] = "[\"--security-opt=label=disable\"]";

	(void)state;
	check(without_gvisor("[\"name=seccomp", "[\"name=selinux\",\"name=seccomp"), label,
	      "SELinux does not confine");
	check(without_gvisor("[\"name=seccomp", "[\"name=selinux,profile=x\",\"name=seccomp"),
	      label, "SELinux");
	check(without_gvisor("[\"name=seccomp", "[\"name=selinuxes\",\"name=seccomp"), "[]", NULL);
	check(without_gvisor("[\"name=seccomp,profile=default\"]", "null"), "[]", NULL);
	check(with(podman, "\"selinuxEnabled\":false", "\"selinuxEnabled\":true"), label,
	      "SELinux does not confine");
	check(BB_SPAN_STR(podman), "[]", NULL);
	check(with(docker, "[\"name=seccomp", "[\"name=selinux\",\"name=seccomp"),
	      "[\"--runtime=runsc\",\"--security-opt=label=disable\"]", "SELinux");
}

/* An engine that would silently leave a limit out */
static void limits_that_do_not_hold(void **state)
{
	(void)state;
	check(without_gvisor("\"MemoryLimit\":true", "\"MemoryLimit\":false"), "[]",
	      "cannot limit memory");
	check(without_gvisor("\"SwapLimit\":true", "\"SwapLimit\":false"), "[]",
	      "cannot limit memory");
	check(without_gvisor("\"PidsLimit\":true", "\"PidsLimit\":false"), "[]",
	      "cannot limit processes");
	check(without_gvisor("\"CpuCfsQuota\":true", "\"CpuCfsQuota\":false"), "[]",
	      "cannot limit processors");
	check(without_gvisor("\"PidsLimit\":true", "\"PidsLimit\":1"), "[]", NULL);
	check(with(podman, "\"memory\",", ""), "[]", "cannot limit memory");
	check(with(podman, ",\"pids\"", ""), "[]", "cannot limit processes");
	check(with(podman, "\"cpu\",", ""), "[]", "cannot limit processors");
}

static void what_is_no_info(void **state)
{
	static const char *const texts[] = {
		"", "{}", "[]", "null", "{\"host\":1}", "Error: x", "{\"ServerVersion\":\"1\""
	};
	struct engine_facts f;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(texts); i++) {
		struct bb_err err = { 0 };

		assert_int_equal(engine_facts_read(BB_SPAN_STR(texts[i]), &f, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "info"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gvisor_only_with_sockets),
		cmocka_unit_test(selinux_is_said),
		cmocka_unit_test(limits_that_do_not_hold),
		cmocka_unit_test(what_is_no_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
