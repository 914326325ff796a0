/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/provider.h"
#include "base/io.h"
#include "proc/cli/copyfiles.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define HOME      "/home/node"
#define FILES_MAX 3
#define TAIL      20 /* by which Claude Code knows a key again */

/**
 * struct credential - One way in which a program says who it is
 * @variable:	that it reads, and its usual name on the host
 * @begins:	with which the value begins where this is meant; NULL: any
 */
struct credential {
	const char *variable;
	const char *begins;
	enum content_scheme scheme;
	const char *header;
};

/* @text: @KEY@ is the placeholder, @TAIL@ its end */
struct file {
	const char *path; /* below the home directory */
	const char *text;
};

/**
 * struct provider - A template
 * @env:	names and values in turn
 * @system_prompt: option that takes the agent's instructions, or NULL
 * @instructions: file for them, or NULL
 */
struct provider {
	const char *name;
	const char *image;
	const char *host;
	struct credential credentials[3];
	const char *const *env;
	const char *const *interactive;
	const char *const *headless;
	const char *system_prompt;
	const char *instructions;
	const char *skills;
	struct file files[FILES_MAX];
};

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* In a bottle the agent may do what it likes: the bottle is what holds it */
static const struct provider providers[] = {
	{ .name = "claude",
	  .image = "claude",
	  .host = "api.anthropic.com",
	  .credentials = { { "CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat", CONTENT_AUTH_BEARER, NULL },
			   { "ANTHROPIC_API_KEY", NULL, CONTENT_AUTH_HEADER, "x-api-key" } },
	  .env = WORDS("DISABLE_AUTOUPDATER", "1", "DISABLE_TELEMETRY", "1",
		       "DISABLE_ERROR_REPORTING", "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
		       "1"),
	  .interactive = WORDS("claude", "--dangerously-skip-permissions"),
	  .headless = WORDS("claude", "--dangerously-skip-permissions", "--print"),
	  .system_prompt = "--append-system-prompt",
	  .skills = ".claude/skills",
	  .files = { { ".claude.json",
		       "{\"hasCompletedOnboarding\": true, \"bypassPermissionsModeAccepted\": "
		       "true,\n"
		       " \"customApiKeyResponses\": {\"approved\": [\"@TAIL@\"], \"rejected\": "
		       "[]},\n"
		       " \"projects\": {\"/workspace\": {\"hasTrustDialogAccepted\": true},\n"
		       "  \"" HOME "\": {\"hasTrustDialogAccepted\": true}}}\n" } } },
	{ .name = "codex",
	  .image = "codex",
	  .host = "api.openai.com",
	  .credentials = { { "OPENAI_API_KEY", NULL, CONTENT_AUTH_BEARER, NULL } },
	  .env = WORDS(NULL),
	  .interactive = WORDS("codex", "--dangerously-bypass-approvals-and-sandbox"),
	  .headless = WORDS("codex", "exec", "--dangerously-bypass-approvals-and-sandbox",
			    "--skip-git-repo-check"),
	  .instructions = ".codex/AGENTS.md",
	  .skills = ".codex/skills",
	  .files = { { ".codex/auth.json", "{\"OPENAI_API_KEY\": \"@KEY@\"}\n" },
		     { ".codex/config.toml",
		       "check_for_update_on_startup = false\n\n[analytics]\nenabled = false\n\n"
		       "[projects.\"/workspace\"]\ntrust_level = \"trusted\"\n\n"
		       "[projects.\"" HOME "\"]\ntrust_level = \"trusted\"\n" } } },
};

const struct provider *provider_find(const char *name)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(providers); i++) {
		if (strcmp(providers[i].name, name) == 0)
			return &providers[i];
	}
	return NULL;
}

/* ---- the credential ---- */

/* By what the value looks like, when its variable is not one of the usual ones */
static const struct credential *kind_of(const struct provider *v, const char *variable,
					const char *value)
{
	const struct credential *any = NULL;

	for (const struct credential *c = v->credentials; c->variable; c++) {
		if (strcmp(c->variable, variable) == 0)
			return c;
		if (c->begins && strncmp(value, c->begins, strlen(c->begins)) == 0)
			return c;
		any = c->begins ? any : c;
	}
	return any;
}

