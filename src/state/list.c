/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"
#include "state/bottle.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

void state_list_release(struct state_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		json_decref(list->entries[i].meta);
	free(list->entries);
	*list = (struct state_list){ 0 };
}

static uint64_t dir_time_ms(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
}

/* Fill one entry. Return: 0 or -errno when the directory is not a bottle of ours */
static int entry_read(const struct paths *paths, const char *identity, struct state_entry *ret)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	struct bb_err err = { 0 }, meta_err = { 0 };
	bb_auto_close int pidfd = -1;
	const json_t *created;
	int r = state_bottle_open(paths, identity, false, &b, &err);

	if (r < 0)
		return r;
	*ret = (struct state_entry){ 0 };
	memcpy(ret->identity, b.identity, sizeof(ret->identity));
	if (state_meta_read(b.state_fd, &ret->meta, &meta_err) < 0)
		ret->meta = NULL;
	created = json_object_get(ret->meta, "created_ms");
	ret->created_ms = json_is_integer(created) ? (uint64_t)json_integer_value(created)
						   : dir_time_ms(b.state_fd);
	if (b.runtime_fd >= 0)
		pidfd = state_pid_open(b.runtime_fd, &ret->pid);
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct state_entry *x = a, *y = b;

	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? 1 : -1;
	return strcmp(x->identity, y->identity);
}

static int list_add(const struct paths *paths, const char *identity, struct state_list *list,
		    size_t *alloc, struct bb_err *err)
{
	if (list->n == *alloc) {
		size_t want = *alloc ? *alloc * 2 : 16;
		struct state_entry *p = realloc(list->entries, want * sizeof(*p));

		if (!p)
			return bb_err_set(err, -ENOMEM, "out of memory");
		list->entries = p;
		*alloc = want;
	}
	if (entry_read(paths, identity, &list->entries[list->n]) == 0)
		list->n++;
	return 0;
}

int state_list_get(const struct paths *paths, struct state_list *ret, struct bb_err *err)
{
	state_list_auto struct state_list list = { 0 };
	int fd = paths_open_private(paths->state, err);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	size_t alloc = 0;
	int r = 0;

	if (!dir) {
		r = fd < 0 ? fd : bb_err_set(err, -errno, "%s: %s", paths->state, strerror(errno));
		bb_closep(&fd);
		return r;
	}
	while (r == 0 && (e = readdir(dir))) {
		if (state_identity_is_valid(e->d_name))
			r = list_add(paths, e->d_name, &list, &alloc, err);
	}
	(void)closedir(dir);
	if (r < 0)
		return r;
	if (list.n)
		qsort(list.entries, list.n, sizeof(*list.entries), newest_first);
	*ret = list;
	list = (struct state_list){ 0 };
	return 0;
}

static bool is_meant(const struct state_entry *e, const char *id, bool live, bool exact)
{
	if (live && !e->pid)
		return false;
	if (!id)
		return true;
	return exact ? strcmp(e->identity, id) == 0 : strncmp(e->identity, id, strlen(id)) == 0;
}

int state_find(const struct paths *paths, const char *id, bool live,
	       char ret[static STATE_IDENTITY_MAX], struct bb_err *err)
{
	state_list_auto struct state_list list = { 0 };
	const struct state_entry *found = NULL;
	int r = state_list_get(paths, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n && !found; i++) {
		if (is_meant(&list.entries[i], id, live, true))
			found = &list.entries[i];
	}
	for (size_t i = 0; i < list.n && id && (!found || strcmp(found->identity, id) != 0); i++) {
		if (!is_meant(&list.entries[i], id, live, false))
			continue;
		if (found)
			return bb_err_set(err, -EEXIST,
					  "%s: both %s and %s begin so; give more of it", id,
					  found->identity, list.entries[i].identity);
		found = &list.entries[i];
	}
	if (!found && id) {
		struct bb_near near = BB_NEAR(id);

		for (size_t i = 0; i < list.n; i++) {
			if (live && is_meant(&list.entries[i], id, false, false))
				return bb_err_set(
					err, -ENOENT,
					"%.80s: no such running bottle: %s has ended; see: "
					"bot-bottle list",
					id, list.entries[i].identity);
			if (!live || list.entries[i].pid)
				bb_near_try(&near, list.entries[i].identity);
		}
		return bb_err_set(err, -ENOENT, "%.80s: no such %sbottle%s%s%s", id,
				  live ? "running " : "",
				  near.best ? " (did you mean " : "; see: bot-bottle list",
				  near.best ? near.best : "", near.best ? "?)" : "");
	}
	if (!found)
		return bb_err_set(err, -ENOENT, "there is no %s",
				  live && list.n ? "running bottle; see: bot-bottle list"
						 : STATE_NO_BOTTLE);
	memcpy(ret, found->identity, sizeof(found->identity));
	return 0;
}
