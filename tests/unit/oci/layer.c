/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/layer.h"
#include "oci/fit.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Members that tar_header_write() does not write are patched into a block it wrote */
struct member {
	const char *path;
	char type;        /* as in a header */
	const char *text; /* data, or target */
};

static size_t put(uint8_t *out, const struct member *m)
{
	static struct tar_entry e;
	bool is_link = m->type == '2' || m->type == '1';
	size_t n, len = m->text && !is_link ? strlen(m->text) : 0;
	unsigned int sum = 0;

	e = (struct tar_entry){ .mode = m->type == '5' ? 0755 : 04644, .size = len };
	e.type = m->type == '5' ? TAR_TYPE_DIR : is_link ? TAR_TYPE_SYMLINK : TAR_TYPE_FILE;
	(void)snprintf(e.path, sizeof(e.path), "%s", m->path);
	(void)snprintf(e.target, sizeof(e.target), "%s", is_link ? m->text : "");
	n = tar_header_write(out, &e);
	assert_int_equal(n, TAR_BLOCK);
	out[156] = (uint8_t)m->type;
	memset(out + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += out[i];
	(void)snprintf((char *)out + 148, 8, "%06o", sum);
	if (len)
		memcpy(out + n, m->text, len);
	return n + len + tar_padding(len);
}

static int apply(struct rootfs *fs, uint32_t number, const struct member *members,
		 struct bb_err *err)
{
	static uint8_t out[64 * TAR_BLOCK];
	static struct layer layer;
	size_t n = 0;
	int r;

	memset(out, 0, sizeof(out));
	for (; members->path; members++)
		n += put(out + n, members);
	layer_begin(&layer, fs, number);
	r = layer_feed(&layer, (struct bb_span){ out, n + TAR_END_BYTES }, err);
	return r < 0 ? r : layer_end(&layer, err);
}
#define APPLY(fs, number, err, ...)                                                                \
	apply(fs, number, (const struct member[]){ __VA_ARGS__, { NULL, 0, NULL } }, err)

static void begin(struct rootfs *fs, const struct rootfs_limits *limits)
{
	assert_int_equal(rootfs_init(fs, memfd_create("scratch", MFD_CLOEXEC), limits), 0);
}

static void end(struct rootfs *fs)
{
	rootfs_release(fs);
	(void)close(fs->scratch);
}

static struct rootfs_node *at(struct rootfs *fs, const char *path)
{
	struct rootfs_node *n;

	return rootfs_walk(fs, BB_SPAN_STR(path), 0, false, &n) == 0 ? n : NULL;
}

static const char *content(struct rootfs *fs, const char *path)
{
	static char text[4096];
	struct rootfs_node *n = at(fs, path);

	if (!n || !rootfs_is_file(n))
		return "(none)";
	memset(text, 0, sizeof(text));
	assert_int_equal(rootfs_read(fs, n->inode, 0, text, n->inode->size), 0);
	return text;
}

static void layers_cover_each_other(void **state)
{
	struct bb_err err = { 0 };
	struct rootfs fs;

	(void)state;
	begin(&fs, &rootfs_limits);
	assert_int_equal(APPLY(&fs, 1, &err, { "d", '5', NULL }, { "d/a", '0', "1" },
			       { "d/b", '0', "1" }, { "e/f/g", '0', "deep" }, { "h", '1', "d/a" },
			       { "gone", '5', NULL }, { "gone/x", '0', "x" }),
			 0);
	assert_ptr_equal(at(&fs, "h")->inode, at(&fs, "d/a")->inode);
	assert_int_equal(at(&fs, "h")->inode->links, 2);
	assert_int_equal(at(&fs, "h")->inode->mode, S_IFREG | 04644);
	/* a whiteout hides what layers below have, wherever it stands in its own */
	assert_int_equal(APPLY(&fs, 2, &err, { "d/a", '0', "22" }, { ".wh.gone", '0', NULL },
			       { "d/.wh.b", '0', NULL }, { "d/b", '5', NULL },
			       { "d/b/c", '0', "c" }, { "e/new", '0', "new" },
			       { "e/.wh..wh..opq", '0', NULL }, { ".wh.never-was", '0', NULL },
			       { "no/.wh.where", '0', NULL }),
			 0);
	assert_string_equal(content(&fs, "d/a"), "22");
	assert_string_equal(content(&fs, "h"), "1");
	assert_int_equal(at(&fs, "h")->inode->links, 1);
	assert_string_equal(content(&fs, "d/b/c"), "c");
	assert_string_equal(content(&fs, "e/new"), "new");
	assert_null(at(&fs, "e/f"));
	assert_null(at(&fs, "gone"));
	assert_null(at(&fs, "no"));
	end(&fs);
}

static void links_are_followed_inside(void **state)
{
	struct bb_err err = { 0 };
	struct rootfs fs;

	(void)state;
	begin(&fs, &rootfs_limits);
	assert_int_equal(APPLY(&fs, 1, &err, { "usr/lib", '5', NULL }, { "lib", '2', "usr/lib" },
			       { "abs", '2', "/usr/../usr" }, { "lib/x", '0', "x" },
			       { "abs/y", '0', "y" }, { "up", '2', "../../etc/passwd" }),
			 0);
	assert_string_equal(content(&fs, "usr/lib/x"), "x");
	assert_string_equal(content(&fs, "usr/y"), "y");
	assert_string_equal(at(&fs, "up")->inode->target, "../../etc/passwd");
	end(&fs);
}

static void refused(int code, const char *why, const struct member *members)
{
	struct bb_err err = { 0 };
	struct rootfs fs;

	begin(&fs, &rootfs_limits);
	assert_int_equal(apply(&fs, 1, members, &err), code);
	if (!strstr(err.msg, why))
		fail_msg("%s: instead of %s", err.msg, why);
	assert_non_null(strstr(err.msg, "layer 1: "));
	end(&fs);
}
#define REFUSED(code, why, ...)                                                                    \
	refused(code, why, (const struct member[]){ __VA_ARGS__, { NULL, 0, NULL } })

static void what_is_hostile_is_refused(void **state)
{
	(void)state;
	REFUSED(-EXDEV, "x/y: a symbolic link on its way leads out", { "x", '2', "../.." },
		{ "x/y", '0', "!" });
	REFUSED(-EXDEV, "leads out", { "x", '2', "/../etc" }, { "x/y", '0', "!" });
	REFUSED(-ELOOP, "too many symbolic links", { "x", '2', "y" }, { "y", '2', "x" },
		{ "x/z", '0', "!" });
	REFUSED(-ENOTDIR, "below something that is no directory", { "f", '0', "1" },
		{ "f/g", '0', "1" });
	REFUSED(-EEXIST, "twice", { "f", '0', "1" }, { "f", '0', "2" });
	REFUSED(-EEXIST, "twice", { "d", '5', NULL }, { "d", '0', "2" });
	REFUSED(-EEXIST, "twice", { "f", '0', "1" }, { "f", '1', "f" });
	REFUSED(-EPERM, "a device", { "etc/null", '3', NULL });
	REFUSED(-EPERM, "a device", { "pipe", '6', NULL });
	REFUSED(-EPERM, "a device", { "develop/sda", '4', NULL });
	REFUSED(-ENOENT, "no file of the image", { "x", '1', "etc/passwd" });
	REFUSED(-ENOENT, "no file of the image", { "d", '5', NULL }, { "x", '1', "d" });
	REFUSED(-EINVAL, "a whiteout of no name", { ".wh.", '0', NULL });
	REFUSED(-EINVAL, "a whiteout of no name", { "d/.wh...", '0', NULL });
	REFUSED(-EINVAL, "a whiteout that is a directory", { ".wh.x", '5', NULL });
}

/* A hard link takes the place of the directory that holds its target */
static void a_link_to_what_it_replaces_is_refused(void **state)
{
	static const char *const targets[] = { "d/a", "d/e/b", "other/../d/a", "by/a" };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(targets); i++) {
		struct bb_err err = { 0 };
		struct rootfs fs;

		begin(&fs, &rootfs_limits);
		assert_int_equal(APPLY(&fs, 1, &err, { "d/a", '0', "1" }, { "d/e/b", '0', "2" },
				       { "other", '5', NULL }, { "by", '2', "d" }),
				 0);
		assert_true(APPLY(&fs, 2, &err, { "d", '1', targets[i] }) < 0);
		assert_non_null(strstr(err.msg, "layer 2: "));
		end(&fs);
	}
}

