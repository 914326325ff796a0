/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/resident.h"
#include "tests/unit/unit.h"
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MIB (1ull << 20)

_Noreturn static void hold(size_t bytes, int say)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	memset(p, 1, bytes);
	(void)prctl(PR_SET_NAME, ") R 1 (");
	(void)!write(say, "x", 1);
	for (;;)
		(void)pause();
}

/* A child that holds 16 MiB, its child 32 MiB, and one beside them 64 MiB */
static void a_process_and_all_that_come_from_it(void **state)
{
	int said[2];
	pid_t top, beside;
	uint64_t bytes;
	char c;

	(void)state;
	assert_int_equal(pipe(said), 0);
	top = fork();
	if (top == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			hold(32 * MIB, said[1]);
		}
		hold(16 * MIB, said[1]);
	}
	beside = fork();
	if (beside == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(64 * MIB, said[1]);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(read(said[0], &c, 1), 1);
	bytes = resident_tree(top);
	assert_true(bytes >= 48 * MIB);
	/* neither has what the other has, and we have all of it */
	assert_true(resident_tree(beside) >= 64 * MIB);
	assert_true(resident_tree(getpid()) >= bytes + resident_tree(beside));
	assert_int_equal(kill(top, SIGKILL), 0);
	assert_int_equal(kill(beside, SIGKILL), 0);
	assert_int_equal(waitpid(top, NULL, 0), top);
	assert_int_equal(waitpid(beside, NULL, 0), beside);
	assert_int_equal(resident_tree(beside), 0);
	(void)close(said[0]);
	(void)close(said[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_and_all_that_come_from_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
