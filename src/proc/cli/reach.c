/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/reach.h"
#include "proc/cli/preflight.h"
#include <errno.h>

void reach_let_go(struct reach *r)
{
	struct bb_err ignored = { 0 };

	if (r->control >= 0 && r->started && launch_stop(r->control, &ignored) < 0)
		(void)cli_error(0, "%s: %s", r->bottle.identity, ignored.msg);
	bb_closep(&r->control);
	r->control = -1;
}

void reach_release(struct reach *r)
{
	reach_let_go(r);
	state_bottle_release(&r->bottle);
	json_decref(r->meta);
	r->meta = NULL;
}

/* As it was made, but that nothing may leave: no bottle, no option, no secret */
static int start_quietly(const struct cli_args *args, struct reach *r, struct bb_err *err)
{
	const char *digest = json_string_value(json_object_get(r->meta, "image_digest"));
	const char *image = json_string_value(json_object_get(r->meta, "image"));
	const char *backend = json_string_value(json_object_get(r->meta, "backend"));
	bb_auto_free struct cli_args *with = calloc(1, sizeof(*with));
	char identity[STATE_IDENTITY_MAX];
	struct plan p;
	int n = 0;

	if (!with || !image || !backend)
		return bb_err_set(err, -EINVAL, "its metadata is incomplete");
	with->cmd = args->cmd;
	with->opts[n].id = OPT_BACKEND;
	with->opts[n++].value = backend;
	with->opts[n].id = OPT_KEEP;
	with->opts[n++].value = "";
	with->opts[n].id = OPT_IMAGE;
	with->opts[n++].value = digest ? digest : image;
	with->n_opts = (size_t)n;
	if (plan_make(with, "run", &p, err) < 0)
		return err->code;
	p.resume = r->bottle.identity;
	p.quiet = true;
	p.ephemeral = true;
	r->control = preflight_backend(p.backend)
			     ? launch_start(&p, identity, err)
			     : bb_err_set(err, -ENOTSUP, "it cannot be started here");
	r->started = r->control >= 0;
	plan_release(&p);
	return r->control < 0 ? err->code : 0;
}

static int connect_or_start(const struct cli_args *args, struct reach *r, struct bb_err *err)
{
	char identity[STATE_IDENTITY_MAX];
	bb_auto_close int pidfd =
		r->bottle.runtime_fd < 0 ? -1 : state_pid_open(r->bottle.runtime_fd, NULL);

	if (pidfd >= 0) {
		r->control = launch_connect(r->bottle.identity, identity, err);
		return r->control < 0 ? err->code : 0;
	}
	if (faccessat(r->bottle.state_fd, "disk.ext4", F_OK, 0) < 0)
		return bb_err_set(
			err, -ENOENT,
			"it has ended, and its disk was removed: --keep keeps a machine's (a "
			"container has none)");
	return start_quietly(args, r, err);
}

int reach_open(const struct cli_args *args, const char *id, struct reach *ret, struct bb_err *err)
{
	reach_auto struct reach r = { .bottle = { .state_fd = -1, .runtime_fd = -1 },
				      .control = -1 };
	char identity[STATE_IDENTITY_MAX];
	struct paths paths;
	int code = paths_get(&paths, err);

	if (code == 0)
		code = state_find(&paths, id, false, identity, err);
	if (code == 0)
		code = state_bottle_open(&paths, identity, false, &r.bottle, err);
	if (code < 0)
		return code;
	code = state_meta_read(r.bottle.state_fd, &r.meta, err);
	if (code == 0)
		code = connect_or_start(args, &r, err);
	if (code < 0)
		return bb_err_wrap(err, "%s", identity);
	*ret = r;
	r = (struct reach){ .bottle = { .state_fd = -1, .runtime_fd = -1 }, .control = -1 };
	return 0;
}
