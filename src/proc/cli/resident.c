/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/resident.h"
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

enum where { UNKNOWN, OUTSIDE, INSIDE };

struct process {
	pid_t pid;
	pid_t parent;
	uint64_t pages;
	enum where where;
};

/* From /proc/PID/stat: a name in it may have any octet, a parenthesis too. Return: it is there */
static bool look_at(pid_t pid, struct process *ret)
{
	char path[48], text[1024];
	const char *behind;
	unsigned long long pages;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	behind = strrchr(text, ')');
	*ret = (struct process){ .pid = pid };
	/* state, parent, 19 others, resident pages: proc(5) */
	if (!behind ||
	    sscanf(behind,
		   ") %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %*s %*s %*s %llu",
		   &ret->parent, &pages) != 2)
		return false;
	ret->pages = pages;
	return true;
}

/* All of this host. Return: how many; @ret is owned */
static size_t look_at_all(struct process **ret)
{
	DIR *dir = opendir("/proc");
	struct process *all = NULL;
	const struct dirent *e;
	size_t n = 0, room = 0;

	while (dir && n < RESIDENT_PROCESSES_MAX && (e = readdir(dir))) {
		char *end;
		long pid = strtol(e->d_name, &end, 10);

		if (*end || pid < 1)
			continue;
		if (n == room) {
			struct process *more =
				realloc(all, (room = room ? 2 * room : 512) * sizeof(*all));

			if (!more)
				break;
			all = more;
		}
		n += look_at((pid_t)pid, &all[n]);
	}
	if (dir)
		(void)closedir(dir);
	*ret = all;
	return n;
}

static int by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct process *find(struct process *all, size_t n, pid_t pid)
{
	const struct process key = { .pid = pid };

	return n ? bsearch(&key, all, n, sizeof(*all), by_pid) : NULL;
}

/*
 * Up to one of which it is known, and the same way again to write it down: each process is passed
 * twice. A parent that begins after its child was looked at (pids come again) may close a circle.
 */
static void settle(struct process *all, size_t n, struct process *p)
{
	struct process *at = p;
	size_t steps = 0;
	enum where where;

	while (at && at->where == UNKNOWN && steps++ < n)
		at = find(all, n, at->parent);
	where = at && at->where == INSIDE ? INSIDE : OUTSIDE;
	for (at = p; at && at->where == UNKNOWN; at = find(all, n, at->parent))
		at->where = where;
}

uint64_t resident_tree(pid_t pid)
{
	bb_auto_free struct process *all = NULL;
	size_t n = look_at_all(&all);
	struct process *top;
	uint64_t pages = 0;

	if (n)
		qsort(all, n, sizeof(*all), by_pid);
	top = find(all, n, pid);
	if (top)
		top->where = INSIDE;
	for (size_t i = 0; i < n; i++) {
		settle(all, n, &all[i]);
		pages += all[i].where == INSIDE ? all[i].pages : 0;
	}
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t resident_of_ours(const json_t *pids)
{
	uint64_t pages = 0;
	struct process p;
	const char *role;
	json_t *pid;

	json_object_foreach((json_t *)(uintptr_t)pids, role, pid)
	{
		if (look_at((pid_t)json_integer_value(pid), &p))
			pages += p.pages;
	}
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void resident_add(const struct backend *backend, const json_t *note, const char *identity,
		  json_t *inout)
{
	json_t *pids = json_object_get(inout, "pids");
	uint64_t bytes = resident_of_ours(pids), inside = 0;
	pid_t pid;

	if (backend && backend->main_pid) {
		pid = backend->main_pid(note, identity);
		inside = pid > 0 ? resident_tree(pid) : 0;
		if (inside > 0)
			(void)json_object_set_new(inout, "container_pid", json_integer(pid));
		else
			(void)json_object_set_new(inout, "resident_all", json_false());
	}
	(void)json_object_set_new(inout, "resident_bytes",
				  json_integer((json_int_t)(bytes + inside)));
}
