/* SPDX-License-Identifier: Apache-2.0 */
#include "state/audit_chain.h"
#include "base/io.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define ID "demo-a1b2c"

static struct bb_buf lines[20];

static void make_lines(void)
{
	struct audit_chain c;

	assert_int_equal(audit_chain_begin(&c, ID), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(lines); i++) {
		bb_buf_init(&lines[i], 4096);
		assert_int_equal(
			bb_buf_addf(&lines[i], "{\"n\":%zu,\"text\":\"record %zu\"}", i, i), 0);
		assert_int_equal(audit_chain_add(&c, &lines[i]), 0);
	}
	assert_int_equal(c.records, BB_ARRAY_LEN(lines));
}

static void drop_lines(void)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(lines); i++)
		bb_buf_release(&lines[i]);
}

/* The first line of an order that does not follow, or the number of lines */
static size_t first_broken(const size_t *order, size_t n, const char *identity)
{
	struct audit_chain c;

	assert_int_equal(audit_chain_begin(&c, identity), 0);
	for (size_t i = 0; i < n; i++) {
		if (audit_chain_check(&c, bb_buf_span(&lines[order[i]])) != AUDIT_LINK_OK)
			return i;
	}
	return n;
}

static void what_was_changed_shows(void **state)
{
	size_t order[BB_ARRAY_LEN(lines)], n = BB_ARRAY_LEN(lines);

	(void)state;
	make_lines();
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	assert_int_equal(first_broken(order, n, ID), n);
	assert_int_equal(first_broken(order, n, "demo-a1b2d"), 0);
	/* removed */
	for (size_t gone = 0; gone + 1 < n; gone++) {
		size_t less[BB_ARRAY_LEN(lines)], m = 0;

		for (size_t i = 0; i < n; i++) {
			if (i != gone)
				less[m++] = i;
		}
		assert_int_equal(first_broken(less, m, ID), gone);
	}
	/* moved, written twice */
	order[5] = 6;
	order[6] = 5;
	assert_int_equal(first_broken(order, n, ID), 5);
	order[5] = order[6] = 5;
	assert_int_equal(first_broken(order, n, ID), 6);
	order[6] = 6;
	/* each octet of a record, its chain included */
	for (size_t at = 0; at < lines[9].len; at++) {
		lines[9].p[at] ^= 1;
		assert_true(first_broken(order, n, ID) <= 10 && first_broken(order, n, ID) >= 9);
		lines[9].p[at] ^= 1;
	}
	drop_lines();
}

static void lines_that_are_no_records(void **state)
{
	static const char *const bad[] = { "",         "{",         "{}",
					   "not JSON", "{\"a\":1}", "{\"a\":1,\"chain\":\"00\"}" };
	struct audit_chain c;
	struct bb_buf line;

	(void)state;
	make_lines();
	assert_int_equal(audit_chain_begin(&c, ID), 0);
	assert_int_equal(audit_chain_check(&c, bb_buf_span(&lines[0])), AUDIT_LINK_OK);
	for (size_t i = 0; i < BB_ARRAY_LEN(bad); i++)
		assert_int_equal(audit_chain_check(&c, BB_SPAN_STR(bad[i])), AUDIT_LINK_NONE);
	/* cut anywhere, and the next start goes on from the last whole one */
	for (size_t len = 0; len < lines[1].len; len++)
		assert_int_equal(audit_chain_check(&c, (struct bb_span){ lines[1].p, len }),
				 AUDIT_LINK_NONE);
	assert_int_equal(audit_chain_check(&c, bb_buf_span(&lines[1])), AUDIT_LINK_OK);
	assert_int_equal(c.records, 2);
	bb_buf_init(&line, 64);
	assert_int_equal(bb_buf_addf(&line, "{}"), 0);
	assert_int_equal(audit_chain_add(&c, &line), -EINVAL);
	line.len = 0;
	assert_int_equal(bb_buf_addf(&line, "{\"a\":\"does not fit any more\"}\n"), 0);
	assert_true(audit_chain_add(&c, &line) < 0);
	assert_int_equal(c.records, 2);
	assert_string_equal(bb_buf_str(&line), "{\"a\":\"does not fit any more\"}\n");
	bb_buf_release(&line);
	drop_lines();
}

static void write_at(int dir, const char *name, const struct bb_buf *text)
{
	bb_auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(bb_write_full(fd, text->p, text->len), 0);
}

