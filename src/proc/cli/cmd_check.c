/* SPDX-License-Identifier: Apache-2.0 */
/* check and info: manifests and what they decide, without starting anything */
#include "base/printable.h"
#include "manifest/manifest.h"
#include "proc/cli/commands.h"
#include "proc/cli/explain.h"
#include "proc/cli/preflight.h"
#include "proc/cli/provider.h"
#include <errno.h>
#include <stdio.h>

struct check {
	struct paths paths;
	char *cwd;
	struct manifest_dirs dirs;
	struct diag diag;
};

static int check_init(struct check *c, struct bb_err *err)
{
	int r = paths_get(&c->paths, err);

	diag_init(&c->diag);
	c->cwd = getcwd(NULL, 0);
	c->dirs = (struct manifest_dirs){ c->paths.config, c->cwd ? c->cwd : "/" };
	return r;
}

static void check_release(struct check *c)
{
	diag_release(&c->diag);
	free(c->cwd);
}

/* Errors so far to stdout, where scripts look for them. Return: were there any? */
static bool show_errors(struct check *c)
{
	bool any = c->diag.n > 0;

	(void)fwrite(c->diag.text.p, 1, c->diag.text.len, stdout);
	diag_release(&c->diag);
	diag_init(&c->diag);
	return any;
}

static void print_policy(const struct bottle *b)
{
	for (size_t i = 0; i < b->n_routes; i++) {
		const struct policy_route *r = &b->routes[i].route;

		(void)printf("  route %s%s", r->wildcard ? "*." : "", r->host);
		for (size_t j = 0; j < r->n_ports; j++)
			(void)printf(" %u", r->ports[j]);
		preflight_content(r->content, stdout);
		(void)printf("  (%s)\n", b->routes[i].source);
	}
	for (size_t i = 0; i < b->n_tcp; i++) {
		const struct policy_tcp *t = &b->tcp[i].rule;
		char addr[IP_ADDR_TEXT_MAX];

		ip_addr_format(&t->cidr.addr, addr);
		if (t->host[0])
			(void)printf("  tcp %s port %u  (%s)\n", t->host, t->port,
				     b->tcp[i].source);
		else
			(void)printf("  tcp %s/%u port %u  (%s)\n", addr, t->cidr.bits, t->port,
				     b->tcp[i].source);
	}
	if (!b->n_routes && !b->n_tcp)
		(void)puts("  nothing may leave");
}

static void print_not_built(const struct bottle *b)
{
	json_t *line;
	size_t i;

	json_array_foreach(b->not_built, i, line)
	{
		(void)printf("  note: %s; this bottle does not start\n", json_string_value(line));
	}
}

/* What `start` adds to the bottle. @template: of an agent's bottle that names none */
static int add_provider(const char *name, const char *template, struct bottle *b,
			struct bb_err *err)
{
	int r = 0;

	if (b->provider)
		template = b->provider;
	if (template)
		r = provider_show(b, template, err);
	if (r < 0) {
		bottle_release(b);
		(void)bb_err_wrap(err, "%s", name);
	}
	return r;
}

/* A bottle, else an agent and its bottle. Return: 0, or -1 after saying why */
static int check_one(struct check *c, const char *name, struct bottle *ret)
{
	struct bb_err err = { 0 }, err2 = { 0 };
	struct agent agent;
	const char *template = NULL;
	int r = manifest_bottle(&c->dirs, name, ret, &c->diag, &err);

	if (r == -ENOENT && manifest_agent(&c->dirs, name, &agent, &c->diag, &err2) == 0) {
		(void)printf("agent %s (%s)%s\n", name, agent.file,
			     agent.shadowed ? "; the one in this directory is passed over" : "");
		err = (struct bb_err){ 0 };
		template = "claude"; /* start's, where the bottle names none */
		r = agent.bottle ? manifest_bottle(&c->dirs, agent.bottle, ret, &c->diag, &err) : 1;
		agent_release(&agent);
	}
	if (r == 0)
		r = add_provider(name, template, ret, &err);
	if (!show_errors(c) && err.code)
		(void)cli_error(0, "%s", err.msg);
	return r == 0 ? 0 : r > 0 ? 1 : -1;
}

static int check_names(struct check *c, const json_t *names)
{
	int code = CLI_OK;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		struct bottle b;
		int r = check_one(c, json_string_value(name), &b);

		if (r < 0) {
			code = CLI_FAILED;
		} else if (r == 0) {
			(void)printf("%s: ok\n", json_string_value(name));
			print_policy(&b);
			print_not_built(&b);
			bottle_release(&b);
		}
	}
	return code;
}

static int check_url(struct check *c, const struct cli_args *args)
{
	struct bottle b;
	int code;

	if (args->n_operands != 1)
		return cli_error(CLI_USAGE, "check --url needs one NAME");
	if (check_one(c, args->operands[0], &b) != 0)
		return CLI_FAILED;
	code = explain_url(&b, args);
	bottle_release(&b);
	return code;
}

int cmd_check(const struct cli_args *args)
{
	json_auto_t *names = NULL, *agents = NULL;
	struct config config;
	struct check c;
	struct bb_err err = { 0 };
	int code = CLI_OK;

	if (check_init(&c, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	if (cli_has(args, OPT_URL)) {
		code = check_url(&c, args);
		check_release(&c);
		return code;
	}
	if (manifest_config(&c.dirs, &config, &c.diag, &err) < 0) {
		if (!show_errors(&c))
			(void)cli_error(0, "%s", err.msg);
		code = CLI_FAILED;
	} else {
		config_release(&config);
	}
	names = args->n_operands ? json_array() : manifest_names(&c.dirs, "bottles");
	for (size_t i = 0; i < args->n_operands; i++)
		(void)json_array_append_new(names, json_string(args->operands[i]));
	if (!args->n_operands) {
		agents = manifest_names(&c.dirs, "agents");
		(void)json_array_extend(names, agents);
	}
	if (check_names(&c, names) != CLI_OK)
		code = CLI_FAILED;
	check_release(&c);
	return code;
}

static void print_env(const struct bottle_env *e)
{
	char text[256];

	bb_printable(e->value ? e->value : "", text, sizeof(text));
	(void)printf("  env.%s: %s%s  (%s)\n", e->name,
		     e->kind == BOTTLE_ENV_HOST  ? "the host's "
		     : e->kind == BOTTLE_ENV_ASK ? "asked for: "
						 : "",
		     text, e->source);
}

int cmd_info(const struct cli_args *args)
{
	struct bb_err err = { 0 };
	struct bottle b;
	struct check c;
	const char *key;
	char text[256];
	json_t *value;
	int code = CLI_FAILED;

	if (check_init(&c, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	if (check_one(&c, args->operands[0], &b) == 0) {
		(void)printf("bottle %s\n", b.name);
		json_object_foreach(b.sources, key, value)
		{
			const char *said = json_string_value(json_object_get(b.texts, key));

			(void)printf("  %s: %s  (%s)\n", key,
				     bb_printable(said ? said : "", text, sizeof(text)),
				     json_string_value(value));
		}
		for (size_t i = 0; i < b.n_env; i++)
			print_env(&b.env[i]);
		print_policy(&b);
		print_not_built(&b);
		bottle_release(&b);
		code = CLI_OK;
	}
	check_release(&c);
	return code;
}
