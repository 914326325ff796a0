/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "tests/unit/unit.h"
#include "workspace/apply.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

/* Three directories: host (the user's), was (a copy of it at the start), is (the bottle's) */
static char top[] = "/tmp/bb-changes-XXXXXX";
static int host, is;
static struct tree was, now;
static struct changes changes;

static void put(const char *dir, const char *path, const char *text, mode_t mode)
{
	char full[256];
	int fd;

	(void)snprintf(full, sizeof(full), "%s/%s/%s", top, dir, path);
	if (!text) {
		assert_int_equal(mkdir(full, mode), 0);
		return;
	}
	(void)unlink(full);
	if (strncmp(text, "-> ", 3) == 0) {
		assert_int_equal(symlink(text + 3, full), 0);
		return;
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(bb_write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void both(const char *path, const char *text, mode_t mode)
{
	put("host", path, text, mode);
	put("is", path, text, mode);
}

static void drop(const char *dir, const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s/%s", top, dir, path);
	assert_int_equal(remove(full), 0);
}

static const char *text_of(const char *path)
{
	static char text[256];
	char full[256];
	ssize_t n;
	int fd;

	(void)snprintf(full, sizeof(full), "%s/host/%s", top, path);
	n = readlink(full, text, sizeof(text) - 1);
	if (n >= 0) {
		text[n] = '\0';
		return text;
	}
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "(none)";
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int open_dir(const char *name)
{
	char full[256];
	int fd;

	(void)snprintf(full, sizeof(full), "%s/%s", top, name);
	assert_int_equal(mkdir(full, 0700), 0);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int begin(void **state)
{
	(void)state;
	memcpy(top + sizeof(top) - 7, "XXXXXX", 6);
	if (!mkdtemp(top))
		return -1;
	host = open_dir("host");
	is = open_dir("is");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	changes_release(&changes);
	tree_release(&was);
	tree_release(&now);
	(void)close(host);
	(void)close(is);
	return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* As at the start: through its text form and back */
static void note_start(void)
{
	struct tree read = { 0 };
	struct bb_err err = { 0 };
	struct bb_buf text;

	bb_buf_init(&text, 1u << 20);
	assert_int_equal(tree_read(host, NULL, NULL, &read, &err), 0);
	assert_int_equal(tree_save(&read, &text), 0);
	assert_int_equal(tree_load(bb_buf_span(&text), &was, &err), 0);
	assert_int_equal(was.n, read.n);
	for (size_t i = 0; i < was.n; i++)
		assert_true(tree_same(&was.entries[i], &read.entries[i]));
	tree_release(&read);
	bb_buf_release(&text);
}

static void compare(void)
{
	struct bb_err err = { 0 };

	assert_int_equal(tree_read(is, NULL, NULL, &now, &err), 0);
	assert_int_equal(changes_make(&was, &now, &changes), 0);
	changes_judge(&changes, host);
}

static const struct change *change(const char *path)
{
	for (size_t i = 0; i < changes.n; i++) {
		if (strcmp(changes.list[i].path, path) == 0)
			return &changes.list[i];
	}
	fail_msg("%s is no change", path);
	return NULL;
}

static void nothing_changed(void **state)
{
	(void)state;
	both("a b", "1", 0644);
	both("d", NULL, 0755);
	both("d/x\ny", "2", 0755);
	both("l", "-> /anywhere", 0);
	note_start();
	compare();
	assert_int_equal(changes.n, 0);
}

static void changes_are_brought(void **state)
{
	struct tree after = { 0 };
	struct stat st;

	(void)state;
	both("same", "1", 0644);
	both("edit", "1", 0640);
	both("run", "1", 0600);
	both("gone", "1", 0644);
	both("old", NULL, 0755);
	both("old/f", "1", 0644);
	both("swap", "file", 0644);
	both("pws", NULL, 0755);
	both("pws/f", "1", 0644);
	note_start();
	put("is", "edit", "2", 0644);
	put("is", "run", "1", 0755);
	put("is", "new", "3", 0755);
	put("is", "dir", NULL, 0700);
	put("is", "dir/in", "4", 0600);
	put("is", "dir/link", "-> ../new", 0);
	drop("is", "gone");
	drop("is", "old/f");
	drop("is", "old");
	drop("is", "swap");
	put("is", "swap", NULL, 0755);
	put("is", "swap/in", "5", 0644);
	drop("is", "pws/f");
	drop("is", "pws");
	put("is", "pws", "6", 0644);
	compare();
	assert_int_equal(change("edit")->kind, CHANGE_MODIFY);
	assert_int_equal(change("gone")->kind, CHANGE_DELETE);
	assert_int_equal(change("new")->kind, CHANGE_ADD);
	assert_int_equal(changes_count(&changes, CHANGE_WANTED, NAMES_NUM_RUNS), changes.n);
	apply_changes(&changes, host, is);
	for (size_t i = 0; i < changes.n; i++) {
		if (changes.list[i].state != CHANGE_DONE)
			fail_msg("%s: %s", changes.list[i].path,
				 change_state_str[changes.list[i].state]);
	}
	assert_string_equal(text_of("edit"), "2");
	assert_string_equal(text_of("new"), "3");
	assert_string_equal(text_of("dir/in"), "4");
	assert_string_equal(text_of("dir/link"), "../new");
	assert_string_equal(text_of("swap/in"), "5");
	assert_string_equal(text_of("pws"), "6");
	assert_string_equal(text_of("gone"), "(none)");
	assert_string_equal(text_of("old/f"), "(none)");
	assert_int_equal(fstatat(host, "edit", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640); /* the user's own bits */
	assert_int_equal(fstatat(host, "run", &st, 0), 0);
	assert_int_equal(st.st_mode & 0100, 0100);
	/* What was brought is the start now */
	assert_int_equal(changes_settle(&changes, &was, &after), 0);
	changes_release(&changes);
	assert_int_equal(changes_make(&after, &now, &changes), 0);
	assert_int_equal(changes.n, 0);
	tree_release(&after);
}

static void what_changed_here_stays(void **state)
{
	(void)state;
	both("both", "1", 0644);
	both("equal", "1", 0644);
	both("deleted", "1", 0644);
	both("edited", "1", 0644);
	both("d", NULL, 0755);
	both("d/f", "1", 0644);
	note_start();
	put("is", "both", "guest", 0644);
	put("host", "both", "mine", 0644);
	put("is", "equal", "2", 0644);
	put("host", "equal", "2", 0644);
	put("is", "deleted", "guest", 0644);
	drop("host", "deleted");
	drop("is", "edited");
	put("host", "edited", "mine", 0644);
	put("is", "new", "guest", 0644); /* such as a secret that stayed behind */
	put("host", "new", "mine", 0644);
	drop("is", "d/f");
	drop("is", "d");
	put("host", "d/mine", "mine", 0644);
	compare();
	assert_int_equal(change("both")->state, CHANGE_CONFLICT);
	assert_int_equal(change("deleted")->state, CHANGE_CONFLICT);
	assert_int_equal(change("edited")->state, CHANGE_CONFLICT);
	assert_int_equal(change("new")->state, CHANGE_CONFLICT);
	assert_int_equal(change("equal")->state, CHANGE_DONE);
	apply_changes(&changes, host, is);
	assert_string_equal(text_of("both"), "mine");
	assert_string_equal(text_of("edited"), "mine");
	assert_string_equal(text_of("new"), "mine");
	assert_string_equal(text_of("deleted"), "(none)");
	assert_string_equal(text_of("d/mine"), "mine");
	assert_string_equal(text_of("d/f"), "(none)");
	assert_int_equal(change("d")->state, CHANGE_CONFLICT);
}

static void changed_between_question_and_answer(void **state)
{
	(void)state;
	both("f", "1", 0644);
	note_start();
	put("is", "f", "guest", 0644);
	compare();
	assert_int_equal(change("f")->state, CHANGE_WANTED);
	put("host", "f", "mine", 0644);
	apply_changes(&changes, host, is);
	assert_int_equal(change("f")->state, CHANGE_CONFLICT);
	assert_string_equal(text_of("f"), "mine");
}

static void nothing_leads_outside(void **state)
{
	char path[300];

	(void)state;
	put("host", "door", "-> ../out", 0); /* a link of the user's own */
	put("host", "f", "1", 0644);
	put("is", "f", "-> ../out/evil", 0);
	note_start();
	put("is", "abs", "-> /etc", 0);
	put("is", "up", "-> ..", 0);
	put("is", "deep", NULL, 0755);
	put("is", "deep/up", "-> ../..", 0);
	put("is", "deep/ok", "-> ../f", 0);
	put("is", "door", NULL, 0755); /* a directory where the user has a link */
	put("is", "door/evil", "x", 0644);
	(void)snprintf(path, sizeof(path), "%s/out", top);
	assert_int_equal(mkdir(path, 0700), 0);
	compare();
	assert_int_equal(change("abs")->state, CHANGE_LINK);
	assert_int_equal(change("up")->state, CHANGE_LINK);
	assert_int_equal(change("deep/up")->state, CHANGE_LINK);
	assert_int_equal(change("deep/ok")->state, CHANGE_WANTED);
	assert_int_equal(change("f")->state, CHANGE_LINK);
	assert_int_equal(change("door/evil")->state, CHANGE_CONFLICT);
	apply_changes(&changes, host, is);
	assert_string_equal(text_of("f"), "1");
	assert_string_equal(text_of("abs"), "(none)");
	assert_string_equal(text_of("deep/ok"), "../f");
	(void)snprintf(path, sizeof(path), "%s/out/evil", top);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_bare_repository_is_noticed(void **state)
{
	(void)state;
	note_start();
	put("is", "bare", NULL, 0755);
	put("is", "bare/HEAD", "ref: refs/heads/main", 0644);
	put("is", "bare/objects", NULL, 0755);
	put("is", "bare/config", "[core] fsmonitor = ./x", 0644);
	put("is", "bare/hooks", NULL, 0755);
	put("is", "bare/hooks/pre-push", "#!/bin/sh", 0755);
	put("is", "config", "plain", 0644);
	compare();
	assert_int_equal(change("bare/config")->run, NAMES_RUN_SELF);
	assert_int_equal(change("bare/hooks/pre-push")->run, NAMES_RUN_SELF);
	assert_int_equal(change("config")->run, NAMES_RUN_NEVER);
}

static void damaged_lists(void **state)
{
	static const char sum[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	static const char *const rows[] = {
		"", "x", "f 1 abc path", "q 1 %s path", "- 1 %s path", "f 1 %s", "f 1 %s "
	};
	struct bb_err err = { 0 };
	struct tree t = { 0 };
	char line[200];

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		const char *at = strstr(rows[i], "%s");
		int n = at ? (int)(at - rows[i]) : (int)strlen(rows[i]);

		(void)snprintf(line, sizeof(line), "%.*s%s%s", n, rows[i], at ? sum : "",
			       at ? at + 2 : "");
		assert_int_equal(
			tree_load((struct bb_span){ (uint8_t *)line, strlen(line) + 1 }, &t, &err),
			-EBADMSG);
		err = (struct bb_err){ 0 };
	}
	(void)snprintf(line, sizeof(line), "f 1 %s path", sum);
	assert_int_equal(tree_load((struct bb_span){ (uint8_t *)line, strlen(line) }, &t, &err),
			 -EBADMSG); /* cut */
	err = (struct bb_err){ 0 };
	assert_int_equal(tree_load((struct bb_span){ (uint8_t *)line, strlen(line) + 1 }, &t, &err),
			 0);
	assert_non_null(tree_find(&t, "path"));
	tree_release(&t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_changed),           TEST(changes_are_brought),
		TEST(what_changed_here_stays),   TEST(changed_between_question_and_answer),
		TEST(nothing_leads_outside),     TEST(a_bare_repository_is_noticed),
		cmocka_unit_test(damaged_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
