/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/protobuf.h"

#define PIECE       (PROTOBUF_FIELD_MAX + 1)
#define VARINT_MAX  10
#define NUMBER_MAX  ((1u << 29) - 1)
#define WIRE_VARINT 0
#define WIRE_64     1
#define WIRE_LENGTH 2
#define WIRE_BEGIN  3
#define WIRE_END    4
#define WIRE_32     5

static uint64_t end_of(const struct protobuf *p)
{
	return p->depth ? p->levels[p->depth - 1].end : UINT64_MAX;
}

static void expect(struct protobuf *p, enum protobuf_state state)
{
	p->state = state;
	p->number = p->n_number = 0;
}

/* @left octets of no interest. Where that is more than there are, it was no message */
static void skip(struct protobuf *p, uint64_t left)
{
	uint64_t end = end_of(p);

	expect(p, PROTOBUF_SKIP);
	p->skip_to = left < end - p->at ? p->at + left : end;
}

/* It is text after all, up to its end. Outside of all fields: try the next octet */
static void no_message(struct protobuf *p)
{
	if (p->depth)
		skip(p, UINT64_MAX);
	else
		expect(p, PROTOBUF_TAG);
}

static void on_tag(struct protobuf *p, uint64_t tag)
{
	unsigned int type = tag & 7;

	expect(p, PROTOBUF_TAG);
	if (tag >> 3 == 0 || tag >> 3 > NUMBER_MAX || type > WIRE_32)
		no_message(p);
	else if (type == WIRE_VARINT)
		expect(p, PROTOBUF_VALUE);
	else if (type == WIRE_LENGTH)
		expect(p, PROTOBUF_LENGTH);
	else if (type != WIRE_BEGIN && type != WIRE_END)
		skip(p, type == WIRE_64 ? 8 : 4);
}

static void on_length(struct protobuf *p, uint64_t len)
{
	if (len > end_of(p) - p->at) {
		no_message(p);
		return;
	}
	expect(p, PROTOBUF_TAG);
	if (len == 0)
		return;
	if (p->depth == PROTOBUF_DEPTH) {
		skip(p, len);
		return;
	}
	p->levels[p->depth++] = (struct protobuf_level){ p->at, p->at + len };
}

static void on_octet(struct protobuf *p, uint8_t c)
{
	uint64_t number;

	p->at++;
	p->number |= (uint64_t)(c & 0x7f) << 7 * p->n_number++;
	if (c & 0x80) {
		if (p->n_number == VARINT_MAX)
			no_message(p);
		return;
	}
	number = p->number;
	if (p->state == PROTOBUF_TAG)
		on_tag(p, number);
	else if (p->state == PROTOBUF_LENGTH)
		on_length(p, number);
	else
		expect(p, PROTOBUF_TAG);
}

/* Fields that end here. Return: false when @fn said stop */
static bool give(struct protobuf *p, const uint8_t *here, protobuf_field_fn *fn, void *arg)
{
	bool on = true;

	while (on && p->depth && p->levels[p->depth - 1].end == p->at) {
		size_t len = (size_t)(p->at - p->levels[--p->depth].begin);

		expect(p, PROTOBUF_TAG);
		if (len >= PROTOBUF_FIELD_MIN && len <= PROTOBUF_FIELD_MAX)
			on = fn(arg, (struct bb_span){ here - len, len });
	}
	return on;
}

/* The last octets of the window, from @at on */
static bool read_new(struct protobuf *p, size_t at, protobuf_field_fn *fn, void *arg)
{
	bool on = true;

	while (at < p->n && on) {
		if (p->state == PROTOBUF_SKIP) {
			uint64_t left = p->skip_to - p->at;
			size_t n = left < p->n - at ? (size_t)left : p->n - at;

			p->at += n;
			at += n;
			if (p->at == p->skip_to)
				expect(p, PROTOBUF_TAG);
		} else {
			on_octet(p, p->window[at++]);
		}
		on = give(p, p->window + at, fn, arg);
	}
	return on;
}

bool protobuf_feed(struct protobuf *p, struct bb_span in, protobuf_field_fn *fn, void *arg)
{
	bool on = true;

	while (in.len && on) {
		size_t n = in.len < PIECE ? in.len : PIECE;

		if (p->n + n > sizeof(p->window)) {
			memmove(p->window, p->window + p->n - PIECE, PIECE);
			p->n = PIECE;
		}
		memcpy(p->window + p->n, in.p, n);
		p->n += n;
		on = read_new(p, p->n - n, fn, arg);
		in = (struct bb_span){ in.p + n, in.len - n };
	}
	return on;
}
