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

/**
 * struct check - What is looked at, and how it is said
 * @errors:	with --json: what was wrong with the one in hand; else NULL, and it is printed
 */
struct check {
	struct paths paths;
	char *cwd;
	struct manifest_dirs dirs;
	struct diag diag;
	json_t *errors;
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
	json_decref(c->errors);
	free(c->cwd);
}

static void keep_lines(json_t *to, struct bb_span text)
{
	while (text.len) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t n = end ? (size_t)(end - text.p) : text.len;

		(void)json_array_append_new(to, json_stringn((const char *)text.p, n));
		text.p += n + !!end;
		text.len -= n + !!end;
	}
}

/* Errors so far to stdout, where scripts look for them. Return: were there any? */
static bool show_errors(struct check *c)
{
	bool any = c->diag.n > 0;

	if (c->errors)
		keep_lines(c->errors, bb_buf_span(&c->diag.text));
	else
		cli_print(stdout, c->diag.text.len ? bb_buf_str(&c->diag.text) : "");
	diag_release(&c->diag);
	diag_init(&c->diag);
	return any;
}

/* All that was wrong. Return: were there any? */
static bool show_all(struct check *c, const struct bb_err *err)
{
	bool any = show_errors(c);

	if (!any && err->code && c->errors)
		keep_lines(c->errors, BB_SPAN_STR(err->msg));
	else if (!any && err->code)
		(void)cli_error(0, "%s", err->msg);
	return any || err->code;
}

/* Its name, or its addresses */
static const char *tcp_to(const struct policy_tcp *t, char buf[static IP_ADDR_TEXT_MAX + 4])
{
	char addr[IP_ADDR_TEXT_MAX];

	if (t->host[0])
		return t->host;
	ip_addr_format(&t->cidr.addr, addr);
	(void)snprintf(buf, IP_ADDR_TEXT_MAX + 4, "%s/%u", addr, t->cidr.bits);
	return buf;
}

/* Where a variable of this host that the bottle takes is not set: it may be, when it starts */
static void add_unset(json_t *notes, const char *variable, const char *source, const char *then)
{
	if (variable && *variable && !getenv(variable))
		(void)json_array_append_new(notes,
					    json_sprintf("%s: %s is not set on this host; %s",
							 source ? source : "?", variable, then));
}

/* What is valid, and probably not what was meant */
static json_t *notes_of(const struct bottle *b)
{
	json_t *notes = json_copy(b->notes);

	for (size_t i = 0; i < b->n_env; i++) {
		if (b->env[i].kind == BOTTLE_ENV_HOST)
			add_unset(notes, b->env[i].value, b->env[i].source,
				  "without it this bottle does not start");
	}
	if (b->image && b->image[0] == '/' && access(b->image, F_OK) < 0)
		(void)json_array_append_new(
			notes, json_sprintf("image: %s: %s", b->image, strerror(errno)));
	for (size_t i = 0; i < b->n_routes; i++)
		add_unset(notes, b->routes[i].route.content->auth.token_ref, b->routes[i].source,
			  "requests of this route need it");
	return notes;
}

/* Appends what print_policy() and print_notes() say, for a script. @b: NULL, it has errors */
static void add_result(json_t *all, const char *name, const struct bottle *b, json_t *errors)
{
	json_t *routes = json_array(), *tcp = json_array();
	char host[POLICY_NAME_MAX + 2], to[IP_ADDR_TEXT_MAX + 4];

	for (size_t i = 0; b && i < b->n_routes; i++) {
		const struct policy_route *r = &b->routes[i].route;
		json_t *ports = json_array();

		for (size_t j = 0; j < r->n_ports; j++)
			(void)json_array_append_new(ports, json_integer(r->ports[j]));
		(void)snprintf(host, sizeof(host), "%s%s", r->wildcard ? "*." : "", r->host);
		(void)json_array_append_new(routes,
					    json_pack("{s:s, s:o, s:s}", "host", host, "ports",
						      ports, "source", b->routes[i].source));
	}
	for (size_t i = 0; b && i < b->n_tcp; i++)
		(void)json_array_append_new(
			tcp, json_pack("{s:s, s:i, s:s}", "to", tcp_to(&b->tcp[i].rule, to), "port",
				       b->tcp[i].rule.port, "source", b->tcp[i].source));
	(void)json_array_append_new(all, json_pack("{s:s, s:b, s:o, s:o, s:o, s:O*, s:o*}", "name",
						   name, "ok", json_array_size(errors) == 0,
						   "errors", json_copy(errors), "routes", routes,
						   "tcp", tcp, "not_built", b ? b->not_built : NULL,
						   "notes", b ? notes_of(b) : NULL));
	(void)json_array_clear(errors);
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
		char to[IP_ADDR_TEXT_MAX + 4];

		(void)printf("  tcp %s port %u  (%s)\n", tcp_to(&b->tcp[i].rule, to),
			     b->tcp[i].rule.port, b->tcp[i].source);
	}
	if (!b->n_routes && !b->n_tcp)
		(void)puts("  nothing may leave");
}

