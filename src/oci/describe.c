/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/describe.h"
#include <errno.h>
#include <stdio.h>

#if defined(__x86_64__)
#define MACHINE "amd64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#else
#error "what does OCI call this machine?"
#endif

static const struct {
	const char *type;
	enum describe_kind kind;
} types[] = {
	{ "application/vnd.oci.image.index.v1+json", DESCRIBE_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", DESCRIBE_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", DESCRIBE_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", DESCRIBE_MANIFEST },
	{ "application/vnd.oci.image.config.v1+json", DESCRIBE_CONFIG },
	{ "application/vnd.docker.container.image.v1+json", DESCRIBE_CONFIG },
	{ "application/vnd.oci.image.layer.v1.tar", DESCRIBE_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", DESCRIBE_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", DESCRIBE_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", DESCRIBE_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", DESCRIBE_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", DESCRIBE_LAYER },
};

static int bad(struct bb_err *err, const char *what, const char *why)
{
	return bb_err_set(err, -EBADMSG, "%s: %s", what, why);
}

static json_t *load(struct bb_span text, const char *what, json_type type, struct bb_err *err)
{
	json_error_t je;
	json_t *json;

	if (text.len > DESCRIBE_JSON_MAX) {
		(void)bad(err, what, "too large");
		return NULL;
	}
	json = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &je);
	if (json && json_typeof(json) == type)
		return json;
	(void)bad(err, what, json ? "not what it has to be" : "not JSON, or a key twice");
	json_decref(json);
	return NULL;
}

/* A text that is there, has no control characters, and fits */
static bool copy(const json_t *value, char *ret, size_t size)
{
	const char *s = json_string_value(value);

	if (!s || strlen(s) >= size)
		return false;
	for (const char *c = s; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	}
	(void)snprintf(ret, size, "%s", s);
	return true;
}

bool describe_digest(const char *text, char ret[static DESCRIBE_DIGEST_SIZE])
{
	if (strncmp(text, "sha256:", 7) != 0 || strlen(text) != 7 + 64 ||
	    strspn(text + 7, "0123456789abcdef") != 64)
		return false;
	memcpy(ret, text + 7, DESCRIBE_DIGEST_SIZE);
	return true;
}

static bool take_digest(const json_t *value, char ret[static DESCRIBE_DIGEST_SIZE])
{
	const char *s = json_string_value(value);

	return s && describe_digest(s, ret);
}

static bool take_platform(const json_t *platform, struct describe_blob *ret)
{
	char os[64], machine[64];

	if (!platform)
		return true;
	if (!copy(json_object_get(platform, "os"), os, sizeof(os)) ||
	    !copy(json_object_get(platform, "architecture"), machine, sizeof(machine)))
		return false;
	ret->other_platform = strcmp(os, "linux") != 0 || strcmp(machine, MACHINE) != 0;
	return true;
}

static int take_blob(const json_t *json, const char *what, struct describe_blob *ret,
		     struct bb_err *err)
{
	const json_t *size = json_object_get(json, "size"), *notes, *name;
	char type[DESCRIBE_NAME_MAX];

	*ret = (struct describe_blob){ .kind = DESCRIBE_OTHER };
	if (!copy(json_object_get(json, "mediaType"), type, sizeof(type)))
		return bad(err, what, "a descriptor without mediaType");
	if (!take_digest(json_object_get(json, "digest"), ret->digest))
		return bad(err, what, "a digest that is no sha256");
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return bad(err, what, "a descriptor without size");
	if (!take_platform(json_object_get(json, "platform"), ret))
		return bad(err, what, "platform");
	ret->size = (uint64_t)json_integer_value(size);
	notes = json_object_get(json, "annotations");
	name = json_object_get(notes, "org.opencontainers.image.ref.name");
	if ((notes && !json_is_object(notes)) ||
	    (name && !copy(name, ret->name, sizeof(ret->name))))
		return bad(err, what, "annotations");
	for (size_t i = 0; i < BB_ARRAY_LEN(types); i++) {
		if (strcmp(type, types[i].type) == 0)
			ret->kind = types[i].kind;
	}
	return 0;
}

static int check_version(const json_t *json, const char *what, struct bb_err *err)
{
	const json_t *version = json_object_get(json, "schemaVersion");

	return json_is_integer(version) && json_integer_value(version) == 2
		       ? 0
		       : bad(err, what, "schemaVersion is not 2");
}

int describe_index(struct bb_span text, struct describe_index *ret, struct bb_err *err)
{
	json_auto_t *json = load(text, "index", JSON_OBJECT, err);
	const json_t *all = json_object_get(json, "manifests");
	int r = json ? check_version(json, "index", err) : err->code;

	ret->n = 0;
	if (r == 0 && (!json_is_array(all) || json_array_size(all) > DESCRIBE_INDEX_MAX))
		r = bad(err, "index", "no manifests, or too many");
	for (size_t i = 0; r == 0 && i < json_array_size(all); i++)
		r = take_blob(json_array_get(all, i), "index", &ret->v[ret->n++], err);
	return r;
}

int describe_manifest(struct bb_span text, struct describe_manifest *ret, struct bb_err *err)
{
	json_auto_t *json = load(text, "manifest", JSON_OBJECT, err);
	const json_t *all = json_object_get(json, "layers");
	int r = json ? check_version(json, "manifest", err) : err->code;

	ret->n = 0;
	if (r == 0)
		r = take_blob(json_object_get(json, "config"), "manifest", &ret->config, err);
	if (r == 0 && ret->config.kind != DESCRIBE_CONFIG)
		r = bad(err, "manifest", "its config is not that of an image");
	if (r == 0 && (!json_is_array(all) || json_array_size(all) > DESCRIBE_LAYERS_MAX))
		r = bad(err, "manifest", "no layers, or more than 128");
	for (size_t i = 0; r == 0 && i < json_array_size(all); i++) {
		struct describe_blob *layer = &ret->layers[ret->n++];

		r = take_blob(json_array_get(all, i), "manifest", layer, err);
		if (r == 0 && layer->kind != DESCRIBE_LAYER)
			r = bad(err, "manifest",
				"a layer of a type that is not known (encrypted, "
				"or not in the archive)");
	}
	return r;
}

static int take_docker(const json_t *one, struct describe_docker *ret, struct bb_err *err)
{
	const json_t *layers = json_object_get(one, "Layers"),
		     *tags = json_object_get(one, "RepoTags");

	ret->n = 0;
	ret->name[0] = '\0';
	if (!copy(json_object_get(one, "Config"), ret->config, sizeof(ret->config)))
		return bad(err, "manifest.json", "no Config");
	if (tags && !json_is_null(tags) && !json_is_array(tags))
		return bad(err, "manifest.json", "RepoTags");
	if (json_array_size(tags) && !copy(json_array_get(tags, 0), ret->name, sizeof(ret->name)))
		return bad(err, "manifest.json", "RepoTags");
	if (!json_is_array(layers) || json_array_size(layers) > DESCRIBE_LAYERS_MAX)
		return bad(err, "manifest.json", "no Layers, or more than 128");
	for (size_t i = 0; i < json_array_size(layers); i++) {
		if (!copy(json_array_get(layers, i), ret->layers[ret->n++], DESCRIBE_NAME_MAX))
			return bad(err, "manifest.json", "Layers");
	}
	return 0;
}

int describe_docker(struct bb_span text, struct describe_docker *ret, struct bb_err *err)
{
	json_auto_t *json = load(text, "manifest.json", JSON_ARRAY, err);

	if (!json)
		return err->code;
	if (json_array_size(json) != 1)
		return bb_err_set(err, -EBADMSG,
				  "manifest.json: %zu images in the archive: save one alone",
				  json_array_size(json));
	return take_docker(json_array_get(json, 0), ret, err);
}

static int take_env(const json_t *env, json_t *ret, struct bb_err *err)
{
	size_t octets = 0, i;
	const json_t *one;

	if (!env || json_is_null(env))
		return 0;
	if (!json_is_array(env) || json_array_size(env) > DESCRIBE_ENV_MAX)
		return bad(err, "config", "Env is no list, or longer than 256");
	json_array_foreach(env, i, one)
	{
		const char *s = json_string_value(one);

		if (!s || !strchr(s, '='))
			return bad(err, "config", "a line of Env is not NAME=value");
		octets += strlen(s);
		if (octets > DESCRIBE_ENV_OCTETS)
			return bad(err, "config", "Env is longer than 65,536 octets");
		if (json_array_append_new(ret, json_string(s)) < 0)
			return bb_err_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

int describe_config(struct bb_span text, struct describe_config *ret, struct bb_err *err)
{
	json_auto_t *json = load(text, "config", JSON_OBJECT, err);
	const json_t *rootfs = json_object_get(json, "rootfs"),
		     *all = json_object_get(rootfs, "diff_ids"),
		     *config = json_object_get(json, "config");
	char os[64], machine[64];
	json_auto_t *env = NULL;
	int r;

	ret->n = 0;
	ret->env = NULL;
	if (!json)
		return err->code;
	if (!copy(json_object_get(json, "os"), os, sizeof(os)) ||
	    !copy(json_object_get(json, "architecture"), machine, sizeof(machine)))
		return bad(err, "config", "no os or architecture");
	if (strcmp(os, "linux") != 0 || strcmp(machine, MACHINE) != 0)
		return bb_err_set(err, -EBADMSG, "the image is for %s/%s, this machine is linux/%s",
				  os, machine, MACHINE);
	if (!json_is_array(all) || json_array_size(all) > DESCRIBE_LAYERS_MAX)
		return bad(err, "config", "no rootfs.diff_ids, or more than 128");
	for (size_t i = 0; i < json_array_size(all); i++) {
		if (!take_digest(json_array_get(all, i), ret->layers[ret->n++]))
			return bad(err, "config", "a diff_id that is no sha256");
	}
	if (config && !json_is_null(config) && !json_is_object(config))
		return bad(err, "config", "config");
	env = json_array();
	r = env ? take_env(json_object_get(config, "Env"), env, err)
		: bb_err_set(err, -ENOMEM, "no memory");
	if (r == 0)
		ret->env = json_incref(env);
	return r;
}
