/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/request.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

static int take_argv(json_t *array, struct request *r, struct bb_err *err)
{
	json_t *v;
	size_t i;

	if (!array)
		return 0;
	if (!json_is_array(array) || !json_array_size(array) ||
	    json_array_size(array) > REQUEST_ARGS_MAX)
		return bb_err_set(err, -EINVAL, "argv: not an array of strings");
	r->argv = calloc(json_array_size(array) + 1, sizeof(*r->argv));
	if (!r->argv)
		return bb_err_set(err, -ENOMEM, "argv: no memory");
	json_array_foreach(array, i, v)
	{
		if (!json_is_string(v))
			return bb_err_set(err, -EINVAL, "argv[%zu]: not a string", i);
		r->argv[i] = (char *)(uintptr_t)json_string_value(v);
	}
	if (!*r->argv[0])
		return bb_err_set(err, -EINVAL, "argv[0]: empty");
	return 0;
}

static int take_env(json_t *object, struct request *r, struct bb_err *err)
{
	const char *key;
	size_t n = 0;
	json_t *v;

	if (object && !json_is_object(object))
		return bb_err_set(err, -EINVAL, "env: not an object");
	r->env = calloc(json_object_size(object) + 1, sizeof(*r->env));
	if (!r->env)
		return bb_err_set(err, -ENOMEM, "env: no memory");
	json_object_foreach(object, key, v)
	{
		if (!json_is_string(v) || !*key || strchr(key, '='))
			return bb_err_set(err, -EINVAL, "env: %s", key);
		if (asprintf(&r->env[n++], "%s=%s", key, json_string_value(v)) < 0)
			return bb_err_set(err, -ENOMEM, "env: no memory");
	}
	return 0;
}

static int take_tty(json_t *object, struct request *r, struct bb_err *err)
{
	int rows, cols;
	json_error_t je;

	if (!object)
		return 0;
	if (json_unpack_ex(object, &je, 0, "{s:i, s:i !}", "rows", &rows, "cols", &cols) < 0)
		return bb_err_set(err, -EINVAL, "tty: %s", je.text);
	if (rows < 0 || rows > 65535 || cols < 0 || cols > 65535)
		return bb_err_set(err, -EINVAL, "tty: not a size");
	r->tty = true;
	r->size = (struct exec_winsize){ (uint16_t)rows, (uint16_t)cols };
	return 0;
}

static int take_all(json_t *root, struct request *r, struct bb_err *err)
{
	json_t *argv = NULL, *env = NULL, *tty = NULL;
	json_error_t je;
	int res;

	if (json_unpack_ex(root, &je, 0, "{s?o, s?o, s?s, s?s, s?o, s?s, s?s !}", "argv", &argv,
			   "env", &env, "cwd", &r->cwd, "user", &r->user, "tty", &tty, "tar_in",
			   &r->tar_in, "tar_out", &r->tar_out) < 0)
		return bb_err_set(err, -EINVAL, "%s", je.text);
	if (!!argv + !!r->tar_in + !!r->tar_out != 1)
		return bb_err_set(err, -EINVAL, "not exactly one of argv, tar_in, tar_out");
	if (tty && !argv)
		return bb_err_set(err, -EINVAL, "a copy has no tty");
	if ((r->cwd && *r->cwd != '/') || (r->tar_in && *r->tar_in != '/') ||
	    (r->tar_out && *r->tar_out != '/'))
		return bb_err_set(err, -EINVAL, "a path that is not absolute");
	if ((res = take_argv(argv, r, err)) < 0 || (res = take_env(env, r, err)) < 0)
		return res;
	return take_tty(tty, r, err);
}

int request_parse(struct bb_span json, struct request *ret, struct bb_err *err)
{
	json_error_t je;
	json_t *root = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, &je);
	struct request r = { .json = root };

	if (!root)
		return bb_err_set(err, -EINVAL, "EXEC: %s", je.text);
	if (take_all(root, &r, err) < 0) {
		request_release(&r);
		return bb_err_wrap(err, "EXEC");
	}
	*ret = r;
	return 0;
}

void request_release(struct request *r)
{
	for (char **e = r->env; e && *e; e++)
		free(*e);
	free(r->env);
	free(r->argv);
	json_decref(r->json);
	*r = (struct request){ 0 };
}
