/* SPDX-License-Identifier: Apache-2.0 */
/* scan: the guard's search, on files */
#include "base/json_text.h"
#include "proc/cli/commands.h"
#include "scan/scan.h"
#include "state/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define READ_SIZE (64u << 10)

/**
 * struct scanning - One file
 * @lines:	Line feeds seen, and the offset behind the last one, for positions
 */
struct scanning {
	const char *file;
	bool json;
	uint64_t offset;
	uint64_t line;
	uint64_t line_at;
	const uint8_t *piece;
	size_t piece_len;
	unsigned int last_rule;
	uint64_t last_start;
	uint64_t last_end;
	unsigned long found;
};

/* Line and column of an offset in or before the piece in hand; a position before it is its start */
static void place_of(const struct scanning *s, uint64_t at, uint64_t *ret_line, uint64_t *ret_col)
{
	uint64_t line_at = s->line_at;

	*ret_line = s->line + 1;
	for (size_t i = 0; i < s->piece_len && s->offset + i < at; i++) {
		if (s->piece[i] == '\n') {
			(*ret_line)++;
			line_at = s->offset + i + 1;
		}
	}
	*ret_col = at > line_at ? at - line_at + 1 : 1;
}

static void print_finding(const struct scanning *s, const struct scan_finding *f)
{
	uint64_t line, col, at = f->end > f->len ? f->end - f->len : 0;
	bb_auto_buf struct bb_buf name;

	place_of(s, at, &line, &col);
	if (!s->json) {
		cli_printf(stdout, "%s:%llu:%llu: %s (%s)%s%s%s\n", s->file,
			   (unsigned long long)line, (unsigned long long)col,
			   vendor_rule_title(f->index), vendor_rule_name(f->index),
			   f->view == SCAN_RAW ? "" : ", ",
			   f->view == SCAN_RAW ? "" : scan_view_str[f->view],
			   f->view == SCAN_RAW ? "" : " view");
		return;
	}
	bb_buf_init(&name, 1u << 16);
	if (bb_json_string(&name, BB_SPAN_STR(s->file)) < 0)
		return;
	(void)printf("{\"file\": %s, \"line\": %llu, \"column\": %llu, \"offset\": %llu, "
		     "\"length\": %zu, \"rule\": \"%s\", \"view\": \"%s\"}\n",
		     bb_buf_str(&name), (unsigned long long)line, (unsigned long long)col,
		     (unsigned long long)at, f->len, vendor_rule_name(f->index),
		     scan_view_str[f->view]);
}

/* What stands in the raw file stands in its plain view too: once is enough */
static bool on_finding(void *arg, const struct scan_finding *f)
{
	struct scanning *s = arg;
	bool again = s->found && s->last_rule == f->index && f->view == SCAN_PLAIN &&
		     f->end - s->last_end < 2 * VENDOR_HISTORY_MAX;

	/* the same, or more of the same */
	again |= s->found && f->view == SCAN_RAW && s->last_rule == f->index &&
		 (s->last_end == f->end || s->last_start == f->end - f->len);
	if (again)
		return false;
	s->found++;
	s->last_rule = f->index;
	s->last_end = f->end;
	s->last_start = f->end - f->len;
	print_finding(s, f);
	return false;
}

static void advance(struct scanning *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s->piece[i] != '\n')
			continue;
		s->line++;
		s->line_at = s->offset + i + 1;
	}
	s->offset += n;
	s->piece_len = 0;
}

static int scan_fd(struct scanning *s, struct scan_stream *stream, int fd)
{
	static uint8_t buf[READ_SIZE];
	enum scan_result r = SCAN_CLEAN;
	ssize_t n = 0;

	scan_reset(stream, true);
	s->piece = buf;
	while (r < SCAN_TOO_MUCH && (n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s->piece_len = (size_t)n;
		r = scan_feed(stream, (struct bb_span){ buf, (size_t)n }, false, on_finding, s);
		advance(s, (size_t)n);
	}
	if (n == 0 && r < SCAN_TOO_MUCH)
		r = scan_feed(stream, (struct bb_span){ 0 }, true, on_finding, s);
	if (r == SCAN_TOO_MUCH)
		return -EFBIG; /* what is compressed in it */
	return r == SCAN_ERROR ? -ENOMEM : 0;
}

static int scan_file(const char *path, bool json, struct scan_stream *stream, unsigned long *found)
{
	bool std = strcmp(path, "-") == 0;
	struct scanning s = { .file = std ? "(standard input)" : path, .json = json };
	bb_auto_close int fd = std ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : scan_fd(&s, stream, fd);

	*found += s.found;
	if (r == -EFBIG)
		return cli_error(CLI_FAILED, "%s: unpacks to more than is searched", s.file);
	if (r == -EISDIR)
		return cli_error(
			CLI_FAILED,
			"%s: a directory; its files: git ls-files -z | xargs -0 bot-bottle "
			"scan --",
			s.file);
	return r < 0 ? cli_error(CLI_FAILED, "%s: %s", s.file, strerror(-r)) : CLI_OK;
}

static int open_rules(struct vendor_db **ret, struct bb_err *err)
{
	char path[PATHS_MAX];
	struct paths paths;
	int r = paths_get(&paths, err);

	if (r == 0)
		r = paths_join(paths.cache, "vendor-rules", path, err);
	return r == 0 ? vendor_db_open(path, ret, err) : r;
}

int cmd_scan(const struct cli_args *args)
{
	struct scan_stream *stream = NULL;
	struct vendor_db *rules = NULL;
	struct bb_err err = { 0 };
	unsigned long found = 0;
	int code = CLI_OK;

	if (open_rules(&rules, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	if (scan_open(rules, NULL, &stream) < 0)
		code = cli_error(CLI_FAILED, "no memory");
	for (size_t i = 0; i < args->n_operands && stream; i++) {
		int r = scan_file(args->operands[i], cli_has(args, OPT_JSON), stream, &found);

		code = r == CLI_OK ? code : r;
	}
	scan_close(stream);
	vendor_db_free(rules);
	return code == CLI_OK && found ? CLI_DENIED : code;
}
