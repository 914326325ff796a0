/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/near.h"
#include "manifest/manifest.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define EXTENDS_DEPTH 16

static bool name_is_ok(const char *s)
{
	return *s >= 'a' && *s <= 'z' && strlen(s) < BOTTLE_NAME_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

/* End of the line at @p: after its '\n', or the end of the text */
static const uint8_t *line_end(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	return nl ? nl + 1 : end;
}

static bool is_fence(const uint8_t *p, const uint8_t *end)
{
	size_t n = (size_t)(end - p);

	while (n && (p[n - 1] == '\n' || p[n - 1] == '\r' || p[n - 1] == ' '))
		n--;
	return n == 3 && memcmp(p, "---", 3) == 0;
}

bool manifest_split(struct bb_span text, const char *file, struct bb_span *ret_front,
		    struct bb_span *ret_body, struct diag *diag)
{
	static const uint8_t bom[] = { 0xef, 0xbb, 0xbf };
	const uint8_t *end = text.p + text.len, *first, *at;

	if (text.len >= sizeof(bom) && memcmp(text.p, bom, sizeof(bom)) == 0)
		text = (struct bb_span){ text.p + sizeof(bom), text.len - sizeof(bom) };
	first = line_end(text.p, end);
	at = first;
	if (text.len > TREE_SIZE_MAX) {
		diag_add(diag, (struct diag_place){ file, 0, 0 }, "larger than 256 KiB");
		return false;
	}
	if (text.len == 0 || !is_fence(text.p, first)) {
		diag_add(diag, (struct diag_place){ file, 1, 1 },
			 "the file has to begin with a line `---` (YAML frontmatter)");
		return false;
	}
	while (at < end) {
		const uint8_t *next = line_end(at, end);

		if (is_fence(at, next)) {
			*ret_front = (struct bb_span){ first, (size_t)(at - first) };
			*ret_body = (struct bb_span){ next, (size_t)(end - next) };
			return true;
		}
		at = next;
	}
	diag_add(diag, (struct diag_place){ file, 1, 1 },
		 "the frontmatter is not closed by a line `---`");
	return false;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Is this entry a bottle or an agent? Cuts its suffix off when it is */
static bool is_manifest(char *entry)
{
	char *dot = strrchr(entry, '.');

	if (!dot || strcmp(dot, ".md") != 0)
		return false;
	*dot = '\0';
	if (name_is_ok(entry))
		return true;
	*dot = '.';
	return false;
}

/* What looks like a manifest and is none: its name is not one, or its suffix is another format's */
static bool is_stray(const char *entry)
{
	const char *dot = strrchr(entry, '.');

	return dot && dot != entry &&
	       (strcmp(dot, ".md") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

static json_t *entries(const struct manifest_dirs *dirs, const char *kind, bool strays)
{
	json_t *names = json_array();
	struct dirent **list = NULL;
	char path[4096];
	int n;

	(void)snprintf(path, sizeof(path), "%s/%s", dirs->home, kind);
	n = scandir(path, &list, NULL, compare_names);
	for (int i = 0; i < n; i++) {
		char *name = list[i]->d_name;

		if (is_manifest(name) ? !strays : strays && is_stray(name))
			(void)json_array_append_new(names, json_string(name));
		free(list[i]);
	}
	free(list);
	return names;
}

json_t *manifest_names(const struct manifest_dirs *dirs, const char *kind)
{
	return entries(dirs, kind, false);
}

json_t *manifest_strays(const struct manifest_dirs *dirs, const char *kind)
{
	return entries(dirs, kind, true);
}

bool manifest_has_repo_bottles(const struct manifest_dirs *dirs)
{
	char path[4096];
	struct stat st, own;

	(void)snprintf(path, sizeof(path), "%s/.bot-bottle/bottles", dirs->cwd);
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	(void)snprintf(path, sizeof(path), "%s/bottles", dirs->home);
	return stat(path, &own) < 0 || own.st_dev != st.st_dev || own.st_ino != st.st_ino;
}

/* A path, a file name, capitals: nothing that is looked for under it would be found */
static int not_a_name(const struct manifest_dirs *dirs, const char *kind, const char *name,
		      struct bb_err *err)
{
	return bb_err_set(
		err, -ENOENT,
		"'%.60s' is no name: small letters, digits and -, at most %d, as of the file "
		"%.80s/%s/NAME.md",
		name, BOTTLE_NAME_MAX - 1, dirs->home, kind);
}

int manifest_no_such(const struct manifest_dirs *dirs, const char *kind, const char *name,
		     struct bb_err *err)
{
	bool bottle = strcmp(kind, "bottles") == 0;
	json_auto_t *names = manifest_names(dirs, kind), *bottles = NULL;
	struct bb_near near = BB_NEAR(name);
	char list[160] = "";
	json_t *n;
	size_t i, at = 0;

	if (!name_is_ok(name))
		return not_a_name(dirs, kind, name, err);
	json_array_foreach(names, i, n)
	{
		if (at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "",
					       json_string_value(n));
		bb_near_try(&near, json_string_value(n));
	}
	if (near.best)
		return bb_err_set(err, -ENOENT,
				  "no %s in %.60s/%s/%.40s.md (did you mean '%.40s'?)",
				  bottle ? "bottle" : "agent", dirs->home, kind, name, near.best);
	bottles = manifest_names(dirs, "bottles");
	json_array_foreach(bottles, i, n)
	{
		if (!bottle && strcmp(json_string_value(n), name) == 0)
			return bb_err_set(err, -ENOENT,
					  "no agent in %.80s/%s/%.40s.md; for the bottle of that "
					  "name: --bottle %.40s",
					  dirs->home, kind, name, name);
	}
	return bb_err_set(err, -ENOENT, "no %s in %.80s/%s/%.40s.md%s%s",
			  bottle ? "bottle" : "agent", dirs->home, kind, name,
			  *list    ? "; there are: "
			  : bottle ? "; a first one: bot-bottle init"
				   : "; without an agent: bot-bottle start --bottle NAME",
			  list);
}

/* State of one folding: names on the way down, for cycles */
struct chain {
	const struct manifest_dirs *dirs;
	const char *names[EXTENDS_DEPTH];
	size_t n;
	struct diag *diag;
};

static int load_bottle(struct chain *c, const char *name, struct diag_place from,
		       struct bottle *into, struct bb_err *err);

static void complain_cycle(const struct chain *c, const char *name, struct diag_place from)
{
	char text[512];
	size_t at = 0;

	for (size_t i = 0; i < c->n && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s → ", c->names[i]);
	diag_add(c->diag, from, "extends goes in a circle: %s%s", text, name);
}

static int fold_parents(struct chain *c, const json_t *extends, const char *file,
			struct bottle *into, struct bb_err *err)
{
	json_t *parent;
	size_t i;
	int r = 0;

	json_array_foreach(extends, i, parent) /* all of them: their errors come at once */
	{
		const char *name = json_string_value(json_object_get(parent, "name"));
		struct diag_place from = {
			file, (unsigned int)json_integer_value(json_object_get(parent, "line")),
			(unsigned int)json_integer_value(json_object_get(parent, "column"))
		};
		int one = load_bottle(c, name, from, into, err);

		r = r < 0 ? r : one;
	}
	return r;
}

static int read_bottle(struct chain *c, const char *name, const char *path, struct bottle *into,
		       struct bb_err *err)
{
	unsigned int before = c->diag->n;
	bb_auto_buf struct bb_buf text;
	json_auto_t *extends = json_array();
	struct bb_span front, body;
	struct tree *root;
	struct bottle own;
	int r;

	bb_buf_init(&text, TREE_SIZE_MAX + 1);
	r = bb_read_file(path, &text, err);
	if (r == -ENOBUFS) {
		*err = (struct bb_err){ 0 };
		r = bb_err_set(err, r, "%s: larger than 256 KiB", path);
	}
	if (r < 0)
		return r;
	if (!manifest_split(bb_buf_span(&text), path, &front, &body, c->diag))
		return -EINVAL;
	bottle_init(&own);
	(void)snprintf(own.name, sizeof(own.name), "%s", name);
	root = tree_parse(front, path, 1, c->diag);
	bottle_parse(root, &own, extends, c->diag);
	tree_free(root);
	r = fold_parents(c, extends, path, into, err);
	if (r == 0 && c->diag->n != before)
		r = -EINVAL;
	if (r == 0)
		bottle_fold(into, &own);
	else
		bottle_release(&own);
	return r;
}

static int load_bottle(struct chain *c, const char *name, struct diag_place from,
		       struct bottle *into, struct bb_err *err)
{
	char path[4096];
	int r;

	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->names[i], name) == 0) {
			complain_cycle(c, name, from);
			return -EINVAL;
		}
	}
	if (c->n == EXTENDS_DEPTH) {
		diag_add(c->diag, from, "extends is deeper than %d", EXTENDS_DEPTH);
		return -EINVAL;
	}
	(void)snprintf(path, sizeof(path), "%s/bottles/%s.md", c->dirs->home, name);
	if (!name_is_ok(name) || access(path, F_OK) < 0) {
		if (from.file) {
			diag_add(c->diag, from, "extends: there is no bottle '%.60s'", name);
			return -EINVAL;
		}
		return manifest_no_such(c->dirs, "bottles", name, err);
	}
	c->names[c->n++] = name;
	r = read_bottle(c, name, path, into, err);
	c->n--;
	return r;
}

int manifest_bottles(const struct manifest_dirs *dirs, const char *const *names, size_t n,
		     struct bottle *ret, struct diag *diag, struct bb_err *err)
{
	struct chain c = { .dirs = dirs, .diag = diag };
	struct bottle all;
	int r = 0;

	bottle_init(&all);
	for (size_t i = 0; i < n && r == 0; i++)
		r = load_bottle(&c, names[i], (struct diag_place){ 0 }, &all, err);
	if (r < 0)
		bottle_release(&all);
	else
		*ret = all;
	return r;
}

int manifest_bottle(const struct manifest_dirs *dirs, const char *name, struct bottle *ret,
		    struct diag *diag, struct bb_err *err)
{
	return manifest_bottles(dirs, &name, 1, ret, diag, err);
}
