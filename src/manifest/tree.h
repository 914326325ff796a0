/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_MANIFEST_TREE_H
#define BB_MANIFEST_TREE_H
#include "manifest/diag.h"

/**
 * DOC: tree - the YAML that manifests may use, as a tree with positions
 *
 * Layer:     manifest
 * Used by:   manifest schemas; fuzz/manifest.c
 * Trust:     the operator's files, and agents that a repository ships: strict
 * Ownership: one tree, yaml_free()
 * Limits:    256 KiB, depth 16, 10,000 nodes
 * Source:    YAML 1.1 as libyaml reads it, without anchors, aliases, tags, merge keys, duplicate
 *            keys, further documents, tabs in indentation, NUL, and what is not UTF-8
 */
#define YAML_SIZE_MAX  (256u << 10)
#define YAML_DEPTH_MAX 16
#define YAML_NODES_MAX 10000

enum yaml_kind { YAML_SCALAR = 0, YAML_MAP, YAML_SEQ };

/**
 * struct yaml_node - One node
 * @key:	name in its map, NULL in a sequence
 * @text:	of a scalar
 * @plain:	written without quotes: may be null, a number, a boolean
 */
struct yaml_node {
	enum yaml_kind kind;
	struct diag_place at;
	struct diag_place key_at;
	char *key;
	char *text;
	bool plain;
	struct yaml_node *first; /* children in order */
	struct yaml_node *next;
};

/**
 * yaml_parse() - Read one document
 * @text:	the document
 * @file:	for positions; borrowed by the tree
 * @line:	added to line numbers (lines before the document in its file)
 *
 * Return: owned root; NULL for an empty document, or after errors (then diag->n grew)
 */
struct yaml_node *yaml_parse(struct bb_span text, const char *file, unsigned int line,
			     struct diag *diag);
void yaml_free(struct yaml_node *node);

/** yaml_is_null() - Plain "", "~" or "null" */
bool yaml_is_null(const struct yaml_node *n);
/** yaml_get() - Child of a map by key, or NULL */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
#endif
