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
 * Ownership: one tree, tree_free()
 * Limits:    256 KiB, depth 16, 10,000 nodes
 * Source:    YAML 1.1 as libyaml reads it, without anchors, aliases, tags, merge keys, duplicate
 *            keys, further documents, tabs in indentation, NUL, and what is not UTF-8
 */
#define TREE_SIZE_MAX  (256u << 10)
#define TREE_DEPTH_MAX 16
#define TREE_NODES_MAX 10000

enum tree_kind { TREE_SCALAR = 0, TREE_MAP, TREE_SEQ };

/**
 * struct tree - One node
 * @key:	name in its map, NULL in a sequence
 * @text:	of a scalar
 * @plain:	written without quotes: may be null, a number, a boolean
 */
struct tree {
	enum tree_kind kind;
	struct diag_place at;
	struct diag_place key_at;
	char *key;
	char *text;
	bool plain;
	struct tree *first; /* children in order */
	struct tree *next;
};

/**
 * tree_parse() - Read one document
 * @text:	the document
 * @file:	for positions; borrowed by the tree
 * @line:	added to line numbers (lines before the document in its file)
 *
 * Return: owned root; NULL for an empty document, or after errors (then diag->n grew)
 */
struct tree *tree_parse(struct bb_span text, const char *file, unsigned int line,
			struct diag *diag);
void tree_free(struct tree *node);

/** tree_is_null() - Plain "", "~" or "null" */
bool tree_is_null(const struct tree *n);
/** tree_get() - Child of a map by key, or NULL */
const struct tree *tree_get(const struct tree *map, const char *key);
#endif
