/* SPDX-License-Identifier: Apache-2.0 */
#include "state/bottle.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char tmp[] = "/tmp/bb-bottle-XXXXXX";
static struct paths paths;

static int make_tmp(void **state)
{
	struct bb_err err = { 0 };

	(void)state;
	return mkdtemp(tmp) && paths_join(tmp, "state", paths.state, &err) == 0 &&
			       paths_join(tmp, "runtime", paths.runtime, &err) == 0
		       ? 0
		       : -1;
}

static int drop_tmp(void **state)
{
	char cmd[64];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	return system(cmd);
}

static void identities(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "demo-a1b2c", true },
		{ "a-00000", true },
		{ "a-b-zzzzz", true },
		{ "demo-a1b2", false },
		{ "demo", false },
		{ "-a1b2c", false },
		{ "demo-A1B2C", false },
		{ "../x-a1b2c", false },
		{ "de/mo-a1b2c", false },
		{ "demo-a-b2c", false },
		{ "", false },
		{ "demo.x-a1b2c", false },
		{ "demo_x-a1b2c", false },
		{ "demo-a1b2c\n", false },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++)
		assert_int_equal(state_identity_is_valid(cases[i].text), cases[i].valid);
}

static void aliases(void **state)
{
	struct ip_addr a, b;
	struct cidr range;
	unsigned int same = 0;

	(void)state;
	assert_true(cidr_parse("127.64.0.0/10", &range));
	state_alias("demo-a1b2c", &b);
	for (unsigned int i = 0; i < 4000; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "demo-%05u", i);
		state_alias(id, &a);
		assert_true(cidr_contains(&range, &a));
		assert_true(a.a[3] != 0 && a.a[3] != 255);
		same += ip_addr_eq(&a, &b);
	}
	assert_true(same <= 1);
	state_alias("demo-a1b2c", &a);
	assert_true(ip_addr_eq(&a, &b));
}

/* While it is being started nobody removes it */
static void let_go(struct state_bottle *b)
{
	struct bb_err err = { 0 };

	assert_int_equal(state_bottle_remove(&paths, b->identity, NULL, NULL, &err), -EBUSY);
	bb_closep(&b->runtime_fd);
	b->runtime_fd = -1;
}

static void names_become_labels(void **state)
{
	static const struct {
		const char *name, *prefix;
	} cases[] = {
		{ "demo", "demo-" },
		{ "My Bottle!", "my-bottle-" },
		{ "../../etc", "etc-" },
		{ "", "b-" },
		{ "\xff\xff", "b-" },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789",
		  "012345678901234567890123456789012345678901234567890123456-" },
	};
	struct bb_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };

		assert_int_equal(state_bottle_create(&paths, cases[i].name, &b, &err), 0);
		assert_true(state_identity_is_valid(b.identity));
		assert_memory_equal(b.identity, cases[i].prefix, strlen(cases[i].prefix));
		assert_int_equal(strlen(b.identity), strlen(cases[i].prefix) + 5);
		let_go(&b);
		assert_int_equal(state_bottle_remove(&paths, b.identity, NULL, NULL, &err), 0);
	}
}

