/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies: into the guest by walking a directory the CLI opened, out of it by unpacking an archive
 * that the guest wrote. Nothing is followed: every name is resolved beneath the one directory
 * descriptor, without symbolic links and without crossing a mount.
 */
#include "base/buf.h"
#include "base/io.h"
#include "proc/porter/porter.h"
#include "wire/tar.h"
#include <dirent.h>
#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEPTH_MAX 64
#define CHUNK     32768
#define SKIP_MAX  (8u << 20) /* octets of names */

struct level {
	DIR *dir;
	size_t path_len; /* of the archive path of this directory */
};

/* Names that stay behind, sorted when the copy begins */
struct skips {
	struct bb_buf text;
	char **names;
	size_t n;
};

struct copy {
	bool out;
	bool ended;     /* IN: the whole archive was sent; OUT: it has ended */
	int base;       /* the CLI's directory */
	int file;       /* open file, or -1 */
	uint64_t left;  /* octets of it */
	size_t pad;     /* zero octets after it */
	uint64_t bytes; /* of file data so far */
	uint64_t skipped;
	bool raw;                     /* OUT: links as they are */
	uint64_t limit;               /* OUT: of bytes */
	uint32_t entries;             /* OUT: how many more names; they cost more than octets */
	char host_name[TAR_PATH_MAX]; /* IN: name below base, "" = base itself;
				       * OUT: the one name that may come, "" = any */
	char path[TAR_PATH_MAX];      /* IN: archive path being walked */
	struct level levels[DEPTH_MAX];
	size_t depth;
	bool root_done;
	struct tar_reader reader;
	struct bb_buf said; /* what the guest's side wrote on stderr */
	uint16_t err;
	char why[256];
};

void copy_free(struct copy *c)
{
	if (!c)
		return;
	while (c->depth)
		(void)closedir(c->levels[--c->depth].dir);
	bb_closep(&c->file);
	bb_closep(&c->base);
	bb_buf_release(&c->said);
	free(c);
}

static void copy_done(struct porter *p)
{
	struct copy *c = p->copy;
	struct ipc_msg msg = { .type = IPC_COPY_DONE, .fd = -1 };
	char text[512];

	if (p->done)
		return;
	(void)snprintf(text, sizeof(text), "%s", c->why);
	if (!c->err && c->skipped)
		(void)snprintf(text, sizeof(text),
			       "%llu entries were left out (not a file or directory, or a link "
			       "that leads outside)",
			       (unsigned long long)c->skipped);
	msg.u.copy_done.err = c->err;
	msg.u.copy_done.bytes = c->bytes;
	msg.u.copy_done.text = BB_SPAN_STR(text);
	p->done = true;
	porter_to_cli(p, &msg);
}

BB_PRINTF(3, 4) static void copy_failed(struct copy *c, int code, const char *fmt, ...)
{
	va_list ap;

	if (c->err)
		return;
	c->err = (uint16_t)-code;
	va_start(ap, fmt);
	(void)vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
}

/* Open beneath @dir: no links, no other mount, nothing above */
static int open_beneath(int dir, const char *name, uint64_t flags, uint64_t mode)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
				.mode = mode,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
					   RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* ---- into the guest ---- */

static int send_tar(struct porter *p, const void *data, size_t len)
{
	return len ? porter_frame(p, EXEC_TYPE_TAR_IN, data, len) : 0;
}

static int send_header(struct porter *p, const struct stat *st, const char *target)
{
	static struct tar_entry e;
	uint8_t block[TAR_HEADER_MAX];
	struct copy *c = p->copy;
	size_t n;

	e = (struct tar_entry){ .mode = st->st_mode & 07777, .mtime = st->st_mtime };
	(void)snprintf(e.path, sizeof(e.path), "%s", c->path[0] ? c->path : ".");
	(void)snprintf(e.target, sizeof(e.target), "%s", target);
	if (S_ISDIR(st->st_mode)) {
		e.type = TAR_TYPE_DIR;
	} else if (S_ISLNK(st->st_mode)) {
		e.type = TAR_TYPE_SYMLINK;
	} else {
		e.type = TAR_TYPE_FILE;
		e.size = (uint64_t)st->st_size;
	}
	n = tar_header_write(block, &e);
	if (n == 0)
		return -ENAMETOOLONG;
	return send_tar(p, block, n);
}

