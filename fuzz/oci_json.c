/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/describe.h"
#include <stdio.h>

/*
 * The first octet chooses what the rest is taken for. Invariants: what was accepted has digests of
 * 64 digits, no more of anything than there is room for, and names without control characters; what
 * was refused has a reason.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_digest(const char *digest)
{
	BB_BUG_ON(strlen(digest) != 64 || strspn(digest, "0123456789abcdef") != 64);
}

static void check_name(const char *name)
{
	BB_BUG_ON(strnlen(name, DESCRIBE_NAME_MAX) == DESCRIBE_NAME_MAX);
	for (; *name; name++)
		BB_BUG_ON((unsigned char)*name < ' ');
}

static void check_blob(const struct describe_blob *b)
{
	check_digest(b->digest);
	check_name(b->name);
	BB_BUG_ON(b->size > INT64_MAX);
}

static int index_of(struct bb_span text, struct bb_err *err)
{
	static struct describe_index index;
	int r = describe_index(text, &index, err);

	for (size_t i = 0; r == 0 && i < index.n; i++)
		check_blob(&index.v[i]);
	return r;
}

static int manifest_of(struct bb_span text, struct bb_err *err)
{
	static struct describe_manifest m;
	int r = describe_manifest(text, &m, err);

	if (r == 0)
		check_blob(&m.config);
	for (size_t i = 0; r == 0 && i < m.n; i++)
		check_blob(&m.layers[i]);
	return r;
}

static int docker_of(struct bb_span text, struct bb_err *err)
{
	static struct describe_docker d;
	int r = describe_docker(text, &d, err);

	if (r == 0)
		check_name(d.config);
	for (size_t i = 0; r == 0 && i < d.n; i++)
		check_name(d.layers[i]);
	return r;
}

static int config_of(struct bb_span text, struct bb_err *err)
{
	static struct describe_config c;
	int r = describe_config(text, &c, err);

	for (size_t i = 0; r == 0 && i < c.n; i++)
		check_digest(c.layers[i]);
	BB_BUG_ON(r == 0 && (!c.env || json_array_size(c.env) > DESCRIBE_ENV_MAX));
	if (r == 0)
		json_decref(c.env);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const kinds[])(struct bb_span, struct bb_err *) = { index_of, manifest_of,
									 docker_of, config_of };
	struct bb_err err = { 0 };
	int r;

	if (size == 0)
		return 0;
	r = kinds[data[0] % 4]((struct bb_span){ data + 1, size - 1 }, &err);
	BB_BUG_ON(r < 0 && (!err.msg[0] || err.code != r));
	return 0;
}
