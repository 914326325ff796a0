/* SPDX-License-Identifier: Apache-2.0 */
/* diff, pull: what a bottle changed in its copy of the working directory, and back with it */
#include "base/printable.h"
#include "proc/cli/commands.h"
#include "proc/cli/copyfiles.h"
#include "proc/cli/copyin.h"
#include "proc/cli/reach.h"
#include "workspace/apply.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define STAGE     "pull" /* scratch directory in the bottle's state */
#define LINES_MAX 2000   /* shown of one kind; --json shows all */

/* What one diff or pull works with */
struct job {
	struct reach reach;
	const char *cwd;
	int host;  /* the directory that --cwd copied */
	int stage; /* what the bottle has */
	struct tree was, is;
	struct changes changes;
};

static void job_release(struct job *j)
{
	changes_release(&j->changes);
	tree_release(&j->was);
	tree_release(&j->is);
	if (j->stage >= 0)
		state_scratch_remove(j->reach.bottle.state_fd, STAGE, j->stage);
	bb_closep(&j->stage);
	bb_closep(&j->host);
	reach_release(&j->reach);
}

static int read_start(struct job *j, struct bb_err *err)
{
	bb_auto_buf struct bb_buf text;
	struct bb_err why = { 0 };
	int r;

	bb_buf_init(&text, COPYIN_MAX);
	r = state_file_read(j->reach.bottle.state_fd, COPYIN_FILE, &text, &why);
	if (r == -ENOENT)
		return bb_err_set(err, r,
				  "it was started without --cwd: there is nothing to compare with; "
				  "bot-bottle cp %s:PATH DIR copies files out",
				  j->reach.bottle.identity);
	r = r < 0 ? bb_err_set(err, r, "%s", why.msg) : tree_load(bb_buf_span(&text), &j->was, err);
	if (r < 0)
		return r;
	j->cwd = json_string_value(json_object_get(j->reach.meta, "cwd"));
	j->host = j->cwd ? open(j->cwd, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (j->host < 0)
		return bb_err_set(err, -errno, "%s: %s", j->cwd ? j->cwd : "?", strerror(errno));
	return 0;
}

static int fetch(struct job *j, struct bb_err *err)
{
	int r;

	j->stage = state_scratch_make(j->reach.bottle.state_fd, STAGE, err);
	if (j->stage < 0)
		return j->stage;
	r = copy_out_raw(j->reach.control, COPYIN_DIR, j->stage, err);
	reach_let_go(&j->reach);
	if (r == 0)
		r = tree_read(j->stage, NULL, NULL, &j->is, err);
	if (r == 0 && changes_make(&j->was, &j->is, &j->changes) < 0)
		r = bb_err_set(err, -ENOMEM, "no memory");
	if (r == 0)
		changes_judge(&j->changes, j->host);
	return r;
}

/* Return: exit code, CLI_OK with all of @j */
static int job_open(const struct cli_args *args, struct job *j)
{
	const char *id = args->n_operands ? args->operands[0] : NULL;
	struct bb_err err = { 0 };
	int r;

	*j = (struct job){ .reach = { .bottle = { .state_fd = -1, .runtime_fd = -1 },
				      .control = -1 },
			   .host = -1,
			   .stage = -1 };
	if (reach_open(args, id, &j->reach, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	r = read_start(j, &err);
	if (r == 0)
		r = fetch(j, &err);
	if (r < 0)
		return cli_error(CLI_FAILED, "%s: %s", j->reach.bottle.identity, err.msg);
	return CLI_OK;
}

/* ---- what is shown ---- */

static const char kind_letters[CHANGE_NUM_KINDS + 1] = "AMD";

static void print_change(const struct change *c)
{
	bb_auto_buf struct bb_buf b;
	const char *text = NULL;

	bb_buf_init(&b, 64u << 10);
	if (bb_printable_add(&b, c->path) == 0 && c->is && c->is->type == TREE_DIR)
		(void)!bb_buf_add(&b, "/", 1);
	if (c->is && c->is->type == TREE_LINK && c->is->target &&
	    bb_buf_add(&b, " → ", strlen(" → ")) == 0)
		(void)!bb_printable_add(&b, c->is->target);
	if (c->state == CHANGE_FAILED)
		(void)!bb_buf_addf(&b, ": %s", strerror(c->failed));
	text = bb_buf_str(&b);
	(void)printf("  %c %s%s\n", kind_letters[c->kind], text ? text : "?",
		     c->is && c->is->type == TREE_EXEC ? " (executable)" : "");
}

static void print_section(const struct changes *c, enum change_state state, enum names_run run,
			  const char *title)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct change *one = &c->list[i];

		if (one->state != state || (run != NAMES_NUM_RUNS && one->run != run))
			continue;
		if (n++ == 0)
			(void)printf("%s\n", title);
		if (n <= LINES_MAX)
			print_change(one);
	}
	if (n > LINES_MAX)
		(void)printf("  … and %zu more: bot-bottle diff --json\n", n - LINES_MAX);
}

static void print_left(const struct changes *c)
{
	print_section(c, CHANGE_CONFLICT, NAMES_NUM_RUNS, "Conflict, changed here as well:");
	print_section(c, CHANGE_LINK, NAMES_NUM_RUNS, "Refused, a link that leads outside:");
	print_section(c, CHANGE_FAILED, NAMES_NUM_RUNS, "Failed:");
}

static void print_all(const struct job *j)
{
	const struct changes *c = &j->changes;
	char cwd[1024];

	print_section(c, CHANGE_WANTED, NAMES_RUN_SELF,
		      "Run or obeyed by programs on this host, by themselves:");
	print_section(c, CHANGE_WANTED, NAMES_RUN_BUILD, "Run by whoever builds or tests:");
	print_section(c, CHANGE_WANTED, NAMES_RUN_NEVER, "Other:");
	print_left(c);
	(void)printf("%s → %s: %zu to bring, %zu in conflict, %zu refused\n",
		     j->reach.bottle.identity, bb_printable(j->cwd, cwd, sizeof(cwd)),
		     changes_count(c, CHANGE_WANTED, NAMES_NUM_RUNS),
		     changes_count(c, CHANGE_CONFLICT, NAMES_NUM_RUNS),
		     changes_count(c, CHANGE_LINK, NAMES_NUM_RUNS));
}

static json_t *shown_json(const char *text)
{
	bb_auto_buf struct bb_buf b;

	bb_buf_init(&b, 64u << 10);
	if (!text || bb_printable_add(&b, text) < 0)
		return json_null();
	return json_stringn((const char *)b.p, b.len);
}

static void print_json(const struct changes *c)
{
	static const char *const kinds[] = { "added", "modified", "deleted" };
	static const char *const runs[] = { "never", "build", "self" };
	json_auto_t *all = json_array();

	for (size_t i = 0; i < c->n; i++) {
		const struct change *one = &c->list[i];
		json_t *j;

		if (one->state == CHANGE_DONE)
			continue;
		j = json_pack("{s:o, s:s, s:s, s:s}", "path", shown_json(one->path), "change",
			      kinds[one->kind], "state", change_state_str[one->state], "runs",
			      runs[one->run]);
		if (one->is && one->is->type == TREE_LINK)
			(void)json_object_set_new(j, "target", shown_json(one->is->target));
		(void)json_array_append_new(all, j);
	}
	(void)json_dumpf(all, stdout, JSON_INDENT(1));
	(void)putchar('\n');
}

int cmd_diff(const struct cli_args *args)
{
	struct job j;
	int code = job_open(args, &j);

	if (code == CLI_OK && cli_has(args, OPT_JSON))
		print_json(&j.changes);
	else if (code == CLI_OK)
		print_all(&j);
	job_release(&j);
	return code;
}

/* ---- pull ---- */

static void leave(struct changes *c, enum names_run run)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i].state == CHANGE_WANTED && c->list[i].run == run)
			c->list[i].state = CHANGE_LEFT;
	}
}