static int enter_dir(struct copy *c, int fd)
{
	DIR *dir;

	if (c->depth == DEPTH_MAX) {
		(void)close(fd);
		return -ELOOP;
	}
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -errno;
	}
	c->levels[c->depth++] = (struct level){ dir, strlen(c->path) };
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool stays_behind(const struct porter *p, const char *path)
{
	return p->skips &&
	       bsearch(&path, p->skips->names, p->skips->n, sizeof(*p->skips->names), by_name);
}

/* One entry @name below @dir; c->path is already its archive path */
static int send_entry(struct porter *p, int dir, const char *name)
{
	char target[TAR_PATH_MAX] = "";
	struct copy *c = p->copy;
	struct stat st;
	ssize_t n;
	int fd, r;

	if (stays_behind(p, c->path))
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return errno == ENOENT ? 0 : -errno; /* gone while we walk */
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return send_header(p, &st, target);
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		c->skipped++;
		return 0;
	}
	fd = *name ? open_beneath(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)
		   : open_beneath(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else
		r = send_header(p, &st, "");
	if (r == 0 && S_ISDIR(st.st_mode))
		return enter_dir(c, fd);
	if (r == 0 && S_ISREG(st.st_mode)) {
		c->file = fd;
		c->left = (uint64_t)st.st_size;
		c->pad = tar_padding(c->left);
		return 0;
	}
	(void)close(fd);
	return r;
}

/* Next piece of the open file; one that shrank is filled with zeros, one that grew is cut */
static int send_file(struct porter *p)
{
	static uint8_t chunk[CHUNK + TAR_BLOCK];
	struct copy *c = p->copy;
	size_t want = c->left < CHUNK ? (size_t)c->left : CHUNK, tail = 0;
	ssize_t n = want ? read(c->file, chunk, want) : 0;

	if (n < 0)
		return -errno;
	if ((size_t)n < want)
		memset(chunk + n, 0, want - (size_t)n);
	c->left -= want;
	c->bytes += want;
	if (c->left == 0) {
		tail = c->pad;
		memset(chunk + want, 0, tail);
		bb_closep(&c->file);
		c->file = -1;
	}
	return send_tar(p, chunk, want + tail);
}

static int walk_on(struct porter *p)
{
	struct copy *c = p->copy;
	struct level *l;
	struct dirent *e;
	size_t n;

	if (!c->root_done) {
		c->root_done = true;
		return send_entry(p, c->base, c->host_name);
	}
	if (c->depth == 0) {
		static const uint8_t end[TAR_END_BYTES];
		int r = send_tar(p, end, sizeof(end));

		c->ended = true;
		return r < 0 ? r : porter_frame(p, EXEC_TYPE_TAR_IN, NULL, 0);
	}
	l = &c->levels[c->depth - 1];
	c->path[l->path_len] = '\0';
	e = readdir(l->dir);
	if (!e) {
		(void)closedir(l->dir);
		c->depth--;
		return 0;
	}
	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return 0;
	n = (size_t)snprintf(c->path + l->path_len, sizeof(c->path) - l->path_len, "%s%s",
			     l->path_len ? "/" : "", e->d_name);
	if (n >= sizeof(c->path) - l->path_len)
		return -ENAMETOOLONG;
	return send_entry(p, dirfd(l->dir), e->d_name);
}

void copy_pump(struct porter *p)
{
	struct evbuffer *out = bufferevent_get_output(p->stream);
	struct copy *c = p->copy;

	while (!c->out && !c->ended && !p->done && evbuffer_get_length(out) < PORTER_QUEUE_MAX) {
		int r = c->file >= 0 ? send_file(p) : walk_on(p);

		if (r < 0) {
			copy_failed(c, r, "%s: %s", c->path[0] ? c->path : ".", strerror(-r));
			copy_done(p);
			return;
		}
	}
}

/* ---- out of the guest ---- */

static int take_name(struct copy *c)
{
	if (c->entries == 0)
		return -E2BIG;
	c->entries--;
	return 0;
}

/* Make the directories above @path, then give the last one and the last component */
static int open_parent(struct copy *c, const char *path, const char **ret_name)
{
	char dir[TAR_PATH_MAX];
	const char *slash = path;

	while ((slash = strchr(slash, '/'))) {
		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = '\0';
		int parent = open_beneath(c->base, dir, O_RDONLY | O_DIRECTORY, 0);

		if (parent == -ENOENT) {
			const char *name;
			int made, above = open_parent(c, dir, &name);

			if (above < 0)
				return above;
			made = take_name(c);
			if (made == 0)
				(void)mkdirat(above, name, 0755);
			(void)close(above);
			if (made < 0)
				return made;
		} else if (parent < 0) {
			return parent;
		} else {
			(void)close(parent);
		}
		slash++;
	}
	slash = strrchr(path, '/');
	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return open_beneath(c->base, ".", O_RDONLY | O_DIRECTORY, 0);
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return open_beneath(c->base, dir, O_RDONLY | O_DIRECTORY, 0);
}

