/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/plan.h"
#include "base/io.h"
#include "base/printable.h"
#include "proc/cli/commits.h"
#include "proc/cli/preflight.h"
#include "proc/cli/provider.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define GIB       (1ull << 30)
#define LABEL_MAX 60

void plan_forget(struct plan *p)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(p->secrets, "tokens"), i, e)
	{
		const char *name = json_string_value(json_object_get(e, "name"));
		char *value = getenv(name);

		if (value)
			explicit_bzero(value, strlen(value));
		(void)unsetenv(name);
	}
	(void)json_object_clear(p->secrets);
	(void)json_object_clear(p->found);
	if (p->proxy_auth)
		explicit_bzero(p->proxy_auth, strlen(p->proxy_auth));
}

void plan_release(struct plan *p)
{
	policy_release(&p->policy);
	json_decref(p->env);
	json_decref(p->secrets);
	json_decref(p->bottles);
	json_decref(p->options);
	free(p->agent);
	free(p->from);
	free(p->origin);
	free(p->label);
	free(p->color);
	json_decref(p->warnings);
	free(p->image);
	free(p->accel);
	free(p->upstream_ca_pem);
	if (p->proxy_auth)
		explicit_bzero(p->proxy_auth, strlen(p->proxy_auth));
	free(p->proxy_auth);
	free(p->template);
	free(p->auth_token);
	json_decref(p->found);
	free(p->account);
	free(p->prompt);
	json_decref(p->skills);
	*p = (struct plan){ 0 };
}

void plan_warn(struct plan *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(p->warnings, json_string(text));
}

static int plan_init(struct plan *p, const char *name, struct bb_err *err)
{
	*p = (struct plan){ .memory_bytes = 2 * GIB,
			    .disk_bytes = 8 * GIB,
			    .cpus = 2,
			    .pids = 4096,
			    .boot_seconds = 10 };
	p->env = json_object();
	p->secrets = json_pack("{s:[], s:[]}", "tokens", "known");
	p->bottles = json_array();
	p->found = json_object();
	p->options = json_array();
	p->warnings = json_array();
	p->image = strdup("base");
	p->accel = strdup("auto");
	p->upstream_ca_pem = strdup("");
	p->policy.generation = 1;
	p->policy.log_level = 1;
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	if (!p->env || !p->secrets || !p->bottles || !p->found || !p->options || !p->warnings ||
	    !p->image || !p->accel || !p->upstream_ca_pem)
		return bb_err_set(err, -ENOMEM, "no memory");
	return paths_get(&p->paths, err);
}

/* What names the policy, for the metadata */
static int keep_options(const struct cli_args *args, const char *agent, struct plan *p,
			struct bb_err *err)
{
	int r = 0;

	for (size_t i = 0; i < args->n_opts && r == 0; i++) {
		enum cli_opt_id id = args->opts[i].id;

		if (id == OPT_BOTTLE || id == OPT_ALLOW_HOST || id == OPT_ALLOW_CIDR ||
		    id == OPT_ENV || id == OPT_LABEL || id == OPT_COLOR)
			r = json_array_append_new(p->options, json_pack("[s, s]", cli_opts[id].name,
									args->opts[i].value));
	}
	p->agent = agent ? strdup(agent) : NULL;
	return r < 0 || (agent && !p->agent) ? bb_err_set(err, -ENOMEM, "no memory") : 0;
}

