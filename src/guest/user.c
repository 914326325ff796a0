/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/user.h"
#include "base/io.h"
#include <errno.h>
#include <grp.h>
#include <stdio.h>

#define FILE_MAX_BYTES (1u << 20)

/* Split one line at its colons, in place. Return: number of fields */
static size_t split(char *line, char **fields, size_t max)
{
	size_t n = 0;

	while (n < max) {
		fields[n++] = line;
		line = strchr(line, ':');
		if (!line)
			break;
		*line++ = '\0';
	}
	return n;
}

static bool parse_id(const char *s, unsigned int *ret)
{
	unsigned long v;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || *end || v >= 0xffffffffu)
		return false;
	*ret = (unsigned int)v;
	return true;
}

static bool take_passwd_line(char *line, const char *who, bool by_uid, unsigned int uid,
			     struct user *ret)
{
	unsigned int line_uid, line_gid;
	char *f[7];

	if (split(line, f, 7) != 7 || !parse_id(f[2], &line_uid) || !parse_id(f[3], &line_gid))
		return false;
	if (by_uid ? line_uid != uid : strcmp(f[0], who) != 0)
		return false;
	if (strlen(f[0]) >= sizeof(ret->name) || strlen(f[5]) >= sizeof(ret->home) ||
	    strlen(f[6]) >= sizeof(ret->shell))
		return false;
	*ret = (struct user){ .uid = line_uid, .gid = line_gid };
	(void)snprintf(ret->name, sizeof(ret->name), "%s", f[0]);
	(void)snprintf(ret->home, sizeof(ret->home), "%s", *f[5] ? f[5] : "/");
	(void)snprintf(ret->shell, sizeof(ret->shell), "%s", *f[6] ? f[6] : "/bin/sh");
	return true;
}

static void take_group_line(char *line, struct user *u)
{
	unsigned int gid;
	char *f[4], *save;

	if (split(line, f, 4) != 4 || !parse_id(f[2], &gid) || gid == u->gid)
		return;
	for (char *m = strtok_r(f[3], ",", &save); m; m = strtok_r(NULL, ",", &save)) {
		if (strcmp(m, u->name) != 0 || u->n_groups == USER_GROUPS_MAX)
			continue;
		u->groups[u->n_groups++] = gid;
		return;
	}
}

/* Next line of a text, NUL-terminated in place; NULL at the end */
static char *next_line(char **text)
{
	char *line = *text, *nl;

	if (!*line)
		return NULL;
	nl = strchr(line, '\n');
	*text = nl ? nl + 1 : line + strlen(line);
	if (nl)
		*nl = '\0';
	return line;
}

static int load(const char *etc, const char *name, struct bb_buf *b, struct bb_err *err)
{
	char path[256];
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", etc, name);
	r = bb_read_file(path, b, err);
	if (r == 0 && bb_buf_add(b, "", 1) < 0)
		return bb_err_set(err, -ENOMEM, "%s: no memory", path);
	return r;
}

bool user_pick(char *passwd, char *group, const char *who, struct user *ret)
{
	unsigned int uid = 0;
	bool by_uid = parse_id(who, &uid), found = false;
	struct user u = { .home = "/", .shell = "/bin/sh" };
	char *line;

	while (passwd && !found && (line = next_line(&passwd)))
		found = take_passwd_line(line, who, by_uid, uid, &u);
	if (!found && !by_uid)
		return false;
	if (!found) {
		u.uid = uid;
		u.gid = uid;
		(void)snprintf(u.name, sizeof(u.name), "%u", uid);
	}
	while (group && (line = next_line(&group)))
		take_group_line(line, &u);
	*ret = u;
	return true;
}

/* A file that is not there, or too long, is not read at all. A uid needs no entry */
int user_find(const char *etc, const char *who, struct user *ret, struct bb_err *err)
{
	bb_auto_buf struct bb_buf passwd, group;
	struct bb_err no_passwd = { 0 }, no_group = { 0 };
	bool have_passwd, have_group;
	unsigned int uid;

	bb_buf_init(&passwd, FILE_MAX_BYTES);
	bb_buf_init(&group, FILE_MAX_BYTES);
	have_passwd = load(etc, "passwd", &passwd, &no_passwd) == 0;
	if (!have_passwd && !parse_id(who, &uid))
		return bb_err_set(err, no_passwd.code, "%s", no_passwd.msg);
	have_group = load(etc, "group", &group, &no_group) == 0;
	if (!user_pick(have_passwd ? (char *)passwd.p : NULL, have_group ? (char *)group.p : NULL,
		       who, ret))
		return bb_err_set(err, -ENOENT, "no user %s in the image", who);
	return 0;
}

int user_become(const struct user *u)
{
	gid_t groups[USER_GROUPS_MAX + 1];

	if (u->uid != 0 && getuid() == u->uid)
		return 0; /* outside a guest: already that user, and not allowed to ask */
	groups[0] = u->gid;
	memcpy(groups + 1, u->groups, u->n_groups * sizeof(gid_t));
	if (setgroups(u->n_groups + 1, groups) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		return -errno;
	return 0;
}