static void limits_hold(void **state)
{
	const struct rootfs_limits few = { 3, 4, 1000 }, text = { 100, 100, 6 };
	struct bb_err err = { 0 };
	struct rootfs fs;

	(void)state;
	begin(&fs, &few);
	assert_int_equal(
		APPLY(&fs, 1, &err, { "a", '0', "1234" }, { "b", '0', NULL }, { "c", '0', NULL }),
		0);
	/* what comes and goes counts */
	assert_int_equal(APPLY(&fs, 2, &err, { ".wh.a", '0', NULL }, { "d", '0', NULL }), -ENOSPC);
	assert_non_null(strstr(err.msg, "layer 2: d: the image is too large"));
	end(&fs);
	err = (struct bb_err){ 0 };
	begin(&fs, &few);
	assert_int_equal(APPLY(&fs, 1, &err, { "a", '0', "12345" }), -ENOSPC);
	assert_int_equal(fs.scratch_len, 0);
	end(&fs);
	err = (struct bb_err){ 0 };
	begin(&fs, &text);
	assert_int_equal(APPLY(&fs, 1, &err, { "abcdefg", '5', NULL }), -ENOSPC);
	end(&fs);
}

static void deep_trees_end(void **state)
{
	const struct rootfs_limits limits = { 10000, 100, 1 << 20 };
	struct rootfs_node *n;
	struct rootfs fs;
	int r = 0;

	(void)state;
	begin(&fs, &limits);
	for (n = fs.root; r == 0;)
		r = rootfs_add(&fs, n, BB_SPAN_STR("d"), S_IFDIR | 0755, 1, NULL, &n);
	assert_int_equal(r, -ENAMETOOLONG);
	assert_int_equal(n->depth, ROOTFS_DEPTH_MAX);
	end(&fs);
}

