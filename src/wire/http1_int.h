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

/* 1*DIGIT, at most 18 of them: never overflows */
bool http1_digits(struct bb_span s, uint64_t *ret);
#endif