/* A commit: its image, and where the command begins */
static int take_from(const struct cli_args *args, struct plan *p, struct bb_err *err)
{
	const char *name = cli_opt(args, OPT_FROM), *cwd;
	json_auto_t *notes = NULL;
	int r;

	if (!name)
		return 0;
	if (cli_has(args, OPT_IMAGE) || cli_has(args, OPT_CWD))
		return bb_err_set(err, -EINVAL,
				  "--from brings its image and its /workspace along: without "
				  "--image and --cwd");
	if (p->backend->legacy)
		return bb_err_set(err, -EINVAL, "--from: the %s backend has no disks",
				  p->backend->name);
	r = commit_read(&p->paths, name, &notes, err);
	if (r < 0)
		return r;
	free(p->image);
	p->image = strdup(json_string_value(json_object_get(notes, "image_digest")));
	p->from = strdup(name);
	cwd = json_string_value(json_object_get(notes, "cwd"));
	p->workspace = json_is_true(json_object_get(notes, "workspace"));
	p->origin = strdup(cwd ? cwd : "");
	return p->image && p->from && p->origin ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

static int take_label(const struct cli_args *args, struct plan *p, struct bb_err *err)
{
	const char *label = cli_opt(args, OPT_LABEL), *color = cli_opt(args, OPT_COLOR);

	if (label && (!*label || strlen(label) > LABEL_MAX || !bb_printable_is(label)))
		return bb_err_set(
			err, -EINVAL,
			"--label: 1 to %d octets of text that can be shown: no control or "
			"hidden characters",
			LABEL_MAX);
	if (color && !plan_color(color))
		return bb_err_set(err, -EINVAL,
				  "--color: red, green, yellow, blue, magenta or cyan, not '%.20s'",
				  color);
	p->label = label ? strdup(label) : NULL;
	p->color = color ? strdup(color) : NULL;
	return (label && !p->label) || (color && !p->color) ? bb_err_set(err, -ENOMEM, "no memory")
							    : 0;
}

unsigned int plan_color(const char *name)
{
	static const char *const names[] = { "red", "green", "yellow", "blue", "magenta", "cyan" };

	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) == 0)
			return 31 + (unsigned int)i;
	}
	return 0;
}

static int take_flags(const struct cli_args *args, struct plan *p, struct bb_err *err)
{
	int r = 0;

	for (size_t i = 0; i < args->n_opts && r == 0; i++) {
		if (args->opts[i].id == OPT_ALLOW_HOST)
			r = plan_allow_host(&p->policy, args->opts[i].value, err);
		else if (args->opts[i].id == OPT_ALLOW_CIDR)
			r = plan_allow_cidr(&p->policy, args->opts[i].value, err);
	}
	if (r == 0 && cli_has(args, OPT_IMAGE)) {
		free(p->image);
		p->image = strdup(cli_opt(args, OPT_IMAGE));
	}
	p->keep_disk = cli_has(args, OPT_KEEP);
	if (r == 0 && p->keep_disk && p->backend->legacy && !p->running)
		r = bb_err_set(
			err, -EINVAL,
			"--keep: the %s backend keeps nothing, a container is removed at its "
			"end; take files out with bot-bottle cp while it runs, or use "
			"--backend=smolmachines",
			p->backend->name);
	p->workspace = cli_has(args, OPT_CWD);
	if (r == 0)
		r = take_label(args, p, err);
	if (r == 0)
		r = take_from(args, p, err);
	return r < 0 || p->image ? r : bb_err_set(err, -ENOMEM, "no memory");
}

static void standing_warnings(struct plan *p)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (p->memory_bytes > memory)
		plan_warn(p, "%llu MiB of memory: this host has %llu",
			  (unsigned long long)(p->memory_bytes >> 20),
			  (unsigned long long)(memory >> 20));
	if (cpus > 0 && p->cpus > (unsigned long)cpus && p->cpus > 2) /* 2: nobody asked for it */
		plan_warn(p, "%u cpus: this host has %ld", p->cpus, cpus);
	for (size_t i = 0; i < p->policy.n_tcp; i++) {
		const struct policy_tcp *t = &p->policy.tcp[i];
		char addr[IP_ADDR_TEXT_MAX];

		ip_addr_format(&t->cidr.addr, addr);
		if (t->host[0])
			plan_warn(p, "raw TCP to %s port %u is not inspected", t->host, t->port);
		else
			plan_warn(p, "raw TCP to %s/%u port %u is not inspected", addr,
				  t->cidr.bits, t->port);
	}
}

