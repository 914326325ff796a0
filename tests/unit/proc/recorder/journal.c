/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/journal.h"
#include "base/io.h"
#include "policy/reason.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char tmp[] = "/tmp/bb-journal-XXXXXX";
static int dirfd_;

static int make_tmp(void **state)
{
	(void)state;
	if (!mkdtemp(tmp))
		return -1;
	dirfd_ = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0;
}

static int drop_tmp(void **state)
{
	char cmd[64];

	(void)state;
	(void)close(dirfd_);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	return system(cmd);
}

static size_t count(const char *what)
{
	char path[64];
	struct bb_err err = { 0 };
	struct bb_buf buf;
	size_t n = 0;

	bb_buf_init(&buf, 16u << 20);
	(void)snprintf(path, sizeof(path), "%s/%s", tmp, JOURNAL_NAME);
	assert_int_equal(bb_read_file(path, &buf, &err), 0);
	for (const char *p = bb_buf_str(&buf); (p = strstr(p, what)); p++)
		n++;
	bb_buf_release(&buf);
	return n;
}

static void open_journal(struct journal *j)
{
	struct bb_err err = { 0 };

	assert_int_equal(journal_open(dirfd_, "demo-a1b2c", j, &err), 0);
}

static void restart(struct journal *j)
{
	(void)unlinkat(dirfd_, JOURNAL_NAME, 0);
	open_journal(j);
}

static void denials_are_bounded(void **state)
{
	struct journal_clock now = { .wall_ms = 1000, .mono_ms = 5000 };
	const struct ipc_record deny = { .kind = IPC_RECORD_DNS, .verdict = POLICY_DENY };
	const struct ipc_record allow = { .kind = IPC_RECORD_VERDICT };
	struct bb_err err = { 0 };
	struct journal j;

	(void)state;
	restart(&j);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(journal_add(&j, &now, IPC_ROLE_GATE, 0, &deny, &err), 0);
	assert_int_equal(count("\"deny\""), 100);
	/* an allow is written whatever was denied, and so is what bottled says */
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 1, &allow, &err), 0);
	assert_int_equal(count("\"allow\""), 1);
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_BOTTLED, 0, &deny, &err), 0);
	assert_int_equal(count("\"deny\""), 101);
	assert_true(journal_has_counts(&j));
	/* the next second tells how many there were, and counts anew */
	now.mono_ms += 1000;
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_GATE, 0, &deny, &err), 0);
	assert_int_equal(count("\"kind\":\"dropped\",\"allowed\":0,\"denied\":900,"), 1);
	assert_int_equal(count("\"deny\""), 102);
	assert_false(journal_has_counts(&j));
	journal_release(&j);
}

/* One a second that stands for many is written whatever else was denied; of more the number counts
 */
static void denials_that_were_counted(void **state)
{
	struct journal_clock now = { .wall_ms = 1000, .mono_ms = 5000 };
	const struct ipc_record deny = { .kind = IPC_RECORD_DNS, .verdict = POLICY_DENY };
	struct ipc_record many = deny;
	struct bb_err err = { 0 };
	struct journal j;

	(void)state;
	restart(&j);
	many.count = 7000;
	for (unsigned int i = 0; i < 150; i++)
		assert_int_equal(journal_add(&j, &now, IPC_ROLE_GATE, 0, &deny, &err), 0);
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_GATE, 0, &many, &err), 0);
	assert_int_equal(count("\"denied\":7000"), 1);
	assert_int_equal(count("\"deny\""), 101);
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_GATE, 0, &many, &err), 0);
	now.mono_ms += 1000;
	many.count = 3;
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_GATE, 0, &many, &err), 0);
	assert_int_equal(count("\"kind\":\"dropped\",\"allowed\":0,\"denied\":7050,"), 1);
	assert_int_equal(count("\"denied\":3,"), 1);
	j.max_size = j.size;
	now.mono_ms += 1000;
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_GATE, 0, &many, &err), 0);
	assert_int_equal(journal_flush(&j, &now, &err), 0);
	assert_int_equal(count("\"kind\":\"summary\",\"allowed\":0,\"denied\":3,"), 1);
	journal_release(&j);
}