/*
 * What a guest sends for one file, into a directory with things of the user's, is that file: it
 * does not choose names there. Return: false with why in @c
 */
static bool is_asked_for(struct copy *c, const struct tar_entry *e)
{
	if (!c->host_name[0])
		return true;
	if (strcmp(e->path, ".") == 0 || (e->type == TAR_TYPE_DIR && !strchr(e->path, '/')))
		copy_failed(c, -EISDIR,
			    "%s is a directory in the bottle: its content goes into an empty "
			    "directory, or beside what is there with a '/' behind the name",
			    c->host_name);
	else if (strcmp(e->path, c->host_name) != 0)
		copy_failed(c, -EPERM, "the bottle sends %.100s, which was not asked for", e->path);
	return !c->err;
}

/* As in a copy into the guest, and for who has to remove it again (state/bottle.c) */
static bool is_too_deep(const char *path)
{
	unsigned int depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth > DEPTH_MAX;
}

static int make_entry(struct copy *c, const struct tar_entry *e)
{
	const char *name;
	bb_auto_close int parent = -1;
	int r = 0;

	if (!is_asked_for(c, e))
		return 0;
	r = take_name(c);
	if (r == 0 && is_too_deep(e->path))
		r = -ENAMETOOLONG;
	if (r < 0)
		return r;
	if (e->size > c->limit - c->bytes)
		return -EFBIG;
	if (strcmp(e->path, ".") == 0)
		return 0;
	parent = open_parent(c, e->path, &name);
	if (parent < 0)
		return parent;
	if (e->type == TAR_TYPE_DIR) {
		if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
			r = -errno;
		return r;
	}
	if (e->type == TAR_TYPE_SYMLINK && !c->raw && !tar_target_is_inside(e->path, e->target)) {
		c->skipped++;
		return 0;
	}
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (e->type == TAR_TYPE_SYMLINK)
		return symlinkat(e->target, parent, name) < 0 ? -errno : 0;
	/* No set-id bits from a guest */
	c->file = open_beneath(parent, name, O_WRONLY | O_CREAT | O_EXCL,
			       (e->mode & 0755) | (c->raw ? 0600 : 0));
	c->left = e->size;
	if (c->file < 0) {
		r = c->file;
		c->file = -1;
	}
	return r;
}

static int take_data(struct copy *c, struct bb_span data)
{
	int r = c->file < 0 ? 0 : bb_write_full(c->file, data.p, data.len);

	c->bytes += data.len;
	c->left = c->left > data.len ? c->left - data.len : 0;
	return r;
}

void copy_frame(struct porter *p, struct bb_span payload)
{
	struct copy *c = p->copy;

	if (!c->out) {
		porter_fail(p, "the guest sent an archive that nobody asked for");
		return;
	}
	if (payload.len == 0)
		c->ended = true;
	while (!c->err && payload.len) {
		struct bb_span data;
		enum tar_event ev = tar_reader_next(&c->reader, &payload, &data);
		int r = 0;

		if (ev == TAR_EVENT_BAD) {
			copy_failed(c, -EBADMSG, "the guest's archive is refused: %s",
				    tar_result_str[c->reader.result]);
		} else if (ev == TAR_EVENT_ENTRY) {
			bb_closep(&c->file);
			c->file = -1;
			r = make_entry(c, &c->reader.entry);
		} else if (ev == TAR_EVENT_DATA) {
			r = take_data(c, data);
		} else {
			break; /* more is needed, or the end */
		}
		if (r < 0)
			copy_failed(c, r, "%s: %s", c->reader.entry.path, strerror(-r));
	}
	if (c->err)
		copy_done(p);
}

void copy_stderr(struct porter *p, struct bb_span text)
{
	struct copy *c = p->copy;

	if (c->said.len + text.len <= c->said.cap)
		(void)!bb_buf_add(&c->said, text.p, text.len);
}

