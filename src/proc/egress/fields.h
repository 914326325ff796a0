/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_EGRESS_FIELDS_H
#define BB_EGRESS_FIELDS_H
#include "scan/scan.h"
#include "wire/protobuf.h"

/**
 * DOC: fields - protobuf, each field of it searched by itself
 *
 * A length and a tag are octets that may be letters: a token behind one looks like the end of a
 * word, and a run of base64 seems to begin with it. So fields that begin or end with text are
 * searched again, apart from what stands around them.
 *
 * Layer:     proc/egress
 * Ownership: fields_new() takes over the stream; fields_free()
 * Limits:    those of wire/protobuf.h; a field is searched when all of it is there
 */
struct fields;

/** fields_new() - Return: NULL without memory, or without @stream, which is then closed */
BB_MUST_USE struct fields *fields_new(struct scan_stream *stream);
void fields_free(struct fields *f);
/** fields_feed() - The next octets of messages. Return: of the search, never SCAN_HOLD */
enum scan_result fields_feed(struct fields *f, struct bb_span data, scan_fn *fn, void *arg);
#endif
