/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/provider.h"
#include "base/io.h"
#include "manifest/bottle.h"
#include "proc/cli/codex_login.h"
#include "proc/cli/copyfiles.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define HOME      "/home/node"
#define FILES_MAX 3
#define TAIL      20 /* by which Claude Code knows a key again */
#define SOON_MS   (60u * 60 * 1000)

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

/* @text: @KEY@ is the placeholder, @TAIL@ its end, @ACCOUNT@ whose login it is, @NOW@ the time */
struct file {
	const char *path; /* below the home directory */
	const char *text;
};

/**
 * struct forward - In the place of a key: the login that the program has on this host
 * @paths:	that it opens: below those that end in a slash
 * @file:	in the guest, in the place of the provider's own of that path
 */
struct forward {
	struct credential credential;
	const char *host;
	const char *paths[3];
	struct file file;
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
	struct forward forward;
	const char *const *env;
	const char *const *interactive;
	const char *const *headless;
	const char *system_prompt;
	const char *instructions;
	const char *skills;
	struct file files[FILES_MAX];
};

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/*
 * As Codex writes it, with nothing in it that is of use: the id token is of nobody
 * ({"email":"nobody@bottle.invalid","https://api.openai.com/auth":{"chatgpt_plan_type":"pro"}})
 * and not signed, and "last_refresh" keeps the program from renewing what it has not got.
 */
