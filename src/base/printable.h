/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_PRINTABLE_H
#define BB_BASE_PRINTABLE_H
#include "base/buf.h"

/**
 * DOC: printable - show hostile text on a terminal
 *
 * Layer:     base
 * Used by:   cli; bottled, for what a guest or a role says
 * Trust:     any octets in. Out comes UTF-8 without control characters (C0, DEL, C1) and without
 *            those that reorder or hide text; what is not like that, and the backslash, is \xNN
 * Source:    RFC 3629; Unicode 15, Bidi_Control and Default_Ignorable_Code_Point
 */

/** bb_printable_is() - Would nothing have to be escaped? */
bool bb_printable_is(const char *text);

/** bb_printable_add() - Append @text, escaped. Returns as bb_buf_add() */
BB_MUST_USE int bb_printable_add(struct bb_buf *b, const char *text);

/**
 * bb_printable_lines() - For what is a message already: ends of lines and backslashes stay
 *
 * Names in it that hold some write at most lines of their own. Returns as bb_buf_add()
 */
BB_MUST_USE int bb_printable_lines(struct bb_buf *b, const char *text);

/** bb_printable() - Into @ret; what is too long is cut. Return: @ret */
const char *bb_printable(const char *text, char *ret, size_t size);

/** bb_printable_span() - The same for octets without an end: as far as a NUL, and 1,023 of them */
const char *bb_printable_span(struct bb_span text, char *ret, size_t size);
#endif
