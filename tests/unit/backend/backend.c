/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/backend.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A backend without one of the entries would be a crash of its first user */
static void every_entry_is_there(void **state)
{
	const struct backend *const *all = backend_all();
	size_t n = 0;

	(void)state;
	for (; all[n]; n++) {
		assert_non_null(all[n]->name);
		assert_non_null(all[n]->missing);
		assert_non_null(all[n]->start);
		assert_non_null(all[n]->connect);
		assert_ptr_equal(backend_find(all[n]->name), all[n]);
	}
	assert_int_equal(n, 2);
	assert_string_equal(all[0]->name, "smolmachines"); /* the default is first */
	assert_false(all[0]->legacy);
	assert_string_equal(all[1]->name, "docker");
	assert_true(all[1]->legacy);
	assert_null(backend_find(""));
	assert_null(backend_find("Docker"));
	assert_null(backend_find("docker "));
}

static void who_chooses(void **state)
{
	static const struct {
		const char *flag, *env, *config;
		const char *want; /* NULL: refused */
		const char *where;
	} cases[] = {
		{ NULL, NULL, NULL, "smolmachines", NULL },
		{ NULL, "", "", "smolmachines", NULL }, /* empty = not set */
		{ NULL, NULL, "docker", "docker", NULL },
		{ NULL, "docker", "smolmachines", "docker", NULL },
		{ "smolmachines", "docker", "docker", "smolmachines", NULL },
		{ "docker", NULL, NULL, "docker", NULL },
		{ "", NULL, NULL, NULL, "--backend" }, /* an empty flag is a mistake */
		{ "podman", "docker", NULL, NULL, "--backend" },
		{ NULL, "podman", "docker", NULL, "BOT_BOTTLE_BACKEND" },
		{ NULL, NULL, "podman", NULL, "config.yaml" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		const struct backend *b = NULL;
		struct bb_err err = { 0 };
		int r = backend_choose(cases[i].flag, cases[i].env, cases[i].config, &b, &err);

		assert_int_equal(r, cases[i].want ? 0 : -EINVAL);
		if (cases[i].want) {
			assert_string_equal(b->name, cases[i].want);
		} else {
			assert_null(b);
			assert_non_null(strstr(err.msg, cases[i].where));
			assert_non_null(strstr(err.msg, "smolmachines, docker"));
		}
	}
}

/* An engine that says why it cannot be used, as docker's program does */
static void put_engine(const char *dir, const char *says)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/docker", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fprintf(f, "#!/bin/sh\necho '%s' >&2\nexit %d\n", says, *says != 0);
	(void)fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
}

static void docker_says_what_is_missing(void **state)
{
	static const struct {
		const char *says, *want;
	} cases[] = {
		{ "", NULL },
		{ "permission denied while trying to connect to the socket", "join its group" },
		{ "Cannot connect to the Docker daemon at unix:///x", "systemctl start docker" },
		{ "something else", "does not answer: something else" },
	};
	const struct backend *docker = backend_find("docker");
	bb_auto_free char *path = strdup(getenv("PATH"));
	char dir[] = "/tmp/bb-engine-XXXXXX", file[300], text[2048] = "";
	struct bb_err err = { 0 };

	(void)state;
	assert_true(docker->legacy);
	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	assert_int_equal(docker->missing(text, sizeof(text), &err), 1);
	assert_non_null(strstr(text, "apt-get install docker.io"));
	assert_non_null(mkdtemp(dir));
	(void)snprintf(file, sizeof(file), "%s:/bin:/usr/bin", dir);
	assert_int_equal(setenv("PATH", file, 1), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		put_engine(dir, cases[i].says);
		*text = '\0';
		assert_int_equal(docker->missing(text, sizeof(text), &err), cases[i].want ? 1 : 0);
		if (cases[i].want && !strstr(text, cases[i].want))
			fail_msg("%s: %s", cases[i].says, text);
	}
	/* another one by name or path; one that is not there is not replaced by one that is */
	(void)snprintf(file, sizeof(file), "%s/docker", dir);
	put_engine(dir, "");
	assert_int_equal(setenv("BOT_BOTTLE_ENGINE", file, 1), 0);
	assert_int_equal(docker->missing(text, sizeof(text), &err), 0);
	assert_int_equal(setenv("BOT_BOTTLE_ENGINE", "podman-not-here", 1), 0);
	assert_int_equal(docker->missing(text, sizeof(text), &err), 1);
	assert_non_null(strstr(text, "BOT_BOTTLE_ENGINE: no program 'podman-not-here'"));
	assert_int_equal(setenv("BOT_BOTTLE_ENGINE", "/nonexistent/docker", 1), 0);
	assert_int_equal(docker->missing(text, sizeof(text), &err), 1);
	assert_int_equal(setenv("BOT_BOTTLE_ENGINE", "", 1), 0); /* empty = unset */
	assert_int_equal(docker->missing(text, sizeof(text), &err), 0);
	assert_int_equal(unsetenv("BOT_BOTTLE_ENGINE"), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(setenv("PATH", path, 1), 0);
}

static void missing_names_packages(void **state)
{
	const struct backend *smol = backend_find("smolmachines");
	bb_auto_free char *old = strdup(getenv("PATH"));
	struct bb_err err = { 0 };
	char text[2048], small[8];

	(void)state;
	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	assert_true(smol->missing(text, sizeof(text), &err) >= 1);
	assert_non_null(strstr(text, "(package qemu-system-x86)"));
	assert_true(smol->missing(small, sizeof(small), &err) >= 1); /* cut, not overrun */
	assert_true(memchr(small, 0, sizeof(small)) != NULL);
	assert_int_equal(setenv("PATH", old, 1), 0);
}

/* The path of the control socket is longer than an address has room for */
static void connects_to_long_paths(void **state)
{
	char dir[200] = "/tmp/bb-backend-XXXXXX", link[64], path[256];
	const struct backend *smol = backend_find("smolmachines");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	bb_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), got = -1;
	struct bb_err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(smol->connect("/nonexistent", &err), -ENOENT);
	err = (struct bb_err){ 0 };
	assert_true(smol->connect(dir, &err) < 0); /* no socket in it */
	assert_non_null(strstr(err.msg, "does not answer"));

	(void)snprintf(path, sizeof(path), "%s/control", dir);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%.100s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 1), 0);
	for (size_t n = strlen(dir); n < 150; n += 2) /* the same directory by a long name */
		memcpy(dir + n, "/.", 3);
	err = (struct bb_err){ 0 };
	got = smol->connect(dir, &err);
	assert_true(got >= 0);
	(void)snprintf(link, sizeof(link), "%.22s-link", dir);
	assert_int_equal(symlink(dir, link), 0);
	assert_true(smol->connect(link, &err) < 0); /* not through a link */
	assert_int_equal(unlink(link), 0);
	assert_int_equal(unlink(path), 0);
	dir[22] = '\0';
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_there),
		cmocka_unit_test(who_chooses),
		cmocka_unit_test(docker_says_what_is_missing),
		cmocka_unit_test(missing_names_packages),
		cmocka_unit_test(connects_to_long_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