#define CODEX_LOGIN                                                                                \
	"{\"auth_mode\": \"chatgpt\", \"OPENAI_API_KEY\": null, \"last_refresh\": \"@NOW@\",\n"    \
	" \"tokens\": {\"access_token\": \"@KEY@\", \"refresh_token\": \"none\",\n"                \
	"  \"account_id\": \"@ACCOUNT@\",\n  \"id_token\": \"eyJhbGciOiJub25lIn0."                 \
	"eyJlbWFpbCI6Im5vYm9keUBib3R0bGUuaW52YWxpZCIsImh0dHBzOi8vYXBp"                             \
	"Lm9wZW5haS5jb20vYXV0aCI6eyJjaGF0Z3B0X3BsYW5fdHlwZSI6InBybyJ9fQ.bm9uZQ\"}}\n"

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
	  /* The same login opens all of the user's ChatGPT: what was said there is none of a
	   * bottle's business */
	  .forward = { .credential = { "CODEX_HOST_LOGIN", NULL, CONTENT_AUTH_BEARER, NULL },
		       .host = "chatgpt.com",
		       .paths = { "/backend-api/codex/", "/backend-api/wham/accounts/check" },
		       .file = { ".codex/auth.json", CODEX_LOGIN } },
	  .env = WORDS(NULL),
	  .interactive = WORDS("codex", "--dangerously-bypass-approvals-and-sandbox"),
	  .headless = WORDS("codex", "exec", "--dangerously-bypass-approvals-and-sandbox",
			    "--skip-git-repo-check"),
	  .instructions = ".codex/AGENTS.md",
	  .skills = ".codex/skills",
	  .files = { { ".codex/auth.json", "{\"OPENAI_API_KEY\": \"@KEY@\"}\n" },
		     { ".codex/config.toml",
		       "check_for_update_on_startup = false\n\n[analytics]\nenabled = false\n\n"
		       /* what is not compressed can be masked */
		       "[features]\nenable_request_compression = false\n"
		       /* both ask hosts that are no model's: with an API key, for what only
			* a login is told, twenty times a session */
		       "api_key_model_discovery = false\nplugins = false\n\n"
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

const char *provider_variable(const struct provider *v)
{
	size_t last = 0;

	while (v->credentials[last + 1].variable)
		last++;
	return v->credentials[last].variable; /* an API key */
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

static int take_login(struct plan *p, const struct codex_login *l, struct bb_err *err)
{
	const struct credential *c =
		l->is_key ? &p->provider->credentials[0] : &p->provider->forward.credential;
	uint64_t now = bb_wall_ms();

	p->host_login = !l->is_key; /* a key is used as any other */
	p->credential = c;
	p->account = strdup(l->account);
	p->auth_token = strdup(c->variable);
	if (!p->account || !p->auth_token ||
	    json_object_set_new(p->found, c->variable, json_string(l->token)) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	if (!l->is_key && !l->expires_ms)
		plan_warn(p, "when the login of this host ends cannot be told from it");
	else if (!l->is_key && l->expires_ms < now + SOON_MS)
		plan_warn(p,
			  "the login of this host ends in %u minutes, and a bottle cannot renew it",
			  (unsigned int)((l->expires_ms - now) / 60000));
	return 0;
}

static int no_login_of(const struct provider *v, struct bb_err *err)
{
	return bb_err_set(err, -EPERM,
			  "agent_provider.forward_host_credentials is for codex; for %s set "
			  "%s on the host",
			  v->name, v->credentials[0].variable);
}

/* Forwarded from this host: looked at now, not when the program in the bottle has failed */
static int find_login(struct plan *p, struct bb_err *err)
{
	BB_CLEANUP(codex_login_release) struct codex_login l = { 0 };
	int r;

	if (!p->provider->forward.host)
		return no_login_of(p->provider, err);
	if (p->auth_token)
		return bb_err_set(
			err, -EPERM,
			"agent_provider: auth_token or forward_host_credentials, not both");
	r = codex_login_read(&l, err);
	return r < 0 ? bb_err_wrap(err, "forward_host_credentials") : take_login(p, &l, err);
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

static int only_paths(struct content *c, const char *const *paths, struct bb_err *err)
{
	struct content_match *m = content_add(NULL, &c->n_matches, sizeof(*m), 1);
	int r = m ? 0 : -ENOMEM;

	c->matches = m;
	for (; r == 0 && *paths; paths++) {
		bool below = paths[0][strlen(paths[0]) - 1] == '/';
		struct content_pattern *grown =
			content_add(m->paths, &m->n_paths, sizeof(*grown), CONTENT_VALUES_MAX);

		if (!grown)
			return bb_err_set(err, -ENOMEM, "no memory");
		m->paths = grown;
		r = content_pattern_set(&grown[m->n_paths - 1],
					below ? CONTENT_PREFIX : CONTENT_EXACT, *paths, err);
	}
	return m ? r : bb_err_set(err, r, "no memory");
}

/**
 * struct access - How a program gets to its vendor
 * @variable:	of the host, which has the credential
 */
struct access {
	const struct provider *provider;
	const struct credential *credential;
	const char *variable;
	bool host_login;
};

static const char *host_of(const struct access *a)
{
	return a->host_login ? a->provider->forward.host : a->provider->host;
}

static int has_route(const struct access *a, struct bb_err *err)
{
	return bb_err_set(err, -EEXIST,
			  "egress.routes has %s, which the provider %s brings along: leave it out",
			  host_of(a), a->provider->name);
}

/* @ret: owns its content */
static int make_route(const struct access *a, struct policy_route *ret, struct bb_err *err)
{
	struct policy_route route = { .n_ports = 1, .ports = { 443 } };
	const char *header = a->credential->header;
	struct content *c = content_new();

	if (!c)
		return bb_err_set(err, -ENOMEM, "no memory");
	c->auth.scheme = a->credential->scheme;
	c->auth.token_ref = strdup(a->variable);
	c->auth.header = header ? strdup(header) : NULL;
	c->credentials = CONTENT_PIN;
	c->dlp.on_match = CONTENT_REDACT;
	c->dlp.injection = false;
	route.content = c;
	(void)snprintf(route.host, sizeof(route.host), "%s", host_of(a));
	if (!c->auth.token_ref || (header && !c->auth.header) ||
	    (a->host_login && only_paths(c, a->provider->forward.paths, err) < 0)) {
		content_unref(c);
		return err->code ? err->code : bb_err_set(err, -ENOMEM, "no memory");
	}
	*ret = route;
	return 0;
}

static int add_route(struct plan *p, struct bb_err *err)
{
	const struct access a = { p->provider, p->credential, p->auth_token, p->host_login };
	struct policy_route route;
	int r;

	for (size_t i = 0; i < p->policy.n_routes; i++) {
		if (strcmp(p->policy.routes[i].host, host_of(&a)) == 0)
			return has_route(&a, err);
	}
	r = make_route(&a, &route, err);
	if (r < 0)
		return r;
	r = plan_add_route(&p->policy, &route, err);
	if (r < 0)
		content_unref(route.content);
	return r;
}

/* What find_credential() and find_login() would take, without asking for it to be there */
static const char *likely_variable(const struct provider *v, const struct bottle *b)
{
	if (b->auth_token)
		return b->auth_token;
	for (const struct credential *c = v->credentials; c->variable; c++) {
		const char *value = getenv(c->variable);

		if (value && *value)
			return c->variable;
	}
	return provider_variable(v);
}

int provider_show(struct bottle *b, const char *template, struct bb_err *err)
{
	struct access a = { .provider = provider_find(template), .host_login = b->host_login > 0 };
	const char *from =
		json_string_value(json_object_get(b->sources, "agent_provider.template"));
	struct bottle_route route = { 0 };
	int r;

	if (!a.provider)
		return 0;
	if (a.host_login && !a.provider->forward.host)
		return no_login_of(a.provider, err);
	a.variable = likely_variable(a.provider, b);
	a.credential = a.host_login ? &a.provider->forward.credential
				    : kind_of(a.provider, a.variable, "");
	if (a.host_login)
		a.variable = a.credential->variable;
	for (size_t i = 0; i < b->n_routes; i++) {
		if (strcmp(b->routes[i].route.host, host_of(&a)) == 0)
			return has_route(&a, err);
	}
	r = make_route(&a, &route.route, err);
	if (r < 0)
		return r;
	if (asprintf(&route.source, "%s%sbrought by start, for %s", from ? from : "",
		     from ? ", " : "", a.provider->name) < 0)
		route.source = NULL;
	if (!route.source || bottle_add_route(b, &route) < 0) {
		free(route.source);
		content_unref(route.route.content);
		return bb_err_set(err, -E2BIG, "more than %d routes", POLICY_ROUTES_MAX);
	}
	return 0;
}

int provider_plan(struct plan *p, struct bb_err *err)
{
	int r = p->host_login ? find_login(p, err) : find_credential(p, err);

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

struct mark {
	const char *mark, *text;
};

/* @text with its marks replaced */
static int fill(const char *text, const struct mark *marks, struct bb_buf *ret)
{
	int r = 0;

	while (r == 0 && *text) {
		const struct mark *m = marks;

		while (m->mark && strncmp(text, m->mark, strlen(m->mark)) != 0)
			m++;
		r = m->mark ? bb_buf_addf(ret, "%s", m->text) : bb_buf_add(ret, text, 1);
		text += m->mark ? strlen(m->mark) : 1;
	}
	return r;
}

/* The text of @file in this bottle */
static int write_text(const struct plan *p, const struct file *file, struct bb_buf *ret)
{
	const struct file *instead = &p->provider->forward.file;
	const char *key = placeholder(p);
	time_t s = (time_t)(bb_wall_ms() / 1000);
	size_t len = strlen(key);
	char now[32] = "";
	struct tm tm;
	const struct mark marks[] = { { "@KEY@", key },
				      { "@TAIL@", len > TAIL ? key + len - TAIL : key },
				      { "@ACCOUNT@", p->account ? p->account : "" },
				      { "@NOW@", now },
				      { NULL, NULL } };

	if (gmtime_r(&s, &tm))
		(void)strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (p->host_login && strcmp(instead->path, file->path) == 0)
		file = instead;
	return fill(file->text, marks, ret);
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
		r = write_text(p, &p->provider->files[i], &text);
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
