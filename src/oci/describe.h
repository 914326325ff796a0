/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_OCI_DESCRIBE_H
#define BB_OCI_DESCRIBE_H
#include "base/base.h"
#include <jansson.h>

/**
 * DOC: describe - the JSON of an image: index, manifest and configuration, and docker's manifest
 *
 * Layer:     oci
 * Used by:   unpacker; fuzz/oci_json.c
 * Trust:     hostile input: exact types, duplicate keys refused, every list bounded
 * Ownership: the structs hold copies
 * Limits:    DESCRIBE_*
 * Source:    OCI image-spec v1.1: descriptor.md, image-index.md, manifest.md, config.md; moby
 *            image/spec/v1.2.md ("Combined Image JSON + Filesystem Changeset Format")
 */
#define DESCRIBE_JSON_MAX    (4u << 20)
#define DESCRIBE_LAYERS_MAX  128
#define DESCRIBE_INDEX_MAX   64
#define DESCRIBE_ENV_MAX     256
#define DESCRIBE_ENV_OCTETS  65536
#define DESCRIBE_NAME_MAX    256
#define DESCRIBE_DIGEST_SIZE 65 /* SHA-256 in hexadecimal, with NUL */

enum describe_kind {
	DESCRIBE_INDEX,
	DESCRIBE_MANIFEST,
	DESCRIBE_CONFIG,
	DESCRIBE_LAYER,
	DESCRIBE_OTHER,
};

/** struct describe_blob - A descriptor: what it is, and what it has to be */
struct describe_blob {
	enum describe_kind kind;
	char digest[DESCRIBE_DIGEST_SIZE];
	uint64_t size;
	bool other_platform;          /* it says that it is not for this machine */
	char name[DESCRIBE_NAME_MAX]; /* org.opencontainers.image.ref.name, or "" */
};

struct describe_index {
	size_t n;
	struct describe_blob v[DESCRIBE_INDEX_MAX];
};

struct describe_manifest {
	struct describe_blob config;
	size_t n;
	struct describe_blob layers[DESCRIBE_LAYERS_MAX];
};

/** struct describe_docker - The one image of a docker-archive; names are paths in it */
struct describe_docker {
	char config[DESCRIBE_NAME_MAX];
	char name[DESCRIBE_NAME_MAX]; /* its first tag, or "" */
	size_t n;
	char layers[DESCRIBE_LAYERS_MAX][DESCRIBE_NAME_MAX];
};

/**
 * struct describe_config
 * @layers:	SHA-256 of each layer, not compressed
 * @env:	array of "NAME=value"; owned
 */
struct describe_config {
	size_t n;
	char layers[DESCRIBE_LAYERS_MAX][DESCRIBE_DIGEST_SIZE];
	json_t *env;
};

/* Return: 0, or -EBADMSG with an @err that says which key; outputs are then undefined */
BB_MUST_USE int describe_index(struct bb_span text, struct describe_index *ret, struct bb_err *err);
BB_MUST_USE int describe_manifest(struct bb_span text, struct describe_manifest *ret,
				  struct bb_err *err);
BB_MUST_USE int describe_docker(struct bb_span text, struct describe_docker *ret,
				struct bb_err *err);
/** describe_config() - Also refuses another machine's image */
BB_MUST_USE int describe_config(struct bb_span text, struct describe_config *ret,
				struct bb_err *err);

/** describe_digest() - "sha256:" and 64 hexadecimal digits. Return: whether @ret has them */
BB_MUST_USE bool describe_digest(const char *text, char ret[static DESCRIBE_DIGEST_SIZE]);
#endif
