/* SPDX-License-Identifier: Apache-2.0 */
#include "state/audit_read.h"
#include "ipc/msg.h"
#include "state/audit_files.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define AUDIT_NAME "the audit"
#define CHUNK      65536

int audit_open(int state_fd, struct audit_reader *ret, struct bb_err *err)
{
	bb_auto_close int dir = fcntl(state_fd, F_DUPFD_CLOEXEC, 3);
	struct audit_reader r = { .fd = -1 };

	if (dir < 0)
		return bb_err_set(err, -errno, "%s: %s", AUDIT_NAME, strerror(errno));
	r.fd = audit_file_after(dir, &r.file, &r.is_last, err);
	if (r.fd < 0)
		return r.fd;
	r.dir = BB_TAKE_FD(dir);
	*ret = r;
	bb_buf_init(&ret->buf, AUDIT_LINE_MAX + CHUNK);
	return 0;
}

void audit_close(struct audit_reader *r)
{
	if (r->fd >= 0)
		bb_closep(&r->dir);
	bb_closep(&r->fd);
	r->fd = -1;
	bb_buf_release(&r->buf);
}

/* Append what the file has. Return: 1 more came, 0 end, -errno with @err */
static int fill(struct audit_reader *r, struct bb_err *err)
{
	uint8_t chunk[CHUNK];
	ssize_t n;
	int e;

	if (r->buf.len >= AUDIT_LINE_MAX) {
		r->buf.len = 0;
		r->skipping = true;
	}
	do
		n = read(r->fd, chunk, sizeof(chunk));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return bb_err_set(err, -errno, "%s: %s", AUDIT_NAME, strerror(errno));
	if (n == 0)
		return 0;
	e = bb_buf_add(&r->buf, chunk, (size_t)n);
	return e < 0 ? bb_err_set(err, e, "%s: %s", AUDIT_NAME, strerror(-e)) : 1;
}

/* At the end of one file: go on to the next. Return: 1, 0 there is none yet, -errno with @err */
static int next_file(struct audit_reader *r, struct bb_err *err)
{
	bb_auto_close int fd = -1;
	unsigned int n = r->file;
	struct stat st;
	bool last;
	int more;

	if (r->is_last && !audit_file_is_numbered(r->dir, n))
		return 0;
	r->is_last = false;
	fd = audit_file_after(r->dir, &n, &last, err);
	if (fd < 0)
		return fd;
	/* Empty: recorder may still write to the one before. Else that is complete since now */
	if (fstat(fd, &st) < 0 || st.st_size == 0)
		return 0;
	more = fill(r, err);
	if (more != 0)
		return more;
	if (r->buf.len || r->skipping) { /* a line that a crash cut */
		r->buf.len = 0;
		r->skipping = false;
		r->n_bad++;
	}
	bb_closep(&r->fd);
	r->fd = BB_TAKE_FD(fd);
	r->file = n;
	r->is_last = last;
	return 1;
}

/* The next line without its newline. Return: 1, 0 at the end, -errno with @err */
static int next_line(struct audit_reader *r, struct bb_span *ret, struct bb_err *err)
{
	const uint8_t *newline;
	size_t looked = 0;
	int more;

	bb_buf_drop(&r->buf, r->used);
	r->used = 0;
	for (;;) {
		newline = r->buf.len > looked ? memchr(r->buf.p + looked, '\n', r->buf.len - looked)
					      : NULL;
		if (newline)
			break;
		looked = r->buf.len;
		more = fill(r, err);
		if (more == 0)
			more = next_file(r, err);
		if (more <= 0)
			return more;
		if (looked > r->buf.len || r->skipping)
			looked = 0;
	}
	*ret = (struct bb_span){ r->buf.p, (size_t)(newline - r->buf.p) };
	r->used = ret->len + 1;
	return 1;
}

