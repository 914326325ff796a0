/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/config.h"
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

bool guest_env_name_ok(const char *name)
{
	if (!*name || (*name >= '0' && *name <= '9'))
		return false;
	for (; *name; name++)
		if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
		      (*name >= '0' && *name <= '9') || *name == '_'))
			return false;
	return true;
}

/* Bounded copy of an optional string; keeps @out when the key is absent */
static int take_text(const char *key, const char *value, char *out, size_t size, struct bb_err *err)
{
	if (!value)
		return 0;
	if (strlen(value) >= size)
		return bb_err_set(err, -EINVAL, "%s: longer than %zu octets", key, size - 1);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int take_ports(const char *key, json_t *array, struct guest_ports *out, struct bb_err *err)
{
	json_t *v;
	size_t i;

	if (!array)
		return 0;
	if (!json_is_array(array) || json_array_size(array) > GUEST_SERVICES_MAX)
		return bb_err_set(err, -EINVAL, "%s: not an array of at most %d ports", key,
				  GUEST_SERVICES_MAX);
	json_array_foreach(array, i, v)
	{
		json_int_t port = json_integer_value(v);

		if (port < 1 || port > 65535)
			return bb_err_set(err, -EINVAL, "%s: not a port", key);
		out->port[out->n++] = (uint16_t)port;
	}
	return 0;
}

static int take_address(const char *text, uint8_t *ret_family, uint8_t out[static 16])
{
	memset(out, 0, 16);
	if (inet_pton(AF_INET, text, out) == 1)
		*ret_family = 4;
	else if (inet_pton(AF_INET6, text, out) == 1)
		*ret_family = 6;
	else
		return -EINVAL;
	return 0;
}

static int take_range(const char *text, struct guest_range *out)
{
	const char *slash = strchr(text, '/');
	char addr[INET6_ADDRSTRLEN];
	unsigned int prefix;
	char tail;

	if (!slash || (size_t)(slash - text) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (take_address(addr, &out->family, out->addr) < 0)
		return -EINVAL;
	if (sscanf(slash + 1, "%3u%c", &prefix, &tail) != 1 ||
	    prefix > (out->family == 4 ? 32u : 128u))
		return -EINVAL;
	out->prefix = (uint8_t)prefix;
	return 0;
}

static int take_ranges(json_t *array, struct guest_config *c, struct bb_err *err)
{
	json_t *v;
	size_t i;

	if (!array)
		return 0;
	if (!json_is_array(array) || json_array_size(array) > GUEST_RANGES_MAX)
		return bb_err_set(err, -EINVAL, "ranges: not an array of at most %d",
				  GUEST_RANGES_MAX);
	c->ranges = calloc(json_array_size(array) + 1, sizeof(*c->ranges));
	if (!c->ranges)
		return bb_err_set(err, -ENOMEM, "ranges: no memory");
	json_array_foreach(array, i, v)
	{
		if (!json_is_string(v) ||
		    take_range(json_string_value(v), &c->ranges[c->n_ranges]) < 0)
			return bb_err_set(err, -EINVAL, "ranges: not a CIDR");
		c->n_ranges++;
	}
	return 0;
}

static int take_env(json_t *object, struct guest_config *c, struct bb_err *err)
{
	const char *key;
	json_t *v;

	if (object && (!json_is_object(object) || json_object_size(object) > GUEST_ENV_MAX))
		return bb_err_set(err, -EINVAL, "env: not an object of at most %d", GUEST_ENV_MAX);
	c->env = calloc(json_object_size(object) + 1, sizeof(*c->env));
	if (!c->env)
		return bb_err_set(err, -ENOMEM, "env: no memory");
	json_object_foreach(object, key, v)
	{
		if (!json_is_string(v) || !guest_env_name_ok(key) ||
		    strchr(json_string_value(v), '\n'))
			return bb_err_set(err, -EINVAL, "env: %s", key);
		if (asprintf(&c->env[c->n_env], "%s=%s", key, json_string_value(v)) < 0)
			return bb_err_set(err, -ENOMEM, "env: no memory");
		c->n_env++;
	}
	return 0;
}

static int take_probe(json_t *object, struct guest_probe *p, struct bb_err *err)
{
	json_t *services = NULL, *denied = NULL;
	const char *name = NULL, *addr;
	json_error_t je;
	int r, port;

	if (!object)
		return 0;
	p->on = true;
	if (json_unpack_ex(object, &je, 0, "{s?o, s?s, s?o !}", "services", &services, "name",
			   &name, "denied", &denied) < 0)
		return bb_err_set(err, -EINVAL, "probe: %s", je.text);
	r = take_ports("probe.services", services, &p->services, err);
	if (r == 0)
		r = take_text("probe.name", name, p->name, sizeof(p->name), err);
	if (r < 0 || !denied)
		return r;
	if (json_unpack_ex(denied, &je, 0, "{s:s, s:i !}", "addr", &addr, "port", &port) < 0)
		return bb_err_set(err, -EINVAL, "probe.denied: %s", je.text);
	if (port < 1 || port > 65535 || take_address(addr, &p->denied.family, p->denied.addr) < 0)
		return bb_err_set(err, -EINVAL, "probe.denied: not an address and a port");
	p->denied.port = (uint16_t)port;
	return 0;
}

static int take_trust(json_t *object, struct guest_config *c, struct bb_err *err)
{
	const char *hash;
	json_error_t je;

	if (!object)
		return 0;
	if (json_unpack_ex(object, &je, 0, "{s:s !}", "hash", &hash) < 0)
		return bb_err_set(err, -EINVAL, "trust: %s", je.text);
	if (strlen(hash) != 8 || strspn(hash, "0123456789abcdef") != 8)
		return bb_err_set(err, -EINVAL, "trust.hash: not 8 hex digits");
	memcpy(c->trust_hash, hash, sizeof(c->trust_hash));
	return 0;
}

static int take_all(json_t *root, struct guest_config *c, struct bb_err *err)
{
	const char *identity, *hostname, *alias, *tz = NULL, *term = NULL, *user = NULL;
	json_t *services = NULL, *ranges = NULL, *env = NULL, *trust = NULL, *probe = NULL;
	int version, redirect = GUEST_REDIRECT_PORT, pids = 0, r;
	const char *apt = NULL;
	json_error_t je;

	if (json_unpack_ex(
		    root, &je, 0,
		    "{s:i, s:s, s:s, s:s, s?o, s?i, s?o, s?o, s?s, s?s, s?s, s?o, s?s, s?o, s?i !}",
		    "version", &version, "identity", &identity, "hostname", &hostname, "alias",
		    &alias, "services", &services, "redirect_port", &redirect, "ranges", &ranges,
		    "env", &env, "tz", &tz, "term", &term, "user", &user, "trust", &trust,
		    "apt_proxy", &apt, "probe", &probe, "pids", &pids) < 0)
		return bb_err_set(err, -EINVAL, "%s", je.text);
	if (version != 1)
		return bb_err_set(err, -EINVAL, "version %d, this guest knows 1", version);
	if (inet_pton(AF_INET, alias, &c->alias) != 1)
		return bb_err_set(err, -EINVAL, "alias: not an IPv4 address");
	if (redirect < 1 || redirect > 65535)
		return bb_err_set(err, -EINVAL, "redirect_port: not a port");
	c->redirect_port = (uint16_t)redirect;
	if (pids < 0 || pids > GUEST_PIDS_MAX)
		return bb_err_set(err, -EINVAL, "pids: not 1 to %d", GUEST_PIDS_MAX);
	c->pids = (uint32_t)pids;
	if ((r = take_text("identity", identity, c->identity, sizeof(c->identity), err)) < 0 ||
	    (r = take_text("hostname", hostname, c->hostname, sizeof(c->hostname), err)) < 0 ||
	    (r = take_text("tz", tz, c->tz, sizeof(c->tz), err)) < 0 ||
	    (r = take_text("term", term, c->term, sizeof(c->term), err)) < 0 ||
	    (r = take_text("user", user, c->user, sizeof(c->user), err)) < 0 ||
	    (r = take_text("apt_proxy", apt, c->apt_proxy, sizeof(c->apt_proxy), err)) < 0 ||
	    (r = take_ports("services", services, &c->services, err)) < 0 ||
	    (r = take_ranges(ranges, c, err)) < 0 || (r = take_env(env, c, err)) < 0 ||
	    (r = take_trust(trust, c, err)) < 0)
		return r;
	return take_probe(probe, &c->probe, err);
}

int guest_config_parse(struct bb_span json, struct guest_config *ret, struct bb_err *err)
{
	struct guest_config c = { .user = GUEST_USER_DEFAULT, .term = GUEST_TERM_DEFAULT };
	json_error_t je;
	json_t *root = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, &je);
	int r;

	if (!root)
		return bb_err_set(err, -EINVAL, "config.json:%d:%d: %s", je.line, je.column,
				  je.text);
	r = take_all(root, &c, err);
	json_decref(root);
	if (r < 0) {
		guest_config_release(&c);
		return bb_err_wrap(err, "config.json");
	}
	*ret = c;
	return 0;
}

void guest_config_release(struct guest_config *c)
{
	for (size_t i = 0; c->env && i < c->n_env; i++)
		free(c->env[i]);
	free(c->env);
	free(c->ranges);
	*c = (struct guest_config){ 0 };
}
