/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/journal.h"
#include "base/io.h"
#include "policy/reason.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define WINDOW_MS 1000

/* One whole write: what is only half there is not recorded */
static int put(struct journal *j, struct bb_span line, struct bb_err *err)
{
	ssize_t n;

	do
		n = write(j->fd, line.p, line.len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return bb_err_set(err, -errno, "%s: %s", JOURNAL_NAME, strerror(errno));
	j->size += (uint64_t)n;
	j->file_size += (uint64_t)n;
	j->dirty = true;
	if ((size_t)n != line.len)
		return bb_err_set(err, -ENOSPC, "%s: %s", JOURNAL_NAME, strerror(ENOSPC));
	return 0;
}

/* A record, with what chains it to the one before */
static int put_record(struct journal *j, struct bb_err *err)
{
	int r = audit_chain_add(&j->chain, &j->line);

	if (r < 0)
		return bb_err_set(err, r, "%s: the chain cannot go on", JOURNAL_NAME);
	return put(j, bb_buf_span(&j->line), err);
}

/* Whole lines of one file move the chain on; its size counts */
static int take_file(struct journal *j, int fd, struct bb_err *err)
{
	uint8_t chunk[4096];
	ssize_t n;
	int r = 0;

	j->line.len = 0;
	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0)
			return bb_err_set(err, -errno, "the audit cannot be read back");
		j->size += (uint64_t)n;
		for (ssize_t i = 0; i < n && r == 0; i++) {
			if (chunk[i] != '\n') {
				r = bb_buf_add(&j->line, &chunk[i], 1);
				continue;
			}
			/* else it was cut */
			(void)audit_chain_take(&j->chain, bb_buf_span(&j->line));
			j->line.len = 0;
		}
	}
	j->line.len = 0;
	return r < 0 ? bb_err_set(err, r, "the audit's chain cannot be found") : 0;
}