int audit_next(struct audit_reader *r, json_t **ret, struct bb_err *err)
{
	struct bb_span line;
	int more;

	while ((more = next_line(r, &line, err)) > 0) {
		json_t *j = NULL;

		if (!r->skipping)
			j = json_loadb((const char *)line.p, line.len,
				       JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		r->skipping = false;
		if (json_is_object(j)) {
			*ret = j;
			return 1;
		}
		json_decref(j);
		r->n_bad++;
	}
	return more;
}

/* jansson leaves DEL as it is, which is in texts only */
static int put_ascii(const char *p, size_t len, void *arg)
{
	FILE *out = arg;

	for (size_t i = 0; i < len; i++)
		if ((p[i] == 0x7f ? fputs("\\u007f", out) : fputc(p[i], out)) < 0)
			return -1;
	return 0;
}

int audit_print_json(const json_t *record, FILE *out)
{
	if (json_dump_callback(record, put_ascii, out, JSON_COMPACT | JSON_ENSURE_ASCII) < 0 ||
	    fputc('\n', out) < 0)
		return -EIO;
	return 0;
}

/*
 * The recorder writes octet N from 0x80 up as U+00NN, which JSON decoding makes two octets of
 * UTF-8: they are shown as the one octet that the guest sent.
 */
static size_t put_octet(const uint8_t *p, size_t left, bool lines, FILE *out)
{
	uint8_t c = p[0];
	size_t took = 1;
	int r;

	if ((c == 0xc2 || c == 0xc3) && left > 1 && (p[1] & 0xc0) == 0x80 && !lines) {
		c = (uint8_t)((c & 3) << 6 | (p[1] & 0x3f));
		took = 2;
	}
	if ((c >= 0x20 && c < 0x7f) || (lines && (c == '\n' || c == '\t')))
		r = fputc(c, out);
	else
		r = fprintf(out, "\\x%02x", c);
	return r < 0 ? 0 : took;
}

int audit_print_text(struct bb_span text, bool lines, FILE *out)
{
	size_t at = 0;

	while (at < text.len) {
		size_t took = put_octet(text.p + at, text.len - at, lines, out);

		if (took == 0)
			return -EIO;
		at += took;
	}
	return 0;
}

/* A member's text, without control octets, after @before; nothing when there is none */
static int put_member(const json_t *record, const char *key, const char *before, FILE *out)
{
	const json_t *v = json_object_get(record, key);
	struct bb_span s = { (const uint8_t *)json_string_value(v), json_string_length(v) };

	if (json_is_integer(v))
		return fprintf(out, "%s%lld", before, (long long)json_integer_value(v)) < 0 ? -EIO
											    : 0;
	if (!s.p || s.len == 0)
		return 0;
	if (fputs(before, out) < 0)
		return -EIO;
	return audit_print_text(s, false, out);
}

/* A fixed column, padded; hostile as the rest */
static int put_column(const json_t *record, const char *key, int width, FILE *out)
{
	int r = put_member(record, key, "", out);
	int len = (int)json_string_length(json_object_get(record, key));

	if (r == 0 && fprintf(out, "%*s", width > len ? width - len : 1, "") < 0)
		r = -EIO;
	return r;
}

static int put_counts(const json_t *record, FILE *out)
{
	static const char *const keys[] = { "status",      "bytes_out", "bytes_in",
					    "duration_ms", "allowed",   "denied" };
	static const char *const before[] = { "  status ", "  out ",     "  in ",
					      "  ms ",     "  allowed ", "  denied " };
	int r = 0;

	for (size_t i = 0; i < BB_ARRAY_LEN(keys) && r == 0; i++)
		r = put_member(record, keys[i], before[i], out);
	return r;
}

int audit_print_line(const json_t *record, FILE *out)
{
	int r = put_column(record, "time", 26, out);

	if (r == 0)
		r = put_column(record, "verdict", 7, out);
	if (r == 0)
		r = put_column(record, "kind", 9, out);
	if (r == 0)
		r = put_column(record, "reason", 18, out);
	if (r == 0)
		r = put_member(record, "method", "", out);
	if (r == 0)
		r = put_member(record, "host", " ", out);
	if (r == 0 && !json_object_get(record, "host"))
		r = put_member(record, "addr", " ", out);
	if (r == 0)
		r = put_member(record, "port", ":", out);
	if (r == 0)
		r = put_member(record, "path", "", out);
	if (r == 0)
		r = put_counts(record, out);
	if (r == 0)
		r = put_member(record, "text", "  ", out);
	if (r == 0 && fputc('\n', out) < 0)
		r = -EIO;
	return r;
}

int audit_print_log(int state_fd, const char *name, FILE *out, struct bb_err *err)
{
	bb_auto_close int fd = audit_file_open(state_fd, name, err);
	uint8_t chunk[CHUNK];
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		if (audit_print_text((struct bb_span){ chunk, (size_t)n }, true, out) < 0)
			return bb_err_set(err, -EIO, "%s: cannot be shown", name);
	}
	return n < 0 ? bb_err_set(err, -errno, "%s: %s", name, strerror(errno)) : 0;
}

/* Behind @key in a line, or NULL */
static const uint8_t *behind(struct bb_span line, const char *key)
{
	const uint8_t *hit = memmem(line.p, line.len, key, strlen(key));

	return hit ? hit + strlen(key) : NULL;
}

/* How many denials a line stands for */
static uint64_t denied_by(struct bb_span line)
{
	const uint8_t *number = behind(line, ",\"denied\":");
	uint64_t n = 0;

	if (!number)
		return behind(line, "\"verdict\":\"deny\"") &&
		       !behind(line, ",\"text\":\"" IPC_RECORD_TEXT_PROBE "\",");
	for (; number < line.p + line.len && *number >= '0' && *number <= '9' && n < UINT32_MAX;
	     number++)
		n = n * 10 + (uint64_t)(*number - '0');
	return n;
}

/*
 * In lines that the recorder wrote: a quote of anybody else's is escaped in them. Without parsing,
 * because `list` does this for every bottle.
 */
static uint64_t count_denied_in(struct bb_span lines)
{
	const uint8_t *at = lines.p, *end = lines.p + lines.len;
	uint64_t found = 0;

	while (at < end) {
		const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);

		found += denied_by((struct bb_span){ at, len });
		at += len + 1;
	}
	return found;
}

static uint64_t count_denied_of(int fd)
{
	static uint8_t chunk[AUDIT_LINE_MAX];
	uint64_t found = 0;
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, chunk + have, sizeof(chunk) - have)) > 0) {
		const uint8_t *last;
		size_t whole;

		have += (size_t)n;
		last = memrchr(chunk, '\n', have);
		whole = last ? (size_t)(last + 1 - chunk) : have < sizeof(chunk) ? 0 : have;
		found += count_denied_in((struct bb_span){ chunk, whole });
		have -= whole;
		memmove(chunk, chunk + whole, have);
	}
	return found + count_denied_in((struct bb_span){ chunk, have });
}

uint64_t audit_count_denied(int state_fd)
{
	struct bb_err ignored = { 0 };
	unsigned int file = 0;
	uint64_t found = 0;
	bool last = false;

	while (!last) {
		bb_auto_close int fd = audit_file_after(state_fd, &file, &last, &ignored);

		if (fd < 0)
			break;
		found += count_denied_of(fd);
	}
	return found;
}
