/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine boots from: the modules that an image packed, then what one start adds */
#include "base/io.h"
#include "image/image.h"
#include "image/store.h"
#include "tests/unit/image/newc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char stage[64];

static void put(const char *name, const char *text)
{
	char path[160];
	bb_auto_close int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", stage, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(bb_write_full(fd, text, strlen(text)), 0);
}

static int make_stage(void **state)
{
	char path[96];

	(void)state;
	(void)snprintf(stage, sizeof(stage), "/tmp/bb-initrd-XXXXXX");
	assert_non_null(mkdtemp(stage));
	(void)snprintf(path, sizeof(path), "%s/modules", stage);
	assert_int_equal(mkdir(path, 0700), 0);
	put("modules/b.ko", "second");
	put("modules/a.ko", "first");
	return 0;
}

static int drop_stage(void **state)
{
	static const char *const names[] = { "modules/b.ko", "modules/a.ko", "modules",
					     "modules.list", "modules.cpio", "" };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(names); i++) {
		char path[160];

		(void)snprintf(path, sizeof(path), "%s/%s", stage, names[i]);
		(void)remove(path);
	}
	return 0;
}

static void expect(struct newc *n, const char *path, unsigned int mode, const char *data)
{
	struct newc_entry e;

	assert_true(newc_next(n, &e));
	assert_string_equal(e.path, path);
	assert_int_equal(e.mode, mode);
	if (data)
		assert_true(bb_span_eq(e.data, BB_SPAN_STR(data)));
}

/* The list as it is, and the modules in its order */
static void expect_modules(struct newc *n)
{
	struct newc_entry e;

	expect(n, "modules.list", S_IFREG | 0644, "# needed\n/modules/b.ko\n\n/modules/a.ko\n");
	expect(n, "modules", S_IFDIR | 0755, "");
	expect(n, "modules/b.ko", S_IFREG | 0644, "second");
	expect(n, "modules/a.ko", S_IFREG | 0644, "first");
	assert_false(newc_next(n, &e));
}

static void modules_in_load_order(void **state)
{
	bb_auto_buf struct bb_buf b;
	struct bb_err err = { 0 };
	char path[96];
	struct newc n;

	(void)state;
	put("modules.list", "# needed\n/modules/b.ko\n\n/modules/a.ko\n");
	assert_int_equal(image_pack_modules(stage, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/modules.cpio", stage);
	bb_buf_init(&b, 1u << 20);
	assert_int_equal(bb_read_file(path, &b, &err), 0);
	n = (struct newc){ bb_buf_span(&b), 0 };
	expect_modules(&n);
	assert_true(newc_at_end(&n));
}

static void bad_module_lists(void **state)
{
	static const struct {
		const char *list;
		int want;
	} cases[] = {
		{ "/modules/none.ko\n", -ENOENT },     { "modules/a.ko\n", -EINVAL },
		{ "/modules/../a.ko\n", -EINVAL },     { " /modules/a.ko\n", -EINVAL },
		{ "/modules/a.ko\n/none\n", -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_err err = { 0 };
		char path[96];

		put("modules.list", cases[i].list);
		assert_int_equal(image_pack_modules(stage, &err), cases[i].want);
		assert_int_equal(err.code, cases[i].want);
		(void)snprintf(path, sizeof(path), "%s/modules.cpio", stage);
		assert_int_equal(access(path, F_OK), -1); /* nothing half-made */
	}
}

static void one_start(void **state)
{
	const struct image_extra_file extra[] = {
		{ "bottle/config.json", BB_SPAN_STR("{}") },
		{ "bottle/trust/bundle.pem", BB_SPAN_STR("roots") },
		{ "bottle/trust/root.pem", BB_SPAN_STR("root") },
		{ "other/x", BB_SPAN_STR("") },
	};
	struct image image = { 0 };
	bb_auto_buf struct bb_buf b;
	bb_auto_close int fd = -1;
	struct bb_err err = { 0 };
	struct newc_entry e;
	struct newc n;

	(void)state;
	put("modules.list", "# needed\n/modules/b.ko\n\n/modules/a.ko\n");
	assert_int_equal(image_pack_modules(stage, &err), 0);
	(void)snprintf(image.modules_path, sizeof(image.modules_path), "%s/modules.cpio", stage);
	fd = image_initrd_memfd(&image, extra, BB_ARRAY_LEN(extra), &err);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GET_SEALS),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	bb_buf_init(&b, IMAGE_INITRD_MAX);
	assert_int_equal(bb_memfd_read(fd, &b), 0);
	assert_int_equal(b.len % 4096, 0);
	n = (struct newc){ bb_buf_span(&b), 0 };
	expect_modules(&n);
	expect(&n, "dev", S_IFDIR | 0755, "");
	expect(&n, "dev/console", S_IFCHR | 0600, "");
	assert_true(newc_next(&n, &e));
	assert_string_equal(e.path, "init");
	assert_int_equal(e.mode, S_IFREG | 0755);
	assert_memory_equal(e.data.p, "\177ELF", 4);
	expect(&n, "bottle", S_IFDIR | 0755, "");
	expect(&n, "bottle/config.json", S_IFREG | 0644, "{}");
	expect(&n, "bottle/trust", S_IFDIR | 0755, "");
	expect(&n, "bottle/trust/bundle.pem", S_IFREG | 0644, "roots");
	expect(&n, "bottle/trust/root.pem", S_IFREG | 0644, "root");
	expect(&n, "other", S_IFDIR | 0755, "");
	expect(&n, "other/x", S_IFREG | 0644, "");
	assert_false(newc_next(&n, &e));
	assert_true(newc_at_end(&n));
}

static void without_modules_no_start(void **state)
{
	struct image image = { .modules_path = "/nonexistent/modules.cpio" };
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(image_initrd_memfd(&image, NULL, 0, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/modules.cpio"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(modules_in_load_order, make_stage, drop_stage),
		cmocka_unit_test_setup_teardown(bad_module_lists, make_stage, drop_stage),
		cmocka_unit_test_setup_teardown(one_start, make_stage, drop_stage),
		cmocka_unit_test(without_modules_no_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