static int find_credential(struct plan *p, struct bb_err *err)
{
	const struct credential *c = p->provider->credentials;
	const char *value = p->auth_token ? getenv(p->auth_token) : NULL;

	if (p->auth_token && (!value || !*value))
		return bb_err_set(err, -ENOENT,
				  "agent_provider.auth_token: the host variable %.60s is not set",
				  p->auth_token);
	for (; !p->auth_token && c->variable; c++) {
		value = getenv(c->variable);
		if (value && *value && !(p->auth_token = strdup(c->variable)))
			return bb_err_set(err, -ENOMEM, "no memory");
	}
	if (!p->auth_token)
		return bb_err_set(err, -ENOENT,
				  "%s needs a credential: set %s%s%s on the host, or name another "
				  "variable in agent_provider.auth_token",
				  p->provider->name, p->provider->credentials[0].variable,
				  p->provider->credentials[1].variable ? " or " : "",
				  p->provider->credentials[1].variable
					  ? p->provider->credentials[1].variable
					  : "");
	p->credential = kind_of(p->provider, p->auth_token, value);
	return 0;
}

static int add_route(struct plan *p, struct bb_err *err)
{
	struct policy_route route = { .n_ports = 1, .ports = { 443 } };
	struct content *c;

	for (size_t i = 0; i < p->policy.n_routes; i++) {
		if (strcmp(p->policy.routes[i].host, p->provider->host) == 0)
			return bb_err_set(
				err, -EEXIST,
				"egress.routes has %s, which the provider %s brings along: "
				"leave it out",
				p->provider->host, p->provider->name);
	}
	c = content_new();
	if (!c)
		return bb_err_set(err, -ENOMEM, "no memory");
	c->auth.scheme = p->credential->scheme;
	c->auth.token_ref = strdup(p->auth_token);
	c->auth.header = p->credential->header ? strdup(p->credential->header) : NULL;
	c->credentials = CONTENT_PIN;
	c->dlp.on_match = CONTENT_REDACT;
	c->dlp.injection = false;
	route.content = c;
	(void)snprintf(route.host, sizeof(route.host), "%s", p->provider->host);
	if (!c->auth.token_ref || (p->credential->header && !c->auth.header) ||
	    plan_add_route(&p->policy, &route, err) < 0) {
		content_unref(c);
		return err->code ? err->code : bb_err_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

int provider_plan(struct plan *p, struct bb_err *err)
{
	int r = find_credential(p, err);

	if (r == 0)
		r = add_route(p, err);
	for (const char *const *e = p->provider->env; r == 0 && *e; e += 2) {
		if (!json_object_get(p->env, e[0]) &&
		    json_object_set_new(p->env, e[0], json_string(e[1])) < 0)
			r = bb_err_set(err, -ENOMEM, "no memory");
	}
	if (r == 0 && strcmp(p->image, "base") == 0) {
		free(p->image);
		p->image = strdup(p->provider->image);
		r = p->image ? 0 : bb_err_set(err, -ENOMEM, "no memory");
	}
	return r;
}

static const char *placeholder(const struct plan *p)
{
	const char *text = json_string_value(json_object_get(p->env, p->credential->variable));

	return text ? text : "";
}

int provider_place(struct plan *p, struct bb_err *err)
{
	json_t *value = json_object_get(p->env, p->auth_token);

	if (strcmp(p->auth_token, p->credential->variable) == 0)
		return 0;
	if (json_object_set(p->env, p->credential->variable, value) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	(void)json_object_del(p->env, p->auth_token);
	return 0;
}

/* ---- files ---- */

/* ~/.bot-bottle/skills, then where the vendor's program has them on the host */
static int skill_dir(const struct plan *p, const char *name, char ret[static PATHS_MAX],
		     struct bb_err *err)
{
	const char *home = getenv("HOME");
	int n = snprintf(ret, PATHS_MAX, "%s/skills/%s", p->paths.config, name);

	if (n < PATHS_MAX && access(ret, R_OK | X_OK) == 0)
		return 0;
	n = snprintf(ret, PATHS_MAX, "%s/%s/%s", home ? home : "", p->provider->skills, name);
	if (n < PATHS_MAX && access(ret, R_OK | X_OK) == 0)
		return 0;
	return bb_err_set(err, -ENOENT, "skill '%.60s': neither in %s/skills nor in ~/%s", name,
			  p->paths.config, p->provider->skills);
}

int provider_check_skills(const struct plan *p, struct bb_err *err)
{
	char dir[PATHS_MAX];
	json_t *skill;
	size_t i;

	json_array_foreach(p->skills, i, skill)
	{
		int r = skill_dir(p, json_string_value(skill), dir, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* @text with what stands for the placeholder in it replaced */
static int fill(const char *text, const char *key, struct bb_buf *ret)
{
	size_t len = strlen(key);
	const char *tail = len > TAIL ? key + len - TAIL : key;
	int r = 0;

	while (r == 0 && *text) {
		bool is_key = strncmp(text, "@KEY@", 5) == 0;
		bool is_tail = strncmp(text, "@TAIL@", 6) == 0;

		if (is_key || is_tail)
			r = bb_buf_addf(ret, "%s", is_key ? key : tail);
		else
			r = bb_buf_add(ret, text, 1);
		text += is_key ? 5 : is_tail ? 6 : 1;
	}
	return r;
}

static int put(int root, const char *path, struct bb_span text, struct bb_err *err)
{
	bb_auto_close int fd = -1;
	const char *slash = strchr(path, '/'); /* one directory at most */
	char dir[64] = "";
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len && len < sizeof(dir)) {
		memcpy(dir, path, len);
		if (mkdirat(root, dir, 0700) < 0 && errno != EEXIST)
			return bb_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	}
	fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || bb_write_full(fd, text.p, text.len) < 0)
		return bb_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int put_all(const struct plan *p, int root, struct bb_err *err)
{
	int r = 0;

	for (size_t i = 0; i < FILES_MAX && p->provider->files[i].path && r == 0; i++) {
		bb_auto_buf struct bb_buf text;

		bb_buf_init(&text, 1u << 16);
		r = fill(p->provider->files[i].text, placeholder(p), &text);
		if (r < 0)
			return bb_err_set(err, r, "no memory");
		r = put(root, p->provider->files[i].path, bb_buf_span(&text), err);
	}
	if (r == 0 && p->provider->instructions && p->prompt && *p->prompt)
		r = put(root, p->provider->instructions, BB_SPAN_STR(p->prompt), err);
	return r;
}

static void remove_all(const struct plan *p, int root)
{
	const char *path = p->provider->instructions;
	char dir[64];

	for (size_t i = 0; i < FILES_MAX && p->provider->files[i].path; i++)
		(void)unlinkat(root, p->provider->files[i].path, 0);
	if (!path)
		return;
	(void)unlinkat(root, path, 0);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)strcspn(path, "/"), path);
	(void)unlinkat(root, dir, AT_REMOVEDIR);
}

static int copy_skills(const struct plan *p, int control, struct bb_err *err)
{
	char dir[PATHS_MAX], to[256];
	json_t *skill;
	size_t i;

	json_array_foreach(p->skills, i, skill)
	{
		int r = skill_dir(p, json_string_value(skill), dir, err);

		(void)snprintf(to, sizeof(to), HOME "/%s/%s", p->provider->skills,
			       json_string_value(skill));
		if (r == 0)
			r = copy_directory_in(control, dir, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int provider_copy(const struct plan *p, int control, struct bb_err *err)
{
	char dir[] = "/tmp/bot-bottle-XXXXXX"; /* placeholders and settings: no secret */
	bb_auto_close int root = -1;
	int r;

	if (!mkdtemp(dir))
		return bb_err_set(err, -errno, "/tmp: %s", strerror(errno));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = root < 0 ? bb_err_set(err, -errno, "%s: %s", dir, strerror(errno))
		     : put_all(p, root, err);
	if (r == 0)
		r = copy_directory_in(control, dir, HOME, err);
	remove_all(p, root);
	(void)rmdir(dir);
	return r == 0 ? copy_skills(p, control, err) : r;
}

/* ---- the command ---- */

static void word(char **ret, size_t *n, const char *text)
{
	if (*n < PROVIDER_ARGV_MAX)
		ret[(*n)++] = (char *)(uintptr_t)text;
}

size_t provider_argv(const struct plan *p, const char *prompt, bool headless, char **ret)
{
	const struct provider *v = p->provider;
	size_t n = 0;

	for (const char *const *w = headless ? v->headless : v->interactive; *w; w++)
		word(ret, &n, *w);
	if (v->system_prompt && p->prompt && *p->prompt) {
		word(ret, &n, v->system_prompt);
		word(ret, &n, p->prompt);
	}
	if (prompt) {
		word(ret, &n, "--"); /* whatever it begins with */
		word(ret, &n, prompt);
	}
	return n;
}
