/* SPDX-License-Identifier: Apache-2.0 */
/* list: bottles that run, and those that ended */
#include "base/io.h"
#include "base/printable.h"
#include "proc/cli/commands.h"
#include "proc/cli/launch.h"
#include "proc/cli/resident.h"
#include "state/audit_read.h"
#include <stdio.h>

/* What a running bottle says of itself, NULL when it does not answer */
static json_t *live_status(const struct paths *paths, const struct state_entry *e)
{
	const char *name = json_string_value(json_object_get(e->meta, "backend"));
	const struct backend *backend = name ? backend_find(name) : NULL;
	char dir[PATHS_MAX];
	struct bb_err err = { 0 };
	bb_auto_close int fd = -1;

	if (!backend || paths_join(paths->runtime, e->identity, dir, &err) < 0)
		return NULL;
	fd = backend->connect(dir, &err);
	return fd < 0 ? NULL : launch_status(fd);
}

/* up, kept (ended, and `resume` can go on with it), ended; and what its directory says */
static const char *look(const struct paths *paths, const struct state_entry *e,
			uint64_t *ret_denied)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	struct bb_err ignored = { 0 };
	bool kept = false;

	*ret_denied = 0;
	if (state_bottle_open(paths, e->identity, false, &b, &ignored) == 0) {
		*ret_denied = audit_count_denied(b.state_fd);
		kept = faccessat(b.state_fd, "disk.ext4", F_OK, 0) == 0;
	}
	return e->pid ? "up" : kept ? "kept" : "ended";
}

static json_t *entry_json(const struct paths *paths, const struct state_entry *e)
{
	const char *name = json_string_value(json_object_get(e->meta, "backend"));
	const struct backend *backend = name ? backend_find(name) : NULL;
	json_t *status = e->pid ? live_status(paths, e) : NULL;
	uint64_t denied;
	const char *state = look(paths, e, &denied);
	json_t *out = json_pack(
		"{s:s, s:s, s:O?, s:O?, s:O?, s:I, s:I, s:O?, s:O?}", "identity", e->identity,
		"status", state, "backend", json_object_get(e->meta, "backend"), "bottles",
		json_object_get(e->meta, "bottles"), "image", json_object_get(e->meta, "image"),
		"created_ms", (json_int_t)e->created_ms, "denied", (json_int_t)denied, "label",
		json_object_get(e->meta, "label"), "color", json_object_get(e->meta, "color"));

	if (status && backend && backend->legacy) { /* a container's processor is the host's */
		(void)json_object_del(status, "accel");
		(void)json_object_del(status, "accel_why");
	}
	if (out && status) {
		(void)json_object_update(out, status);
		resident_add(backend, json_object_get(e->meta, "engine"), e->identity, out);
	}
	json_decref(status);
	return out;
}

/* The longest two units: "3d4h", "5m12s" */
static void age(uint64_t s, char ret[static 32])
{
	unsigned long long v = s;

	if (v >= 86400)
		(void)snprintf(ret, 32, "%llud%lluh", v / 86400, v % 86400 / 3600);
	else if (v >= 3600)
		(void)snprintf(ret, 32, "%lluh%llum", v / 3600, v % 3600 / 60);
	else if (v >= 60)
		(void)snprintf(ret, 32, "%llum%llus", v / 60, v % 60);
	else
		(void)snprintf(ret, 32, "%llus", v);
}

static void print_label(const json_t *e)
{
	const char *label = json_string_value(json_object_get(e, "label"));
	const char *color = json_string_value(json_object_get(e, "color"));
	const char *no_color = getenv("NO_COLOR"); /* no-color.org */
	bool colored = color && isatty(STDOUT_FILENO) && !(no_color && *no_color);
	unsigned int number = colored ? plan_color(color) : 0;
	char text[256];

	if (label && number)
		(void)printf("\033[%um%s\033[0m", number, bb_printable(label, text, sizeof(text)));
	else if (label)
		(void)fputs(bb_printable(label, text, sizeof(text)), stdout);
	(void)putchar('\n');
}

static void print_entry(const json_t *e)
{
	const json_t *started = json_object_get(e, "started_ms");
	const json_t *resident = json_object_get(e, "resident_bytes");
	const char *backend = json_string_value(json_object_get(e, "backend"));
	const char *accel = json_string_value(json_object_get(e, "accel"));
	const json_t *session = json_object_get(e, "session");
	bool all = !json_is_false(json_object_get(e, "resident_all"));
	bool away = session && json_is_false(json_object_get(session, "attached"));
	char up[32] = "-", memory[32] = "-";

	if (started)
		age((bb_wall_ms() - (uint64_t)json_integer_value(started)) / 1000, up);
	if (resident)
		(void)snprintf(memory, sizeof(memory), "%s%lldM", all ? "" : ">",
			       (long long)json_integer_value(resident) >> 20);
	(void)printf("%-32s %-8s %-12s %-5s %-8s %7s %6lld  ",
		     json_string_value(json_object_get(e, "identity")),
		     away ? "detached" : json_string_value(json_object_get(e, "status")),
		     backend ? backend : "?", accel ? accel : "-", up, memory,
		     (long long)json_integer_value(json_object_get(e, "denied")));
	print_label(e);
}

int cmd_list(const struct cli_args *args)
{
	state_list_auto struct state_list list = { 0 };
	json_auto_t *all = json_array();
	struct bb_err err = { 0 };
	struct paths paths;
	json_t *e;
	size_t i;

	if (paths_get(&paths, &err) < 0 || state_list_get(&paths, &list, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	for (i = 0; i < list.n; i++)
		(void)json_array_append_new(all, entry_json(&paths, &list.entries[i]));
	if (cli_has(args, OPT_JSON)) {
		(void)json_dumpf(all, stdout, JSON_INDENT(1));
		(void)putchar('\n');
		return CLI_OK;
	}
	if (!list.n)
		(void)cli_error(0, "there is no " STATE_NO_BOTTLE);
	if (list.n)
		(void)printf("%-32s %-8s %-12s %-5s %-8s %7s %6s  %s\n", "IDENTITY", "STATUS",
			     "BACKEND", "ACCEL", "UP", "MEMORY", "DENIED", "LABEL");
	json_array_foreach(all, i, e)
	{
		print_entry(e);
	}
	return CLI_OK;
}
