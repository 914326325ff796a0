/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "image/image.h"
#include <pwd.h>
#include <stdio.h>

static const struct {
	const char *program;
	const char *package;
	bool for_build;
} tools[] = {
	{ "mke2fs", "e2fsprogs", false },
	{ "mmdebstrap", "mmdebstrap", true },
	{ "mkfs.erofs", "erofs-utils", true },
	{ "curl", "curl", true },
	{ "gpgv", "gpgv", true },
	{ "depmod", "kmod", true },
	{ "xz", "xz-utils", true },
};

static bool in_path(const char *program)
{
	static const char *const dirs[] = { "/usr/local/bin", "/usr/bin", "/bin",
					    "/usr/sbin",      "/sbin",    "/usr/local/sbin" };
	char path[256];

	for (size_t i = 0; i < BB_ARRAY_LEN(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dirs[i], program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* Does @path ("/etc/subuid") give this user ids? By name or by number, and enough of them */
static bool has_subids(const char *path)
{
	bb_auto_buf struct bb_buf text;
	const struct passwd *pw = getpwuid(getuid());
	struct bb_err err = { 0 };
	char uid[32], *save = NULL;

	bb_buf_init(&text, 1u << 20);
	if (bb_read_file(path, &text, &err) < 0 || !bb_buf_str(&text))
		return false;
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned int)getuid());
	for (char *line = strtok_r((char *)text.p, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *start = strchr(line, ':'), *count = start ? strchr(start + 1, ':') : NULL;

		if (!count || strtoul(count + 1, NULL, 10) < 65536)
			continue;
		*start = '\0';
		if (strcmp(line, uid) == 0 || (pw && strcmp(line, pw->pw_name) == 0))
			return true;
	}
	return false;
}

/* A plain user needs subordinate ids for a root file system with more than one owner */
static const char *subid_obstacle(void)
{
	if (getuid() == 0)
		return NULL;
	if (!in_path("newuidmap"))
		return "newuidmap (package uidmap)";
	if (!has_subids("/etc/subuid") || !has_subids("/etc/subgid"))
		return "subordinate ids (run: sudo usermod --add-subuids 100000-165535 "
		       "--add-subgids 100000-165535 $USER)";
	return NULL;
}

int image_missing_tools(bool for_build, char *ret, size_t size)
{
	const char *subid = for_build ? subid_obstacle() : NULL;
	size_t at = 0;
	int n = 0;

	if (size)
		ret[0] = '\0';
	for (size_t i = 0; i < BB_ARRAY_LEN(tools); i++) {
		if ((tools[i].for_build && !for_build) || in_path(tools[i].program))
			continue;
		n++;
		if (at < size)
			at += (size_t)snprintf(ret + at, size - at, "%s (package %s)\n",
					       tools[i].program, tools[i].package);
	}
	if (subid) {
		n++;
		if (at < size)
			(void)snprintf(ret + at, size - at, "%s\n", subid);
	}
	return n;
}