static void an_image_is_made_fit(void **state)
{
	struct bb_err err = { 0 };
	struct rootfs fs;

	(void)state;
	begin(&fs, &rootfs_limits); /* from nothing */
	assert_int_equal(fit_rootfs(&fs, 1, &err), 0);
	assert_string_equal(content(&fs, "etc/passwd"), "root:*:0:0:root:/root:/bin/sh\n"
							"node:*:1000:1000::/home/node:/bin/sh\n");
	assert_string_equal(content(&fs, "etc/group"), "root:x:0:\nnode:x:1000:\n");
	assert_int_equal(at(&fs, "home/node")->inode->uid, 1000);
	assert_int_equal(at(&fs, "tmp")->inode->mode, S_IFDIR | 01777);
	end(&fs);

	begin(&fs, &rootfs_limits); /* another has the number; bash and sudo are there */
	assert_int_equal(APPLY(&fs, 1, &err,
			       { "etc/passwd", '0', "u:x:1000:1000::/home/u:/bin/sh" },
			       { "etc/group", '0', "u:x:1000:\n" }, { "bin", '2', "usr/bin" },
			       { "usr/bin/bash", '0', "#" }, { "etc/sudoers.d", '5', NULL }),
			 0);
	assert_int_equal(fit_rootfs(&fs, 2, &err), 0);
	assert_string_equal(content(&fs, "etc/passwd"), "u:x:1000:1000::/home/u:/bin/sh\n"
							"node:*:1000:1000::/home/node:/bin/bash\n");
	assert_string_equal(content(&fs, "etc/group"), "u:x:1000:\n");
	assert_string_equal(content(&fs, "etc/sudoers.d/node"), "node ALL=(ALL) NOPASSWD: ALL\n");
	assert_int_equal(at(&fs, "etc/sudoers.d/node")->inode->mode, S_IFREG | 0440);
	end(&fs);

	begin(&fs, &rootfs_limits); /* ours: nothing to add */
	assert_int_equal(APPLY(&fs, 1, &err, { "etc/passwd", '0', "node:x:7:7::/n:/bin/zsh\n" },
			       { "etc/group", '0', "n:x:1000:node" }),
			 0);
	assert_int_equal(fit_rootfs(&fs, 2, &err), 0);
	assert_string_equal(content(&fs, "etc/passwd"), "node:x:7:7::/n:/bin/zsh\n");
	end(&fs);

	begin(&fs, &rootfs_limits);
	assert_int_equal(APPLY(&fs, 1, &err, { "proc", '2', "/" }), 0);
	assert_int_equal(fit_rootfs(&fs, 2, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "/proc"));
	end(&fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_cover_each_other),
		cmocka_unit_test(links_are_followed_inside),
		cmocka_unit_test(what_is_hostile_is_refused),
		cmocka_unit_test(a_link_to_what_it_replaces_is_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(deep_trees_end),
		cmocka_unit_test(an_image_is_made_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
