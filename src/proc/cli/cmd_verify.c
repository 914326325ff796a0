/* SPDX-License-Identifier: Apache-2.0 */
/* audit verify: is the audit whole, and as it was written? */
#include "base/io.h"
#include "proc/cli/commands.h"
#include "state/audit_chain.h"
#include "state/audit_files.h"
#include "state/audit_read.h"
#include "state/bottle.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>

/**
 * struct verify - What is found
 * @file:	the one that is read (state/audit_files.h), 0 = audit.jsonl
 * @line:	of the file, from 1
 * @broken_file: where that line stands
 * @broken_line: the first that does not follow from the one before, 0 = none
 * @cut:	lines that are no records
 * @head:	where the chain was after as many records as the head says
 */
struct verify {
	struct audit_chain chain;
	struct audit_head head;
	bool signed_by_user;
	bool reached; /* as many records as the head says */
	bool head_fits;
	unsigned int file;
	unsigned int broken_file;
	uint64_t line;
	uint64_t broken_line;
	uint64_t broken_record;
	uint64_t cut;
};

static void take_line(struct verify *v, struct bb_span line)
{
	enum audit_link link = audit_chain_check(&v->chain, line);

	v->line++;
	v->cut += link == AUDIT_LINK_NONE;
	if (link == AUDIT_LINK_BROKEN && !v->broken_line) {
		v->broken_line = v->line;
		v->broken_file = v->file;
		v->broken_record = v->chain.records;
	}
	if (link != AUDIT_LINK_NONE && v->chain.records == v->head.chain.records) {
		v->reached = true;
		v->head_fits = memcmp(v->chain.at, v->head.chain.at, sizeof(v->chain.at)) == 0;
	}
}

static int read_lines(struct verify *v, int fd, struct bb_err *err)
{
	static uint8_t chunk[1u << 16];
	bb_auto_buf struct bb_buf line;
	bool skip = false;
	ssize_t n;

	bb_buf_init(&line, AUDIT_LINE_MAX);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bb_err_set(err, -errno, "the audit: %s", strerror(errno));
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] != '\n') {
				skip |= bb_buf_add(&line, &chunk[i], 1) < 0;
				continue;
			}
			take_line(v, skip ? (struct bb_span){ 0 } : bb_buf_span(&line));
			line.len = 0;
			skip = false;
		}
	}
	if (line.len) /* cut by a crash, or being written */
		take_line(v, (struct bb_span){ 0 });
	return 0;
}

static bool has_something(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0;
}

/* A file is complete once the one behind it has something, also while the bottle runs */
static int read_files(struct verify *v, int dir, struct bb_err *err)
{
	unsigned int n = 0;
	bool last;
	int fd = audit_file_after(dir, &n, &last, err), r = fd < 0 ? fd : 0;

	while (fd >= 0) {
		int next = -1;

		v->file = last ? 0 : n;
		v->line = 0;
		if (!last)
			next = r = audit_file_after(dir, &n, &last, err);
		if (r >= 0)
			r = read_lines(v, fd, err);
		bb_closep(&fd);
		fd = -1;
		if (r == 0 && has_something(next))
			fd = BB_TAKE_FD(next);
		bb_closep(&next);
	}
	return r;
}

/* The head first: what it says is looked for on the way. Return: 0, -ENOENT (none), or -errno */
static int verify(const struct state_bottle *b, const char *identity, struct verify *v,
		  struct bb_err *err)
{
	int r, head = audit_head_read(b->state_fd, identity, &v->head, err);

	if (head < 0 && head != -ENOENT)
		return head;
	if (head < 0) {
		v->head = (struct audit_head){ 0 };
		*err = (struct bb_err){ 0 };
	}
	v->signed_by_user = head == 0;
	r = audit_chain_begin(&v->chain, identity);
	if (r < 0)
		return bb_err_set(err, r, "SHA-256 is not to be had");
	return read_files(v, b->state_fd, err);
}

