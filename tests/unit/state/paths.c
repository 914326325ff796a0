/* SPDX-License-Identifier: Apache-2.0 */
#include "state/paths.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static char tmp[] = "/tmp/bb-paths-XXXXXX";

static int make_tmp(void **state)
{
	(void)state;
	return mkdtemp(tmp) ? 0 : -1;
}

static int drop_tmp(void **state)
{
	char cmd[64];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	return system(cmd);
}

static void environment(void **state)
{
	static const struct {
		const char *var, *value, *config, *st, *runtime, *cache;
	} cases[] = {
		{ "HOME", "/h", "/h/.bot-bottle", "/h/.local/state/bot-bottle",
		  "/h/.local/state/bot-bottle/run", "/h/.cache/bot-bottle" },
		{ "XDG_STATE_HOME", "/s", "/h/.bot-bottle", "/s/bot-bottle", "/s/bot-bottle/run",
		  "/h/.cache/bot-bottle" },
		{ "XDG_CACHE_HOME", "relative", "/h/.bot-bottle", "/s/bot-bottle",
		  "/s/bot-bottle/run", "/h/.cache/bot-bottle" },
		{ "XDG_RUNTIME_DIR", "/run/user/1", "/h/.bot-bottle", "/s/bot-bottle",
		  "/run/user/1/bot-bottle", "/h/.cache/bot-bottle" },
		{ "BOT_BOTTLE_HOME", "/b", "/b", "/s/bot-bottle", "/run/user/1/bot-bottle",
		  "/h/.cache/bot-bottle" },
		{ "XDG_RUNTIME_DIR", "", "/b", "/s/bot-bottle", "/s/bot-bottle/run",
		  "/h/.cache/bot-bottle" },
	};
	struct bb_err err = { 0 };
	struct paths p;

	(void)state;
	(void)unsetenv("XDG_STATE_HOME");
	(void)unsetenv("XDG_CACHE_HOME");
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)unsetenv("BOT_BOTTLE_HOME");
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		assert_int_equal(setenv(cases[i].var, cases[i].value, 1), 0);
		assert_int_equal(paths_get(&p, &err), 0);
		assert_string_equal(p.config, cases[i].config);
		assert_string_equal(p.state, cases[i].st);
		assert_string_equal(p.runtime, cases[i].runtime);
		assert_string_equal(p.cache, cases[i].cache);
	}
	/* not passed over, as an XDG directory is: the manifests would be others than those meant
	 */
	assert_int_equal(setenv("BOT_BOTTLE_HOME", "relative", 1), 0);
	assert_int_equal(paths_get(&p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "BOT_BOTTLE_HOME: 'relative' is no absolute path"));
	err = (struct bb_err){ 0 };
	assert_int_equal(setenv("BOT_BOTTLE_HOME", "", 1), 0);
	assert_int_equal(paths_get(&p, &err), 0);
	assert_string_equal(p.config, "/h/.bot-bottle");
	assert_int_equal(unsetenv("BOT_BOTTLE_HOME"), 0);
}

static void private_directories(void **state)
{
	char path[PATHS_MAX], link_path[PATHS_MAX];
	struct bb_err err = { 0 };
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(paths_join(tmp, "a/b/c", path, &err), 0);
	fd = paths_open_private(path, &err);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	(void)close(fd);

	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(paths_open_private(path, &err), -EPERM);
	assert_non_null(strstr(err.msg, "0750"));
	assert_int_equal(chmod(path, 0700), 0);

	err = (struct bb_err){ 0 };
	assert_int_equal(paths_join(tmp, "link", link_path, &err), 0);
	assert_int_equal(symlink(path, link_path), 0);
	assert_true(paths_open_private(link_path, &err) < 0);
	err = (struct bb_err){ 0 };
	assert_int_equal(paths_open_private("relative", &err), -EINVAL);
	if (geteuid() == 0) {
		err = (struct bb_err){ 0 };
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(paths_open_private(path, &err), -EPERM);
		assert_non_null(strstr(err.msg, "12345"));
	}
}

/* This test runs in a build tree, and finds its files there */
static void build_tree(void **state)
{
	struct bb_err err = { 0 };
	char path[PATHS_MAX];

	(void)state;
	assert_int_equal(paths_data("meson.build", path, &err), 0);
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(paths_data("no/such", path, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	assert_int_equal(paths_libexec("nobody", path, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "src/proc/nobody/nobody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environment),
		cmocka_unit_test(private_directories),
		cmocka_unit_test(build_tree),
	};

	return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