/* Return: false when the answer is no */
static bool ask(const struct cli_args *args, struct changes *c)
{
	size_t self = changes_count(c, CHANGE_WANTED, NAMES_RUN_SELF);
	size_t rest = changes_count(c, CHANGE_WANTED, NAMES_NUM_RUNS) - self;
	char question[128];

	if (cli_has(args, OPT_YES)) {
		if (!cli_has(args, OPT_HOST_EXECUTED))
			leave(c, NAMES_RUN_SELF);
		return true;
	}
	(void)snprintf(question, sizeof(question), "Bring %zu changes?", rest);
	if (rest && !cli_confirm(question))
		return false;
	(void)snprintf(question, sizeof(question),
		       "%zu more are run or obeyed on this host by themselves. Bring these, too?",
		       self);
	if (self && !cli_confirm(question))
		leave(c, NAMES_RUN_SELF);
	return true;
}

/* From now on what has been brought is the start */
static int settle(const struct job *j, struct bb_err *err)
{
	tree_auto struct tree now = { 0 };
	bb_auto_buf struct bb_buf text;
	int r = changes_settle(&j->changes, &j->was, &now);

	bb_buf_init(&text, COPYIN_MAX);
	if (r == 0)
		r = tree_save(&now, &text);
	if (r < 0)
		return bb_err_set(err, r, "list of files: %s", strerror(-r));
	return state_file_write(j->reach.bottle.state_fd, COPYIN_FILE, bb_buf_span(&text), err);
}

static int bring(const struct cli_args *args, struct job *j)
{
	struct changes *c = &j->changes;
	size_t before = changes_count(c, CHANGE_DONE, NAMES_NUM_RUNS);
	struct bb_err err = { 0 };
	size_t done;

	if (changes_count(c, CHANGE_WANTED, NAMES_NUM_RUNS) && !ask(args, c))
		return CLI_FAILED;
	apply_changes(c, j->host, j->stage);
	done = changes_count(c, CHANGE_DONE, NAMES_NUM_RUNS);
	if (settle(j, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	print_section(c, CHANGE_LEFT, NAMES_NUM_RUNS,
		      "Left in the bottle (with --yes, --host-executed brings them):");
	print_section(c, CHANGE_FAILED, NAMES_NUM_RUNS, "Failed:");
	(void)printf("%zu brought, %zu not\n", done - before, c->n - done);
	return done == c->n ? CLI_OK : CLI_DENIED;
}

int cmd_pull(const struct cli_args *args)
{
	struct job j;
	int code = job_open(args, &j);

	if (code == CLI_OK) {
		print_all(&j);
		(void)fflush(stdout);
		code = bring(args, &j);
	}
	job_release(&j);
	return code;
}
