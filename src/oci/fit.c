/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/fit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define NODE    "node"
#define NODE_ID 1000u
#define HOME    "home/node"

static int fail(struct bb_err *err, int code, const char *path)
{
	return bb_err_set(err, code, "preparing /%s: %s", path,
			  code == -ENOTDIR ? "the image has something else there, no directory"
					   : strerror(-code));
}

static int find(struct rootfs *fs, const char *path, struct rootfs_node **ret)
{
	return rootfs_walk(fs, BB_SPAN_STR(path), 0, true, ret);
}

static int load(struct rootfs *fs, const struct rootfs_node *n, struct bb_buf *ret)
{
	BB_UNINIT uint8_t chunk[16384];
	int r = n->inode->size > ret->cap ? -EFBIG : 0;

	for (uint64_t at = 0; r == 0 && at < n->inode->size; at += sizeof(chunk)) {
		uint64_t left = n->inode->size - at;
		size_t len = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

		r = rootfs_read(fs, n->inode, at, chunk, len);
		if (r == 0)
			r = bb_buf_add(ret, chunk, len);
	}
	return r;
}

static int store(struct rootfs *fs, struct rootfs_node *n, struct bb_span data)
{
	n->inode->data = fs->scratch_len;
	n->inode->size = data.len;
	return rootfs_append(fs, data);
}

/* A file that is there, or a new one of root's. @dir exists */
static int open_file(struct rootfs *fs, const char *dir, const char *name, uint32_t mode,
		     uint32_t layer, struct rootfs_node **ret)
{
	char path[256];
	struct rootfs_node *parent;
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = find(fs, path, ret);
	if (r == 0 && !rootfs_is_file(*ret))
		return -EINVAL;
	if (r != -ENOENT)
		return r;
	r = find(fs, dir, &parent);
	/* -EEXIST: a link that leads nowhere */
	return r < 0 ? r
		     : rootfs_add(fs, parent, BB_SPAN_STR(name), S_IFREG | mode, layer, NULL, ret);
}

/* Does the text have a line whose field @index is @value? Fields are parted by colons */
static bool has_field(const char *text, unsigned int index, const char *value)
{
	size_t n = strlen(value);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		const char *at = line + (*line == '\n');
		unsigned int i = 0;

		line = at;
		while (i < index && (at = strpbrk(at, ":\n")) && *at == ':')
			i++, at++;
		if (i == index && strncmp(at, value, n) == 0 && (at[n] == ':' || at[n] == '\n'))
			return true;
		if (!*line)
			break;
	}
	return false;
}

/* Add @line to etc/@name unless field @index is @value somewhere */
static int add_line(struct rootfs *fs, const char *name, unsigned int index, const char *value,
		    const char *first, const char *line, uint32_t layer)
{
	bb_auto_buf struct bb_buf text;
	struct rootfs_node *n;
	int r = open_file(fs, "etc", name, 0644, layer, &n);

	bb_buf_init(&text, FIT_FILE_MAX);
	if (r == 0)
		r = load(fs, n, &text);
	if (r == 0 && text.len == 0)
		r = bb_buf_addf(&text, "%s", first);
	if (r == 0 && text.p[text.len - 1] != '\n')
		r = bb_buf_addf(&text, "\n");
	if (r < 0)
		return r;
	if (!bb_buf_str(&text))
		return -ENOMEM;
	if (has_field(bb_buf_str(&text), index, value))
		return 0;
	r = bb_buf_addf(&text, "%s", line);
	return r < 0 ? r : store(fs, n, bb_buf_span(&text));
}

