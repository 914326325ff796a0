/* SPDX-License-Identifier: Apache-2.0 */
#include "workspace/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEPTH_MAX 64

static const char type_letters[TREE_NUM_TYPES + 1] = "-fxldo";

void tree_release(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->entries[i].path);
		free(t->entries[i].target);
	}
	free(t->entries);
	*t = (struct tree){ 0 };
}

int tree_open(int root, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int tree_open_parent(int root, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[TREE_PATH_MAX] = ".";
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n >= sizeof(dir))
		return -ENAMETOOLONG;
	if (n) {
		memcpy(dir, path, n);
		dir[n] = '\0';
	}
	*ret_name = slash ? slash + 1 : path;
	return tree_open(root, dir, O_RDONLY | O_DIRECTORY);
}

int tree_add(struct tree *t, const char *path, const struct tree_entry *e)
{
	struct tree_entry *to;

	if (t->n == t->alloc) {
		size_t want = t->alloc ? t->alloc * 2 : 256;
		struct tree_entry *p = realloc(t->entries, want * sizeof(*p));

		if (!p)
			return -ENOMEM;
		t->entries = p;
		t->alloc = want;
	}
	to = &t->entries[t->n];
	*to = *e;
	to->path = strdup(path);
	to->target = e->target ? strdup(e->target) : NULL;
	if (!to->path || (e->target && !to->target)) {
		free(to->path);
		free(to->target);
		return -ENOMEM;
	}
	t->n++;
	return 0;
}

static int look_at_link(int dir, const char *name, struct tree_entry *e)
{
	char target[TREE_PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	e->target = strdup(target);
	return e->target ? digest_bytes(BB_SPAN_STR(target), e->digest) : -ENOMEM;
}

/* @name in @dir. Return: 0 with @e->target owned, or -errno */
static int look(int dir, const char *name, struct tree_entry *e)
{
	bb_auto_close int fd = -1;
	struct stat st;

	*e = (struct tree_entry){ 0 };
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode)) {
		e->type = TREE_LINK;
		return look_at_link(dir, name, e);
	}
	if (!S_ISREG(st.st_mode)) {
		e->type = S_ISDIR(st.st_mode) ? TREE_DIR : TREE_OTHER;
		return 0;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	e->type = st.st_mode & S_IXUSR ? TREE_EXEC : TREE_FILE;
	return digest_fd(fd, e->digest, &e->size);
}

int tree_look(int root, const char *path, struct tree_entry *ret)
{
	const char *name;
	bb_auto_close int dir = tree_open_parent(root, path, &name);

	*ret = (struct tree_entry){ 0 };
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return look(dir, name, ret);
}

struct walk {
	struct tree *tree;
	tree_skip_fn skip;
	void *arg;
	char path[TREE_PATH_MAX];
	struct bb_err *err;
};

static int walk_dir(struct walk *w, int fd, size_t len, unsigned int depth);

static int walk_entry(struct walk *w, int dir, const char *name, size_t len, unsigned int depth)
{
	struct tree_entry e = { 0 };
	bb_auto_close int sub = -1;
	struct stat st;
	int r;

	if (w->skip && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    w->skip(w->path, S_ISDIR(st.st_mode), w->arg))
		return 0;
	r = look(dir, name, &e);
	if (r == 0 && (e.type == TREE_NONE || e.type == TREE_OTHER))
		return 0; /* gone while we walk; or such as no copy carries */
	if (r == 0 && w->tree->n == TREE_ENTRIES_MAX)
		return bb_err_set(w->err, -E2BIG, "more than %u files", TREE_ENTRIES_MAX);
	if (r == 0)
		r = tree_add(w->tree, w->path, &e);
	free(e.target);
	if (r < 0)
		return bb_err_set(w->err, r, "%s: %s", w->path, strerror(-r));
	if (e.type != TREE_DIR)
		return 0;
	sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return bb_err_set(w->err, -errno, "%s: %s", w->path, strerror(errno));
	return walk_dir(w, sub, len, depth + 1);
}

