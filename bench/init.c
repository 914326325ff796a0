/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least a bottle's init could do, for comparison: the same modules, the same mounts, hello on
 * the console, power off. What `run -- true` costs beyond a machine with this init is ours.
 */
#include "guest/mounts.h"
#include "guest/say.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/reboot.h>

int main(void)
{
	struct bb_err err = { 0 };
	int console;

	say_init("bench", -1);
	if (mounts_early(&err) == 0)
		mounts_modules("/modules.list");
	if (err.code == 0 && mounts_root(&err) == 0)
		mounts_late();
	console = open("/dev/console", O_WRONLY | O_CLOEXEC);
	(void)dprintf(console, "%s\n", err.code ? err.msg : "hello");
	(void)reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot */
	return 1;
}