/* Return: NULL when there is nothing to say against it */
static const char *fault_of(const struct verify *v, bool runs)
{
	if (v->broken_line)
		return "changed";
	if (v->signed_by_user && !v->reached)
		return "truncated";
	if (v->signed_by_user && (!v->head_fits || v->chain.records != v->head.chain.records))
		return "not_as_signed";
	return v->signed_by_user || runs ? NULL : "unsigned";
}

static void print_text(const struct verify *v, const char *fault, bool runs)
{
	unsigned long long records = v->chain.records, line = v->broken_line;
	char name[AUDIT_NAME_MAX];

	audit_file_name(v->broken_file, name);
	if (v->cut)
		(void)printf("%llu line%s no record: cut by a crash\n", (unsigned long long)v->cut,
			     v->cut == 1 ? " is" : "s are");
	if (!fault && runs)
		(void)printf("ok so far: %llu records; the bottle runs, so nothing is signed yet\n",
			     records);
	else if (!fault)
		(void)printf("ok: %llu records, and that many were signed at the end\n", records);
	else if (strcmp(fault, "changed") == 0)
		(void)printf(
			"BROKEN at line %llu of %s (record %llu): it does not follow from what "
			"stands before it. It was changed, or one before it was removed, added or "
			"moved\n",
			line, name, (unsigned long long)v->broken_record);
	else if (strcmp(fault, "truncated") == 0)
		(void)printf("BROKEN behind line %llu: %llu records were signed, %llu are there\n",
			     (unsigned long long)v->line, (unsigned long long)v->head.chain.records,
			     records);
	else if (strcmp(fault, "not_as_signed") == 0)
		(void)printf("BROKEN: the %llu records are not the %llu that were signed\n",
			     records, (unsigned long long)v->head.chain.records);
	else
		(void)printf(
			"not signed: %llu records follow from each other, but the recorder was "
			"killed, and what stood behind them may be missing\n",
			records);
}

static void set_place(json_t *json, const struct verify *v)
{
	char name[AUDIT_NAME_MAX];

	audit_file_name(v->broken_file, name);
	(void)json_object_set_new(json, "file", json_string(name));
	(void)json_object_set_new(json, "line", json_integer((json_int_t)v->broken_line));
}

static void print_json(const struct verify *v, const char *identity, const char *fault, bool runs)
{
	json_auto_t *json =
		json_pack("{s:s, s:b, s:I, s:I, s:b, s:b}", "bottle", identity, "ok", !fault,
			  "records", (json_int_t)v->chain.records, "cut_lines", (json_int_t)v->cut,
			  "signed", v->signed_by_user, "running", runs);

	if (json && fault)
		(void)json_object_set_new(json, "fault", json_string(fault));
	if (json && v->broken_line)
		set_place(json, v);
	(void)json_dumpf(json, stdout, JSON_COMPACT);
	(void)putchar('\n');
}

int cmd_audit_verify(const struct cli_args *args)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	bb_auto_close int pidfd = -1;
	char identity[STATE_IDENTITY_MAX];
	struct verify v = { 0 };
	struct bb_err err = { 0 };
	struct paths paths;
	const char *fault;
	int r = paths_get(&paths, &err);

	if (r == 0)
		r = state_find(&paths, args->n_operands > 1 ? args->operands[1] : NULL, false,
			       identity, &err);
	if (r == 0)
		r = state_bottle_open(&paths, identity, false, &b, &err);
	if (r < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	pidfd = b.runtime_fd < 0 ? -1 : state_pid_open(b.runtime_fd, NULL);
	r = verify(&b, identity, &v, &err);
	if (r < 0 && r != -EBADMSG)
		return cli_error(CLI_FAILED, "%s: %s", identity, err.msg);
	fault = r < 0 ? "bad_signature" : fault_of(&v, pidfd >= 0);
	if (cli_has(args, OPT_JSON))
		print_json(&v, identity, fault, pidfd >= 0);
	else if (r < 0)
		(void)printf("BROKEN: %s\n", err.msg);
	else
		print_text(&v, fault, pidfd >= 0);
	return fault ? CLI_DENIED : CLI_OK;
}