static void print_notes(const struct bottle *b)
{
	json_auto_t *notes = notes_of(b);
	json_t *line;
	size_t i;

	json_array_foreach(b->not_built, i, line)
	{
		(void)printf("  note: %s; this bottle does not start\n", json_string_value(line));
	}
	json_array_foreach(notes, i, line)
	{
		(void)printf("  note: %s\n", json_string_value(line));
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
		const char *at = json_string_value(
			json_object_get(b->sources, "agent_provider.forward_host_credentials"));

		(void)bb_err_wrap(err, "%s", at ? at : name);
		bottle_release(b);
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
		if (!c->errors)
			cli_printf(stdout, "agent %s (%s)%s\n", name, agent.file,
				   agent.shadowed ? "; the one in this directory is passed over"
						  : "");
		err = (struct bb_err){ 0 };
		template = "claude"; /* start's, where the bottle names none */
		r = agent.bottle ? manifest_bottle(&c->dirs, agent.bottle, ret, &c->diag, &err) : 1;
		agent_release(&agent);
	}
	if (r == 0)
		r = add_provider(name, template, ret, &err);
	(void)show_all(c, &err);
	return r == 0 ? 0 : r > 0 ? 1 : -1;
}

static int check_names(struct check *c, const json_t *names, json_t *results)
{
	int code = CLI_OK;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);
		struct bottle b;
		int r = check_one(c, text, &b);

		code = r < 0 ? CLI_FAILED : code;
		if (c->errors) {
			add_result(results, text, r == 0 ? &b : NULL, c->errors);
		} else if (r == 0) {
			cli_printf(stdout, "%s: ok\n", text);
			print_policy(&b);
			print_notes(&b);
		}
		if (r == 0)
			bottle_release(&b);
	}
	return code;
}

static void print_results(const json_t *results)
{
	(void)json_dumpf(results, stdout, JSON_INDENT(1));
	(void)putchar('\n');
}

static int check_url(struct check *c, const struct cli_args *args)
{
	struct bb_err err = { 0 };
	struct bottle b;
	int code, r;

	if (args->n_operands != 1)
		return cli_error(CLI_USAGE, "check --url needs one NAME");
	r = check_one(c, args->operands[0], &b);
	if (r > 0) {
		(void)bb_err_set(&err, -EINVAL, "agent %.60s names no bottle: nothing may leave",
				 args->operands[0]);
		(void)show_all(c, &err);
	}
	if (r != 0) {
		json_auto_t *results = json_array();

		if (c->errors) {
			add_result(results, args->operands[0], NULL, c->errors);
			print_results(results);
		}
		return CLI_FAILED;
	}
	code = explain_url(&b, args);
	bottle_release(&b);
	return code;
}

static int check_config(struct check *c, json_t *results)
{
	struct config config;
	struct bb_err err = { 0 };

	if (manifest_config(&c->dirs, &config, &c->diag, &err) == 0) {
		config_release(&config);
		return CLI_OK;
	}
	(void)show_all(c, &err);
	if (c->errors)
		add_result(results, "config.yaml", NULL, c->errors);
	return CLI_FAILED;
}

static void show_strays(const struct check *c, const char *kind)
{
	json_auto_t *strays = manifest_strays(&c->dirs, kind);
	char name[100];
	json_t *n;
	size_t i;

	json_array_foreach(strays, i, n)
	{
		(void)cli_error(0,
				"%s/%s/%s is passed over: names are small letters, digits and -, "
				"with .md",
				c->paths.config, kind,
				bb_printable(json_string_value(n), name, sizeof(name)));
	}
}