/* Opened again: the chain goes on from the last whole line of all files */
static int find_chain(struct journal *j, int dirfd, struct bb_err *err)
{
	unsigned int n = 0;
	bool last = false;

	if (audit_chain_begin(&j->chain, j->bottle) < 0)
		return bb_err_set(err, -EIO, "the audit's chain cannot begin");
	j->size = 0;
	while (!last) {
		bb_auto_close int fd = audit_file_after(dirfd, &n, &last, err);
		int r = fd < 0 ? fd : take_file(j, fd, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A crash may have cut the last line: end it, so that the next one stands alone */
static int end_cut_line(struct journal *j, struct bb_err *err)
{
	char last;

	if (j->file_size == 0)
		return 0;
	if (pread(j->fd, &last, 1, (off_t)j->file_size - 1) != 1)
		return bb_err_set(err, -EIO, "%s: cannot be read back", JOURNAL_NAME);
	return last == '\n' ? 0 : put(j, BB_SPAN_STR("\n"), err);
}

int journal_open(int dirfd, const char *bottle, struct journal *j, struct bb_err *err)
{
	struct stat st;
	int r;

	*j = (struct journal){ .bottle = bottle,
			       .max_size = JOURNAL_BYTES,
			       .max_file = JOURNAL_FILE_BYTES,
			       .head_fd = -1 };
	bb_buf_init(&j->line, FORMAT_LINE_MAX + AUDIT_CHAIN_SUFFIX);
	j->fd = openat(dirfd, JOURNAL_NAME,
		       O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return bb_err_set(err, -errno, "%s: %s", JOURNAL_NAME, strerror(errno));
	if (fstat(j->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		journal_release(j);
		return bb_err_set(err, -EINVAL, "%s: not a regular file", JOURNAL_NAME);
	}
	j->file_size = (uint64_t)st.st_size;
	r = end_cut_line(j, err);
	if (r == 0)
		r = find_chain(j, dirfd, err);
	/* empty until the end: who is killed leaves nothing to be signed */
	j->head_fd = openat(dirfd, AUDIT_HEAD_NAME,
			    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r == 0 && j->head_fd < 0)
		r = bb_err_set(err, -errno, "%s: %s", AUDIT_HEAD_NAME, strerror(errno));
	if (r < 0)
		journal_release(j);
	return r;
}

void journal_release(struct journal *j)
{
	bb_closep(&j->fd);
	j->fd = -1;
	bb_closep(&j->head_fd);
	j->head_fd = -1;
	bb_buf_release(&j->line);
}

static int put_count(struct journal *j, const struct journal_clock *now, const char *kind,
		     uint64_t allowed, uint64_t denied, struct bb_err *err)
{
	const struct format_origin o = { .wall_ms = now->wall_ms, .bottle = j->bottle };
	int r;

	j->line.len = 0;
	r = format_count(&o, kind, allowed, denied, &j->line);
	if (r < 0)
		return bb_err_set(err, r, "audit record: %s", strerror(-r));
	return put_record(j, err);
}

bool journal_wants_next(struct journal *j)
{
	if (j->next_asked || j->file_size < j->max_file || j->size >= j->max_size)
		return false;
	j->next_asked = true;
	return true;
}

int journal_next(struct journal *j, int fd, struct bb_err *err)
{
	int r = journal_sync(j, err);

	if (r < 0) {
		bb_closep(&fd);
		return r;
	}
	bb_closep(&j->fd);
	j->fd = fd;
	j->file_size = 0;
	j->next_asked = false;
	return 0;
}

bool journal_has_counts(const struct journal *j)
{
	return j->dropped || j->summed_allow || j->summed_deny;
}

int journal_flush(struct journal *j, const struct journal_clock *now, struct bb_err *err)
{
	int r = 0;

	if (j->dropped)
		r = put_count(j, now, "dropped", 0, j->dropped, err);
	if (r == 0 && (j->summed_allow || j->summed_deny))
		r = put_count(j, now, "summary", j->summed_allow, j->summed_deny, err);
	if (r < 0)
		return r;
	j->dropped = 0;
	j->summed_allow = 0;
	j->summed_deny = 0;
	return 0;
}

/* Does the record only go into a count? */
static bool is_counted(struct journal *j, enum ipc_role from, const struct ipc_record *rec)
{
	bool deny = rec->verdict == POLICY_DENY, counts = deny && rec->count && !j->window_counted;
	uint32_t n = rec->count ? rec->count : 1;

	if (from == IPC_ROLE_BOTTLED)
		return false;
	j->window_counted |= counts;
	if (deny && !counts && ++j->window_denied > JOURNAL_DENIALS) {
		j->dropped += n;
		return true;
	}
	if (j->size < j->max_size)
		return false;
	if (deny)
		j->summed_deny += n;
	else
		j->summed_allow++;
	return true;
}

int journal_add(struct journal *j, const struct journal_clock *now, enum ipc_role from,
		uint64_t flow, const struct ipc_record *rec, struct bb_err *err)
{
	const struct format_origin o = {
		.wall_ms = now->wall_ms, .bottle = j->bottle, .from = from, .flow = flow
	};
	int r;

	if (now->mono_ms - j->window_ms >= WINDOW_MS) {
		r = journal_flush(j, now, err);
		if (r < 0)
			return r;
		j->window_ms = now->mono_ms;
		j->window_denied = 0;
		j->window_counted = false;
	}
	if (is_counted(j, from, rec))
		return 0;
	j->line.len = 0;
	r = format_record(&o, rec, &j->line);
	if (r < 0)
		return bb_err_set(err, r, "audit record: %s", strerror(-r));
	return put_record(j, err);
}

int journal_end(struct journal *j, struct bb_err *err)
{
	int r;

	j->line.len = 0;
	r = audit_head_text(&j->chain, &j->line);
	if (r == 0)
		r = bb_write_full(j->head_fd, j->line.p, j->line.len);
	return r < 0 ? bb_err_set(err, r, "%s: %s", AUDIT_HEAD_NAME, strerror(-r)) : 0;
}

int journal_sync(struct journal *j, struct bb_err *err)
{
	if (!j->dirty)
		return 0;
	if (fdatasync(j->fd) < 0)
		return bb_err_set(err, -errno, "%s: %s", JOURNAL_NAME, strerror(errno));
	j->dirty = false;
	return 0;
}
