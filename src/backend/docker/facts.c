/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/docker/facts.h"
#include <errno.h>
#include <stdio.h>

/* Not there, or of another type: not said */
static bool is_false(const json_t *object, const char *key)
{
	return json_is_false(json_object_get(object, key));
}

static bool has_text(const json_t *array, const char *text)
{
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
	{
		if (json_is_string(v) && strcmp(json_string_value(v), text) == 0)
			return true;
	}
	return false;
}

/* "name=selinux" or "name=selinux,…" */
static bool has_security(const json_t *options, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(options, i, v)
	{
		const char *s = json_string_value(v);

		if (s && strncmp(s, name, strlen(name)) == 0 &&
		    (s[strlen(name)] == '\0' || s[strlen(name)] == ','))
			return true;
	}
	return false;
}

static void take_docker(const json_t *info, struct engine_facts *ret)
{
	const json_t *runsc = json_object_get(json_object_get(info, "Runtimes"), "runsc");
	const json_t *args = json_object_get(runsc, "runtimeArgs");

	ret->gvisor = has_text(args, "--host-uds=open") || has_text(args, "--host-uds=all");
	ret->gvisor_closed = runsc && !ret->gvisor;
	ret->selinux = has_security(json_object_get(info, "SecurityOptions"), "name=selinux");
	ret->no_memory = is_false(info, "MemoryLimit") || is_false(info, "SwapLimit");
	ret->no_pids = is_false(info, "PidsLimit");
	ret->no_cpus = is_false(info, "CpuCfsQuota");
}

/* It says nothing of runtimes that it does not use */
static void take_podman(const json_t *host, struct engine_facts *ret)
{
	const json_t *controllers = json_object_get(host, "cgroupControllers");

	ret->selinux =
		json_is_true(json_object_get(json_object_get(host, "security"), "selinuxEnabled"));
	if (!json_is_array(controllers))
		return;
	ret->no_memory = !has_text(controllers, "memory");
	ret->no_pids = !has_text(controllers, "pids");
	ret->no_cpus = !has_text(controllers, "cpu");
}

int engine_facts_read(struct bb_span text, struct engine_facts *ret, struct bb_err *err)
{
	json_error_t je;
	json_auto_t *info = json_loadb((const char *)text.p, text.len, 0, &je);
	const json_t *host = json_object_get(info, "host");
	struct engine_facts f = { 0 };

	if (json_is_object(host))
		take_podman(host, &f);
	else if (json_object_get(info, "ServerVersion"))
		take_docker(info, &f);
	else
		return bb_err_set(err, -EINVAL, "the engine's `info` is not as expected");
	*ret = f;
	return 0;
}

json_t *engine_options(const struct engine_facts *f)
{
	json_auto_t *options = json_array();

	if (f->gvisor && json_array_append_new(options, json_string("--runtime=runsc")) < 0)
		return NULL;
	if (f->selinux &&
	    json_array_append_new(options, json_string("--security-opt=label=disable")) < 0)
		return NULL;
	return json_incref(options);
}

void engine_remarks(const struct engine_facts *f, char *ret, size_t size)
{
	(void)snprintf(
		ret, size, "%s%s%s%s%s%s",
		f->gvisor ? "the container runs under gVisor (runsc)\n" : "",
		f->gvisor_closed ? "gVisor (runsc) is registered without --host-uds=open and "
				   "cannot reach gate's sockets: it is not used\n"
				 : "",
		f->selinux ? "warning: SELinux does not confine this container (label=disable): it "
			     "would keep it from gate's sockets\n"
			   : "",
		f->no_memory ? "warning: the engine cannot limit memory on this host\n" : "",
		f->no_pids ? "warning: the engine cannot limit processes on this host\n" : "",
		f->no_cpus ? "warning: the engine cannot limit processors on this host\n" : "");
}
