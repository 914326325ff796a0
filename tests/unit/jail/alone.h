/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TESTS_UNIT_JAIL_ALONE_H
#define BB_TESTS_UNIT_JAIL_ALONE_H
#include "jail/jail.h"
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

/* As on a host that refuses namespaces: the first layer has to hold without the second */
static inline bool alone(int argc, char **argv)
{
	int fd;

	if (argc < 2 || strcmp(argv[argc - 1], "alone") != 0)
		return true;
	if (unshare(CLONE_NEWUSER) < 0)
		return !jail_namespaces(); /* this one does */
	fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return false;
	(void)close(fd);
	return !jail_namespaces();
}
#endif