static void the_head_is_signed(void **state)
{
	char tmp[] = "/tmp/bb-chain-XXXXXX", cmd[64];
	struct audit_head h;
	struct audit_chain c;
	struct bb_err err = { 0 };
	struct bb_buf text, head;
	struct stat st;
	int up, dir, fd;

	(void)state;
	assert_non_null(mkdtemp(tmp));
	up = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(up, ID, 0700), 0);
	dir = openat(up, ID, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bb_buf_init(&text, 4096);
	bb_buf_init(&head, 4096);
	assert_int_equal(audit_head_read(dir, ID, &h, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	write_at(dir, AUDIT_HEAD_NAME, &text); /* empty: recorder was killed */
	assert_int_equal(audit_head_sign(dir, ID, 1, &err), -ENODATA);
	err = (struct bb_err){ 0 };
	assert_int_equal(audit_chain_begin(&c, ID), 0);
	c.records = 7;
	assert_int_equal(audit_head_text(&c, &text), 0);
	write_at(dir, AUDIT_HEAD_NAME, &text);
	assert_int_equal(audit_head_read(dir, ID, &h, &err), -ENOENT); /* not signed yet */
	err = (struct bb_err){ 0 };
	assert_int_equal(audit_head_sign(dir, ID, 123456, &err), 0);
	assert_int_equal(fstatat(up, AUDIT_KEY_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(audit_head_read(dir, ID, &h, &err), 0);
	assert_int_equal(h.chain.records, 7);
	assert_int_equal(h.time_ms, 123456);
	assert_memory_equal(h.chain.at, c.at, sizeof(c.at));
	assert_int_equal(audit_head_read(dir, "demo-a1b2d", &h, &err), -EBADMSG);
	err = (struct bb_err){ 0 };
	/* each octet of it */
	fd = openat(dir, AUDIT_HEAD_NAME, O_RDONLY | O_CLOEXEC);
	assert_int_equal(bb_read_all(fd, &head), 0);
	(void)close(fd);
	for (size_t i = 0; i + 1 < head.len; i++) {
		head.p[i] ^= 1;
		write_at(dir, AUDIT_HEAD_NAME, &head);
		assert_true(audit_head_read(dir, ID, &h, &err) < 0);
		err = (struct bb_err){ 0 };
		head.p[i] ^= 1;
	}
	/* another key is not this user's; a key that others can read is none */
	write_at(dir, AUDIT_HEAD_NAME, &head);
	assert_int_equal(audit_head_read(dir, ID, &h, &err), 0);
	assert_int_equal(fchmodat(up, AUDIT_KEY_NAME, 0640, 0), 0);
	assert_int_equal(audit_head_read(dir, ID, &h, &err), -EPERM);
	err = (struct bb_err){ 0 };
	assert_int_equal(unlinkat(up, AUDIT_KEY_NAME, 0), 0);
	write_at(dir, AUDIT_HEAD_NAME, &text);
	assert_int_equal(audit_head_sign(dir, ID, 1, &err), 0);
	write_at(dir, AUDIT_HEAD_NAME, &head);
	assert_int_equal(audit_head_read(dir, ID, &h, &err), -EBADMSG);
	(void)close(dir);
	(void)close(up);
	bb_buf_release(&text);
	bb_buf_release(&head);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	assert_int_equal(system(cmd), 0);
}

/* A disk without room, or a crash, leaves no part of a key that nothing could be signed with again
 */
static void a_key_is_whole_or_none(void **state)
{
	char tmp[] = "/tmp/bb-chain-XXXXXX", cmd[128];
	struct rlimit was, few = { .rlim_cur = 16 };
	struct bb_err err = { 0 };
	struct audit_chain c;
	struct bb_buf text;
	struct stat st;
	int up, dir;

	(void)state;
	assert_non_null(mkdtemp(tmp));
	up = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(up, ID, 0700), 0);
	dir = openat(up, ID, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bb_buf_init(&text, 4096);
	assert_int_equal(audit_chain_begin(&c, ID), 0);
	assert_int_equal(audit_head_text(&c, &text), 0);
	write_at(dir, AUDIT_HEAD_NAME, &text);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	few.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	assert_true(audit_head_sign(dir, ID, 1, &err) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(fstatat(up, AUDIT_KEY_NAME, &st, 0), -1);
	err = (struct bb_err){ 0 };
	assert_int_equal(audit_head_sign(dir, ID, 1, &err), 0);
	assert_int_equal(fstatat(up, AUDIT_KEY_NAME, &st, 0), 0);
	assert_int_equal(st.st_size, 32);
	(void)close(dir);
	(void)close(up);
	bb_buf_release(&text);
	(void)snprintf(cmd, sizeof(cmd), "test $(ls -A %s | wc -l) = 2 && rm -rf %s", tmp, tmp);
	assert_int_equal(system(cmd), 0); /* the directory and the key */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_changed_shows),
					    cmocka_unit_test(lines_that_are_no_records),
					    cmocka_unit_test(the_head_is_signed),
					    cmocka_unit_test(a_key_is_whole_or_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
