/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_HTTP1_INT_H
#define BB_WIRE_HTTP1_INT_H
#include "wire/http1.h"

/* Shared by the http1_*.c files only */

bool http1_is_tchar(uint8_t c);

/* HTAB, SP, visible ASCII and everything from 0x80 (RFC 9110 section 5.5) */
static inline bool http1_is_value_octet(uint8_t c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}
static inline bool http1_is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct bb_span http1_trim(struct bb_span s);

/* The part of @s up to @c; @s becomes what follows it. False without @c */
bool http1_split(struct bb_span *s, uint8_t c, struct bb_span *ret_before);

/* Take the next element of a comma-separated list; empty elements are skipped */
bool http1_list_next(struct bb_span *list, struct bb_span *ret_element);

/* Text into a buffer of fixed size; @full once something did not fit */
struct http1_out {
	uint8_t *p;
	size_t len;
	size_t cap;
	bool full;
};
void http1_put(struct http1_out *o, struct bb_span s);
void http1_put_str(struct http1_out *o, const char *s);
void http1_put_field(struct http1_out *o, struct bb_span name, struct bb_span value);
void http1_put_uint(struct http1_out *o, const char *before, uint64_t v, const char *after);

bool http1_in_names(struct bb_span name, const char *const *names, size_t n);

/* Connection and framing: fields that are never passed on */
bool http1_is_hop_name(struct bb_span name);

/* 1*DIGIT, at most 18 of them: never overflows */
bool http1_digits(struct bb_span s, uint64_t *ret);
#endif
