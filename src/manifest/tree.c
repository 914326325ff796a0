/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/tree.h"
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct bb_span text;
	unsigned int line;
	struct diag *diag;
	unsigned int nodes;
	bool failed;
};

void tree_free(struct tree *n)
{
	while (n) {
		struct tree *next = n->next;

		tree_free(n->first); /* depth is bounded by TREE_DEPTH_MAX */
		free(n->key);
		free(n->text);
		free(n);
		n = next;
	}
}

bool tree_is_null(const struct tree *n)
{
	return n->kind == TREE_SCALAR && n->plain &&
	       (!*n->text || strcmp(n->text, "~") == 0 || strcasecmp(n->text, "null") == 0);
}

const struct tree *tree_get(const struct tree *map, const char *key)
{
	for (const struct tree *c = map ? map->first : NULL; c; c = c->next) {
		if (c->key && strcmp(c->key, key) == 0)
			return c;
	}
	return NULL;
}

static struct diag_place place(const struct reader *r, yaml_mark_t m)
{
	return (struct diag_place){ r->file, (unsigned int)m.line + 1 + r->line,
				    (unsigned int)m.column + 1 };
}

static void refuse(struct reader *r, struct diag_place at, const char *what)
{
	if (!r->failed)
		diag_add(r->diag, at, "%s", what);
	r->failed = true;
}

/* libyaml's problem → the way out, where people write it that way */
static const struct {
	const char *problem, *way_out;
} ways_out[] = {
	{ "did not find expected alphabetic or numeric character",
	  "a text that begins with * or & has to be in quotes: \"*.example.com\"" },
	{ "found character that cannot start any token",
	  "a text that begins with @, ` or % has to be in quotes" },
	{ "mapping values are not allowed in this context",
	  "a text with `: ` in it has to be in quotes; or this line stands too far to the right" },
	{ "did not find expected '-' indicator", "the keys of one list entry begin in one column" },
	{ "did not find expected key",
	  "the keys of one map begin in one column; a quote inside of quotes is doubled" },
	{ "mapping keys are not allowed in this context",
	  "a question is `NAME: ?Question` without a space, or \"?\" in quotes" },
	{ "did not find expected node content",
	  "a value is missing, or begins with a character that has to be in quotes (? in { })" },
	{ "could not find expected ':'", "a key ends with a colon and a space" },
	{ "did not find expected ',' or '}'",
	  "`{` has to be closed; a text with { or } in it has to "
	  "be in quotes" },
	{ "did not find expected ',' or ']'", "`[` has to be closed" },
};

/* Where the input stops being UTF-8: libyaml tells the octet only */
static struct diag_place place_of_octet(const struct reader *r, struct bb_span text, size_t offset)
{
	struct diag_place at = { r->file, 1 + r->line, 1 };

