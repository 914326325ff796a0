/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_PROTOBUF_H
#define BB_WIRE_PROTOBUF_H
#include "base/base.h"

/**
 * DOC: protobuf - fields of messages whose schema nobody here knows
 *
 * The length before a field is an octet that may be a letter, and so may the tag behind it: what a
 * field begins and ends with shows only when it stands by itself. Whether one is text or a message
 * only the schema says, so it is taken for both: the fields inside it are given, as far as it reads
 * as a message, and then it as a whole. Messages one behind another read as one.
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   egress; fuzz/protobuf.c; tests/unit/wire/protobuf.c
 * Trust:     hostile; what is no message gives fewer fields, or none
 * Limits:    PROTOBUF_DEPTH messages one in another; fields of PROTOBUF_FIELD_MIN to
 *            PROTOBUF_FIELD_MAX octets (from there to 768 KiB the last octet of a length is none
 *            of a word)
 * Source:    https://protobuf.dev/programming-guides/encoding/
 */
#define PROTOBUF_DEPTH     16
#define PROTOBUF_FIELD_MIN 8
#define PROTOBUF_FIELD_MAX 16383

/** struct protobuf_level - A field that may be a message: where in the stream it begins and ends */
struct protobuf_level {
	uint64_t begin;
	uint64_t end;
};

/** enum protobuf_state - What the next octet belongs to */
enum protobuf_state { PROTOBUF_TAG = 0, PROTOBUF_VALUE, PROTOBUF_LENGTH, PROTOBUF_SKIP };

/** struct protobuf - Start with zeroes; the fields are the reader's own */
struct protobuf {
	enum protobuf_state state;
	struct protobuf_level levels[PROTOBUF_DEPTH];
	size_t depth;
	uint64_t at; /* in the stream */
	uint64_t skip_to;
	uint64_t number; /* a varint, of @n_number octets so far */
	unsigned int n_number;
	size_t n; /* the octets before @at */
	uint8_t window[2 * (PROTOBUF_FIELD_MAX + 1)];
};

/** protobuf_field_fn - @field: borrowed until it returns. Return: false to stop */
typedef bool protobuf_field_fn(void *arg, struct bb_span field);

/**
 * protobuf_feed() - Read the next octets; how they are cut makes no difference
 *
 * A field is given when its last octet has come. Return: false when @fn said stop
 */
bool protobuf_feed(struct protobuf *p, struct bb_span in, protobuf_field_fn *fn, void *arg);
#endif