static int add_user(struct rootfs *fs, uint32_t layer)
{
	struct rootfs_node *ignored;
	const char *shell = find(fs, "bin/bash", &ignored) == 0 ? "/bin/bash" : "/bin/sh";
	char line[160];
	int r;

	/* "*": no password, and nothing to look up in shadow for sudo */
	(void)snprintf(line, sizeof(line), NODE ":*:%u:%u::/" HOME ":%s\n", NODE_ID, NODE_ID,
		       shell);
	r = add_line(fs, "passwd", 0, NODE, "root:*:0:0:root:/root:/bin/sh\n", line, layer);
	(void)snprintf(line, sizeof(line), NODE ":x:%u:\n", NODE_ID);
	if (r == 0)
		r = add_line(fs, "group", 2, "1000", "root:x:0:\n", line, layer);
	return r;
}

/* For an image with sudo in it, of a user that we have made */
static int let_sudo(struct rootfs *fs, uint32_t layer)
{
	static const char rule[] = NODE " ALL=(ALL) NOPASSWD: ALL\n";
	struct rootfs_node *n;
	int r;

	if (find(fs, "etc/sudoers.d", &n) < 0 || !rootfs_is_dir(n) ||
	    rootfs_child(n, BB_SPAN_STR(NODE)))
		return 0;
	r = rootfs_add(fs, n, BB_SPAN_STR(NODE), S_IFREG | 0440, layer, NULL, &n);
	return r < 0 ? r : store(fs, n, BB_SPAN_STR(rule));
}

static const struct {
	const char *path;
	uint32_t mode, id;
	bool real; /* no link may stand there: the guest mounts over it before it is the root */
} dirs[] = {
	{ "dev", 0755, 0, true },
	{ "proc", 0755, 0, true },
	{ "sys", 0755, 0, true },
	{ "run", 0755, 0, true },
	{ "etc", 0755, 0, true },
	{ "tmp", 01777, 0, false },
	{ "root", 0700, 0, false },
	{ "workspace", 0755, NODE_ID, false },
	{ "home", 0755, 0, false },
	{ HOME, 0755, NODE_ID, false },
	{ "var/lib/docker", 0710, 0, false },
	{ "usr/local/share/ca-certificates", 0755, 0, false },
};

static int make_dirs(struct rootfs *fs, uint32_t layer, struct bb_err *err)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(dirs); i++) {
		struct rootfs_node *n = rootfs_child(fs->root, BB_SPAN_STR(dirs[i].path));
		int r = n && dirs[i].real && !rootfs_is_dir(n) ? -ENOTDIR : 0;

		if (r == 0 && find(fs, dirs[i].path, &n) == 0) {
			r = rootfs_is_dir(n) ? 0 : -ENOTDIR;
		} else if (r == 0) {
			r = rootfs_walk(fs, BB_SPAN_STR(dirs[i].path), layer, true, &n);
			if (r == 0) {
				n->inode->mode = S_IFDIR | dirs[i].mode;
				n->inode->uid = n->inode->gid = dirs[i].id;
			}
		}
		if (r < 0)
			return fail(err, r, dirs[i].path);
	}
	return 0;
}

int fit_rootfs(struct rootfs *fs, uint32_t layer, struct bb_err *err)
{
	int r = make_dirs(fs, layer, err);

	if (r < 0)
		return r;
	r = add_user(fs, layer);
	if (r < 0)
		return fail(err, r, "etc/passwd");
	r = let_sudo(fs, layer);
	return r < 0 ? fail(err, r, "etc/sudoers.d") : 0;
}

int fit_roots(struct rootfs *fs, struct bb_buf *ret, struct bb_err *err)
{
	/* Debian, Alpine; Fedora; openSUSE; others */
	static const char *const paths[] = {
		"etc/ssl/certs/ca-certificates.crt",
		"etc/pki/tls/certs/ca-bundle.crt",
		"etc/ssl/ca-bundle.pem",
		"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"etc/ssl/cert.pem",
	};

	for (size_t i = 0; i < BB_ARRAY_LEN(paths); i++) {
		struct rootfs_node *n;
		int r;

		if (find(fs, paths[i], &n) < 0 || !rootfs_is_file(n) || n->inode->size == 0)
			continue;
		r = load(fs, n, ret);
		return r < 0 ? fail(err, r, paths[i]) : 0;
	}
	return 0;
}
