/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/bottle.h"
#include <errno.h>
#include <stdio.h>

#define GIB (1ull << 30)

void bottle_init(struct bottle *b)
{
	*b = (struct bottle){
		.log_level = -1, .host_login = -1, .transparent = -1, .forward = -1, .supervise = -1
	};
	b->not_built = json_array();
	b->notes = json_array();
	b->sources = json_object();
	b->texts = json_object();
}

static void env_release(struct bottle_env *e)
{
	if (e->value)
		explicit_bzero(e->value, strlen(e->value));
	free(e->name);
	free(e->value);
	free(e->source);
	json_decref(e->to);
	*e = (struct bottle_env){ 0 };
}

int bottle_add_route(struct bottle *b, const struct bottle_route *r)
{
	struct bottle_route *routes = b->n_routes < POLICY_ROUTES_MAX
					      ? realloc(b->routes, (b->n_routes + 1) * sizeof(*r))
					      : NULL;

	if (!routes)
		return -E2BIG;
	b->routes = routes;
	b->routes[b->n_routes++] = *r;
	return 0;
}

void bottle_release(struct bottle *b)
{
	for (size_t i = 0; i < b->n_env; i++)
		env_release(&b->env[i]);
	for (size_t i = 0; i < b->n_routes; i++) {
		free(b->routes[i].source);
		content_unref(b->routes[i].route.content);
	}
	for (size_t i = 0; i < b->n_tcp; i++)
		free(b->tcp[i].source);
	free(b->env);
	free(b->routes);
	free(b->tcp);
	free(b->image);
	free(b->provider);
	free(b->auth_token);
	json_decref(b->not_built);
	json_decref(b->notes);
	json_decref(b->sources);
	json_decref(b->texts);
	*b = (struct bottle){ 0 };
}

void bottle_note(struct bottle *b, const char *key, const struct tree *n)
{
	(void)json_object_set_new(b->sources, key, json_sprintf("%s:%u", n->at.file, n->at.line));
	(void)json_object_set_new(b->texts, key, json_string(n->text ? n->text : ""));
}

static struct bottle_env *env_slot(struct bottle *b, const char *name)
{
	struct bottle_env *grown;

