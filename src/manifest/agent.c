/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "manifest/manifest.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

void agent_release(struct agent *a)
{
	free(a->bottle);
	free(a->prompt);
	free(a->file);
	json_decref(a->skills);
	*a = (struct agent){ 0 };
}

static void parse_skills(const struct tree *n, struct agent *a, struct diag *diag)
{
	if (!schema_is_seq(n, "skills", diag))
		return;
	for (const struct tree *c = n->first; c; c = c->next) {
		const char *s = schema_text(c, "skills", diag);

		if (s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s))
			diag_add(diag, c->at, "skills: '%.60s' is not kebab-case", s);
		else if (s)
			(void)json_array_append_new(a->skills, json_string(s));
	}
}

static void parse_agent_git(const struct tree *n, struct diag *diag)
{
	static const char *const keys[] = { "user", NULL };

	if (!schema_is_map(n, "git-gate", diag))
		return;
	if (tree_get(n, "repos"))
		diag_add(diag, tree_get(n, "repos")->key_at,
			 "git-gate.repos belongs to a bottle; an agent may set git-gate.user only");
	else
		schema_keys(n, "git-gate", keys, diag);
}

static void parse_agent(const struct tree *root, struct agent *a, struct diag *diag)
{
	/* from name on: so that a Claude Code subagent file works as it is */
	static const char *const keys[] = {
		"bottle",      "skills",          "git-gate",   "name",
		"description", "model",           "color",      "memory",
		"tools",       "disallowedTools", "mcpServers", "hooks",
		"maxTurns",    "permissionMode",  "background", "effort",
		"isolation",   "initialPrompt",   NULL
	};
	const struct tree *k;

	if (!root)
		return;
	if (!schema_is_map(root, "the frontmatter", diag))
		return;
	schema_keys(root, "agent", keys, diag);
	if ((k = tree_get(root, "bottle")) && schema_text(k, "bottle", diag))
		a->bottle = strdup(k->text);
	if ((k = tree_get(root, "skills")))
		parse_skills(k, a, diag);
	if ((k = tree_get(root, "git-gate")))
		parse_agent_git(k, diag);
}

static char *stripped(struct bb_span body)
{
	while (body.len && isspace(body.p[0])) {
		body.p++;
		body.len--;
	}
	while (body.len && isspace(body.p[body.len - 1]))
		body.len--;
	return body.len ? strndup((const char *)body.p, body.len) : strdup("");
}

/* Whose working directory is the home directory has one set of agents */
static bool is_same_file(const char *a, const char *b)
{
	struct stat one, two;

	return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}

int manifest_agent(const struct manifest_dirs *dirs, const char *name, struct agent *ret,
		   struct diag *diag, struct bb_err *err)
{
	char home[4096], local[4096], *path = home;
	unsigned int before = diag->n;
	bb_auto_buf struct bb_buf text;
	struct agent a = { .skills = json_array() };
	struct bb_span front, body = { 0 };
	bool has_local;
	int r;

	(void)snprintf(home, sizeof(home), "%s/agents/%s.md", dirs->home, name);
	(void)snprintf(local, sizeof(local), "%s/.bot-bottle/agents/%s.md", dirs->cwd, name);
	has_local = access(local, F_OK) == 0 && !strchr(name, '/');
	if (access(home, F_OK) < 0 && has_local)
		path = local;
	a.shadowed = path == home && has_local && !is_same_file(home, local);
	bb_buf_init(&text, TREE_SIZE_MAX + 1);
	if (strchr(name, '/'))
		r = bb_err_set(err, -ENOENT, "'%.40s' is not an agent's name", name);
	else if (access(path, F_OK) < 0)
		r = manifest_no_such(dirs, "agents", name, err);
	else
		r = bb_read_file(path, &text, err);
	if (r == 0 && manifest_split(bb_buf_span(&text), path, &front, &body, diag)) {
		struct tree *root = tree_parse(front, path, 1, diag);

		parse_agent(root, &a, diag);
		tree_free(root);
	}
	a.file = strdup(path);
	a.prompt = stripped(body);
	if (r == 0 && diag->n != before)
		r = -EINVAL;
	if (r < 0)
		agent_release(&a);
	else
		*ret = a;
	return r;
}