static void metadata(void **state)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	struct bb_err err = { 0 };
	json_t *meta, *back = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(state_bottle_create(&paths, "meta", &b, &err), 0);
	assert_int_equal(state_meta_read(b.state_fd, &back, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	meta = json_pack("{s:s, s:i}", "backend", "smolmachines", "created_ms", 5);
	assert_int_equal(state_meta_write(b.state_fd, meta, &err), 0);
	assert_int_equal(state_meta_read(b.state_fd, &back, &err), 0);
	assert_true(json_equal(meta, back));
	assert_int_equal(fstatat(b.state_fd, "metadata.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	json_decref(back);
	json_decref(meta);

	assert_int_equal(
		state_file_write(b.state_fd, "metadata.json", BB_SPAN_STR("{\"a\":1"), &err), 0);
	assert_int_equal(state_meta_read(b.state_fd, &back, &err), -EINVAL);
	err = (struct bb_err){ 0 };
	assert_int_equal(state_file_write(b.state_fd, "metadata.json", BB_SPAN_STR("[]"), &err), 0);
	assert_int_equal(state_meta_read(b.state_fd, &back, &err), -EINVAL);
	err = (struct bb_err){ 0 };
	/* a planted link is not followed */
	assert_int_equal(unlinkat(b.state_fd, "metadata.json", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", b.state_fd, "metadata.json"), 0);
	assert_true(state_meta_read(b.state_fd, &back, &err) < 0);
	err = (struct bb_err){ 0 };
	let_go(&b);
	assert_int_equal(state_bottle_remove(&paths, b.identity, NULL, NULL, &err), 0);
}

static void liveness(void **state)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	struct bb_err err = { 0 };
	pid_t child, got = 0;
	int pidfd;

	(void)state;
	assert_int_equal(state_bottle_create(&paths, "live", &b, &err), 0);
	assert_int_equal(state_pid_open(b.runtime_fd, NULL), -ESRCH);
	child = fork();
	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(state_pid_write(b.runtime_fd, child, &err), 0);
	pidfd = state_pid_open(b.runtime_fd, &got);
	assert_true(pidfd >= 0);
	assert_int_equal(got, child);
	assert_int_equal(state_bottle_remove(&paths, b.identity, NULL, NULL, &err), -EBUSY);
	err = (struct bb_err){ 0 };

	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, 5000), 1);
	assert_int_equal(state_pid_open(b.runtime_fd, NULL), -ESRCH); /* a zombie is not alive */
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(state_pid_open(b.runtime_fd, NULL), -ESRCH);
	(void)close(pidfd);

	/* our own number with another start time: somebody else's entry */
	assert_int_equal(state_pid_write(b.runtime_fd, getpid(), &err), 0);
	pidfd = state_pid_open(b.runtime_fd, NULL);
	assert_true(pidfd >= 0);
	(void)close(pidfd);
	assert_int_equal(state_file_write(b.runtime_fd, "pid", BB_SPAN_STR("1 1 x\n"), &err), 0);
	assert_int_equal(state_pid_open(b.runtime_fd, NULL), -ESRCH);
	assert_int_equal(state_file_write(b.runtime_fd, "pid", BB_SPAN_STR("junk"), &err), 0);
	assert_int_equal(state_pid_open(b.runtime_fd, NULL), -ESRCH);
	let_go(&b);
	assert_int_equal(state_bottle_remove(&paths, b.identity, NULL, NULL, &err), 0);
}

static void make_bottle(const char *name, uint64_t created_ms, bool alive,
			char ret[static STATE_IDENTITY_MAX])
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	json_t *meta = json_pack("{s:I}", "created_ms", (json_int_t)created_ms);
	struct bb_err err = { 0 };

	assert_int_equal(state_bottle_create(&paths, name, &b, &err), 0);
	assert_int_equal(state_meta_write(b.state_fd, meta, &err), 0);
	if (alive)
		assert_int_equal(state_pid_write(b.runtime_fd, getpid(), &err), 0);
	memcpy(ret, b.identity, sizeof(b.identity));
	json_decref(meta);
}

static void listing(void **state)
{
	char old[STATE_IDENTITY_MAX], mid[STATE_IDENTITY_MAX], new[STATE_IDENTITY_MAX];
	char found[STATE_IDENTITY_MAX];
	state_list_auto struct state_list list = { 0 };
	struct bb_err err = { 0 };

	(void)state;
	assert_int_equal(state_find(&paths, NULL, false, found, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	make_bottle("old", 1000, true, old);
	make_bottle("same", 2000, true, mid);
	make_bottle("same", 3000, false, new);
	assert_int_equal(state_list_get(&paths, &list, &err), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.entries[0].identity, new);
	assert_int_equal(list.entries[0].pid, 0);
	assert_int_equal(list.entries[1].pid, getpid());
	assert_string_equal(list.entries[2].identity, old);

	assert_int_equal(state_find(&paths, NULL, false, found, &err), 0);
	assert_string_equal(found, new);
	assert_int_equal(state_find(&paths, NULL, true, found, &err), 0);
	assert_string_equal(found, mid);
	assert_int_equal(state_find(&paths, "old", false, found, &err), 0);
	assert_string_equal(found, old);
	assert_int_equal(state_find(&paths, mid, false, found, &err), 0);
	assert_string_equal(found, mid);
	assert_int_equal(state_find(&paths, "same", true, found, &err), 0);
	assert_string_equal(found, mid);
	assert_int_equal(state_find(&paths, "same", false, found, &err), -EEXIST);
	err = (struct bb_err){ 0 };
	assert_int_equal(state_find(&paths, "other", false, found, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identities),
		cmocka_unit_test(aliases),
		cmocka_unit_test(names_become_labels),
		cmocka_unit_test(metadata),
		cmocka_unit_test(liveness),
		cmocka_unit_test(listing),
	};

	return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