	for (size_t i = 0; i < b->n_env; i++) {
		if (strcmp(b->env[i].name, name) == 0)
			return &b->env[i];
	}
	if (b->n_env == BOTTLE_ENV_MAX)
		return NULL;
	grown = realloc(b->env, (b->n_env + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	b->env = grown;
	grown[b->n_env] = (struct bottle_env){ .name = strdup(name) };
	return &b->env[b->n_env++];
}

/* {from: HOST_VAR, secret: true, to: [host]} */
static void parse_env_map(const struct tree *n, struct bottle_env *e, struct diag *diag)
{
	static const char *const keys[] = { "from", "secret", "to", NULL };
	const struct tree *k = tree_get(n, "from");
	const char *from;

	schema_keys(n, "env", keys, diag);
	if (!k) {
		diag_add(diag, n->at, "env.%.60s: from is missing", n->key);
		return;
	}
	from = schema_variable(k, "from", diag);
	e->kind = BOTTLE_ENV_HOST;
	e->value = from ? strdup(from) : NULL;
	if ((k = tree_get(n, "secret"))) {
		int secret = schema_bool(k, "secret", diag);

		e->secret = secret == 1;
		e->open = secret == 0;
	}
	if ((k = tree_get(n, "to")) && schema_is_seq(k, "to", diag)) {
		if (e->open)
			diag_add(diag, k->at, "env.%.60s: `to` is for a secret", n->key);
		e->secret = true;
		e->to = json_array();
		for (const struct tree *c = k->first; c; c = c->next) {
			char host[POLICY_NAME_MAX];
			bool wild;

			if (schema_host(c, false, host, &wild, diag))
				(void)json_array_append_new(e->to, json_string(host));
		}
	}
}

/* "$NAME", or "${NAME}" with something around it: a shell would put a value there */
static bool looks_like_variable(const char *s)
{
	return (s[0] == '$' && schema_is_variable(s + 1)) || strstr(s, "${");
}

static void parse_env_value(const struct tree *n, struct bottle_env *e, json_t *notes,
			    struct diag *diag)
{
	size_t len;

	if (n->kind == TREE_MAP) {
		parse_env_map(n, e, diag);
		return;
	}
	if (n->kind != TREE_SCALAR || tree_is_null(n)) {
		diag_add(diag, n->at, "env.%.60s: a text, ${HOST_VAR}, ?Question or {from: …}",
			 n->key);
		return;
	}
	len = strlen(n->text);
	/* YAML has another use for a ? that stands alone: that one is in quotes */
	if ((n->plain && n->text[0] == '?') || strcmp(n->text, "?") == 0) {
		e->kind = BOTTLE_ENV_ASK;
		e->secret = true;
		if (n->text[1])
			e->value = strdup(n->text + 1);
		else if (asprintf(&e->value, "Value of %s", n->key) < 0)
			e->value = NULL;
	} else if (strncmp(n->text, "${", 2) == 0 && n->text[len - 1] == '}') {
		e->kind = BOTTLE_ENV_HOST;
		e->value = strndup(n->text + 2, len - 3);
		if (!e->value || !schema_is_variable(e->value))
			diag_add(diag, n->at,
				 "env.%.60s: ${HOST_VAR} takes the name of a variable and nothing "
				 "else",
				 n->key);
	} else {
		e->value = strdup(n->text);
		if (looks_like_variable(n->text))
			(void)json_array_append_new(
				notes,
				json_sprintf("%s:%u:%u: env.%s stays this text; the value of "
					     "a variable of this host is ${NAME}, alone",
					     n->at.file, n->at.line, n->at.column, n->key));
	}
}

static void parse_env(const struct tree *map, struct bottle *b, struct diag *diag)
{
	if (!schema_is_map(map, "env", diag))
		return;
	for (const struct tree *c = map->first; c; c = c->next) {
		const struct tree name = { .kind = TREE_SCALAR, .at = c->key_at, .text = c->key };
		struct bottle_env *e;

		if (!schema_variable(&name, "env", diag))
			continue;
		e = env_slot(b, c->key);
		if (!e) {
			diag_add(diag, c->key_at, "env: more than %d variables", BOTTLE_ENV_MAX);
			return;
		}
		parse_env_value(c, e, b->notes, diag);
		if (asprintf(&e->source, "%s:%u", c->at.file, c->at.line) < 0)
			e->source = NULL;
	}
}

static void parse_resources(const struct tree *n, struct bottle *b, struct diag *diag)
{
	static const char *const keys[] = { "memory", "cpus", "disk", "pids", NULL };
	const struct tree *k;
	uint64_t v;

	if (!schema_is_map(n, "resources", diag))
		return;
	schema_keys(n, "resources", keys, diag);
	for (size_t i = 0; keys[i]; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "resources.%s", keys[i]);
		if ((k = tree_get(n, keys[i])))
			bottle_note(b, key, k);
	}
	if ((k = tree_get(n, "memory")))
		(void)schema_bytes(k, "memory", 128u << 20, 1024 * GIB, &b->memory_bytes, diag);
	if ((k = tree_get(n, "disk")))
		(void)schema_bytes(k, "disk", 64u << 20, 16384 * GIB, &b->disk_bytes, diag);
	if ((k = tree_get(n, "cpus")) && schema_number(k, "cpus", 1, 64, &v, diag))
		b->cpus = (uint32_t)v;
	if ((k = tree_get(n, "pids")) && schema_number(k, "pids", 16, 4194304, &v, diag))
		b->pids = (uint32_t)v;
}

/* A Dockerfile is always a file */
static void take_image(const struct tree *n, const char *key, bool is_file, struct bottle *b,
		       struct diag *diag)
{
	free(b->image);
	b->image = schema_path(n, key, is_file, diag);
	bottle_note(b, key, n);
}

static void parse_provider(const struct tree *n, struct bottle *b, struct diag *diag)
{
	static const char *const keys[] = { "template",    "dockerfile",
					    "auth_token",  "forward_host_credentials",
					    "transparent", NULL };
	static const char *const templates[] = { "claude", "codex", "command", NULL };
	const struct tree *k;

	if (!schema_is_map(n, "agent_provider", diag))
		return;
	schema_keys(n, "agent_provider", keys, diag);
	if ((k = tree_get(n, "template"))) {
		int i = schema_one_of(k, "template", templates, diag);

		if (i >= 0) {
			free(b->provider);
			b->provider = strdup(templates[i]);
			bottle_note(b, "agent_provider.template", k);
		}
	}
	if ((k = tree_get(n, "dockerfile")) && schema_text(k, "dockerfile", diag)) {
		if (b->image)
			diag_add(diag, k->at, "image and dockerfile: give one of them");
		take_image(k, "agent_provider.dockerfile", true, b, diag);
	}
	if ((k = tree_get(n, "auth_token")) && schema_variable(k, "auth_token", diag)) {
		free(b->auth_token);
		b->auth_token = strdup(k->text);
		bottle_note(b, "agent_provider.auth_token", k);
	}
	if ((k = tree_get(n, "forward_host_credentials"))) {
		b->host_login = schema_bool(k, "forward_host_credentials", diag);
		bottle_note(b, "agent_provider.forward_host_credentials", k);
	}
	if ((k = tree_get(n, "transparent"))) {
		b->transparent = schema_bool(k, "transparent", diag);
		bottle_note(b, "agent_provider.transparent", k);
	}
}

static void parse_git_user(const struct tree *n, struct diag *diag)
{
	static const char *const keys[] = { "name", "email", NULL };

	if (!schema_is_map(n, "git-gate.user", diag))
		return;
	schema_keys(n, "git-gate.user", keys, diag);
	for (const struct tree *c = n->first; c; c = c->next)
		(void)schema_text(c, c->key, diag);
}

static void parse_git_key(const struct tree *n, struct diag *diag)
{
	static const char *const keys[] = { "provider", "path", NULL };
	static const char *const providers[] = { "static", NULL };

	if (!schema_is_map(n, "key", diag))
		return;
	schema_keys(n, "key", keys, diag);
	if (tree_get(n, "provider"))
		(void)schema_one_of(tree_get(n, "provider"), "provider", providers, diag);
	if (!tree_get(n, "path"))
		diag_add(diag, n->at, "key: path is missing");
}

static void parse_git_repo(const struct tree *n, struct diag *diag)
{
	static const char *const keys[] = { "url", "key", "identity", "host_key", "push", NULL };
	static const char *const push[] = { "supervise", "scan", "deny", NULL };
	const struct tree *k;
	const char *url;

	if (!schema_is_map(n, "a repository", diag))
		return;
	if (strspn(n->key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
	    strlen(n->key))
		diag_add(diag, n->key_at, "repos: names are [A-Za-z0-9._-]+");
	schema_keys(n, "repos", keys, diag);
	k = tree_get(n, "url");
	url = k ? schema_text(k, "url", diag) : NULL;
	if (!k)
		diag_add(diag, n->at, "repos: url is missing");
	else if (url && strncmp(url, "ssh://", 6) != 0 && strncmp(url, "https://", 8) != 0 &&
		 (strncmp(url, "file://", 7) != 0 || !getenv("BOT_BOTTLE_ALLOW_FILE_REMOTES")))
		diag_add(diag, k->at, "url: ssh:// or https://");
	if ((k = tree_get(n, "key")))
		parse_git_key(k, diag);
	if ((k = tree_get(n, "identity")))
		(void)schema_text(k, "identity", diag);
	if ((k = tree_get(n, "host_key")))
		(void)schema_text(k, "host_key", diag);
	if ((k = tree_get(n, "push")))
		(void)schema_one_of(k, "push", push, diag);
}

static void parse_git_gate(const struct tree *n, struct bottle *b, struct diag *diag)
{
	static const char *const keys[] = { "user", "repos", NULL };
	const struct tree *k;

	if (!schema_is_map(n, "git-gate", diag))
		return;
	schema_keys(n, "git-gate", keys, diag);
	if ((k = tree_get(n, "user"))) {
		parse_git_user(k, diag);
		schema_not_built(b, k, "git-gate.user");
	}
	if ((k = tree_get(n, "repos")) && schema_is_map(k, "git-gate.repos", diag)) {
		for (const struct tree *c = k->first; c; c = c->next)
			parse_git_repo(c, diag);
		if (k->first)
			schema_not_built(b, k, "git-gate.repos");
	}
}

static bool name_is_ok(const char *s)
{
	return *s >= 'a' && *s <= 'z' && strlen(s) < BOTTLE_NAME_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static void parse_extends(const struct tree *n, json_t *extends, struct diag *diag)
{
	const struct tree *first = n->kind == TREE_SEQ ? n->first : n;

	for (const struct tree *c = first; c; c = n->kind == TREE_SEQ ? c->next : NULL) {
		const char *s = schema_text(c, "extends", diag);

		if (s && !name_is_ok(s))
			diag_add(diag, c->at, "extends: '%.60s' is not a bottle's name", s);
		else if (s)
			(void)json_array_append_new(
				extends, json_pack("{s:s, s:i, s:i}", "name", s, "line",
						   (int)c->at.line, "column", (int)c->at.column));
	}
}

void bottle_parse(const struct tree *root, struct bottle *ret, json_t *extends, struct diag *diag)
{
	static const char *const keys[] = { "extends",        "env",       "image",
					    "agent_provider", "resources", "git-gate",
					    "egress",         "supervise", NULL };
	const struct tree *k;

	if (!root || !schema_is_map(root, "the frontmatter", diag))
		return;
	schema_keys(root, "bottle", keys, diag);
	if ((k = tree_get(root, "extends")))
		parse_extends(k, extends, diag);
	if ((k = tree_get(root, "env")))
		parse_env(k, ret, diag);
	if ((k = tree_get(root, "image")) && schema_text(k, "image", diag))
		take_image(k, "image", false, ret, diag);
	if ((k = tree_get(root, "agent_provider")))
		parse_provider(k, ret, diag);
	if ((k = tree_get(root, "resources")))
		parse_resources(k, ret, diag);
	if ((k = tree_get(root, "git-gate")))
		parse_git_gate(k, ret, diag);
	if ((k = tree_get(root, "egress")))
		bottle_parse_egress(k, ret, diag);
	if ((k = tree_get(root, "supervise"))) {
		ret->supervise = schema_bool(k, "supervise", diag);
		if (ret->supervise == 1)
			schema_not_built(ret, k, "supervise");
	}
}

static void fold_env(struct bottle *parent, struct bottle *child)
{
	for (size_t i = 0; i < child->n_env; i++) {
		struct bottle_env *e = env_slot(parent, child->env[i].name);

		if (!e)
			continue; /* over BOTTLE_ENV_MAX: bottle_parse() has complained for one file
				   */
		env_release(e);
		*e = child->env[i];
		child->env[i] = (struct bottle_env){ 0 };
	}
}

static bool routes_meet(const struct policy_route *x, const struct policy_route *y)
{
	return x->wildcard == y->wildcard && strcmp(x->host, y->host) == 0 &&
	       policy_route_has_port(x, y->ports[0]);
}

static void fold_routes(struct bottle *parent, struct bottle *child)
{
	size_t n = parent->n_routes + child->n_routes;
	struct bottle_route *all = calloc(n + 1, sizeof(*all));
	size_t at = 0;

	for (size_t i = 0; all && i < parent->n_routes; i++) {
		bool replaced = child->routes_cleared;

		for (size_t j = 0; j < child->n_routes && !replaced; j++)
			replaced = routes_meet(&parent->routes[i].route, &child->routes[j].route);
		if (!replaced) {
			all[at++] = parent->routes[i];
			continue;
		}
		free(parent->routes[i].source);
		content_unref(parent->routes[i].route.content);
	}
	for (size_t j = 0; all && j < child->n_routes; j++) {
		all[at++] = child->routes[j];
		child->routes[j].source = NULL;
		child->routes[j].route.content = NULL;
	}
	if (!all)
		return;
	free(parent->routes);
	parent->routes = all;
	parent->n_routes = at;
}

static void fold_tcp(struct bottle *parent, struct bottle *child)
{
	struct bottle_tcp *all;
	size_t keep = child->tcp_cleared ? 0 : parent->n_tcp;

	for (size_t i = keep; i < parent->n_tcp; i++)
		free(parent->tcp[i].source);
	parent->n_tcp = keep;
	all = realloc(parent->tcp, (keep + child->n_tcp + 1) * sizeof(*all));
	if (!all)
		return;
	parent->tcp = all;
	for (size_t i = 0; i < child->n_tcp; i++) {
		all[parent->n_tcp++] = child->tcp[i];
		child->tcp[i].source = NULL;
	}
}

static void take_text(char **to, char **from)
{
	if (!*from)
		return;
	free(*to);
	*to = *from;
	*from = NULL;
}

void bottle_fold(struct bottle *parent, struct bottle *child)
{
	fold_env(parent, child);
	fold_routes(parent, child);
	fold_tcp(parent, child);
	take_text(&parent->image, &child->image);
	take_text(&parent->provider, &child->provider);
	take_text(&parent->auth_token, &child->auth_token);
	if (child->host_login >= 0)
		parent->host_login = child->host_login;
	if (child->memory_bytes)
		parent->memory_bytes = child->memory_bytes;
	if (child->disk_bytes)
		parent->disk_bytes = child->disk_bytes;
	if (child->cpus)
		parent->cpus = child->cpus;
	if (child->pids)
		parent->pids = child->pids;
	if (child->log_level >= 0)
		parent->log_level = child->log_level;
	if (child->transparent >= 0)
		parent->transparent = child->transparent;
	if (child->forward >= 0)
		parent->forward = child->forward;
	if (child->supervise >= 0)
		parent->supervise = child->supervise;
	(void)json_array_extend(parent->not_built, child->not_built);
	(void)json_array_extend(parent->notes, child->notes);
	(void)json_object_update(parent->sources, child->sources);
	(void)json_object_update(parent->texts, child->texts);
	memcpy(parent->name, child->name, sizeof(parent->name));
	bottle_release(child);
}

int bottle_to_policy(const struct bottle *b, struct policy *policy, struct bb_err *err)
{
	struct policy_route *routes;
	struct policy_tcp *tcp;

	if (b->n_routes > POLICY_ROUTES_MAX || b->n_tcp > POLICY_TCP_MAX)
		return bb_err_set(err, -E2BIG, "%s: more than %d routes or tcp rules", b->name,
				  POLICY_ROUTES_MAX);
	if (b->transparent == 1 && b->forward == 1)
		return bb_err_set(err, -EINVAL,
				  "%s: egress.transparent needs the addresses of `dns: synthetic`; "
				  "drop one of `transparent: true` and `dns: forward`",
				  b->name);
	routes = calloc(b->n_routes + 1, sizeof(*routes));
	tcp = calloc(b->n_tcp + 1, sizeof(*tcp));
	if (!routes || !tcp) {
		free(routes);
		free(tcp);
		return bb_err_set(err, -ENOMEM, "no memory");
	}
	for (size_t i = 0; i < b->n_routes; i++) {
		routes[i] = b->routes[i].route;
		(void)content_ref(routes[i].content);
	}
	for (size_t i = 0; i < b->n_tcp; i++)
		tcp[i] = b->tcp[i].rule;
	for (size_t i = 0; i < policy->n_routes; i++)
		content_unref(policy->routes[i].content);
	free(policy->routes);
	free(policy->tcp);
	policy->routes = routes;
	policy->n_routes = b->n_routes;
	policy->tcp = tcp;
	policy->n_tcp = b->n_tcp;
	if (b->log_level >= 0)
		policy->log_level = (uint8_t)b->log_level;
	if (b->transparent >= 0)
		policy->transparent = b->transparent == 1;
	policy->dns_forward = b->forward == 1;
	return 0;
}