	for (size_t i = 0; i < offset && i < text.len; i++, at.column++) {
		if (text.p[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return at;
}

/* What libyaml says, in our words where they help more */
static void complain(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "not YAML", *way_out = NULL;
	bool marked = p->problem_mark.line || p->problem_mark.column;
	struct diag_place at = place(r, marked ? p->problem_mark : p->mark);

	if (r->failed)
		return;
	r->failed = true;
	for (size_t i = 0; i < BB_ARRAY_LEN(ways_out) && !way_out; i++) {
		if (strcmp(problem, ways_out[i].problem) == 0)
			way_out = ways_out[i].way_out;
	}
	if (p->error == YAML_READER_ERROR)
		diag_add(r->diag, place_of_octet(r, r->text, p->problem_offset),
			 "%s; the file has to be UTF-8 text", problem);
	else if (p->context && strcmp(p->context, "while scanning a quoted scalar") == 0 &&
		 strcmp(problem, "found unexpected end of stream") == 0)
		diag_add(r->diag, place(r, p->context_mark), "this quote is not closed");
	else if (way_out && p->context && p->context_mark.line < p->problem_mark.line)
		diag_add(r->diag, at, "%s (%s from line %u on); %s", problem, p->context,
			 place(r, p->context_mark).line, way_out);
	else
		diag_add(r->diag, at, "%s%s%s", problem, way_out ? "; " : "",
			 way_out ? way_out : "");
}

static bool next_event(struct reader *r, yaml_event_t *ev)
{
	if (yaml_parser_parse(&r->parser, ev))
		return true;
	complain(r);
	return false;
}

static struct tree *new_node(struct reader *r, enum tree_kind kind, const yaml_event_t *ev)
{
	struct tree *n;

	if (++r->nodes > TREE_NODES_MAX) {
		refuse(r, place(r, ev->start_mark), "too many values in one file (10,000)");
		return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (n) {
		n->kind = kind;
		n->at = place(r, ev->start_mark);
	} else {
		refuse(r, place(r, ev->start_mark), "no memory");
	}
	return n;
}

static bool has_decoration(const yaml_char_t *anchor, const yaml_char_t *tag)
{
	return anchor || tag;
}

static bool event_is_decorated(struct reader *r, const yaml_event_t *ev)
{
	bool bad = ev->type == YAML_ALIAS_EVENT;

	if (ev->type == YAML_SCALAR_EVENT)
		bad = has_decoration(ev->data.scalar.anchor, ev->data.scalar.tag);
	else if (ev->type == YAML_MAPPING_START_EVENT)
		bad = has_decoration(ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
	else if (ev->type == YAML_SEQUENCE_START_EVENT)
		bad = has_decoration(ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
	if (bad)
		refuse(r, place(r, ev->start_mark),
		       "anchors, aliases and tags are not allowed in a manifest; a text that "
		       "begins "
		       "with *, & or ! has to be in quotes");
	return bad;
}

static struct tree *read_node(struct reader *r, yaml_event_t *ev, unsigned int depth);

/* The key of the next map entry; NULL at the end of the map or after an error */
static char *read_key(struct reader *r, const struct tree *map, struct diag_place *ret_at)
{
	yaml_event_t ev;
	char *key = NULL;

	if (!next_event(r, &ev))
		return NULL;
	*ret_at = place(r, ev.start_mark);
	if (ev.type == YAML_SCALAR_EVENT && !event_is_decorated(r, &ev)) {
		key = strdup((const char *)ev.data.scalar.value);
		if (strlen(key) != ev.data.scalar.length)
			refuse(r, *ret_at, "NUL in a key");
		else if (strcmp(key, "<<") == 0)
			refuse(r, *ret_at, "merge keys (<<) are not allowed; use extends");
		else if (tree_get(map, key))
			refuse(r, *ret_at, "this key stands twice in its map");
	} else if (ev.type != YAML_MAPPING_END_EVENT) {
		refuse(r, *ret_at, "a key has to be a plain word");
	}
	yaml_event_delete(&ev);
	if (r->failed) {
		free(key);
		return NULL;
	}
	return key;
}

static void read_map(struct reader *r, struct tree *map, unsigned int depth)
{
	struct tree **tail = &map->first;
	struct diag_place at;
	char *key;

	while (!r->failed && (key = read_key(r, map, &at))) {
		yaml_event_t ev;
		struct tree *child = NULL;

		if (next_event(r, &ev)) {
			child = read_node(r, &ev, depth + 1);
			yaml_event_delete(&ev);
		}
		if (!child) {
			free(key);
			return;
		}
		child->key = key;
		child->key_at = at;
		*tail = child;
		tail = &child->next;
	}
}

static void read_seq(struct reader *r, struct tree *seq, unsigned int depth)
{
	struct tree **tail = &seq->first;

	while (!r->failed) {
		yaml_event_t ev;
		struct tree *child;

		if (!next_event(r, &ev))
			return;
		if (ev.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&ev);
			return;
		}
		child = read_node(r, &ev, depth + 1);
		yaml_event_delete(&ev);
		if (!child)
			return;
		*tail = child;
		tail = &child->next;
	}
}

static struct tree *read_scalar(struct reader *r, const yaml_event_t *ev)
{
	struct tree *n = new_node(r, TREE_SCALAR, ev);

	if (!n)
		return NULL;
	n->text = strdup((const char *)ev->data.scalar.value);
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (!n->text || strlen(n->text) != ev->data.scalar.length)
		refuse(r, n->at, "NUL in a value");
	return n;
}

static struct tree *read_node(struct reader *r, yaml_event_t *ev, unsigned int depth)
{
	struct tree *n = NULL;

	if (event_is_decorated(r, ev))
		return NULL;
	if (depth > TREE_DEPTH_MAX) {
		refuse(r, place(r, ev->start_mark), "nested deeper than 16");
		return NULL;
	}
	if (ev->type == YAML_SCALAR_EVENT) {
		n = read_scalar(r, ev);
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		n = new_node(r, TREE_MAP, ev);
		if (n)
			read_map(r, n, depth);
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		n = new_node(r, TREE_SEQ, ev);
		if (n)
			read_seq(r, n, depth);
	} else {
		refuse(r, place(r, ev->start_mark), "a value is missing");
	}
	if (r->failed) {
		tree_free(n);
		return NULL;
	}
	return n;
}

/* Stream start, document start, the node, document end, stream end */
static struct tree *read_document(struct reader *r)
{
	struct tree *root = NULL;
	yaml_event_t ev;
	yaml_event_type_t type = YAML_NO_EVENT;

	do {
		if (!next_event(r, &ev))
			break;
		type = ev.type;
		if (type == YAML_DOCUMENT_START_EVENT && ev.data.document_start.version_directive)
			refuse(r, place(r, ev.start_mark), "directives are not allowed");
		if (type == YAML_SCALAR_EVENT || type == YAML_MAPPING_START_EVENT ||
		    type == YAML_SEQUENCE_START_EVENT || type == YAML_ALIAS_EVENT) {
			root = read_node(r, &ev, 1);
		} else if (type == YAML_DOCUMENT_START_EVENT && root) {
			refuse(r, place(r, ev.start_mark), "only one document per file");
		}
		yaml_event_delete(&ev);
	} while (!r->failed && type != YAML_STREAM_END_EVENT);
	if (r->failed) {
		tree_free(root);
		return NULL;
	}
	return root;
}

/* Faults that libyaml would pass or would place badly */
static bool bytes_are_ok(struct reader *r, struct bb_span text)
{
	unsigned int line = 1, column = 1;
	bool indent = true;

	if (text.len > TREE_SIZE_MAX) {
		refuse(r, (struct diag_place){ r->file, 0, 0 }, "larger than 256 KiB");
		return false;
	}
	for (size_t i = 0; i < text.len; i++, column++) {
		struct diag_place at = { r->file, line + r->line, column };
		uint8_t c = text.p[i];

		if (c == 0)
			refuse(r, at, "NUL octet");
		else if (c == '\t' && indent)
			refuse(r, at, "tab in indentation; use spaces");
		if (r->failed)
			return false;
		if (c != ' ')
			indent = false;
		if (c == '\n') {
			line++;
			column = 0;
			indent = true;
		}
	}
	return true;
}

struct tree *tree_parse(struct bb_span text, const char *file, unsigned int line, struct diag *diag)
{
	struct reader r = { .file = file, .text = text, .line = line, .diag = diag };
	struct tree *root;

	if (!bytes_are_ok(&r, text))
		return NULL;
	if (!yaml_parser_initialize(&r.parser)) {
		refuse(&r, (struct diag_place){ file, 0, 0 }, "no memory");
		return NULL;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, text.p ? text.p : (const uint8_t *)"", text.len);
	root = read_document(&r);
	yaml_parser_delete(&r.parser);
	return root;
}
