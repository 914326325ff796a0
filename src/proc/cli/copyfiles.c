/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/copyfiles.h"
#include "ipc/sock.h"
#include "proc/cli/session.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>

/* One COPY message to a new porter, and its answer */
static int copy_run(int control, struct ipc_msg *msg, struct bb_err *err)
{
	bb_auto_close int porter = session_open(control, err);
	struct ipc_msg answer = { .fd = -1 };
	uint8_t buf[IPC_MSG_MAX];
	int r;

	if (porter < 0)
		return porter;
	r = ipc_send(porter, msg, err);
	if (r == 0)
		r = ipc_recv(porter, buf, &answer, err);
	if (r < 0)
		return bb_err_wrap(err, "copy");
	bb_closep(&answer.fd);
	if (answer.type == IPC_FAILED)
		return bb_err_set(err, -EIO, "copy: %.*s", (int)answer.u.text.text.len,
				  (const char *)answer.u.text.text.p);
	if (answer.type != IPC_COPY_DONE)
		return bb_err_set(err, -EBADMSG, "copy: unexpected %s", ipc_type_name(answer.type));
	if (answer.u.copy_done.err)
		return bb_err_set(err, -(int)answer.u.copy_done.err, "copy: %.*s",
				  (int)answer.u.copy_done.text.len,
				  (const char *)answer.u.copy_done.text.p);
	if (answer.u.copy_done.text.len)
		(void)cli_error(0, "copy: %.*s", (int)answer.u.copy_done.text.len,
				(const char *)answer.u.copy_done.text.p);
	return 0;
}

int copy_directory_in(int control, const char *from, const char *to, struct bb_err *err)
{
	bb_auto_close int fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ipc_msg msg = { .type = IPC_COPY_IN, .fd = fd };

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", from, strerror(errno));
	msg.u.copy.path = BB_SPAN_STR(to);
	return copy_run(control, &msg, err);
}

int copy_in(int control, const char *from, const char *to, struct bb_err *err)
{
	bb_auto_free char *copy = strdup(from), *copy2 = strdup(from);
	const char *dir = copy ? dirname(copy) : NULL, *name = copy2 ? basename(copy2) : NULL;
	struct ipc_msg msg = { .type = IPC_COPY_IN };
	bb_auto_close int fd = -1;

	if (!dir || !name)
		return bb_err_set(err, -ENOMEM, "no memory");
	if (access(from, R_OK) < 0)
		return bb_err_set(err, -errno, "%s: %s", from, strerror(errno));
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "/") == 0)
		return copy_directory_in(control, from, to, err);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	msg.fd = fd;
	msg.u.copy.name = BB_SPAN_STR(name);
	msg.u.copy.path = BB_SPAN_STR(to);
	return copy_run(control, &msg, err);
}

int copy_out(int control, const char *from, const char *to, struct bb_err *err)
{
	bb_auto_close int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ipc_msg msg = { .type = IPC_COPY_OUT, .fd = fd };

	if (fd < 0)
		return bb_err_set(err, -errno, "%s: %s (the target has to be a directory)", to,
				  strerror(errno));
	msg.u.copy.path = BB_SPAN_STR(from);
	return copy_run(control, &msg, err);
}

static const char *const secret_patterns[] = {
	".env",
	".env.*",
	"*.pem",
	"*.key",
	"*.p12",
	"*.pfx",
	"id_rsa",
	"id_dsa",
	"id_ecdsa",
	"id_ed25519",
	".netrc",
	".npmrc",
	".pypirc",
	"credentials",
	"*.kdbx",
	"*.keystore",
	"*.jks",
	".git-credentials",
	"secrets.*",
	".htpasswd",
	"*.tfstate",
	"kubeconfig",
	"service-account*.json",
};

/* nftw() has no argument for its callback */
static struct {
	struct plan *plan;
	unsigned int found;
	unsigned int seen;
} scan;

static int on_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (++scan.seen > 200000 || scan.found >= 20)
		return 1;
	if (type != FTW_F)
		return 0;
	for (size_t i = 0; i < BB_ARRAY_LEN(secret_patterns); i++) {
		if (fnmatch(secret_patterns[i], path + ftw->base, 0) == 0) {
			plan_warn(scan.plan, "%s looks like a secret and is copied into the bottle",
				  path);
			scan.found++;
			break;
		}
	}
	return 0;
}

void warn_secret_files(struct plan *p, const char *dir)
{
	scan.plan = p;
	scan.found = scan.seen = 0;
	(void)nftw(dir, on_file, 32, FTW_PHYS | FTW_MOUNT);
}
