/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/unpacker/unpacker.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#define INDEX_DEPTH 2

bool digest_is(struct bb_span data, const char *want)
{
	char hex[DESCRIBE_DIGEST_SIZE];
	uint8_t sum[32];

	if (!EVP_Digest(data.p, data.len, sum, NULL, EVP_sha256(), NULL))
		return false;
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return strcmp(hex, want) == 0;
}

static int load(const struct archive *a, const char *name, struct bb_buf *ret, struct bb_err *err)
{
	struct archive_file f;
	int r = archive_find(a, name, &f, err);

	if (r < 0)
		return r;
	r = archive_load(&f, ret, err);
	archive_close(&f);
	return r < 0 ? bb_err_wrap(err, "%s", name) : 0;
}

static void blob_path(const char *digest, char ret[static DESCRIBE_NAME_MAX])
{
	(void)snprintf(ret, DESCRIBE_NAME_MAX, "blobs/sha256/%s", digest);
}

static int load_blob(const struct archive *a, const struct describe_blob *blob, struct bb_buf *ret,
		     struct bb_err *err)
{
	char path[DESCRIBE_NAME_MAX];
	int r;

	blob_path(blob->digest, path);
	r = load(a, path, ret, err);
	if (r == 0 && (ret->len != blob->size || !digest_is(bb_buf_span(ret), blob->digest)))
		r = bb_err_set(err, -EBADMSG, "%s: not what its digest says", path);
	return r;
}

/* The configuration tells the layers' digests; there have to be as many as there are layers */
static int take_config(struct bb_span text, struct image *ret, struct bb_err *err)
{
	bb_auto_free struct describe_config *config = calloc(1, sizeof(*config));
	int r = config ? describe_config(text, config, err) : bb_err_set(err, -ENOMEM, "no memory");

	if (r < 0)
		return r;
	ret->env = config->env;
	if (config->n != ret->n_layers)
		return bb_err_set(err, -EBADMSG, "%zu layers, and digests of %zu", ret->n_layers,
				  config->n);
	memcpy(ret->diff, config->layers, sizeof(ret->diff));
	return 0;
}

static int take_manifest(const struct archive *a, const struct describe_blob *blob,
			 struct image *ret, struct bb_err *err)
{
	bb_auto_free struct describe_manifest *m = calloc(1, sizeof(*m));
	bb_auto_buf struct bb_buf text, config;
	int r = m ? 0 : bb_err_set(err, -ENOMEM, "no memory");

	bb_buf_init(&text, DESCRIBE_JSON_MAX);
	bb_buf_init(&config, DESCRIBE_JSON_MAX);
	if (r == 0)
		r = load_blob(a, blob, &text, err);
	if (r == 0)
		r = describe_manifest(bb_buf_span(&text), m, err);
	if (r == 0)
		r = load_blob(a, &m->config, &config, err);
	if (r < 0)
		return r;
	memcpy(ret->digest, blob->digest, sizeof(ret->digest));
	ret->n_layers = m->n;
	for (size_t i = 0; i < m->n; i++) {
		memcpy(ret->blob[i], m->layers[i].digest, sizeof(ret->blob[i]));
		blob_path(m->layers[i].digest, ret->path[i]);
	}
	return take_config(bb_buf_span(&config), ret, err);
}

/* The one manifest for this machine, in an index or in one that it names */
static int choose(const struct describe_index *index, const struct describe_blob **ret,
		  struct bb_err *err)
{
	size_t found = 0;

	for (size_t i = 0; i < index->n; i++) {
		const struct describe_blob *b = &index->v[i];

		if (b->other_platform ||
		    (b->kind != DESCRIBE_MANIFEST && b->kind != DESCRIBE_INDEX))
			continue;
		/* the same image under two names is one */
		if (found && strcmp((*ret)->digest, b->digest) == 0)
			continue;
		*ret = b;
		found++;
	}
	if (found == 1)
		return 0;
	return bb_err_set(err, -EBADMSG,
			  found ? "several images in the archive: save one alone"
				: "no image for this machine in the archive");
}

static int take_index(const struct archive *a, struct bb_span text, int depth, struct image *ret,
		      struct bb_err *err)
{
	bb_auto_free struct describe_index *index = calloc(1, sizeof(*index));
	const struct describe_blob *blob = NULL;
	bb_auto_buf struct bb_buf inner;
	int r = index ? describe_index(text, index, err) : bb_err_set(err, -ENOMEM, "no memory");

	bb_buf_init(&inner, DESCRIBE_JSON_MAX);
	if (r == 0)
		r = choose(index, &blob, err);
	if (r < 0)
		return r;
	if (blob->name[0] && !ret->name[0])
		memcpy(ret->name, blob->name, sizeof(ret->name));
	if (blob->kind == DESCRIBE_MANIFEST)
		return take_manifest(a, blob, ret, err);
	if (depth == INDEX_DEPTH)
		return bb_err_set(err, -EBADMSG, "index in index in index");
	r = load_blob(a, blob, &inner, err);
	return r < 0 ? r : take_index(a, bb_buf_span(&inner), depth + 1, ret, err);
}

/* "blobs/sha256/HEX" or "HEX.json": docker names it by its digest */
static int check_config_name(const char *path, struct bb_span text, struct image *ret,
			     struct bb_err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = strspn(name, "0123456789abcdef");

	if (n != 64 || (name[n] && strcmp(name + n, ".json") != 0))
		return bb_err_set(err, -EBADMSG, "manifest.json: the name of Config is no digest");
	(void)snprintf(ret->digest, sizeof(ret->digest), "%.64s", name);
	return digest_is(text, ret->digest)
		       ? 0
		       : bb_err_set(err, -EBADMSG, "%.100s: not what its digest says", path);
}

static int take_docker(const struct archive *a, struct bb_span text, struct image *ret,
		       struct bb_err *err)
{
	bb_auto_free struct describe_docker *d = calloc(1, sizeof(*d));
	bb_auto_buf struct bb_buf config;
	int r = d ? describe_docker(text, d, err) : bb_err_set(err, -ENOMEM, "no memory");

	bb_buf_init(&config, DESCRIBE_JSON_MAX);
	if (r == 0)
		r = load(a, d->config, &config, err);
	if (r == 0)
		r = check_config_name(d->config, bb_buf_span(&config), ret, err);
	if (r < 0)
		return r;
	memcpy(ret->name, d->name, sizeof(ret->name));
	ret->n_layers = d->n;
	memcpy(ret->path, d->layers, sizeof(ret->path));
	return take_config(bb_buf_span(&config), ret, err);
}

int image_describe(const struct archive *a, struct image *ret, struct bb_err *err)
{
	bb_auto_buf struct bb_buf text;
	struct bb_err none = { 0 };
	int r;

	bb_buf_init(&text, DESCRIBE_JSON_MAX);
	r = load(a, "index.json", &text, &none);
	if (r == 0)
		return take_index(a, bb_buf_span(&text), 1, ret, err);
	if (r != -ENOENT)
		return bb_err_set(err, r, "%s", none.msg);
	none = (struct bb_err){ 0 };
	r = load(a, "manifest.json", &text, &none);
	if (r == -ENOENT)
		return bb_err_set(err, -EBADMSG,
				  "neither an OCI layout (index.json) nor a docker archive "
				  "(manifest.json)");
	return r < 0 ? bb_err_set(err, r, "%s", none.msg)
		     : take_docker(a, bb_buf_span(&text), ret, err);
}
