/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/bottled/spec.h"
#include "base/io.h"
#include "ipc/policy_json.h"
#include <errno.h>

#define SPEC_MAX (8u << 20)

void spec_release(struct spec *s)
{
	json_decref(s->json);
	policy_release(&s->policy);
	bb_closep(&s->policy_fd);
	bb_closep(&s->secrets_fd);
	bb_closep(&s->proxy_auth_fd);
	bb_closep(&s->rules_fd);
	*s = (struct spec){
		.policy_fd = -1, .rules_fd = -1, .secrets_fd = -1, .proxy_auth_fd = -1
	};
}

static int read_json(int fd, json_t **ret, struct bb_err *err)
{
	bb_auto_buf struct bb_buf buf;
	json_error_t je;
	int r;

	bb_buf_init(&buf, SPEC_MAX);
	r = bb_memfd_read(fd, &buf);
	if (r < 0)
		return bb_err_set(err, r, "bottle settings: %s", strerror(-r));
	*ret = json_loadb((const char *)buf.p, buf.len, JSON_REJECT_DUPLICATES, &je);
	if (!*ret)
		return bb_err_set(err, -EINVAL, "bottle settings: %s", je.text);
	return 0;
}

static int unpack(struct spec *s, struct bb_err *err)
{
	json_int_t memory, disk, cpus, pids, boot;
	int ephemeral, keep, strict;
	json_t *env, *options;
	json_error_t je;
	const char *key;
	json_t *value;
	size_t i;

	if (json_unpack_ex(
		    s->json, &je, JSON_STRICT,
		    "{s:s, s:o, s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:b, "
		    "s:b, s:b}",
		    "engine", &s->engine, "engine_options", &options, "state_dir", &s->state_dir,
		    "runtime_dir", &s->runtime_dir, "image", &s->image, "env", &env,
		    "upstream_ca_pem", &s->upstream_ca_pem, "memory_bytes", &memory, "disk_bytes",
		    &disk, "cpus", &cpus, "pids", &pids, "boot_seconds", &boot, "accel", &s->accel,
		    "tz", &s->tz, "ephemeral", &ephemeral, "keep_disk", &keep, "jail_strict",
		    &strict) < 0)
		return bb_err_set(err, -EINVAL, "bottle settings: %s", je.text);
	if (memory < (64 << 20) || disk < (16 << 20) || cpus < 1 || cpus > 64 || pids < 16 ||
	    pids > (1 << 22) || boot < 10 || boot > 600 || !json_is_object(env) ||
	    !json_is_array(options) || json_array_size(options) > SPEC_OPTIONS_MAX)
		return bb_err_set(err, -EINVAL, "bottle settings: a number is out of range");
	json_object_foreach(env, key, value)
	{
		if (!json_is_string(value))
			return bb_err_set(err, -EINVAL, "bottle settings: env.%.60s", key);
	}
	json_array_foreach(options, i, value)
	{
		if (!json_is_string(value))
			return bb_err_set(err, -EINVAL, "bottle settings: engine_options");
	}
	s->engine_options = options;
	s->memory_bytes = (uint64_t)memory;
	s->disk_bytes = (uint64_t)disk;
	s->cpus = (uint32_t)cpus;
	s->pids = (uint32_t)pids;
	s->boot_seconds = (uint32_t)boot;
	s->env = env;
	s->ephemeral = ephemeral != 0;
	s->keep_disk = keep != 0;
	s->jail_strict = strict != 0;
	return 0;
}

int spec_load(int bottle_fd, int policy_fd, struct spec *ret, struct bb_err *err)
{
	struct spec s = {
		.policy_fd = policy_fd, .rules_fd = -1, .secrets_fd = -1, .proxy_auth_fd = -1
	};
	int r;

	if (bottle_fd < 0 || policy_fd < 0)
		r = bb_err_set(err, -EINVAL, "no policy was given: refusing to start");
	else
		r = read_json(bottle_fd, &s.json, err);
	if (r == 0)
		r = unpack(&s, err);
	if (r == 0)
		r = policy_from_memfd(policy_fd, &s.policy, err);
	if (r < 0) {
		spec_release(&s);
		return r;
	}
	*ret = s;
	return 0;
}