/* The bottle's template, else claude. Sets p->provider, unless it is a command that is wanted */
static int choose_provider(struct plan *p, struct bb_err *err)
{
	const char *name = p->template ? p->template : "claude";

	p->provider = provider_find(name);
	if (!p->provider)
		return bb_err_set(err, -EINVAL,
				  "the bottle's provider is `command`: say which, as in "
				  "bot-bottle start AGENT -- CMD…");
	return provider_check_skills(p, err);
}

/* What a guest may ask for is never the proxy itself: dialer refuses that, and here it is told */
static int check_proxy(const struct plan *p, struct bb_err *err)
{
	const struct policy *policy = &p->policy;
	bool named = false;

	if (!policy->proxy.host[0])
		return 0;
	for (size_t i = 0; i < policy->n_routes && !named; i++)
		named = !policy->routes[i].wildcard &&
			(strcmp(policy->routes[i].host, policy->proxy.host) == 0 ||
			 strcmp(policy->routes[i].upstream.host, policy->proxy.host) == 0);
	for (size_t i = 0; i < policy->n_tcp && !named; i++)
		named = strcmp(policy->tcp[i].host, policy->proxy.host) == 0;
	return named ? bb_err_set(err, -EPERM,
				  "%s is the upstream_proxy of config.yaml: no route and no tcp "
				  "rule may lead to it",
				  policy->proxy.host)
		     : 0;
}

static int add_secrets(struct plan *p, bool provide, struct bb_err *err)
{
	int r = provide ? choose_provider(p, err) : 0;

	if (r == 0 && provide)
		r = provider_plan(p, err);
	if (r == 0)
		r = plan_secrets(p, err);
	return r == 0 && provide ? provider_place(p, err) : r;
}

/* @home: where bottles are looked for, NULL = the user's */
static int make(const struct cli_args *args, const char *home, const char *name, const char *agent,
		bool provide, bool running, struct plan *ret, struct bb_err *err)
{
	struct plan p;
	int r = plan_init(&p, name, err);

	p.home = home;
	p.running = running;
	if (r == 0)
		r = plan_from_manifests(args, agent, &p, err);
	if (r == 0)
		r = take_flags(args, &p, err);
	if (r == 0)
		r = check_proxy(&p, err);
	if (r == 0)
		r = keep_options(args, agent, &p, err);
	if (r == 0)
		r = add_secrets(&p, provide, err);
	if (r < 0) {
		plan_release(&p);
		return r;
	}
	p.home = NULL;
	standing_warnings(&p);
	*ret = p;
	return 0;
}

int plan_make(const struct cli_args *args, const char *name, struct plan *ret, struct bb_err *err)
{
	return make(args, NULL, name, NULL, false, false, ret, err);
}

int plan_for_agent(const struct cli_args *args, const char *agent, bool provide, struct plan *ret,
		   struct bb_err *err)
{
	return plan_for_bottle(args, agent, provide, false, ret, err);
}

json_t *plan_settings(const struct plan *p)
{
	json_t *names = json_array();
	const char *key;
	json_t *value;

	json_object_foreach(p->env, key, value)
	{
		(void)json_array_append_new(names, json_string(key));
	}
	return json_pack("{s:I, s:I, s:i, s:i, s:s, s:o}", "memory", (json_int_t)p->memory_bytes,
			 "disk", (json_int_t)p->disk_bytes, "cpus", (int)p->cpus, "pids",
			 (int)p->pids, "accel", p->accel, "env", names);
}

int plan_for_bottle(const struct cli_args *args, const char *agent, bool provide, bool running,
		    struct plan *ret, struct bb_err *err)
{
	const char *name = agent ? agent : cli_opt(args, OPT_BOTTLE);

	return make(args, NULL, name ? name : "claude", agent, provide, running, ret, err);
}

int plan_of_home(const struct cli_args *args, const char *home, const char *name, struct plan *ret,
		 struct bb_err *err)
{
	struct cli_args named = *args;

	if (named.n_opts == CLI_VALUES_MAX)
		return bb_err_set(err, -E2BIG, "too many options");
	named.opts[named.n_opts].id = OPT_BOTTLE;
	named.opts[named.n_opts++].value = name;
	return make(&named, home, name, NULL, false, false, ret, err);
}