static int walk_dir(struct walk *w, int fd, size_t len, unsigned int depth)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;
	int r = 0;

	if (!dir || depth > DEPTH_MAX) {
		r = dir ? -ELOOP : -errno;
		if (dir)
			(void)closedir(dir);
		return bb_err_set(w->err, r, "%s: %s", len ? w->path : ".", strerror(-r));
	}
	while (r == 0 && (e = readdir(dir))) {
		size_t n = strlen(e->d_name) + (len > 0);

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (len + n >= sizeof(w->path)) {
			r = bb_err_set(w->err, -ENAMETOOLONG, "a path is over %u octets",
				       TREE_PATH_MAX - 1);
			break;
		}
		(void)snprintf(w->path + len, sizeof(w->path) - len, "%s%s", len ? "/" : "",
			       e->d_name);
		r = walk_entry(w, fd, e->d_name, len + n, depth);
		w->path[len] = '\0';
	}
	(void)closedir(dir);
	return r;
}

static int by_path(const void *a, const void *b)
{
	const struct tree_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int tree_read(int root, tree_skip_fn skip, void *arg, struct tree *ret, struct bb_err *err)
{
	tree_auto struct tree tree = { 0 };
	struct walk w = { .tree = &tree, .skip = skip, .arg = arg, .err = err };
	int r = walk_dir(&w, root, 0, 0);

	if (r < 0)
		return r;
	if (tree.n)
		qsort(tree.entries, tree.n, sizeof(*tree.entries), by_path);
	*ret = tree;
	tree = (struct tree){ 0 };
	return 0;
}

const struct tree_entry *tree_find(const struct tree *t, const char *path)
{
	const struct tree_entry key = { .path = (char *)(uintptr_t)path };

	return t->n ? bsearch(&key, t->entries, t->n, sizeof(key), by_path) : NULL;
}

bool tree_same(const struct tree_entry *a, const struct tree_entry *b)
{
	enum tree_type ta = a ? a->type : TREE_NONE, tb = b ? b->type : TREE_NONE;

	if (ta != tb || ta == TREE_OTHER)
		return false;
	if (ta == TREE_NONE || ta == TREE_DIR)
		return true;
	return a->size == b->size && memcmp(a->digest, b->digest, DIGEST_BYTES) == 0;
}

/* type, size, digest, path, NUL: no name can hold that one */
int tree_save(const struct tree *t, struct bb_buf *ret)
{
	int r = 0;

	for (size_t i = 0; i < t->n && r == 0; i++) {
		const struct tree_entry *e = &t->entries[i];
		char sum[DIGEST_HEX];

		digest_hex(e->digest, sum);
		r = bb_buf_addf(ret, "%c %llu %s %s", type_letters[e->type],
				(unsigned long long)e->size, sum, e->path);
		if (r == 0)
			r = bb_buf_add(ret, "", 1);
	}
	return r;
}

static bool parse_line(const char *line, struct tree_entry *e, const char **ret_path)
{
	unsigned long long size;
	char letter, sum[DIGEST_HEX];
	const char *type;
	int at = 0;

	if (sscanf(line, "%c %llu %64[0-9a-f] %n", &letter, &size, sum, &at) != 3 || !at ||
	    strlen(sum) != DIGEST_HEX - 1 || !line[at])
		return false;
	type = strchr(type_letters, letter);
	if (!type || type == type_letters || !*type)
		return false;
	*e = (struct tree_entry){ .type = (enum tree_type)(type - type_letters), .size = size };
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		e->digest[i] = (uint8_t)(bb_hex_value((uint8_t)sum[2 * i]) << 4 |
					 bb_hex_value((uint8_t)sum[2 * i + 1]));
	*ret_path = line + (strchr(line + 2, ' ') - line) + DIGEST_HEX + 1;
	return true;
}

int tree_load(struct bb_span text, struct tree *ret, struct bb_err *err)
{
	tree_auto struct tree tree = { 0 };
	const char *at = (const char *)text.p, *end = at + text.len;

	while (at < end) {
		const char *nul = memchr(at, 0, (size_t)(end - at)), *path;
		struct tree_entry e;

		if (!nul || !parse_line(at, &e, &path))
			return bb_err_set(err, -EBADMSG,
					  "the list of what was copied in is damaged");
		if (tree.n == TREE_ENTRIES_MAX || tree_add(&tree, path, &e) < 0)
			return bb_err_set(err, -ENOMEM, "no memory");
		at = nul + 1;
	}
	*ret = tree;
	tree = (struct tree){ 0 };
	return 0;
}