void copy_exit(struct porter *p, const struct exec_exit *e)
{
	struct copy *c = p->copy;
	size_t n = c->said.len;

	while (n && c->said.p[n - 1] == '\n')
		n--;
	if (e->code || e->signal)
		copy_failed(c, -EIO, "in the bottle: %.*s", (int)n,
			    n ? (const char *)c->said.p : "");
	else if (!c->ended || (c->out && !tar_reader_is_done(&c->reader)))
		copy_failed(c, -EIO, "the archive ended early");
	copy_done(p);
}

/* ---- both ---- */

static int set_span(char *out, size_t size, struct bb_span s)
{
	if (s.len >= size || memchr(s.p, 0, s.len))
		return -EINVAL;
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return 0;
}

/*
 * Into "dir/" the entry keeps its name; into "dir/name" it becomes that. The archive is unpacked in
 * the directory part.
 */
static void split_guest_path(struct copy *c, char *path)
{
	char *slash = strrchr(path, '/');
	const char *base = strrchr(c->host_name, '/');

	if (!c->host_name[0]) {
		c->path[0] = '\0'; /* the directory's content, into path itself */
		return;
	}
	base = base ? base + 1 : c->host_name;
	if (slash && slash[1]) {
		(void)snprintf(c->path, sizeof(c->path), "%s", slash + 1);
		slash[slash == path] = '\0';
	} else {
		(void)snprintf(c->path, sizeof(c->path), "%s", base);
	}
}

static int send_exec(struct porter *p, bool out, const char *path, const char *user,
		     struct bb_err *err)
{
	json_auto_t *json = json_pack("{s:s}", out ? "tar_out" : "tar_in", path);
	bb_auto_free char *text = NULL;

	if (json && *user)
		(void)json_object_set_new(json, "user", json_string(user));
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		return bb_err_set(err, -EINVAL, "copy: the path is not UTF-8");
	if (porter_frame(p, EXEC_TYPE_EXEC, text, strlen(text)) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	return 0;
}

int copy_skip(struct porter *p, struct bb_span names, struct bb_err *err)
{
	if (!p->skips) {
		p->skips = calloc(1, sizeof(*p->skips));
		if (!p->skips)
			return bb_err_set(err, -ENOMEM, "no memory");
		bb_buf_init(&p->skips->text, SKIP_MAX);
	}
	if (names.len && names.p[names.len - 1])
		return bb_err_set(err, -EINVAL, "copy: a name without an end");
	if (bb_buf_add(&p->skips->text, names.p, names.len) < 0)
		return bb_err_set(err, -E2BIG, "copy: more than %u MiB of names that stay behind",
				  SKIP_MAX >> 20);
	return 0;
}

static int sort_skips(struct skips *s, struct bb_err *err)
{
	char *at = (char *)s->text.p, *end = at + s->text.len;

	for (size_t i = 0; i < s->text.len; i++)
		s->n += s->text.p[i] == '\0';
	s->names = calloc(s->n + 1, sizeof(*s->names));
	if (!s->names)
		return bb_err_set(err, -ENOMEM, "no memory");
	for (s->n = 0; at < end; at += strlen(at) + 1)
		s->names[s->n++] = at;
	qsort(s->names, s->n, sizeof(*s->names), by_name);
	return 0;
}

int copy_start(struct porter *p, struct ipc_msg *msg, struct bb_err *err)
{
	char path[TAR_PATH_MAX], user[64];
	struct copy *c;

	if (set_span(path, sizeof(path), msg->u.copy.path) < 0 ||
	    set_span(user, sizeof(user), msg->u.copy.user) < 0 || path[0] != '/')
		return bb_err_set(err, -EINVAL, "copy: the path in the bottle must be absolute");
	c = calloc(1, sizeof(*c));
	if (!c)
		return bb_err_set(err, -ENOMEM, "no memory");
	c->file = -1;
	c->out = msg->type == IPC_COPY_OUT;
	c->raw = msg->u.copy.raw;
	c->limit = msg->u.copy.limit;
	c->entries = msg->u.copy.entries;
	c->base = BB_TAKE_FD(msg->fd);
	bb_buf_init(&c->said, 200);
	tar_reader_init(&c->reader);
	p->copy = c;
	if (set_span(c->host_name, sizeof(c->host_name), msg->u.copy.name) < 0)
		return bb_err_set(err, -EINVAL, "copy: bad name");
	if (!c->out)
		split_guest_path(c, path);
	if (p->skips && sort_skips(p->skips, err) < 0)
		return err->code;
	if (send_exec(p, c->out, path, user, err) < 0)
		return err->code;
	copy_pump(p);
	return 0;
}
