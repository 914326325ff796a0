/* SPDX-License-Identifier: Apache-2.0 */
/* config.yaml and the bottles that were named, into a plan */
#include "base/io.h"
#include "manifest/manifest.h"
#include "proc/cli/preflight.h"
#include "proc/cli/terminal.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#define CA_MAX     (2u << 20)
#define ANSWER_MAX 4096 /* a line of a terminal is not longer */

static int diag_result(struct diag *d, struct bb_err *err)
{
	if (d->text.len)
		cli_print(stderr, bb_buf_str(&d->text));
	return bb_err_set(err, -EBADMSG, "%u error%s in the manifests", d->n, d->n == 1 ? "" : "s");
}

static int read_ca_files(const struct config *c, struct plan *p, struct bb_err *err)
{
	bb_auto_buf struct bb_buf pem;
	json_t *path;
	size_t i;

	bb_buf_init(&pem, CA_MAX);
	json_array_foreach(c->upstream_ca_files, i, path)
	{
		if (bb_read_file(json_string_value(path), &pem, err) < 0)
			return bb_err_wrap(err, "upstream_ca_files");
		if (bb_buf_add(&pem, "\n", 1) < 0)
			return bb_err_set(err, -E2BIG, "upstream_ca_files: more than 2 MiB");
	}
	free(p->upstream_ca_pem);
	p->upstream_ca_pem = strdup(bb_buf_str(&pem) ? bb_buf_str(&pem) : "");
	return p->upstream_ca_pem ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

static void take_text(char **to, const char *from)
{
	char *copy = from ? strdup(from) : NULL;

	if (!copy)
		return;
	free(*to);
	*to = copy;
}

static void take_resources(struct plan *p, uint64_t memory, uint64_t disk, uint32_t cpus,
			   uint32_t pids)
{
	if (memory)
		p->memory_bytes = memory;
	if (disk)
		p->disk_bytes = disk;
	if (cpus)
		p->cpus = cpus;
	if (pids)
		p->pids = pids;
}

#define PROXY_AUTH_MAX 512

static bool is_user_and_password(const char *s)
{
	const char *c = s;

	while ((unsigned char)*c >= 0x20 && *c != 0x7f)
		c++;
	return !*c && strchr(s, ':') && strlen(s) <= PROXY_AUTH_MAX;
}

/* Read in full here: dialer gets it, and nobody else */
static int take_proxy(const struct config *c, struct plan *p, struct bb_err *err)
{
	const char *value;

	p->policy.proxy = c->proxy;
	if (!c->proxy_auth || p->running)
		return 0;
	value = getenv(c->proxy_auth);
	if (!value || !*value)
		return bb_err_set(
			err, -ENOENT,
			"config.yaml: upstream_proxy_auth: the host variable %.60s is not set",
			c->proxy_auth);
	if (!is_user_and_password(value))
		return bb_err_set(err, -EINVAL,
				  "config.yaml: upstream_proxy_auth: the value of %.60s has to be "
				  "USER:PASSWORD, at most %d octets, no control characters",
				  c->proxy_auth, PROXY_AUTH_MAX);
	p->proxy_auth = calloc(1, 4 * PROXY_AUTH_MAX / 3 + 8);
	if (!p->proxy_auth)
		return bb_err_set(err, -ENOMEM, "no memory");
	(void)EVP_EncodeBlock((uint8_t *)p->proxy_auth, (const uint8_t *)value, (int)strlen(value));
	return 0;
}

static int take_config(const struct cli_args *args, const struct config *c, struct plan *p,
		       struct bb_err *err)
{
	take_text(&p->image, c->image);
	take_text(&p->accel, c->accel);
	if (c->boot_seconds)
		p->boot_seconds = c->boot_seconds;
	p->jail_strict = c->jail && strcmp(c->jail, "strict") == 0;
	take_resources(p, c->memory_bytes, c->disk_bytes, c->cpus, c->pids);
	memcpy(p->policy.resolvers, c->resolvers, sizeof(c->resolvers));
	p->policy.n_resolvers = c->n_resolvers;
	if (take_proxy(c, p, err) < 0)
		return err->code;
	if (backend_choose(cli_opt(args, OPT_BACKEND), getenv("BOT_BOTTLE_BACKEND"), c->backend,
			   &p->backend, err) < 0)
		return err->code;
	return read_ca_files(c, p, err);
}

/* Ask on the terminal, without echo where it is a secret */
static int ask(const struct bottle_env *e, char **ret, struct bb_err *err)
{
	char answer[ANSWER_MAX];
	ssize_t n;

	if (!isatty(STDIN_FILENO))
		return bb_err_set(err, -ENOENT, "env.%.60s is asked for, and there is no terminal",
				  e->name);
	n = terminal_ask_hidden(e->value, answer, sizeof(answer));
	*ret = n > 0 ? strdup(answer) : NULL;
	explicit_bzero(answer, sizeof(answer));
	if (n <= 0)
		return bb_err_set(err, -ENOENT, "env.%.60s: no answer%s%s", e->name,
				  n < 0 && n != -ENODATA ? ": " : "",
				  n < 0 && n != -ENODATA ? strerror((int)-n) : "");
	return *ret ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

static int env_value(const struct plan *p, const struct bottle_env *e, char **ret,
		     struct bb_err *err)
{
	const char *host;

	if (e->kind == BOTTLE_ENV_LITERAL || p->running) {
		*ret = strdup(p->running ? "" : e->value);
		return *ret ? 0 : bb_err_set(err, -ENOMEM, "no memory");
	}
	if (e->kind == BOTTLE_ENV_ASK)
		return ask(e, ret, err);
	host = getenv(e->value);
	if (!host)
		return bb_err_set(err, -ENOENT, "%s: env.%.60s: the host variable %.60s is not set",
				  e->source ? e->source : "?", e->name, e->value);
	*ret = strdup(host);
	return *ret ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

/* Values that the manifest brings in from outside are secrets if they look like one; a literal is
 * in a file that people show to each other */
static bool is_secret(const struct bottle_env *e, const char *value)
{
	if (e->open)
		return false;
	return e->secret || (e->kind != BOTTLE_ENV_LITERAL && plan_looks_secret(value));
}

static int resolve_one(const struct bottle_env *e, struct plan *p, struct bb_err *err)
{
	char *value = NULL;
	int r = env_value(p, e, &value, err);

	if (r < 0)
		return r;
	if (!p->running && is_secret(e, value))
		r = plan_know(p, e->name, value, e->to, false, err);
	if (r == 0 && json_object_set_new(p->env, e->name, json_string(value)) < 0)
		r = bb_err_set(err, -EINVAL, "env.%.60s: the value is not UTF-8", e->name);
	explicit_bzero(value, strlen(value));
	free(value);
	return r;
}

static int resolve_env(const struct bottle *b, struct plan *p, struct bb_err *err)
{
	int r = 0;

	for (size_t i = 0; i < b->n_env && r == 0; i++)
		r = resolve_one(&b->env[i], p, err);
	return r;
}

/* --env NAME, over what the manifests give. A value would stand in an argument list and in the
 * bottle's metadata: it comes from the environment only */
static int take_env(const struct cli_args *args, struct plan *p, struct bb_err *err)
{
	int r = 0;

	for (size_t i = 0; i < args->n_opts && r == 0; i++) {
		char *name = (char *)(uintptr_t)args->opts[i].value;
		struct bottle_env e = { .name = name,
					.value = name,
					.kind = BOTTLE_ENV_HOST,
					.source = (char *)(uintptr_t) "--env" };

		if (args->opts[i].id != OPT_ENV)
			continue;
		if (schema_is_variable(name))
			r = resolve_one(&e, p, err);
		else
			r = bb_err_set(
				err, -EINVAL,
				"--env takes the name of a variable of this host; with another "
				"value: %.*s=… bot-bottle %s --env %.*s …",
				(int)strcspn(name, "= "), name, args->cmd->name,
				(int)strcspn(name, "= "), name);
	}
	return r;
}

/* A bottle that asks for what this build has not got does not start without it */
static int refuse_not_built(const struct bottle *b, struct bb_err *err)
{
	json_t *line;
	size_t i;

	if (json_array_size(b->not_built) == 0)
		return 0;
	json_array_foreach(b->not_built, i, line)
	{
		(void)fprintf(stderr, "%s\n", json_string_value(line));
	}
	return bb_err_set(err, -ENOSYS,
			  "this bottle needs what this build has not got (see above); it does not "
			  "start with less protection than it asks for");
}

static int take_bottle(const struct bottle *b, struct plan *p, struct bb_err *err)
{
	int r = refuse_not_built(b, err);
	json_t *note;
	size_t i;

	json_array_foreach(b->notes, i, note)
	{
		plan_warn(p, "%s", json_string_value(note));
	}
	if (r == 0)
		r = bottle_to_policy(b, &p->policy, err);
	if (r == 0)
		r = resolve_env(b, p, err);
	take_text(&p->image, b->image);
	take_text(&p->template, b->provider);
	take_text(&p->auth_token, b->auth_token);
	p->host_login = b->host_login == 1;
	take_resources(p, b->memory_bytes, b->disk_bytes, b->cpus, b->pids);
	return r;
}

static int take_bottles(const struct cli_args *args, const struct manifest_dirs *dirs,
			const char *agent, struct plan *p, struct diag *diag, struct bb_err *err)
{
	const char *names[64];
	struct agent a = { 0 };
	struct bottle b;
	size_t n = 0;
	int r;

	if (agent) {
		r = manifest_agent(dirs, agent, &a, diag, err);
		if (r == 0 && !a.bottle && !cli_has(args, OPT_BOTTLE))
			r = bb_err_set(err, -ENOENT, "%s names no bottle; give --bottle", a.file);
		if (a.shadowed)
			plan_warn(p, "the agent %s of this directory is passed over for yours",
				  agent);
		if (r < 0) {
			agent_release(&a);
			return r;
		}
		if (a.bottle)
			names[n++] = a.bottle;
		take_text(&p->prompt, a.prompt);
		p->skills = json_incref(a.skills);
	}
	for (size_t i = 0; i < args->n_opts; i++) {
		if (args->opts[i].id == OPT_BOTTLE && n < BB_ARRAY_LEN(names))
			names[n++] = args->opts[i].value;
	}
	if (n == 0)
		return 0;
	r = manifest_bottles(dirs, names, n, &b, diag, err);
	if (r < 0) {
		agent_release(&a);
		return r;
	}
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(p->bottles, json_string(names[i]));
	r = take_bottle(&b, p, err);
	bottle_release(&b);
	agent_release(&a);
	return r;
}

int plan_from_manifests(const struct cli_args *args, const char *agent, struct plan *p,
			struct bb_err *err)
{
	bb_auto_free char *cwd = getcwd(NULL, 0);
	struct manifest_dirs dirs = { .home = p->paths.config, .cwd = cwd ? cwd : "/" };
	struct manifest_dirs bottles = { .home = p->home ? p->home : dirs.home, .cwd = dirs.cwd };
	struct config config = { 0 };
	struct diag diag;
	int r;

	diag_init(&diag);
	r = manifest_config(&dirs, &config, &diag, err);
	if (r == 0)
		r = take_config(args, &config, p, err);
	if (r == 0)
		r = take_bottles(args, &bottles, agent, p, &diag, err);
	if (r == 0)
		r = take_env(args, p, err);
	if (manifest_has_repo_bottles(&dirs))
		plan_warn(p,
			  ".bot-bottle/bottles in this directory counts for nothing: bottles "
			  "come from %s only",
			  dirs.home);
	if (diag.n)
		r = err->code ? err->code : diag_result(&diag, err);
	config_release(&config);
	diag_release(&diag);
	return r;
}