/* Those given, else all */
static json_t *names_of(const struct check *c, const struct cli_args *args)
{
	json_t *names = args->n_operands ? json_array() : manifest_names(&c->dirs, "bottles");
	json_auto_t *agents = NULL;

	for (size_t i = 0; i < args->n_operands; i++)
		(void)json_array_append_new(names, json_string(args->operands[i]));
	if (args->n_operands)
		return names;
	agents = manifest_names(&c->dirs, "agents");
	(void)json_array_extend(names, agents);
	show_strays(c, "bottles");
	show_strays(c, "agents");
	if (json_array_size(names) == 0 && !c->errors)
		(void)cli_error(0, "there is no bottle in %s; a first one: bot-bottle init",
				c->paths.config);
	return names;
}

int cmd_check(const struct cli_args *args)
{
	json_auto_t *names = NULL, *results = json_array();
	struct check c = { 0 };
	struct bb_err err = { 0 };
	int code;

	if (check_init(&c, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	c.errors = cli_has(args, OPT_JSON) ? json_array() : NULL;
	if (cli_has(args, OPT_URL)) {
		code = check_url(&c, args);
		check_release(&c);
		return code;
	}
	code = check_config(&c, results);
	names = names_of(&c, args);
	if (check_names(&c, names, results) != CLI_OK)
		code = CLI_FAILED;
	if (c.errors)
		print_results(results);
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

static void print_info(const struct bottle *b)
{
	const char *key;
	char text[256];
	json_t *value;

	(void)printf("bottle %s\n", b->name);
	json_object_foreach(b->sources, key, value)
	{
		const char *said = json_string_value(json_object_get(b->texts, key));

		(void)printf("  %s: %s  (%s)\n", key,
			     bb_printable(said ? said : "", text, sizeof(text)),
			     json_string_value(value));
	}
	for (size_t i = 0; i < b->n_env; i++)
		print_env(&b->env[i]);
	print_policy(b);
	print_notes(b);
}

/* What print_info() says, added to what check says of it */
static void add_info(json_t *to, const struct bottle *b)
{
	json_t *values = json_array(), *env = json_array(), *source;
	const char *key;

	json_object_foreach(b->sources, key, source)
	{
		const char *said = json_string_value(json_object_get(b->texts, key));

		(void)json_array_append_new(values,
					    json_pack("{s:s, s:s, s:O}", "key", key, "value",
						      said ? said : "", "source", source));
	}
	for (size_t i = 0; i < b->n_env; i++) {
		const struct bottle_env *e = &b->env[i];
		const char *from = e->kind == BOTTLE_ENV_HOST  ? "host"
				   : e->kind == BOTTLE_ENV_ASK ? "asked"
							       : "manifest";

		(void)json_array_append_new(env, json_pack("{s:s, s:s, s:s?, s:s?}", "name",
							   e->name, "from", from, "value", e->value,
							   "source", e->source));
	}
	(void)json_object_set_new(to, "bottle", json_string(b->name));
	(void)json_object_set_new(to, "values", values);
	(void)json_object_set_new(to, "env", env);
}

int cmd_info(const struct cli_args *args)
{
	const char *name = args->operands[0];
	json_auto_t *results = json_array();
	struct bb_err err = { 0 };
	struct bottle b;
	struct check c = { 0 };
	int r;

	if (check_init(&c, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	c.errors = cli_has(args, OPT_JSON) ? json_array() : NULL;
	r = check_one(&c, name, &b);
	if (c.errors) {
		if (r > 0)
			keep_lines(c.errors, BB_SPAN_STR("this agent names no bottle"));
		add_result(results, name, r == 0 ? &b : NULL, c.errors);
		if (r == 0)
			add_info(json_array_get(results, 0), &b);
		print_results(json_array_get(results, 0));
	} else if (r == 0) {
		print_info(&b);
	}
	if (r == 0)
		bottle_release(&b);
	check_release(&c);
	return r == 0 ? CLI_OK : CLI_FAILED;
}