static void size_is_bounded(void **state)
{
	const struct journal_clock now = { .wall_ms = 1000, .mono_ms = 5000 };
	const struct ipc_record allow = { .kind = IPC_RECORD_END };
	struct bb_err err = { 0 };
	struct journal j;

	(void)state;
	restart(&j);
	j.max_size = 2000;
	for (unsigned int i = 0; i < 500; i++)
		assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 1, &allow, &err), 0);
	assert_true(j.size < 2300);
	assert_int_equal(journal_flush(&j, &now, &err), 0);
	assert_int_equal(count("\"kind\":\"summary\""), 1);
	assert_int_equal(count("\"kind\":\"end\"") + j.summed_allow, count("\"kind\":\"end\""));
	journal_release(&j);
}

/* Records of all files follow from each other, and a journal that is opened again goes on there */
static void chain_over_files(void **state)
{
	const struct journal_clock now = { .wall_ms = 1000, .mono_ms = 5000 };
	const struct ipc_record rec = { .kind = IPC_RECORD_END };
	struct bb_err err = { 0 };
	uint64_t records, size;
	struct journal j;
	int n = 0;

	(void)state;
	restart(&j);
	j.max_file = 2000;
	for (int i = 0; i < 40; i++) {
		assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 1, &rec, &err), 0);
		if (!journal_wants_next(&j))
			continue;
		assert_false(journal_wants_next(&j)); /* once */
		assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 1, &rec, &err), 0);
		assert_int_equal(journal_next(&j, audit_file_rotate(dirfd_, &err), &err), 0);
		n++;
	}
	assert_true(n > 2);
	assert_true(audit_file_is_numbered(dirfd_, (unsigned int)n));
	assert_false(audit_file_is_numbered(dirfd_, (unsigned int)n + 1));
	records = j.chain.records;
	size = j.size;
	assert_int_equal(records, 40 + n);
	journal_release(&j);
	open_journal(&j);
	assert_int_equal(j.chain.records, records);
	assert_int_equal(j.size, size);
	/* past the bound of all files nothing more is asked for */
	j.max_file = 1;
	assert_true(journal_wants_next(&j));
	j.next_asked = false;
	j.max_size = size;
	assert_false(journal_wants_next(&j));
	journal_release(&j);
	for (unsigned int i = 1; i <= (unsigned int)n; i++) {
		char name[AUDIT_NAME_MAX];

		audit_file_name(i, name);
		assert_int_equal(unlinkat(dirfd_, name, 0), 0);
	}
}

static void goes_on_after_a_crash(void **state)
{
	const struct journal_clock now = { .wall_ms = 1000, .mono_ms = 5000 };
	const struct ipc_record rec = { .kind = IPC_RECORD_END };
	struct bb_err err = { 0 };
	struct stat st;
	struct journal j;

	(void)state;
	restart(&j);
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 1, &rec, &err), 0);
	assert_int_equal(fstat(j.fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(write(j.fd, "{\"time\":\"cut", 12), 12);
	journal_release(&j);
	open_journal(&j);
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 2, &rec, &err), 0);
	assert_int_equal(count("}\n{\"time\":\"cut\n{"), 1);
	assert_true(j.dirty);
	assert_int_equal(journal_sync(&j, &err), 0);
	assert_false(j.dirty);
	journal_release(&j);
}

/* A write that fails, or takes only a part, must be told: nothing is allowed after it */
static void failures_are_told(void **state)
{
	const struct journal_clock now = { .wall_ms = 1000, .mono_ms = 5000 };
	const struct ipc_record rec = { .kind = IPC_RECORD_END };
	struct rlimit was, small;
	struct bb_err err = { 0 };
	struct journal j;

	(void)state;
	restart(&j);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){ 10, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 1, &rec, &err), -ENOSPC);
	err = (struct bb_err){ 0 };
	assert_int_equal(journal_add(&j, &now, IPC_ROLE_EGRESS, 1, &rec, &err), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	journal_release(&j);

	/* a link in its place is refused */
	err = (struct bb_err){ 0 };
	assert_int_equal(unlinkat(dirfd_, JOURNAL_NAME, 0), 0);
	assert_int_equal(symlinkat("/tmp/elsewhere", dirfd_, JOURNAL_NAME), 0);
	assert_true(journal_open(dirfd_, "x", &j, &err) < 0);
	assert_int_equal(unlinkat(dirfd_, JOURNAL_NAME, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(denials_are_bounded),       cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(denials_that_were_counted), cmocka_unit_test(chain_over_files),
		cmocka_unit_test(goes_on_after_a_crash),     cmocka_unit_test(failures_are_told),
	};

	return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
