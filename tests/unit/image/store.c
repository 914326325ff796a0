/* SPDX-License-Identifier: Apache-2.0 */
#include "image/store.h"
#include "base/io.h"
#include "image/image.h"
#include "tests/unit/image/newc.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define MANIFEST(version, size)                                                                    \
	"{\"version\": " version ", \"name\": \"base\", \"digest\": \"" DIGEST                     \
	"\", \"kernel\": \"6.1.0-x\", \"built\": \"2026-01-02T03:04:05Z\", \"files\": {"           \
	"\"vmlinux\": {\"size\": " size "}, \"modules.cpio\": {\"size\": 3},"                      \
	"\"root.erofs\": {\"size\": 3}, \"roots.pem\": {\"size\": 3}}}"

static char cache[64], store[128];

static void put(const char *name, const char *text)
{
	char path[256];
	bb_auto_close int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", store, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(bb_write_full(fd, text, strlen(text)), 0);
}

static void make_dir(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state)
{
	static const char own[] = "bot-bottle/images/" DIGEST;
	static const char *const dirs[] = { "bot-bottle", "bot-bottle/images",
					    "bot-bottle/images/by-name", own };
	char path[256];

	(void)state;
	(void)snprintf(cache, sizeof(cache), "/tmp/bb-store-XXXXXX");
	assert_non_null(mkdtemp(cache));
	(void)snprintf(store, sizeof(store), "%s/bot-bottle/images", cache);
	for (size_t i = 0; i < BB_ARRAY_LEN(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", cache, dirs[i]);
		make_dir(path);
	}
	for (size_t i = 0; i < IMAGE_NUM_FILES; i++) {
		(void)snprintf(path, sizeof(path), DIGEST "/%s", image_files[i]);
		put(path, "abc");
	}
	put(DIGEST "/manifest.json", MANIFEST("1", "3"));
	(void)snprintf(path, sizeof(path), "%s/by-name/base", store);
	assert_int_equal(symlink("../" DIGEST, path), 0);
	return setenv("XDG_CACHE_HOME", cache, 1);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(cache, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void opens_by_name_and_digest(void **state)
{
	static const char *const names[] = { "base", DIGEST };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		struct bb_err err = { 0 };
		struct image image;

		assert_int_equal(image_open(names[i], &image, &err), 0);
		assert_string_equal(image.name, names[i]);
		assert_string_equal(image.digest, DIGEST);
		assert_string_equal(image.kernel_release, "6.1.0-x");
		assert_int_equal(image.bytes, 12);
		/* the directory itself: a rebuild moves the name */
		assert_non_null(strstr(image.kernel_path, "/" DIGEST "/vmlinux"));
		assert_int_equal(access(image.modules_path, R_OK), 0);
		assert_int_equal(access(image.root_path, R_OK), 0);
		assert_int_equal(access(image.roots_path, R_OK), 0);
	}
}

static void names(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", ".x", "-x", "a/b", "../base", "Base", "base ", "b\xc3\xa9", NULL,
	};
	struct bb_err err = { 0 };
	struct image image;
	char text[80];

	(void)state;
	for (size_t i = 0; bad[i]; i++) {
		err = (struct bb_err){ 0 };
		assert_int_equal(image_open(bad[i], &image, &err), -EINVAL);
	}
	memset(text, 'a', sizeof(text));
	text[65] = '\0';
	err = (struct bb_err){ 0 };
	assert_int_equal(image_open(text, &image, &err), -EINVAL);
	err = (struct bb_err){ 0 };
	assert_int_equal(image_open("other", &image, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "bot-bottle image import ARCHIVE --name other"));
	err = (struct bb_err){ 0 };
	assert_int_equal(image_open("dev", &image, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "bot-bottle image build dev"));
}

/* Found before a boot is tried, and the message says what to do */
static void damaged(void **state)
{
	static const struct {
		const char *file, *text; /* text NULL: removed */
		const char *says;
	} cases[] = {
		{ DIGEST "/manifest.json", NULL, "manifest.json" },
		{ DIGEST "/manifest.json", "{", "manifest.json" },
		{ DIGEST "/manifest.json", "{\"version\": 1, \"version\": 1}", "manifest.json" },
		{ DIGEST "/manifest.json", MANIFEST("2", "3"), "another version" },
		{ DIGEST "/manifest.json", MANIFEST("1", "4"), "vmlinux is damaged" },
		{ DIGEST "/manifest.json", MANIFEST("1", "\"3\""), "vmlinux is damaged" },
		{ DIGEST "/root.erofs", "ab", "root.erofs is damaged" },
		{ DIGEST "/roots.pem", NULL, "roots.pem" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_err err = { 0 };
		struct image image;
		char path[256];

		if (cases[i].text)
			put(cases[i].file, cases[i].text);
		(void)snprintf(path, sizeof(path), "%s/%s", store, cases[i].file);
		if (!cases[i].text)
			assert_int_equal(unlink(path), 0);
		assert_true(image_open("base", &image, &err) < 0);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("case %zu: %s", i, err.msg);
		put(DIGEST "/manifest.json", MANIFEST("1", "3"));
		put(DIGEST "/root.erofs", "abc");
	}
}

struct seen {
	char names[4][16];
	int codes[4];
	size_t n;
};

static void note(const struct image *image, const struct bb_err *broken, void *arg)
{
	struct seen *s = arg;

	assert_true(s->n < BB_ARRAY_LEN(s->codes));
	(void)snprintf(s->names[s->n], sizeof(s->names[0]), "%.15s", image->name);
	s->codes[s->n++] = broken ? broken->code : 0;
}

static void lists_damaged_ones_too(void **state)
{
	struct bb_err err = { 0 };
	struct seen s = { 0 };
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/by-name/aged", store);
	assert_int_equal(symlink("../gone", path), 0);
	put("by-name/.new", "left by a builder that was killed");
	assert_int_equal(image_list(note, &s, &err), 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.names[0], "aged");
	assert_int_equal(s.codes[0], -ENOENT);
	assert_string_equal(s.names[1], "base");
	assert_int_equal(s.codes[1], 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", "/nonexistent", 1), 0);
	s.n = 0;
	assert_int_equal(image_list(note, &s, &err), 0); /* no store yet: no images */
	assert_int_equal(s.n, 0);
}

static int refuse(const char *digest, struct bb_err *err)
{
	return bb_err_set(err, -EBUSY, "%s", digest);
}

/* What was rebuilt is shown, and can go; what has a name goes by that */
static void without_a_name(void **state)
{
	struct bb_err err = { 0 };
	struct image image;
	struct seen s = { 0 };
	char path[256];

	(void)state;
	assert_int_equal(image_remove("00112233445566", NULL, &err), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/by-name/base", store);
	assert_int_equal(unlink(path), 0);
	err = (struct bb_err){ 0 };
	assert_int_equal(image_list(note, &s, &err), 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.names[0], "001122334455667");
	assert_int_equal(s.codes[0], 0);
	err = (struct bb_err){ 0 };
	assert_int_equal(image_remove("00112233445", NULL, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	assert_int_equal(image_remove("00112233445577", NULL, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	assert_int_equal(image_open(DIGEST, &image, &err), 0);
	assert_int_equal(image_remove("001122334455", refuse, &err), -EBUSY);
	assert_string_equal(err.msg, DIGEST);
	assert_int_equal(access(image.root_path, F_OK), 0);
	err = (struct bb_err){ 0 };
	assert_int_equal(image_remove("001122334455", NULL, &err), 0);
	assert_int_equal(access(image.root_path, F_OK), -1);
	err = (struct bb_err){ 0 };
	assert_int_equal(image_open(DIGEST, &image, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "001122334455 was removed"));
	assert_null(strstr(err.msg, "image build"));
}

static void in_downloads(const char *name, bool old, char path[static 256])
{
	const time_t then = time(NULL) - (old ? 66 : 60) * 60;
	const struct timespec times[2] = { { .tv_sec = then }, { .tv_sec = then } };

	(void)snprintf(path, 256, "%s/.downloads/%s", store, name);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Of what lies in .downloads only that, and only when it is old */
static void old_installed_ones_go(void **state)
{
	static const char *const names[] = { "installed-00-base", "installed-00-dev", "linux.deb",
					     "installed-01-dir" };
	char path[256];

	(void)state;
	assert_int_equal(image_drop_installed(), 0); /* nothing was ever built */
	(void)snprintf(path, sizeof(path), "%s/.downloads", store);
	make_dir(path);
	(void)snprintf(path, sizeof(path), "%s/.downloads/%s", store, names[3]);
	make_dir(path);
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), ".downloads/%s", names[i]);
		if (i < 3)
			put(path, "octets");
		in_downloads(names[i], i > 0, path);
	}
	assert_int_equal(image_drop_installed(), strlen("octets"));
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/.downloads/%s", store, names[i]);
		assert_int_equal(access(path, F_OK), i == 1 ? -1 : 0);
	}
}

static void disks(void **state)
{
	bb_auto_close int dir = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct bb_err err = { 0 };
	uint8_t magic[2];
	struct stat st;

	(void)state;
	fd = image_make_disk(dir, "disk", 64u << 20, &err);
	if (fd == -ENOENT)
		skip(); /* no mke2fs here */
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 64 << 20);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_blocks * 512 < 16 << 20); /* sparse */
	assert_int_equal(pread(fd, magic, 2, 1024 + 56), 2);
	assert_memory_equal(magic, "\x53\xef", 2); /* ext4 */
	assert_int_equal(image_make_disk(dir, "disk", 64u << 20, &err), -EEXIST);
	assert_int_equal(fstatat(dir, "disk", &st, 0), 0); /* and it is still there */
	err = (struct bb_err){ 0 };
	assert_true(image_make_disk(dir, "small", 512, &err) < 0); /* too small for ext4 */
	assert_int_equal(fstatat(dir, "small", &st, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens_by_name_and_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_damaged_ones_too, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_name, setup, teardown),
		cmocka_unit_test_setup_teardown(old_installed_ones_go, setup, teardown),
		cmocka_unit_test_setup_teardown(disks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
